"""The resolver: finds what a name shows, notes it, and has it fetched."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.enricher.finder.artwork.artwork import Artwork, Lack
from services.enricher.finder.artwork.source import Subject
from services.enricher.finder.providers import Urgency
from services.enricher.finder.resolving.table import ArtworkTable, KnownArtwork, Shown
from shared.contracts import Envelope, FetchPicture, Message, NameRefused, PictureFailed, RefuseName
from shared.locks import KeyedLock
from shared.pictures import Failure, FailureClass, Format, Kind, Name, PictureId, Rendition, Source
from shared.queue import Delay, Lane, Queue, announcing
from shared.telemetry import add_to_line, trace_id, utc_now
from shared.volume import Names


class Jobs:
    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.tell = announcing(queue)

    async def queue(
        self, job: Message, lane: Lane, *, delay: Delay | None = None, follows: str | None = None
    ) -> None:
        """Raise QueueError where it could not be handed over. `follows`: the job that it is queued for."""
        envelope = Envelope.of(job, trace_id=trace_id(), follows=follows)
        await self._queue.publish(envelope, lane, delay=delay)

    async def end_with(self, job: Message, lane: Lane, *, follows: str | None) -> None:
        """The same of what a job ends with: both are written together, where it is one that we were handed."""
        await self._queue.publish_at_end(Envelope.of(job, trace_id=trace_id(), follows=follows), lane)


USUAL = Rendition("w342", Format.WEBP)
"""What is fetched of a picture that nobody asked for: the others are made with it."""

AGAIN_AT_LEAST = timedelta(minutes=1)
"""How long what was found before is not looked for again, where nothing better could be found."""


Evicted = Callable[[PictureId], Awaitable[Source | None]]
"""Says where a picture came from that was here once; None: it never was."""


OtherNames = Callable[[Name], Awaitable[Source | str | None]]
"""Another wing's: where the picture comes from that a name of theirs shows; a sentence where there is none; None: not theirs."""


@dataclass(frozen=True, slots=True)
class Urgencies:
    """How urgent a job is: in which lane its picture is fetched, and for how long providers are waited for."""

    pictures: Lane
    urgency: Urgency
    within: timedelta


NOW = Urgencies(Lane.PICTURES_NOW, Urgency.NOW, timedelta(seconds=4))
"""Shorter than a browser waits, so that it hears what became of it. What comes later is there for the next one."""

LATER = Urgencies(Lane.PICTURES_LATER, Urgency.LATER, timedelta(seconds=30))


