"""One world and three sets of servers for all tests, which take pictures of their own in it."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conformance.servers import Servers
from tests.conformance.world import World
from tests.servers.rabbitmq import Broker

SIGNING_KEYS = ("new-key", "old-key")
MAX_WAITING = 8
"""Of which one host has half."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They share what runs, so they share the loop it runs in."""
    for item in items:
        if item.nodeid.startswith("tests/conformance/") and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(rabbitmq: Broker) -> AsyncIterator[World]:
    """Outside of pytest's directory, which every further pytest on the machine closes to other users again."""
    with tempfile.TemporaryDirectory(prefix="onesheet-conformance-") as directory:
        async with World.running(Path(directory), rabbitmq) as world:
            yield world


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _nobody_is_left_waiting(world: World) -> AsyncIterator[None]:
    yield
    world.host.forget()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(world: World) -> AsyncIterator[Servers]:
    """With the usual settings."""
    async with world.servers("usual") as servers:
        yield servers


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def impatient(world: World) -> AsyncIterator[Servers]:
    """That hardly wait, send whom they may to the source, and whose queue can be down."""
    async with world.servers(
        "impatient",
        through_relay=True,
        MISS_WAIT="0.3",
        MISS_WAIT_OTHERS="3",
        MAX_WAITING=str(MAX_WAITING),
        MISS_FALLBACK="redirect",
    ) as servers:
        yield servers


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def signed(world: World) -> AsyncIterator[Servers]:
    """That want every URL signed, take `/t/p/` for TMDB's own, and let one origin read pictures."""
    async with world.servers(
        "signed",
        SIGNING_KEYS=",".join(SIGNING_KEYS),
        TMDB_IMAGE_URL="https://image.tmdb.org/t/p",
        CORS_ORIGIN="https://site.example",
    ) as servers:
        yield servers
