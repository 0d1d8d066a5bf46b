"""Reading Trakt: what changed is read, and nothing of it is lost or doubled while it changes.

A history is read from the newest entry to the oldest, each page by the moment up to which everything was read (`end_at`) and not by its
number: what comes or goes meanwhile moves no border. Pages overlap by a second, for entries of one moment belong together;
only where one second fills more than a page, pages are counted within it, and read until twice the same was there: what goes or comes
meanwhile moves their borders, also where as many go as come.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import TypeVar

import structlog

from services.enricher.account.mirror import AccountList, Mirror, PlayRow, ReadingPlace, TitleId
from services.enricher.account.rules import MediaKind, moment_of
from services.enricher.account.vault import Remembered
from services.enricher.finder.providers import Broken, Busy, Turn, Unreadable, Urgency
from services.enricher.finder.providers.trakt.account import (
    Activities,
    HistoryEntry,
    HistoryKind,
    ListedTitle,
    RatedTitle,
    TraktAccount,
)
from services.enricher.finder.providers.trakt.client import ListPage
from shared.telemetry import utc_now

PATIENCE = timedelta(minutes=15)
"""How long one request may wait for its turn: a background share is renewed within five minutes."""

TRIES = 6
PAUSES_S = (1.0, 2.0, 5.0, 15.0, 30.0)
"""After what broke, for as long as Trakt does not say otherwise: its "retry in 30 s" is the longest."""

OVERLAP = timedelta(seconds=1)
MARGIN = timedelta(hours=1)
"""So far behind the last reading the next one begins."""

THOROUGH_EVERY = timedelta(days=7)
"""After so long a history that changed is read whole, for what no count shows: one entry gone, and another of long ago come."""

RESTARTS = 5
MOST_PAGES = 4000
_SURPLUS, _DIFFERENCE, _WHOLE = "trakt_surplus:", "trakt_difference:", "trakt_read_whole_at:"
"""How many entries more Trakt counts than can be read; how many more or less after the last whole reading; when that began."""

_Answer = TypeVar("_Answer")
_log = structlog.get_logger()
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reader:
    """Raises a ProviderError where Trakt cannot be read, after a while; what was read by then is kept. `step` is called between
    requests, and ends the work where it raises.
    """

    account: TraktAccount
    mirror: Mirror
    remembered: Remembered
    zone: tzinfo
    now: Callable[[], datetime] = utc_now
    sleep: Sleep = asyncio.sleep

    async def activities(self) -> Activities:
        return await self._patiently(self.account.activities)

    async def whole(
        self, kind: HistoryKind, step: Callable[[], None], place: ReadingPlace | None = None
    ) -> None:
        """All of a history; `place`: where it goes on that was begun before."""
        place = place or await self.mirror.begin(kind, since=None)
        unreadable = await self._read(kind, place, step)
        total = await self._total(kind)
        more = 0 if total is None else total - await self.mirror.count(kind)
        kept = await self.remembered.get(_DIFFERENCE + kind)
        explained = more <= unreadable or kept.get(_DIFFERENCE + kind) == str(more)
        values = {
            _DIFFERENCE + kind: str(more),
            _SURPLUS + kind: str(more if more > 0 and explained else 0),
            _WHOLE + kind: place.began_at.isoformat(),
        }
        await self.remembered.put(values)

    async def since(self, kind: HistoryKind, begin: datetime, step: Callable[[], None]) -> None:
        """What was watched from a moment on; and all of it where it was read whole before, and Trakt counts other than we do."""
        kept = await self.remembered.get(_SURPLUS + kind, _WHOLE + kind)
        whole_at = moment_of(kept.get(_WHOLE + kind, ""), self.zone)
        if whole_at is not None and self.now() - whole_at > THOROUGH_EVERY:
            await self.whole(kind, step)
            return
        await self._read(kind, await self.mirror.begin(kind, since=begin), step)
        if whole_at is None:
            return
        total = await self._total(kind)
        expected = await self.mirror.count(kind) + int(kept.get(_SURPLUS + kind, "0"))
        if total is not None and total != expected:
            _log.info("history read whole", kind=kind, at_trakt=total, known=expected)
            await self.whole(kind, step)

    async def lists(self, name: AccountList, step: Callable[[], None]) -> None:
        """Ratings or the watchlist, as a whole."""
        found = await (self._ratings(step) if name is AccountList.RATINGS else self._watchlist(step))
        await self.mirror.replace_list(name, found)

    async def _read(self, kind: HistoryKind, place: ReadingPlace, step: Callable[[], None]) -> int:
        """Returns how many entries could not be read."""
        unreadable, passed, before = 0, _Pass(whole=place.page == 1), None
        while not place.done:
            step()
            page = await self._page(kind, place)
            passed.add(page, place.page)
            following = self._following(page, place)
            if following.page == 1 or following.done:  # the second is over
                if place.page == 1 or passed.repeats(before) or place.passes >= RESTARTS:
                    unreadable, before = unreadable + passed.unreadable, None
                else:
                    following, before = replace(place, page=1, passes=place.passes + 1), passed
                passed = _Pass()
            await self.mirror.add(kind, [self._row(entry) for entry in _once(page.elements)], following)
            place = following
        await self.mirror.end(kind, place)
        return unreadable

    async def _page(self, kind: HistoryKind, place: ReadingPlace) -> ListPage[HistoryEntry]:
        async def ask(turn: Turn) -> ListPage[HistoryEntry]:
            return await self.account.history(
                kind, turn, start_at=place.since, end_at=place.end_at, page=place.page
            )

        return await self._patiently(ask)

    def _following(self, page: ListPage[HistoryEntry], place: ReadingPlace) -> ReadingPlace:
        """Where to go on after a page."""
        if place.page >= page.pages:
            return replace(place, done=True)
        if place.page >= MOST_PAGES:
            raise Unreadable("Trakt's history has no end.")
        moments = [moment for entry in page.elements if (moment := moment_of(entry.watched_at, self.zone))]
        end_at = min(moments) + OVERLAP if moments else place.end_at
        if end_at is not None and (place.end_at is None or end_at < place.end_at):
            return replace(place, end_at=end_at, page=1, passes=0)
        return replace(place, page=place.page + 1)

    def _row(self, entry: HistoryEntry) -> PlayRow:
        title, of = entry.movie or entry.show, entry.episode
        tmdb_id = title.ids.tmdb if title else None
        episode = of.number if of and not entry.movie else None
        season = of.season if of and not entry.movie else None
        return PlayRow(entry.id, tmdb_id, season, episode, moment_of(entry.watched_at, self.zone))

    async def _total(self, kind: HistoryKind) -> int | None:
        """How many entries Trakt says there are; None: it does not."""

        async def ask(turn: Turn) -> ListPage[HistoryEntry]:
            return await self.account.history(kind, turn, limit=1)

        return (await self._patiently(ask)).items

    async def _ratings(self, step: Callable[[], None]) -> Mapping[TitleId, int | None]:
        def pages() -> AsyncIterator[tuple[RatedTitle, ...]]:
            return self.account.ratings(self.turn)

        found: dict[TitleId, int | None] = {}
        for rated in await self._all(pages, step):
            title = _title(rated)
            if title and rated.type in ("movie", "show"):
                found[title] = max(1, min(10, rated.rating))
        return found

    async def _watchlist(self, step: Callable[[], None]) -> Mapping[TitleId, int | None]:
        def pages() -> AsyncIterator[tuple[ListedTitle, ...]]:
            return self.account.watchlist(self.turn)

        listed = await self._all(pages, step)
        return {title: None for one in listed if one.type in ("movie", "show") and (title := _title(one))}

    async def _all(
        self, pages: Callable[[], AsyncIterator[tuple[_Answer, ...]]], step: Callable[[], None]
    ) -> list[_Answer]:
        """A list whose pages are counted. What moved while it was read is seen by reading it again: twice the same is the list."""
        before: list[_Answer] | None = None
        for _ in range(RESTARTS):
            step()
            found, count = await self._patiently(lambda _turn: _gathered(pages()))
            if count == 1 or found == before:
                return found
            before = found
        return found

    def turn(self) -> Turn:
        return Turn(Urgency.LATER, self.now() + PATIENCE)

    async def _patiently(self, ask: Callable[[Turn], Awaitable[_Answer]]) -> _Answer:
        """Asked again after what passes by itself. A pause that Trakt asks for is the budget's."""
        for attempt in range(1, TRIES + 1):
            try:
                return await ask(self.turn())
            except (Busy, Broken, Unreadable) as error:
                if attempt == TRIES:
                    raise
                if not isinstance(error, Busy):
                    pause_s = PAUSES_S[attempt - 1]
                    await self.sleep(pause_s)
        raise AssertionError("the last try returns or raises")