class Resolver:
    """Raises QueueError and DatabaseUnavailable."""

    def __init__(
        self,
        table: ArtworkTable,
        artwork: Artwork,
        names: Names,
        jobs: Jobs,
        *,
        evicted: Evicted,
        refresh: timedelta,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._table = table
        self._artwork = artwork
        self._names = names
        self._jobs = jobs
        self._evicted = evicted
        self._refresh = refresh
        self._now = now
        self._turns = KeyedLock()
        self.others: dict[Kind, OtherNames] = {}
        """Who else knows names of a kind."""

    async def resolve_name(
        self, name: Name, rendition: Rendition, pace: Urgencies, *, follows: str | None = None
    ) -> None:
        """Have the rendition fetched, and the name pointed at it; or have it said why there is none."""
        add_to_line(name=str(name))
        async with self._turns.hold(str(name)):
            known = await self._table.of_name(name)
            if known is None and await self._refused_lately(name):
                return
            if known is None or known.is_due(self._now()):
                known = await self._look(name, known, pace)
            else:
                add_to_line(outcome="known")
        if known:
            job = FetchPicture(source_url=known.shown.source, rendition=rendition, name=name)
            await self._jobs.end_with(job, pace.pictures, follows=follows)

    async def resolve_picture(
        self, picture: PictureId, rendition: Rendition, pace: Urgencies, *, follows: str | None = None
    ) -> None:
        """The same by its id. Of an id that nobody knows nothing is stored."""
        add_to_line(picture=picture)
        source = await self._table.source_of(picture) or await self._evicted(picture)
        if source is None:
            add_to_line(outcome="unknown")
            reason = "Nobody knows where this picture came from."
            failure = Failure.after(None, FailureClass.GONE, reason, now=self._now())
            await self._jobs.tell(
                PictureFailed(picture=picture, rendition=None, failure=failure, unknown=True)
            )
            return
        add_to_line(outcome="known")
        job = FetchPicture(source_url=source, rendition=rendition)
        await self._jobs.end_with(job, pace.pictures, follows=follows)

    async def refresh(self, name: Name) -> None:
        """Look again for what is due, and have the name pointed at what was found, where it shows another picture."""
        async with self._turns.hold(str(name)):
            known = await self._table.of_name(name)
            if known is None or not known.is_due(self._now()):
                return
            known = await self._look(name, known, LATER)
        if known and not known.pinned and await self._names.picture(name) != known.picture:
            job = FetchPicture(source_url=known.shown.source, rendition=USUAL, name=name)
            await self._jobs.queue(job, LATER.pictures)

    async def show(self, sources: Mapping[Name, Source], rendition: Rendition) -> None:
        """Have names show what another wing says that they show by now, unless they are pinned. Until it is stored they show what
        they showed.
        """
        async with AsyncExitStack() as turns:
            for name in sorted(sources, key=str):
                await turns.enter_async_context(self._turns.hold(str(name)))
            now, shown = self._now(), {name: Shown.pinned(source) for name, source in sources.items()}
            known = await self._table.put_all(shown, now=now, refresh_at=now + self._refresh)
        await asyncio.gather(
            *(
                self._jobs.queue(
                    FetchPicture(source_url=one.shown.source, rendition=rendition, name=one.name),
                    LATER.pictures,
                )
                for one in known
                if not one.pinned
            )
        )

    async def renew_known(self, names: Iterable[Name], rendition: Rendition) -> None:
        """`renew` those of them that somebody has asked for."""
        for known in await self._table.of_names(names):
            await self.renew(known.name, rendition)

    async def renew(self, name: Name, rendition: Rendition) -> None:
        """Look again, due or not, and have the name pointed at what was found: until that is stored it shows what it showed."""
        async with self._turns.hold(str(name)):
            known = await self._table.of_name(name)
            if known and known.pinned:
                return
            known = await self._look(name, known, LATER)
        if known:
            job = FetchPicture(source_url=known.shown.source, rendition=rendition, name=name)
            await self._jobs.queue(job, LATER.pictures)

    async def _look(self, name: Name, before: KnownArtwork | None, pace: Urgencies) -> KnownArtwork | None:
        """What was found by now, or before where nothing can be; None: neither, and that was said."""
        found = await self._found(name, pace)
        now = self._now()
        if isinstance(found, Shown):
            add_to_line(outcome="found", provider=found.provider)
            return await self._table.put(name, found, now=now, refresh_at=now + self._refresh)
        add_to_line(failure_class=found.failure_class, reason=found.reason)
        if before:
            add_to_line(outcome="known before")
            await self._table.put_off(name, max(found.retry_at, now + AGAIN_AT_LEAST))
            return before
        await self._refuse(name, found, pace)
        return None

    async def _found(self, name: Name, pace: Urgencies) -> Shown | Lack:
        now = self._now()
        if name.kind in self.others:
            elsewhere = await self.others[name.kind](name)
            if isinstance(elsewhere, str):
                return nobody_to_ask(ValueError(elsewhere), now)
            if elsewhere is not None:
                return Shown.pinned(elsewhere)
        try:
            subject = Subject.parse(name.kind, name.id)
            finding = await self._artwork.find(subject, name.role, within=pace.within, urgency=pace.urgency)
            if finding.chosen:
                return Shown.of(finding.chosen)
        except ValueError as error:
            return nobody_to_ask(error, now)
        assert finding.lack is not None
        return finding.lack

    async def _refused_lately(self, name: Name) -> bool:
        """Whether it is remembered that there is none: then whoever asked is told once more."""
        failure = await self._names.failure(name)
        if failure is None or failure.is_over(self._now()):
            return False
        add_to_line(outcome="refused before")
        await self._jobs.tell(NameRefused(name=name, failure=failure))
        return True

    async def _refuse(self, name: Name, lack: Lack, pace: Urgencies) -> None:
        """Where only our key is wrong, nothing is remembered: that says nothing of what the name shows."""
        now = self._now()
        gone = lack.failure_class is FailureClass.GONE
        failure = Failure.after(
            None if lack.misconfigured else await self._names.failure(name),
            lack.failure_class,
            lack.reason,
            now=now,
            retry_after=None if gone else lack.retry_at - now,
        )
        if lack.misconfigured:
            add_to_line(outcome="misconfigured")
            await self._jobs.tell(NameRefused(name=name, failure=failure))
        else:
            add_to_line(outcome="refused")
            await self._jobs.queue(RefuseName(name=name, failure=failure), pace.pictures)


def nobody_to_ask(error: ValueError, now: datetime) -> Lack:
    """Of a name that is no provider's, as the error says."""
    return Lack(failure_class=FailureClass.GONE, reason=str(error), retry_at=now + AGAIN_AT_LEAST)
