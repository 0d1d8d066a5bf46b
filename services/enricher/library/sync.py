"""Syncing: pictures that titles lack are found and fetched, and each is accounted for; as tasks.

Each begins by looking at what is there and what failed lately: begun again, it goes on where it was, and only tries what
is due.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from services.enricher.finder.resolving import OpenResolving
from services.enricher.finder.resolving.pinning import Waiter
from services.enricher.finder.resolving.resolver import LATER, USUAL
from services.enricher.library import Library, MediaType, Selection, Window, name_of
from services.enricher.tasks import Progress, Work
from shared.contracts import FetchPicture
from shared.pictures import DOWNLOAD, ORIGINAL, Failure, FailureClass, Kind, Name, PictureId, Role, SourceUrl
from shared.queue import QueueError
from shared.telemetry import utc_now
from shared.volume import KeeperVolume, Names, Pictures

_OF_TITLES = (Role.POSTER, Role.FANART, Role.BANNER, Role.LOGO)

ROLES: Mapping[Kind, tuple[Role, ...]] = MappingProxyType(
    {
        Kind.MOVIE: _OF_TITLES,
        Kind.SERIES: _OF_TITLES,
        Kind.SEASON: (Role.POSTER, Role.BANNER),
        Kind.EPISODE: (Role.STILL,),
        Kind.PERSON: (Role.PORTRAIT,),
        Kind.COLLECTION: (Role.POSTER, Role.FANART),
    }
)
"""Of the kinds that providers have pictures of."""


SYNCED_AT_ONCE = 16
PATIENCE_S = 60.0
"""How long one picture is waited for. What comes later is there all the same."""

Thing = TypeVar("Thing")


class Syncing:
    """Raises DatabaseUnavailable. Nothing else that goes wrong with one picture keeps the others from being tried."""

    def __init__(
        self, resolving: OpenResolving, names: Names, pictures: Pictures, *, now: Callable[[], datetime]
    ) -> None:
        self._resolving = resolving
        self._names = names
        self._pictures = pictures
        self._now = now

    async def shows_something(self, name: Name) -> bool:
        picture = await self._names.picture(name)
        return picture is not None and await self._pictures.current(picture) is not None

    async def names(self, names: AsyncIterable[Name], progress: Progress, *, dry_run: bool = False) -> None:
        """Have each of them show a picture."""

        async def one(name: Name) -> None:
            if await self.shows_something(name):
                progress.item(str(name), "was stored")
            elif failure := await self._failure_of(name):
                progress.item(str(name), "not due", failure=failure)
            elif dry_run:
                progress.item(str(name), "would be fetched")
            else:
                ask = self._resolving.resolver.resolve_name(name, USUAL, LATER)
                await self._wait(str(name), ask, self._resolving.waiting.seat(name=name), progress)

        await _several(names, one, progress)

    async def sources(self, sources: Iterable[SourceUrl], progress: Progress) -> None:
        """Have the picture of each stored."""

        async def one(source: SourceUrl) -> None:
            picture = source.picture
            if await self._pictures.current(picture):
                progress.item(str(source), "was stored")
            elif failure := await self._failure_of_picture(picture):
                progress.item(str(source), "not due", failure=failure)
            else:
                job = FetchPicture(source_url=source, rendition=ORIGINAL)
                ask = self._resolving.jobs.queue(job, LATER.pictures)
                await self._wait(str(source), ask, self._resolving.waiting.seat(picture=picture), progress)

        await _several(_each(sources), one, progress)

    async def _wait(
        self,
        what: str,
        ask: Awaitable[None],
        seat: AbstractAsyncContextManager[Waiter],
        progress: Progress,
    ) -> None:
        async with seat as waiter:
            try:
                await ask
                failure = await waiter.outcome(PATIENCE_S)
            except TimeoutError:
                progress.item(what, "pending")
            except QueueError as error:
                ours = Failure.after(None, FailureClass.OURS, str(error), now=self._now())
                progress.item(what, "failed", failure=ours)
            else:
                progress.item(what, "failed" if failure else "stored", failure=failure)

    async def _failure_of(self, name: Name) -> Failure | None:
        """For which nobody tries it now: that there is none, or that the one it should show cannot be had."""
        failure = await self._names.failure(name)
        if failure and not failure.is_over(self._now()):
            return failure
        known = await self._resolving.table.of_name(name)
        return await self._failure_of_picture(known.picture) if known else None

    async def _failure_of_picture(self, picture: PictureId) -> Failure | None:
        failure = (await self._pictures.state(picture)).failures.get(DOWNLOAD)
        return failure if failure and not failure.is_over(self._now()) else None


async def _each(things: Iterable[Thing]) -> AsyncIterator[Thing]:
    for thing in things:
        yield thing


async def _several(
    things: AsyncIterable[Thing], do: Callable[[Thing], Awaitable[None]], progress: Progress
) -> None:
    """At most AT_ONCE at once. Ends, with what is under way, where the task is cancelled."""
    under_way: set[asyncio.Future[None]] = set()
    try:
        async for thing in things:
            progress.step()
            if len(under_way) >= SYNCED_AT_ONCE:
                under_way = await _one_done(under_way)
            under_way.add(asyncio.ensure_future(do(thing)))
        while under_way:
            progress.step()
            under_way = await _one_done(under_way)
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _one_done(under_way: set[asyncio.Future[None]]) -> set[asyncio.Future[None]]:
    done, left = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return left


NAMES_AT_ONCE = 100


class SyncMissing:
    """The work of a task: `content_type` (or any), at most `limit` pictures of these `roles`; `dry_run` only says which."""

    KIND = "sync missing"

    def __init__(self, library: Library, syncing: Syncing) -> None:
        self._library = library
        self._syncing = syncing

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        content_type = str(arguments["content_type"] or "")
        selection = Selection(media_type=MediaType(content_type) if content_type else None)
        roles = arguments["roles"]
        assert isinstance(roles, list)
        missing = self._missing(selection, [Role(role) for role in roles], int(str(arguments["limit"])))
        await self._syncing.names(missing, progress, dry_run=bool(arguments["dry_run"]))

    async def _missing(self, selection: Selection, roles: Sequence[Role], limit: int) -> AsyncIterator[Name]:
        """In the order of the library, the newest first."""
        async for name in self._names(selection, roles):
            if limit <= 0:
                return
            if not await self._syncing.shows_something(name):
                limit -= 1
                yield name

    async def _names(self, selection: Selection, roles: Sequence[Role]) -> AsyncIterator[Name]:
        """Of titles that nobody knows an id of, there are none."""
        offset = 0
        while items := (await self._library.page(selection, Window(NAMES_AT_ONCE, offset))).items:
            offset += len(items)
            for item in items:
                for role in roles:
                    if name := name_of(item, role):
                        yield name


class SyncTitle:
    """The work of a task: `names`, of one title."""

    KIND = "sync"

    def __init__(self, syncing: Syncing) -> None:
        self._syncing = syncing

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        names = arguments["names"]
        assert isinstance(names, list)
        progress.total = len(names)
        await self._syncing.names(_parsed(names), progress)


async def _parsed(names: Iterable[str]) -> AsyncIterator[Name]:
    for name in names:
        yield Name.parse(name)


class Warm:
    """The work of a task: `urls`, which pictures may be fetched from."""

    KIND = "warm"

    def __init__(self, syncing: Syncing) -> None:
        self._syncing = syncing

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        urls = arguments["urls"]
        assert isinstance(urls, list)
        progress.total = len(urls)
        await self._syncing.sources(map(SourceUrl.parse, urls), progress)


def syncing_pictures(
    resolving: OpenResolving, volume: KeeperVolume, *, now: Callable[[], datetime] = utc_now
) -> Syncing:
    return Syncing(resolving, volume.names, volume.pictures, now=now)


def sync_works(syncing: Syncing, library: Library) -> Mapping[str, Work]:
    return {
        SyncTitle.KIND: SyncTitle(syncing),
        SyncMissing.KIND: SyncMissing(library, syncing),
        Warm.KIND: Warm(syncing),
    }
