"""Pytest: a picture host for a test, and the corpus for those that need it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.providers.gallery import CORPUS
from tests.providers.picture_host import PictureHost

_NO_CORPUS = "The picture corpus is not here: it belongs beside the project, at ../shared/corpus."


@pytest.fixture
async def picture_host() -> AsyncIterator[PictureHost]:
    async with PictureHost.running() as host:
        yield host


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder with `good/` and `hostile/`; skips where it is not there."""
    if not CORPUS.is_dir():
        pytest.skip(_NO_CORPUS)
    return CORPUS


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("corpus") and not CORPUS.is_dir():
        pytest.skip(_NO_CORPUS)
