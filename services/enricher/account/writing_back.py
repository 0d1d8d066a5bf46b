"""Writing back: what a person changes here, Trakt is told. Off until somebody switches it on.

An order to write is a row that is written in the transaction of the change itself: neither is there without the other. Rows are sent one
after the other, within Trakt's limit of one a second. Before one is sent it is marked `sending`: where the answer is lost, or the
process dies, nobody knows whether Trakt has it, and since it takes the same play twice, its history around that moment is read before
the row is sent again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

import structlog
from sqlalchemy import delete, func, insert, select, update

from services.enricher.account import tables
from services.enricher.account.entries import Change
from services.enricher.account.rules import MediaKind, moment_of
from services.enricher.account.vault import Remembered
from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.finder.providers import Busy, Misconfigured, ProviderError, Refused, Turn, Urgency
from services.enricher.finder.providers.trakt.account import HistoryKind, TraktAccount
from shared.telemetry import utc_now

DELAYS = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
"""After a failure; the last one again and again, for Trakt may be away for long."""

PATIENCE = timedelta(seconds=60)
AROUND = timedelta(seconds=2)
_DONE_ALREADY, _SERVER_ERRORS = 409, 500
_writes = tables.trakt_writes
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """What Trakt is to be told. `reason`: why it was not told yet."""

    id: int
    kind: str
    media_type: MediaKind
    tmdb_id: int
    what: Mapping[str, Any]
    state: str
    attempts: int
    due_at: datetime
    reason: str | None
    created_at: datetime


class WriteBack:
    """Raises DatabaseUnavailable. `account` None: Trakt has no key."""

    def __init__(
        self,
        database: Database,
        account: TraktAccount | None,
        remembered: Remembered,
        zone: tzinfo,
        *,
        on: bool,
        now: Callable[[], datetime] = utc_now,
        at: Callable[[str], None] = lambda _step: None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.on = on and account is not None
        self._database = database
        self._account = account
        self._remembered = remembered
        self._zone = zone
        self._now = now
        self._at = at
        self._wake = wake

    async def told(self, connection: AsyncConnection, change: Change) -> None:
        """In the transaction of a change by a person."""
        if not self.on:
            return
        title = (_writes.c.media_type == change.media_type) & (_writes.c.tmdb_id == change.tmdb_id)
        if change.kind in ("rating", "watchlist"):  # only the last word counts
            await connection.execute(delete(_writes).where(title, _writes.c.kind == change.kind))
        elif change.kind == "unplayed" and await self._take_back(connection, change, title):
            return
        now = self._now()
        values = {
            "kind": change.kind,
            "media_type": change.media_type,
            "tmdb_id": change.tmdb_id,
            "what": dict(change.what),
        }
        made = insert(_writes).values(
            values | {"state": "waiting", "attempts": 0, "due_at": now, "created_at": now}
        )
        await connection.execute(made)
        self._wake()

    async def _take_back(self, connection: AsyncConnection, change: Change, title: Any) -> bool:
        """The order to tell of a play; whether Trakt cannot have heard of it yet."""
        played = select(_writes).where(title, _writes.c.kind == "played")
        for row in await connection.execute(played):
            same = ("watched_at", "season", "episode")
            if all(row.what.get(name) == change.what.get(name) for name in same):
                await connection.execute(delete(_writes).where(_writes.c.id == row.id))
                return bool(row.attempts == 0 or row.state == "failed")
        return False

    async def waiting(self, *, limit: int, offset: int) -> tuple[int, Sequence[PendingWrite]]:
        """How many there are, and some of them, the oldest first."""

        async def reading(connection: AsyncConnection) -> tuple[int, Sequence[PendingWrite]]:
            total = (await connection.execute(select(func.count()).select_from(_writes))).scalar_one()
            rows = select(_writes).order_by(_writes.c.id).limit(limit).offset(offset)
            return total, [_write(row) for row in await connection.execute(rows)]

        return await self._database.read(reading)

    async def drop(self, write_id: int) -> bool:
        """Trakt is not told; whether there was such a row."""

        async def writing(connection: AsyncConnection) -> bool:
            return bool((await connection.execute(delete(_writes).where(_writes.c.id == write_id))).rowcount)

        return await self._database.write(writing)

    async def send_one(self) -> bool:
        """The oldest that is due; whether there may be more. Whatever Trakt says of it, it raises nothing for that."""
        if not self.on:
            return False
        write = await self._next()
        if write is None:
            return False
        try:
            may_have_it = await self._may_have_it(write)
        except ProviderError as error:
            await self._later(write, error, write.state)
            return True
        if may_have_it:
            await self._done(write)
            return True
        try:
            await self._send(write)
        except ProviderError as error:
            await self._not_sent(write, error)
        return True

    async def _not_sent(self, write: PendingWrite, error: ProviderError) -> None:
        if error.status == _DONE_ALREADY:
            await self._done(write)
        elif isinstance(error, Refused):
            await self._failed(write, error.reason)
        else:
            refused = error.status is not None and error.status < _SERVER_ERRORS
            never_went = error.status is None and isinstance(error, Misconfigured | Busy)
            await self._later(write, error, "waiting" if refused or never_went else "sending")

    async def _next(self) -> PendingWrite | None:
        due = select(_writes).where(_writes.c.state != "failed", _writes.c.due_at <= self._now())

        async def reading(connection: AsyncConnection) -> PendingWrite | None:
            row = (await connection.execute(due.order_by(_writes.c.id).limit(1))).first()
            return _write(row) if row else None

        return await self._database.read(reading)

    async def _may_have_it(self, write: PendingWrite) -> bool:
        """Whether Trakt has a play already that it was told of without an answer: twice told, it has it twice."""
        return write.state == "sending" and write.kind == "played" and bool(await self._plays(write))

    async def _send(self, write: PendingWrite) -> None:
        assert self._account
        path, body = await self._request(write)
        if path is None:
            await self._done(write)
            return
        if not await self._mark(write, state="sending", attempts=write.attempts + 1):
            return  # somebody has changed their mind
        self._at("sending")
        answer = await self._account.send(path, body, self._turn())
        self._at("sent")
        if answer.knows_all:
            await self._done(write)
        else:
            await self._failed(write, "Trakt does not know this title.")

    async def _request(self, write: PendingWrite) -> tuple[str | None, Mapping[str, Any]]:
        """Where and what is posted; no path: there is nothing to be done."""
        listed = "movies" if write.media_type is MediaKind.MOVIE else "shows"
        title: dict[str, Any] = {"ids": {"tmdb": write.tmdb_id}}
        match write.kind:
            case "played":
                return "sync/history", {listed: [_with_play(title, write.what)]}
            case "unplayed":
                ids = [write.what["trakt_id"]] if write.what.get("trakt_id") else await self._plays(write)
                return ("sync/history/remove", {"ids": ids}) if ids else (None, {})
            case "rating" if write.what.get("rating"):
                return "sync/ratings", {listed: [{**title, "rating": write.what["rating"]}]}
            case "rating":
                return "sync/ratings/remove", {listed: [title]}
            case _:
                path = "sync/watchlist" if write.what.get("wanted") else "sync/watchlist/remove"
                return path, {listed: [title]}

    async def _plays(self, write: PendingWrite) -> Sequence[int]:
        """Of Trakt's history, those of the same at that moment."""
        moment = moment_of(str(write.what.get("watched_at") or ""), self._zone)
        if moment is None or self._account is None:
            return []
        kind = HistoryKind.MOVIES if write.media_type is MediaKind.MOVIE else HistoryKind.SHOWS
        found = await self._account.history(
            kind, self._turn(), start_at=moment - AROUND, end_at=moment + AROUND
        )
        place = (write.what.get("season"), write.what.get("episode"))
        return [
            entry.id
            for entry in found.elements
            if (title := entry.movie or entry.show)
            and title.ids.tmdb == write.tmdb_id
            and (entry.episode is None or (entry.episode.season, entry.episode.number) == place)
        ]

    async def _done(self, write: PendingWrite) -> None:
        """What stands on Trakt's watchlist now is Trakt's to take off."""

        async def writing(connection: AsyncConnection) -> None:
            await connection.execute(delete(_writes).where(_writes.c.id == write.id))
            if write.kind == "watchlist" and write.what.get("wanted"):
                entries = tables.library_entries
                same = (entries.c.media_type == write.media_type) & (entries.c.tmdb_id == write.tmdb_id)
                on_it = update(entries).where(same, entries.c.watchlisted_at.is_not(None))
                await connection.execute(on_it.values(watchlist_from="trakt"))

        await self._database.write(writing)

    async def _failed(self, write: PendingWrite, reason: str) -> None:
        _log.warning("not written to Trakt", write=write.id, kind=write.kind, reason=reason)
        await self._mark(write, state="failed", reason=reason)

    async def _later(self, write: PendingWrite, error: ProviderError, state: str) -> None:
        delay = error.retry_after or DELAYS[min(write.attempts, len(DELAYS) - 1)]
        _log.info("written to Trakt later", write=write.id, kind=write.kind, reason=error.reason)
        await self._mark(write, state=state, reason=error.reason, due_at=self._now() + delay)

    async def _mark(self, write: PendingWrite, **values: object) -> bool:
        """Whether it is there still."""
        changed = update(_writes).where(_writes.c.id == write.id).values(**values)

        async def writing(connection: AsyncConnection) -> bool:
            return bool((await connection.execute(changed)).rowcount)

        return await self._database.write(writing)

    def _turn(self) -> Turn:
        return Turn(Urgency.LATER, self._now() + PATIENCE)


def _with_play(title: Mapping[str, Any], what: Mapping[str, Any]) -> Mapping[str, Any]:
    at = {"watched_at": what["watched_at"]}
    if what.get("episode") is None:
        return {**title, **at}
    return {**title, "seasons": [{"number": what["season"], "episodes": [{"number": what["episode"], **at}]}]}


def _write(row: Any) -> PendingWrite:
    values = {name: getattr(row, name) for name in PendingWrite.__slots__}
    return PendingWrite(**values | {"media_type": MediaKind(row.media_type)})
