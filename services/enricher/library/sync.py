"""Syncing: pictures that titles lack are found and fetched, and each is accounted for; as tasks.

Each begins by looking at what is there and what failed lately: begun again, it goes on where it was, and only tries what
is due.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from services.enricher.finder import Finder
from services.enricher.finder.resolving.pinning import Waiter
from services.enricher.library.item import MediaType, Selection, Window, name_of
from services.enricher.library.library import Library
from services.enricher.library.parts import Parts
from services.enricher.tasks.task import Progress, patiently
from services.enricher.tasks.tasks import Work
from shared.background import cancel_and_wait
from shared.pictures import DOWNLOAD, Failure, Kind, Name, PictureId, Role, SourceUrl
from shared.queue import QueueError
from shared.telemetry import utc_now
from shared.volume import Names, Pictures

_OF_TITLES = (Role.IMAGE, Role.POSTER, Role.FANART, Role.BANNER, Role.LOGO)

ROLES: Mapping[Kind, tuple[Role, ...]] = MappingProxyType(
    {
        Kind.MOVIE: _OF_TITLES,
        Kind.SERIES: _OF_TITLES,
        Kind.SEASON: (Role.IMAGE, Role.POSTER, Role.BANNER),
        Kind.EPISODE: (Role.IMAGE, Role.STILL, Role.THUMBNAIL),
        Kind.PERSON: (Role.IMAGE, Role.PORTRAIT),
        Kind.COLLECTION: (Role.POSTER, Role.FANART),
    }
)
"""Of the kinds that providers have pictures of: all that one title is given."""

MISSING_ROLES: Mapping[Kind, tuple[Role, ...]] = MappingProxyType(
    {
        Kind.SERIES: (Role.IMAGE, Role.BANNER, Role.POSTER, Role.FANART),
        Kind.MOVIE: (Role.IMAGE, Role.POSTER, Role.FANART, Role.BANNER),
        Kind.EPISODE: (Role.IMAGE, Role.THUMBNAIL),
        Kind.SEASON: (Role.IMAGE, Role.POSTER),
        Kind.PERSON: (Role.IMAGE,),
    }
)
"""What everything in the library is to have, in the order in which it is looked for."""


SYNCED_AT_ONCE = 16
PATIENCE_S = 60.0
"""How long one picture is waited for. What comes later is there all the same."""

LOOK_AGAIN_S = 2.0
"""While nothing is heard of it."""

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A picture, by what it is called: how it is asked for, and what can be seen of it."""

    what: str
    ask: Callable[[], Awaitable[None]]
    is_stored: Callable[[], Awaitable[bool]]
    failure: Callable[[], Awaitable[Failure | None]]


