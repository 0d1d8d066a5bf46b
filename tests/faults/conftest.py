"""One world for each module: every test takes pictures of its own in it."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shared.volume.local.sweep import DRAFT_AGE_S, sweep
from tests.faults.world import World
from tests.servers.rabbitmq import Broker


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Fetchers take one job at a time, so that the next goes to somebody else than who is suspended with it."""
    directory = tmp_path_factory.mktemp("world")
    async with World.running(
        directory, rabbitmq.vhost(), FETCH_CONCURRENCY="1", LOCK_PATIENCE="0.5"
    ) as world:
        yield world
        await world.end()
        assert await world.waiting() == {}
        sweep(world.layout, now=time.time() + DRAFT_AGE_S + 1)
        assert [*world.layout.trash.iterdir(), *world.layout.scratch.iterdir()] == []
