"""Syncing pictures: each is looked for, fetched and waited for, several at once; and what became of it is told."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TypeVar

from services.enricher.resolving import OpenResolving
from services.enricher.resolving.resolver import LATER, USUAL
from services.enricher.resolving.waiting import Waiter
from services.enricher.tasks import Progress
from shared.contracts import FetchPicture
from shared.pictures import DOWNLOAD, ORIGINAL, Failure, FailureClass, Name, PictureId, SourceUrl
from shared.queue import QueueError
from shared.volume import Names, Pictures

AT_ONCE = 16
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
            if len(under_way) >= AT_ONCE:
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
