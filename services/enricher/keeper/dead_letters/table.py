"""Dead letters as rows, and what is told of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Row, delete, func, insert, or_, select, update

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.keeper.tables import dead_letters
from shared.contracts import DeadLetter, Envelope, FailedAttempt, Message


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """None: any."""

    lane: str | None = None
    failure_class: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """`deaths`: how often its message died. `about`: the source URL, name or picture that its job was about."""

    id: int
    letter_id: str
    lane: str
    type: str | None
    failure_class: str | None
    reason: str
    about: str | None
    trace_id: str
    died_at: datetime
    deaths: int
    history: tuple[FailedAttempt, ...]
    body: str

    @property
    def dead(self) -> DeadLetter:
        return DeadLetter(
            lane=self.lane,
            reason=self.reason,
            failure_class=self.failure_class,
            history=self.history,
            died_at=self.died_at,
            body=self.body,
        )


def type_and_subject(body: str) -> tuple[str | None, str | None]:
    """Of the message that died; nothing of one that cannot be read."""
    try:
        envelope = Envelope.model_validate_json(body)
    except ValidationError:
        return None, None
    return envelope.type, _subject(envelope.payload)


def _subject(job: Message) -> str | None:
    for field in ("name", "source_url", "picture"):
        if subject := getattr(job, field, None):
            return str(subject)
    return None


KEPT_AT_MOST = 100_000
"""For each one more, the oldest goes."""

_columns = dead_letters.c


class LetterTable:
    """Raises DatabaseUnavailable where the database cannot be asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, letters: Sequence[Envelope]) -> int:
        """Those that are here already died once more, or came twice. How many of the oldest had to go."""
        rows = {letter.id: _row(letter) for letter in letters}

        async def writing(connection: AsyncConnection) -> int:
            known = _columns.letter_id.in_(rows)
            before = {
                row.letter_id: row for row in await connection.execute(select(dead_letters).where(known))
            }
            await connection.execute(delete(dead_letters).where(known))
            changed = [_followed(before.get(letter_id), row) for letter_id, row in rows.items()]
            await connection.execute(insert(dead_letters), changed)
            newest = select(_columns.id).order_by(_columns.id.desc()).limit(1).offset(KEPT_AT_MOST)
            gone = delete(dead_letters).where(_columns.id <= newest.scalar_subquery())
            return (await connection.execute(gone)).rowcount

        return await self._database.write(writing)

    async def of_id(self, letter_id: int) -> Letter | None:
        found = await self._some(_columns.id == letter_id, limit=1)
        return found[0] if found else None

    async def list(self, chosen: LetterFilter, *, limit: int, offset: int) -> Sequence[Letter]:
        """The latest first."""
        return await self._some(*_chosen(chosen), limit=limit, offset=offset)

    async def next(self, chosen: LetterFilter, *, after: int, limit: int) -> Sequence[Letter]:
        """The oldest first, from after that one."""
        query = select(dead_letters).where(*_chosen(chosen), _columns.id > after).order_by(_columns.id)
        return await self._database.rows(query, _letter, of=dead_letters, limit=limit)

    async def counts(self, chosen: LetterFilter) -> dict[tuple[str, str | None], int]:
        """By lane and class of failure."""
        groups = _columns.lane, _columns.failure_class
        query = select(*groups, func.count()).where(*_chosen(chosen)).group_by(*groups)

        async def reading(connection: AsyncConnection) -> dict[tuple[str, str | None], int]:
            return {(lane, cls): count for lane, cls, count in await connection.execute(query)}

        return await self._database.read(reading)

    async def claim(self, letter_id: int, at: datetime, *, stale: datetime) -> Letter | None:
        """To be sent again by whoever claimed it. None: somebody else has, after `stale`; or it is not there."""
        free = or_(_columns.redriving_since.is_(None), _columns.redriving_since < stale)
        claimed = (
            update(dead_letters)
            .where(_columns.id == letter_id, free)
            .values(redriving_since=at)
            .returning(*dead_letters.c)
        )

        async def writing(connection: AsyncConnection) -> Letter | None:
            row = (await connection.execute(claimed)).first()
            return _letter(row) if row else None

        return await self._database.write(writing)

    async def release(self, letter_id: int) -> None:
        """It could not be sent."""
        statement = update(dead_letters).where(_columns.id == letter_id).values(redriving_since=None)
        await self._database.write(lambda connection: connection.execute(statement))

    async def sent(self, letter_id: int, claimed_at: datetime) -> None:
        """It goes; but not where its message has died again since it was claimed."""
        mine = _columns.id == letter_id, _columns.redriving_since == claimed_at
        await self._database.write(lambda connection: connection.execute(delete(dead_letters).where(*mine)))

    async def drop(self, letter_id: int) -> bool:
        return await self._drop(_columns.id == letter_id) > 0

    async def drop_all(self, chosen: LetterFilter) -> int:
        return await self._drop(*_chosen(chosen))

    async def _drop(self, *conditions: ColumnElement[bool]) -> int:
        async def writing(connection: AsyncConnection) -> int:
            return (await connection.execute(delete(dead_letters).where(*conditions))).rowcount

        return await self._database.write(writing)

    async def _some(self, *conditions: ColumnElement[bool], limit: int, offset: int = 0) -> Sequence[Letter]:
        newest = select(dead_letters).where(*conditions).order_by(_columns.id.desc())
        return await self._database.rows(newest, _letter, of=dead_letters, limit=limit, offset=offset)


def _chosen(chosen: LetterFilter) -> Sequence[ColumnElement[bool]]:
    wanted = {"lane": chosen.lane, "failure_class": chosen.failure_class}
    return [_columns[name] == value for name, value in wanted.items() if value is not None]


def _row(envelope: Envelope) -> dict[str, Any]:
    letter = envelope.payload
    assert isinstance(letter, DeadLetter)
    kind, about = type_and_subject(letter.body)
    return {
        "letter_id": envelope.id,
        "lane": letter.lane,
        "type": kind,
        "failure_class": letter.failure_class,
        "reason": letter.reason,
        "about": about,
        "trace_id": envelope.trace_id,
        "died_at": letter.died_at,
        "deaths": 1,
        "history": [mishap.model_dump(mode="json") for mishap in letter.history],
        "body": letter.body,
        "redriving_since": None,
    }


def _followed(before: Row[Any] | None, row: dict[str, Any]) -> dict[str, Any]:
    """The same death told twice is one; another one of the same message counts."""
    if before is None:
        return row
    again = before.died_at != row["died_at"]
    claimed = None if again else before.redriving_since
    return row | {"id": before.id, "deaths": before.deaths + again, "redriving_since": claimed}


def _letter(row: Row[Any]) -> Letter:
    values = {name: getattr(row, name) for name in Letter.__slots__}
    return Letter(**values | {"history": tuple(map(FailedAttempt.model_validate, row.history))})
