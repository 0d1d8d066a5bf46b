"""Pins that take longer than anybody waits, and what is not about them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.enricher.database import DatabaseSettings, open_database
from services.enricher.finder.resolving.pinning import EventWaiters, Pinning
from services.enricher.finder.resolving.resolver import Jobs
from services.enricher.finder.resolving.table import ArtworkTable
from shared.contracts import Message, PictureFailed, PictureStored, PinPicture
from shared.pictures import ORIGINAL, Failure, FailureClass, Name, Rendition, RevisionId, SourceUrl
from shared.queue import Delay, Lane
from shared.volume import VolumeSettings, volume_to_keep

NAME, OTHER = Name.parse("movie/tmdb:603/poster"), Name.parse("movie/tmdb:603/fanart")
SOURCE = SourceUrl.parse("https://image.tmdb.org/t/p/original/a.jpg")
FAILURE = Failure.after(None, FailureClass.GONE, "There is none.", now=datetime(2026, 1, 1, tzinfo=UTC))


class Telling(Jobs):
    """Tells what is to be told as soon as something is queued."""

    def __init__(self, waiting: EventWaiters) -> None:
        self.waiting = waiting
        self.events: list[Message] = []
        self.queued: list[Message] = []

    async def queue(
        self,
        job: Message,
        lane: Lane,
        *,
        delay: Delay | None = None,
        follows: str | None = None,
    ) -> None:
        self.queued.append(job)
        for event in self.events:
            self.waiting.hear(event)


@dataclass
class Desk:
    pinning: Pinning
    table: ArtworkTable
    jobs: Telling


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    waiting = EventWaiters()
    jobs = Telling(waiting)
    volume = volume_to_keep(
        VolumeSettings(volume_url=f"file:{tmp_path}/volume", state_directory=tmp_path / "state")
    )
    async with open_database(DatabaseSettings(), state_dir=tmp_path / "state") as database:
        table = ArtworkTable(database)
        pinning = Pinning(table, volume.names, volume.inbox, jobs, waiting, patience_s=0.05)
        yield Desk(pinning, table, jobs)


def stored(name: Name | None) -> PictureStored:
    return PictureStored(
        picture=SOURCE.picture, revision=RevisionId("0" * 16), renditions=(ORIGINAL,), name=name
    )


async def test_a_pin_that_takes_long_stands_and_says_that_it_is_not_there_yet(desk: Desk) -> None:
    pinned = await desk.pinning.pin(NAME, SOURCE)
    assert isinstance(pinned, tuple)
    known, there = pinned
    assert (known.pinned, known.shown.source, there) == (True, SOURCE, False)
    assert desk.jobs.queued == [PinPicture(name=NAME, source_url=SOURCE)]


@pytest.mark.parametrize(
    "event",
    [
        stored(None),
        stored(OTHER),
        PictureFailed(picture=SOURCE.picture, rendition=Rendition.parse("small.webp"), failure=FAILURE),
    ],
)
async def test_what_is_said_of_something_else_does_not_end_the_wait(desk: Desk, event: Message) -> None:
    desk.jobs.events = [event, stored(NAME)]
    assert await desk.pinning.pin(NAME, SOURCE) == (await desk.table.of_name(NAME), True)


@pytest.mark.parametrize("rendition", [None, ORIGINAL])
async def test_a_failure_pins_nothing(desk: Desk, rendition: Rendition | None) -> None:
    desk.jobs.events = [PictureFailed(picture=SOURCE.picture, rendition=rendition, failure=FAILURE)]
    assert await desk.pinning.pin(NAME, SOURCE) == FAILURE
    assert await desk.table.of_name(NAME) is None
