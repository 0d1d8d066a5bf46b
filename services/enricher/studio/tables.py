"""The tables of the studio, as the latest migration leaves them, and the transactions by which a job goes from state to state.

A payment is written in the transaction that lets a job be sent, and before it is. It is taken back only where the service surely
took nothing, or a person says so.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.database.schema import Moment, Number, Words, metadata, whole_sum
from services.enricher.studio import jobs as values
from services.enricher.studio.jobs import StudioJob, StudioKind, StudioState, WantedJob

studio_jobs = sa.Table(
    "studio_jobs",
    metadata,
    sa.Column("id", Words, primary_key=True),
    sa.Column("kind", Words, nullable=False),
    sa.Column("service", Words, nullable=False),
    sa.Column("fingerprint", Words, nullable=False, index=True),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("picture", sa.LargeBinary),
    sa.Column("state", Words, nullable=False),
    sa.Column("looked_at", Number, nullable=False),
    sa.Column("asked_by", Words),
    sa.Column("price", Number, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("not_before", Moment),
    sa.Column("sent_at", Moment),
    sa.Column("provider_id", Words),
    sa.Column("result_url", Words),
    sa.Column("held", sa.LargeBinary),
    sa.Column("result", sa.JSON),
    sa.Column("reason", Words),
    sa.Column("cancelling", sa.Boolean, nullable=False),
    sa.Column("claimed_by", Words),
    sa.Column("heartbeat_at", Moment),
    sa.Column("finished_at", Moment),
    sa.Index(None, "state", "created_at"),
)
"""`picture`: what is sent to the service, and `held`: what it answered with, as long as that is not stored. `claimed_by`: the process
that works on it, whose seat it takes.
"""

studio_payments = sa.Table(
    "studio_payments",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("job_id", Words, nullable=False, index=True),
    sa.Column("service", Words, nullable=False),
    sa.Column("asked_by", Words),
    sa.Column("amount", Number, nullable=False),
    sa.Column("paid_at", Moment, nullable=False, index=True),
    sqlite_autoincrement=True,
)
"""`amount`: in millionths of a US dollar."""

WAITING_AT_MOST = 2000
PICTURES_AT_MOST = 50
"""Jobs that wait with a picture of megabytes in their row."""

KEPT = timedelta(days=90)
"""What has ended is remembered so long, and what was paid."""

_c, _p = studio_jobs.c, studio_payments.c
_OF_JOB = [_c[name] for name in StudioJob.__slots__]
_UNDER_WAY = _c.state.in_([state.value for state in values.UNDER_WAY])
_WAITING = _c.state == StudioState.WAITING


TOLD = (*values.UNDER_WAY, StudioState.PERHAPS_PAID, StudioState.UNFETCHED)
"""States that are counted: those of which something is still to come."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one day, in millionths of a dollar; `promised`: for what waits."""

    all: int
    promised: int
    by_service: Mapping[str, int]
    by_user: Mapping[str, int]


