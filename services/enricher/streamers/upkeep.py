"""The shelf's pictures, looked after: what is missing is had again, what nothing shows any more leaves, and all is counted."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.enricher.database.database import DatabaseUnavailable
from services.enricher.library.sync import Syncing
from services.enricher.streamers.pictures import Pair, ShelfPictures
from services.enricher.streamers.rows import LiveStream
from services.enricher.streamers.shelf import StreamShelf
from services.enricher.streamers.tables import streams
from services.enricher.tasks.task import Progress
from shared.background import Background
from shared.pictures import Kind, Name, Role
from shared.queue import QueueError
from shared.telemetry import utc_now

FIRST_LOOK_S = 30.0
LOOK_EVERY_S = 3600.0
ORDERED_AT_ONCE = 100
KINDS = (Kind.STREAMER, Kind.CATEGORY, Kind.STREAM)


@dataclass(frozen=True, slots=True)
class PicturesCount:
    wanted: int = 0
    stored: int = 0
    failed: int = 0


class Upkeep:
    def __init__(self, shelf: StreamShelf, pictures: ShelfPictures) -> None:
        self._shelf = shelf
        self._pictures = pictures

    async def profiles(self) -> Sequence[Pair]:
        return [
            pair
            for one in await self._shelf.streamers.some()
            for pair in self._pictures.of_streamer(one)
            if pair[0].role is Role.PROFILE
        ]

    async def banners(self) -> Sequence[Pair]:
        return [
            pair
            for one in await self._shelf.streamers.some()
            for pair in self._pictures.of_streamer(one)
            if pair[0].role is Role.BANNER
        ]

    async def covers(self) -> Sequence[Pair]:
        return [
            pair for one in await self._shelf.categories.some() for pair in self._pictures.of_category(one)
        ]

    async def artworks(self) -> Sequence[tuple[LiveStream, Pair]]:
        return [
            (one, pair) for one in await self._shelf.streams.some() for pair in self._pictures.of_stream(one)
        ]

    async def missing(self, pairs: Sequence[Pair]) -> Sequence[Pair]:
        """Those that are not here, and that nothing forbids to try."""
        missing = []
        for name, source in pairs:
            await asyncio.sleep(0)  # looking at the volume takes time, and lets nobody else go on
            if await self._pictures.is_current(name, source):
                continue
            if not await self._pictures.failure(name, source):
                missing.append((name, source))
        return missing

    async def count(self, pairs: Sequence[Pair]) -> PicturesCount:
        stored = failed = 0
        for name, source in pairs:
            await asyncio.sleep(0)  # as above
            if await self._pictures.is_stored(name):
                stored += 1
            elif await self._pictures.failure(name, source):
                failed += 1
        return PicturesCount(len(pairs), stored, failed)

    async def all(self) -> Sequence[Pair]:
        of_streams = [pair for _, pair in await self.artworks()]
        return [*await self.profiles(), *await self.banners(), *await self.covers(), *of_streams]

    async def order_missing(self) -> int:
        """From where the sources are known to be. How many."""
        missing = await self.missing(await self.all())
        for first in range(0, len(missing), ORDERED_AT_ONCE):
            await self._pictures.order_all(missing[first : first + ORDERED_AT_ONCE])
        return len(missing)

    @asynccontextmanager
    async def looking(self, background: Background) -> AsyncIterator[None]:
        """Half a minute after the start, and every hour."""
        wake = asyncio.Event()
        first = asyncio.get_running_loop().call_later(FIRST_LOOK_S, wake.set)
        try:
            async with background.repeating(
                "looking for streamers' missing pictures",
                self.order_missing,
                every_s=LOOK_EVERY_S,
                wake=wake,
                at_once=False,
                expected=(DatabaseUnavailable, QueueError),
            ):
                yield
        finally:
            first.cancel()


class SyncShelf:
    """The work of a task: `profiles`, `categories`, whether each; have what is missing of their pictures."""

    KIND = "sync streamers"

    def __init__(self, upkeep: Upkeep, syncing: Syncing) -> None:
        self._upkeep = upkeep
        self._syncing = syncing

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        pairs: list[Pair] = []
        if arguments["profiles"]:
            pairs += [*await self._upkeep.profiles(), *await self._upkeep.banners()]
        if arguments["categories"]:
            pairs += await self._upkeep.covers()
        progress.total = len(pairs)
        await self._syncing.names(_each(pairs), progress)


async def _each(pairs: Sequence[Pair]) -> AsyncIterator[Name]:
    for name, _ in pairs:
        yield name


class CleanShelf:
    """The work of a task: let go what no streamer, category or stream has, and the artwork of streams that began more than
    `days_old` days ago. `kinds`: of these kinds only.
    """

    KIND = "clean up streamers"

    def __init__(self, shelf: StreamShelf, pictures: ShelfPictures) -> None:
        self._shelf = shelf
        self._pictures = pictures

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        kinds = arguments["kinds"]
        assert isinstance(kinds, list)
        chosen = [Kind(kind) for kind in kinds] or list(KINDS)
        if Kind.STREAM in chosen:
            await self._age(utc_now() - timedelta(days=float(str(arguments["days_old"]))))
        for kind in chosen:
            async for name in self._names(kind):
                progress.step()
                if await self._shelf.source_of(name) is None:
                    await self._pictures.finder.forget(name)
                    progress.item(str(name), f"cleaned {_plural(name)}")

    async def _names(self, kind: Kind) -> AsyncIterator[Name]:
        after = 0
        while some := await self._pictures.finder.names_of(kind, after=after):
            for after, name in some:  # noqa: B007 - the last one is where the next ones begin
                yield name

    async def _age(self, before: datetime) -> None:
        """Old streams have no artwork any more."""
        columns = streams.c
        for stream in await self._shelf.streams.some(columns.started_at < before):
            await self._shelf.forget_artwork(stream.id)


def _plural(name: Name) -> str:
    if name.kind is Kind.STREAMER:
        return "banners" if name.role in (Role.BANNER, Role.FANART) else "profiles"
    return "categories" if name.kind is Kind.CATEGORY else "artwork"


CLEANED = ("profiles", "banners", "categories", "artwork")


def cleaned(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """By kind, of a task's counts."""
    for what in CLEANED:
        yield what, counts.get(f"cleaned {what}", 0)