@dataclass(slots=True)
class _Pass:
    """The pages of one second, as they were read from the first one on; not `whole`: from a later one on. Those are like no other."""

    whole: bool = True
    ids: list[int] = field(default_factory=list)
    unreadable: int = 0

    def add(self, page: ListPage[HistoryEntry], number: int) -> None:
        self.ids += (entry.id for entry in page.elements)
        self.unreadable += max(0, _size(page, number) - len(page.elements))

    def repeats(self, before: "_Pass | None") -> bool:
        return before is not None and self.whole and before.whole and self.ids == before.ids


def _size(page: ListPage[HistoryEntry], number: int) -> int:
    """How many entries a page has, with those that cannot be read."""
    if page.items is None:
        return len(page.elements)
    return max(0, min(page.limit, page.items - (number - 1) * page.limit))


def _once(entries: tuple[HistoryEntry, ...]) -> list[HistoryEntry]:
    return list({entry.id: entry for entry in entries}.values())


def _title(listed: RatedTitle | ListedTitle) -> TitleId | None:
    """None where TMDB's id is missing."""
    if listed.type == "movie":
        found, kind = listed.movie, MediaKind.MOVIE
    else:
        found, kind = listed.show, MediaKind.SERIES
    return TitleId(kind, found.ids.tmdb) if found and found.ids.tmdb else None


async def _gathered(pages: AsyncIterator[tuple[_Answer, ...]]) -> tuple[list[_Answer], int]:
    """All of a list, and in how many pages."""
    found: list[_Answer] = []
    count = 0
    async for page in pages:
        found += page
        count += 1
    return found, count