class StudioTable:
    """`owner` is who claims. Raises DatabaseUnavailable."""

    def __init__(
        self,
        database: Database,
        *,
        owner: str,
        caps: values.Caps,
        stale_after: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._owner = owner
        self._caps = caps
        self._stale_after = stale_after
        self._now = now

    async def ask(self, wanted: WantedJob) -> StudioJob:
        """The job, or the same one that is there already. Raise BudgetReached, or StudioFull."""
        now = self._now()
        same = sa.select(*_OF_JOB).where(_c.fingerprint == wanted.fingerprint, _c.state.not_in(_OVER))
        row = {
            "id": str(uuid.uuid4()),
            "kind": wanted.kind,
            "service": wanted.service,
            "fingerprint": wanted.fingerprint,
            "arguments": dict(wanted.arguments),
            "picture": wanted.picture,
            "state": StudioState.WAITING,
            "looked_at": wanted.looked_at,
            "asked_by": wanted.asked_by,
            "price": wanted.price,
            "created_at": now,
            "cancelling": False,
        }

        async def writing(connection: AsyncConnection) -> StudioJob:
            known = (await connection.execute(same.order_by(_c.created_at.desc()).limit(1))).first()
            if known:
                more = sa.update(studio_jobs).where(_c.id == known.id)
                more = more.values(looked_at=_c.looked_at + wanted.looked_at)
                return _job((await connection.execute(more.returning(*_OF_JOB))).one())
            await self._check_room(connection, with_picture=wanted.picture is not None)
            await self._check_caps(connection, wanted.price, wanted.asked_by, now, promised=True)
            return _job(
                (await connection.execute(sa.insert(studio_jobs).values(row).returning(*_OF_JOB))).one()
            )

        return await self._database.write(writing)

    async def same(self, wanted: WantedJob) -> StudioJob | None:
        """What is there already, and is not over."""
        query = sa.select(*_OF_JOB).where(_c.fingerprint == wanted.fingerprint, _c.state.not_in(_OVER))
        found = await self._jobs(query.order_by(_c.created_at.desc()), limit=1)
        return found[0] if found else None

    async def get(self, id_: str) -> StudioJob | None:
        found = await self._jobs(sa.select(*_OF_JOB).where(_c.id == id_), limit=1)
        return found[0] if found else None

    async def listed(
        self, *, states: Collection[StudioState], limit: int, offset: int
    ) -> Sequence[StudioJob]:
        """The newest first, in these states or in all."""
        query = sa.select(*_OF_JOB).order_by(_c.created_at.desc(), _c.id)
        if states:
            query = query.where(_c.state.in_([state.value for state in states]))
        return await self._jobs(query, limit=limit, offset=offset)

    async def ahead_of(self, job: StudioJob) -> int:
        """How many that wait are before it."""
        before = sa.or_(
            _c.looked_at > job.looked_at,
            sa.and_(_c.looked_at == job.looked_at, _c.created_at < job.created_at),
        )
        count = sa.select(sa.func.count()).select_from(studio_jobs).where(_WAITING, before)
        return int(await self._scalar(count) or 0)

    async def counts(self) -> Mapping[str, int]:
        """How many are in each state, of those that have not ended well or badly for good."""
        query = sa.select(_c.state, sa.func.count()).where(_c.state.in_([state.value for state in TOLD]))

        async def reading(connection: AsyncConnection) -> Mapping[str, int]:
            return {row[0]: row[1] for row in await connection.execute(query.group_by(_c.state))}

        return await self._database.read(reading)

    async def picture(self, id_: str) -> bytes | None:
        """What is sent with it."""
        return await self._bytes(_c.picture, id_)

    async def held(self, id_: str) -> bytes | None:
        """What the service answered with."""
        return await self._bytes(_c.held, id_)

    async def ids_known(self, service: str) -> frozenset[str]:
        """The service's ids of all jobs."""
        query = sa.select(_c.provider_id).where(_c.service == service, _c.provider_id.is_not(None))

        async def reading(connection: AsyncConnection) -> frozenset[str]:
            return frozenset((await connection.execute(query)).scalars())

        return await self._database.read(reading)

    async def spent(self) -> Spent:
        """Today."""
        today = _p.paid_at >= values.day_of(self._now())
        by_service = sa.select(_p.service, whole_sum(_p.amount)).where(today).group_by(_p.service)
        by_user = sa.select(_p.asked_by, whole_sum(_p.amount)).where(today, _p.asked_by.is_not(None))
        promised = sa.select(whole_sum(_c.price)).where(_WAITING)

        async def reading(connection: AsyncConnection) -> Spent:
            services = {row[0]: row[1] for row in await connection.execute(by_service)}
            users = {row[0]: row[1] for row in await connection.execute(by_user.group_by(_p.asked_by))}
            waiting = (await connection.execute(promised)).scalar() or 0
            return Spent(sum(services.values()), waiting, services, users)

        return await self._database.read(reading)

    async def release_all(self) -> None:
        """What is claimed was left by a process that died: for whoever knows that there is no other."""
        left = sa.update(studio_jobs).where(_c.claimed_by.is_not(None), _c.claimed_by != self._owner)
        await self._database.write(lambda connection: connection.execute(left.values(claimed_by=None)))

    async def claim(self, seats: int) -> StudioJob | None:
        """What nobody works on any more; else, where one of so many seats is free, what waits and is looked at most."""
        now = self._now()
        stale = sa.or_(_c.claimed_by.is_(None), _c.heartbeat_at < now - self._stale_after)
        left = sa.select(_c.id).where(_UNDER_WAY, ~_WAITING, stale)
        due = sa.or_(_c.not_before.is_(None), _c.not_before <= now)
        waiting = sa.select(_c.id).where(_WAITING, stale, due)
        order = (_c.looked_at.desc(), _c.created_at, _c.id)
        taken = sa.select(sa.func.count()).select_from(studio_jobs).where(_UNDER_WAY, ~stale)

        async def writing(connection: AsyncConnection) -> StudioJob | None:
            if (await connection.execute(taken)).scalar_one() >= seats:
                return None
            for query in (left, waiting):
                id_ = (await connection.execute(query.order_by(*order).limit(1))).scalar()
                if id_ is not None:
                    mine = sa.update(studio_jobs).where(_c.id == id_)
                    mine = mine.values(claimed_by=self._owner, heartbeat_at=now)
                    return _job((await connection.execute(mine.returning(*_OF_JOB))).one())
            return None

        if not await self._scalar(sa.select(_c.id).where(_UNDER_WAY, stale).limit(1)):
            return None
        return await self._database.write(writing)

    async def begin(self, job: StudioJob, sent_url: str | None) -> StudioJob:
        """It is about to be sent, and counts as paid. Raise BudgetReached, or JobLost. `sent_url`: of a picture that the service
        will ask us for.
        """
        now = self._now()
        arguments = dict(job.arguments) | ({"sent_url": sent_url} if sent_url else {})
        paid = {
            "job_id": job.id,
            "service": job.service,
            "asked_by": job.asked_by,
            "amount": job.price,
            "paid_at": now,
        }

        async def writing(connection: AsyncConnection) -> StudioJob:
            await self._check_caps(connection, job.price, job.asked_by, now, promised=False)
            begun = self._mine(job, StudioState.WAITING).where(_c.cancelling.is_(False))
            begun = begun.values(
                state=StudioState.SENDING, sent_at=now, heartbeat_at=now, arguments=arguments, reason=None
            )
            row = (await connection.execute(begun.returning(*_OF_JOB))).first()
            if row is None:
                raise values.JobLost
            await connection.execute(sa.insert(studio_payments).values(paid))
            return _job(row)

        return await self._database.write(writing)

    async def put_off(self, job: StudioJob, until: datetime, reason: str) -> None:
        """It waits again, and what counted as paid for it is taken back."""
        changed = {"state": StudioState.WAITING, "not_before": until, "reason": reason, "claimed_by": None}
        await self._change(job, changed, take_back=job.state is StudioState.SENDING)

    async def sent(self, job: StudioJob, provider_id: str) -> StudioJob:
        return await self._change(job, {"state": StudioState.RUNNING, "provider_id": provider_id})

    async def made(self, job: StudioJob, *, url: str | None = None, held: bytes | None = None) -> StudioJob:
        """The service has made it: at a URL, or in its answer."""
        return await self._change(job, {"state": StudioState.STORING, "result_url": url, "held": held})

    async def end(
        self,
        job: StudioJob,
        state: StudioState,
        *,
        result: Mapping[str, object] | None = None,
        reason: str | None = None,
        paid: bool = True,
    ) -> StudioJob:
        """`paid`: false takes back what counted as paid for it."""
        changed: dict[str, Any] = {"state": state, "claimed_by": None, "reason": reason}
        changed |= {"finished_at": self._now(), "cancelling": False}
        if result is not None:
            changed["result"] = dict(result)
        if state is StudioState.DONE or state.is_over:
            changed |= {"picture": None, "held": None}
        return await self._change(job, changed, take_back=not paid)

    async def beat(self, ids: Collection[str]) -> frozenset[str]:
        """Say that they are worked on; which of them shall be cancelled."""
        mine = sa.and_(_c.id.in_(list(ids)), _c.claimed_by == self._owner)
        beating = sa.update(studio_jobs).where(mine, _UNDER_WAY).values(heartbeat_at=self._now())

        async def writing(connection: AsyncConnection) -> frozenset[str]:
            rows = await connection.execute(beating.returning(_c.id, _c.cancelling))
            return frozenset(id_ for id_, cancelling in rows if cancelling)

        return await self._database.write(writing) if ids else frozenset()

    async def leave(self, ids: Collection[str]) -> None:
        """Somebody else may go on with them at once."""
        mine = sa.and_(_c.id.in_(list(ids)), _c.claimed_by == self._owner)
        left = sa.update(studio_jobs).where(mine).values(claimed_by=None)
        await self._database.write(lambda connection: connection.execute(left))

    async def cancel(self, id_: str) -> StudioJob | None:
        """At once where nothing was sent, else as soon as that can be."""
        free = sa.and_(_WAITING, _c.claimed_by.is_(None))
        of_it = sa.update(studio_jobs).where(_c.id == id_)
        waiting = of_it.where(free).values(state=StudioState.CANCELLED, finished_at=self._now(), picture=None)
        under_way = of_it.where(_UNDER_WAY).values(cancelling=True)

        async def writing(connection: AsyncConnection) -> None:
            await connection.execute(waiting)
            await connection.execute(under_way)

        await self._database.write(writing)
        return await self.get(id_)

    async def decide(
        self, id_: str, before: StudioState, changed: Mapping[str, object], *, take_back: bool = False
    ) -> StudioJob | None:
        """A person's word about a job in this state; None: it is in another one."""
        of_it = sa.update(studio_jobs).where(_c.id == id_, _c.state == before)

        async def writing(connection: AsyncConnection) -> StudioJob | None:
            row = (await connection.execute(of_it.values(**changed).returning(*_OF_JOB))).first()
            if row is not None and take_back:
                await _take_back(connection, id_)
            return None if row is None else _job(row)

        return await self._database.write(writing)

    async def forget_old(self) -> None:
        before = self._now() - KEPT
        ended = [state.value for state in StudioState if state.ended]
        ended.remove(StudioState.PERHAPS_PAID)
        old = sa.delete(studio_jobs).where(_c.state.in_(ended), _c.finished_at < before)
        paid = sa.delete(studio_payments).where(_p.paid_at < before)

        async def writing(connection: AsyncConnection) -> None:
            await connection.execute(old.where(_c.kind != StudioKind.IMAGES))  # which is kept without end
            await connection.execute(paid)

        await self._database.write(writing)

    async def _change(
        self, job: StudioJob, changed: Mapping[str, Any], *, take_back: bool = False
    ) -> StudioJob:
        """Raise JobLost where it is not ours any more."""
        statement = self._mine(job, job.state).values(**{"heartbeat_at": self._now(), **changed})

        async def writing(connection: AsyncConnection) -> StudioJob:
            row = (await connection.execute(statement.returning(*_OF_JOB))).first()
            if row is None:
                raise values.JobLost
            if take_back:
                await _take_back(connection, job.id)
            return _job(row)

        return await self._database.write(writing)

    def _mine(self, job: StudioJob, state: StudioState) -> sa.Update:
        return sa.update(studio_jobs).where(_c.id == job.id, _c.state == state, _c.claimed_by == self._owner)

    async def _check_room(self, connection: AsyncConnection, *, with_picture: bool) -> None:
        waiting = sa.select(sa.func.count()).select_from(studio_jobs).where(_WAITING)
        if (await connection.execute(waiting)).scalar_one() >= WAITING_AT_MOST:
            raise values.StudioFull
        if with_picture:
            pictures = waiting.where(_c.picture.is_not(None))
            if (await connection.execute(pictures)).scalar_one() >= PICTURES_AT_MOST:
                raise values.StudioFull

    async def _check_caps(
        self, connection: AsyncConnection, price: int, user: str | None, now: datetime, *, promised: bool
    ) -> None:
        """`promised`: what waits counts too. Raise BudgetReached."""
        paid = sa.select(whole_sum(_p.amount)).where(_p.paid_at >= values.day_of(now))
        waits = sa.select(whole_sum(_c.price)).where(_WAITING)
        for of_user, cap in ((True, self._caps.user), (False, self._caps.all)):
            if of_user and user is None:
                continue
            its_paid = paid.where(_p.asked_by == user) if of_user else paid
            its_waits = waits.where(_c.asked_by == user) if of_user else waits
            spent = (await connection.execute(its_paid)).scalar() or 0
            if promised:
                spent += (await connection.execute(its_waits)).scalar() or 0
            if price and spent + price > cap:
                raise values.BudgetReached(values.day_ends(now), of_user=of_user)

    async def _jobs(self, query: sa.Select[Any], *, limit: int, offset: int = 0) -> list[StudioJob]:
        return await self._database.rows(query, _job, of=studio_jobs, limit=limit, offset=offset)

    async def _bytes(self, column: sa.Column[Any], id_: str) -> bytes | None:
        found: bytes | None = await self._scalar(sa.select(column).where(_c.id == id_))
        return found

    async def _scalar(self, query: sa.Select[Any]) -> Any:
        async def reading(connection: AsyncConnection) -> Any:
            return (await connection.execute(query)).scalar()

        return await self._database.read(reading)


_OVER = [state.value for state in StudioState if state.is_over]


async def _take_back(connection: AsyncConnection, job_id: str) -> None:
    """The newest payment of a job."""
    newest = sa.select(sa.func.max(_p.id)).where(_p.job_id == job_id).scalar_subquery()
    await connection.execute(sa.delete(studio_payments).where(_p.id == newest))


def _job(row: sa.Row[Any]) -> StudioJob:
    """Raise ValueError for a kind or state that is not ours."""
    known = row._asdict()
    return StudioJob(**known | {"kind": StudioKind(row.kind), "state": StudioState(row.state)})