class Syncing:
    """Raises DatabaseUnavailable. Nothing else that goes wrong with one picture keeps the others from being tried."""

    def __init__(
        self,
        finder: Finder,
        names: Names,
        pictures: Pictures,
        ping: Callable[[], Awaitable[object]],
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`ping`: returns where the queue answers, and raises QueueError where it does not."""
        self._finder = finder
        self._names = names
        self._pictures = pictures
        self._ping = ping
        self._now = now

    async def shows_something(self, name: Name) -> bool:
        picture = await self._names.picture(name)
        return picture is not None and await self._is_stored(picture)

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
                await self._have(
                    _Wanted(
                        what=str(name),
                        ask=partial(self._finder.resolve, name),
                        is_stored=partial(self.shows_something, name),
                        failure=partial(self._failure_of, name),
                    ),
                    self._finder.wait(name=name),
                    progress,
                )

        await several(names, one, progress, at_once=SYNCED_AT_ONCE)

    async def sources(self, sources: Iterable[SourceUrl], progress: Progress) -> None:
        """Have the picture of each stored."""

        async def one(source: SourceUrl) -> None:
            picture = source.picture
            if await self._is_stored(picture):
                progress.item(str(source), "was stored")
            elif failure := await self._failure_of_picture(picture):
                progress.item(str(source), "not due", failure=failure)
            else:
                await self._have(
                    _Wanted(
                        what=str(source),
                        ask=partial(self._finder.fetch, source),
                        is_stored=partial(self._is_stored, picture),
                        failure=partial(self._failure_of_picture, picture),
                    ),
                    self._finder.wait(picture=picture),
                    progress,
                )

        await several(_each(sources), one, progress, at_once=SYNCED_AT_ONCE)

    async def adopt(
        self, sizes: Mapping[SourceUrl, int], ask: Callable[[], Awaitable[None]], progress: Progress
    ) -> Sequence[PictureId]:
        """Have what `ask` hands over stored as these sources' pictures; which are. `sizes`: in bytes."""
        stored = []
        async with AsyncExitStack() as stack:
            waiting = {
                source: await stack.enter_async_context(self._finder.wait(picture=source.picture))
                for source in sizes
            }
            await patiently(ask, progress)
            for source, waiter in waiting.items():
                wanted = _Wanted(str(source), ask, partial(self._is_stored, source.picture), _no_failure)
                try:
                    failure = await self._outcome(waiter, wanted)
                except TimeoutError:
                    progress.item(str(source), "picture pending")
                    continue
                if failure:
                    progress.item(str(source), "picture refused", failure=failure)
                else:
                    progress.item(str(source), "picture adopted", size=sizes[source])
                    stored.append(source.picture)
        return stored

    async def _have(
        self, wanted: _Wanted, seat: AbstractAsyncContextManager[Waiter], progress: Progress
    ) -> None:
        async with seat as waiter:
            await patiently(wanted.ask, progress)
            try:
                failure = await self._outcome(waiter, wanted)
            except TimeoutError:
                progress.item(wanted.what, "pending")
            else:
                progress.item(wanted.what, "failed" if failure else "stored", failure=failure)

    async def _outcome(self, waiter: Waiter, wanted: _Wanted) -> Failure | None:
        """What is heard, or else seen: events are lost while the queue is away. Raise TimeoutError where it takes too long;
        time in which nobody can be given the job does not count.
        """
        left_s = PATIENCE_S
        while True:
            pause_s = min(LOOK_AGAIN_S, left_s)
            try:
                return await waiter.outcome(pause_s)
            except TimeoutError:
                if await wanted.is_stored():
                    return None
                if failure := await wanted.failure():
                    return failure
                if await self._queue_answers():
                    left_s -= pause_s
                if left_s <= 0:
                    raise

    async def _queue_answers(self) -> bool:
        try:
            await self._ping()
        except QueueError:
            return False
        return True

    async def _is_stored(self, picture: PictureId) -> bool:
        return await self._pictures.current(picture) is not None

    async def _failure_of(self, name: Name) -> Failure | None:
        """For which nobody tries it now: that there is none, or that the one it should show cannot be had."""
        failure = await self._names.failure(name)
        if failure and not failure.is_over(self._now()):
            return failure
        found = await self._finder.found(name)
        return await self._failure_of_picture(found) if found else None

    async def _failure_of_picture(self, picture: PictureId) -> Failure | None:
        failure = (await self._pictures.state(picture)).failures.get(DOWNLOAD)
        return failure if failure and not failure.is_over(self._now()) else None


async def _no_failure() -> None:
    """Of what is adopted none is remembered: it is only told."""


async def _each(things: Iterable[Thing]) -> AsyncIterator[Thing]:
    for thing in things:
        yield thing


async def several(
    things: AsyncIterable[Thing], do: Callable[[Thing], Awaitable[None]], progress: Progress, *, at_once: int
) -> None:
    """At most so many at once. Ends, with what is under way, where the task is cancelled."""
    under_way: set[asyncio.Future[None]] = set()
    try:
        async for thing in things:
            progress.step()
            if len(under_way) >= at_once:
                under_way = await _one_done(under_way)
            under_way.add(asyncio.ensure_future(do(thing)))
        while under_way:
            progress.step()
            under_way = await _one_done(under_way)
    finally:
        await cancel_and_wait(*under_way)


async def _one_done(under_way: set[asyncio.Future[None]]) -> set[asyncio.Future[None]]:
    done, left = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return left


NAMES_AT_ONCE = 100
NameIn = Callable[[Role], Name | None]
_TITLES = {media_type.kind: media_type for media_type in MediaType}


def kind_of(content_type: str) -> Kind:
    """`tv` is another word for series. Raise ValueError for what is not looked through."""
    kind = Kind.SERIES if content_type == MediaType.TV else Kind(content_type)
    if kind not in MISSING_ROLES:
        raise ValueError(f"Looked through are {', '.join(MISSING_ROLES)}.")
    return kind


class SyncMissing:
    """The work of a task: `content_type` (or any), at most `limit` pictures of these `roles`, or of all that each kind is to
    have; `dry_run` only says which.
    """

    KIND = "sync missing"

    def __init__(self, library: Library, parts: Parts, syncing: Syncing) -> None:
        self._library = library
        self._parts = parts
        self._syncing = syncing

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        content_type = str(arguments["content_type"] or "")
        kinds = [kind_of(content_type)] if content_type else list(MISSING_ROLES)
        roles = arguments["roles"]
        assert isinstance(roles, list)
        missing = self._missing(kinds, [Role(role) for role in roles], int(str(arguments["limit"])))
        await self._syncing.names(missing, progress, dry_run=bool(arguments["dry_run"]))

    async def _missing(self, kinds: Sequence[Kind], roles: Sequence[Role], limit: int) -> AsyncIterator[Name]:
        """Kind by kind, in the order of the library, the newest first."""
        for kind in kinds:
            async for name in self._names(kind, roles or MISSING_ROLES[kind]):
                if limit <= 0:
                    return
                if not await self._syncing.shows_something(name):
                    limit -= 1
                    yield name

    async def _names(self, kind: Kind, roles: Sequence[Role]) -> AsyncIterator[Name]:
        """Of titles that nobody knows an id of, there are none."""
        named = self._titles(kind) if kind in _TITLES else self._of_parts(kind)
        async for name_in in named:
            for role in roles:
                if name := name_in(role):
                    yield name

    async def _titles(self, kind: Kind) -> AsyncIterator[NameIn]:
        offset, selection = 0, Selection(media_type=_TITLES[kind])
        while items := (await self._library.page(selection, Window(NAMES_AT_ONCE, offset))).items:
            offset += len(items)
            for item in items:
                yield partial(name_of, item)

    async def _of_parts(self, kind: Kind) -> AsyncIterator[NameIn]:
        offset = 0
        while parts := (await self._parts.page(kind, limit=NAMES_AT_ONCE, offset=offset))[1]:
            offset += len(parts)
            for part in parts:
                yield part.name


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


def sync_works(syncing: Syncing, library: Library, parts: Parts) -> Mapping[str, Work]:
    return {
        SyncTitle.KIND: SyncTitle(syncing),
        SyncMissing.KIND: SyncMissing(library, parts, syncing),
        Warm.KIND: Warm(syncing),
    }
