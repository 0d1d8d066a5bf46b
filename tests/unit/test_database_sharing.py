"""Several processes with one PostgreSQL: one leads, each hears what others wrote, and all together keep to the providers' limits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text

from services.enricher.database import migrations
from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database, DatabaseUnavailable
from services.enricher.database.engines import DatabaseSettings, open_database
from services.enricher.database.sharing import OutdatedProcess, PostgresSharing
from services.enricher.database.statements import Statement
from services.enricher.finder.providers import Limit, NotAsked, RateBudget, Turn, Urgency
from services.enricher.finder.providers.errors import Allowance
from services.enricher.finder.providers.ledger import SharedLedger
from services.enricher.tasks.rows import tasks
from shared.background import Background
from shared.telemetry import Metrics
from tests.integration.onesheet import until
from tests.servers.postgresql import PostgresServer
from tests.unit.test_database import REVISIONS, a_task

KEY = "trakt:0123"
MINUTES = timedelta(minutes=5)

Opening = Callable[[], Awaitable[Database]]


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine's server takes its time for the first answer."""
    monkeypatch.setattr("services.enricher.database.sharing.ANSWER_WITHIN_S", 30.0)


@pytest.fixture
def settings(postgresql: PostgresServer) -> DatabaseSettings:
    return postgresql.migrated()


@pytest.fixture
async def another(settings: DatabaseSettings, tmp_path: Path) -> AsyncIterator[Opening]:
    """Opens the database as one more process would."""
    async with AsyncExitStack() as stack:

        async def opened() -> Database:
            background = Background(Metrics())
            return await stack.enter_async_context(
                open_database(settings, state_dir=tmp_path, background=background)
            )

        yield opened


def leaders(databases: Sequence[Database]) -> list[Database]:
    return [database for database in databases if database.sharing.leads]


async def test_one_leads_and_when_it_ends_another_one_does(
    settings: DatabaseSettings, another: Opening, tmp_path: Path
) -> None:
    async with open_database(settings, state_dir=tmp_path, background=Background(Metrics())) as first:
        others = [await another(), await another()]
        assert leaders([first, *others]) == [first]
        assert first.sharing.identity == others[0].sharing.identity
        waiting = [asyncio.create_task(one.sharing.lead()) for one in others]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert len(leaders(others)) == 1
    for task in waiting:
        task.cancel()


async def test_who_was_thrown_out_leads_no_longer_before_anybody_else_does(another: Opening) -> None:
    first, second = await another(), await another()
    await second.write(lambda connection: connection.execute(_THROW_OUT_THE_LEADER))
    await until(lambda: _one(second.sharing.leads or not first.sharing.leads))
    await asyncio.wait(
        [asyncio.ensure_future(one.sharing.lead()) for one in (first, second)],
        return_when=asyncio.FIRST_COMPLETED,
    )
    assert len(leaders([first, second])) == 1


_THROW_OUT_THE_LEADER = text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND datname = current_database() AND pid <> pg_backend_pid()"
)


async def _one(holds: bool) -> bool:
    return holds


async def test_a_leader_that_was_suspended_knows_that_its_lead_is_over(another: Opening) -> None:
    sharing = (await another()).sharing
    assert isinstance(sharing, PostgresSharing)
    assert sharing.leads
    sharing._clock = lambda: 1e12  # the same as waking up much later
    assert not sharing.leads


async def test_what_one_writes_the_others_hear_once_it_is_committed(another: Opening) -> None:
    first, second = await another(), await another()
    heard, own = asyncio.Event(), list[int]()
    second.watched(heard.set, topic="library")
    elsewhere = asyncio.Event()
    second.watched(elsewhere.set, topic="something else")
    watched = first.watched(lambda: own.append(1), topic="library")
    await watched.write(lambda connection: connection.execute(insert(tasks), a_task()))
    async with asyncio.timeout(30):
        await heard.wait()
    assert own == [1]
    assert not elsewhere.is_set()


async def test_who_could_not_listen_for_a_while_takes_all_for_written(another: Opening) -> None:
    first, second = await another(), await another()
    heard = asyncio.Event()
    second.watched(heard.set, topic="library")
    throw_out = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%advisory_lock%'"
    )
    await first.write(lambda connection: connection.execute(throw_out))
    async with asyncio.timeout(30):
        await heard.wait()


async def test_writers_of_all_processes_take_turns_from_their_first_statement_on(another: Opening) -> None:
    databases = [await another() for _ in range(3)]

    async def add_one(connection: AsyncConnection) -> None:
        (found,) = (await connection.execute(select(func.count()).select_from(tasks))).one()
        await asyncio.sleep(0)
        await connection.execute(insert(tasks), a_task(done=found))

    await asyncio.gather(*(database.write(add_one) for database in databases for _ in range(5)))

    async def numbers(connection: AsyncConnection) -> list[int]:
        return list((await connection.execute(select(tasks.c.done).order_by(tasks.c.done))).scalars())

    assert await databases[0].read(numbers) == list(range(15))


async def test_what_is_done_exclusively_is_done_by_one_process_at_a_time(another: Opening) -> None:
    first, second = await another(), await another()
    order = []

    async def also() -> None:
        async with second.exclusively("tokens"):
            order.append("second")

    async with first.exclusively("tokens"):
        waiting = asyncio.create_task(also())
        await second.ping()
        order.append("first")
    await waiting
    assert order == ["first", "second"]


async def room_in(budget: RateBudget, *, at_most: int = 1000) -> int:
    """How many it lets in before it says no."""
    room = 0
    while room < at_most:
        try:
            await budget.take(Turn(Urgency.NOW, datetime.now(UTC) + timedelta(seconds=20)))
        except NotAsked:
            break
        room += 1
    return room


async def test_what_all_processes_spend_is_within_the_limit_to_the_last_request(another: Opening) -> None:
    async with AsyncExitStack() as stack:
        budgets = [RateBudget("Trakt", Limit(50, MINUTES)) for _ in range(3)]
        for budget in budgets:
            ledger = SharedLedger(await another(), Background(Metrics()))
            await stack.enter_async_context(ledger.keeping(KEY, budget))
        assert sum(await asyncio.gather(*(room_in(budget) for budget in budgets))) == 50
    after = RateBudget("Trakt", Limit(50, MINUTES))
    async with SharedLedger(await another(), Background(Metrics())).keeping(KEY, after):
        assert after.left == 0


async def test_what_a_provider_says_to_one_process_holds_for_all(another: Opening) -> None:
    first, second = (RateBudget("Trakt", Limit(50, MINUTES)) for _ in range(2))
    async with (
        SharedLedger(await another(), Background(Metrics())).keeping(KEY, first),
        SharedLedger(await another(), Background(Metrics())).keeping(KEY, second),
    ):
        first.told(Allowance(3, datetime.now(UTC) + MINUTES))
        assert await room_in(first, at_most=1) == 1
        assert await room_in(second, at_most=10) == 2
        second.pause(timedelta(minutes=2), asked_at=datetime.now(UTC))
        assert second.left == 0


async def test_a_later_version_migrates_in_the_writers_turn_and_the_older_one_says_that_it_is_to_be_replaced(
    postgresql: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, begun, go_on = postgresql.bare(), asyncio.Event(), asyncio.Event()
    opening = partial(open_database, settings, state_dir=tmp_path, background=Background(Metrics()))

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(insert(tasks), a_task())
        begun.set()
        await go_on.wait()

    async def waiting(connection: AsyncConnection) -> bool:
        return bool((await connection.execute(_WAITING)).scalar())

    async with AsyncExitStack() as stack:
        with monkeypatch.context() as earlier:
            earlier.setattr(migrations, "LATEST", REVISIONS[-2])
            earlier.setattr(migrations, "upgrade", partial(migrations.upgrade, to=REVISIONS[-2]))
            old = await stack.enter_async_context(opening())
        await old.check()
        writing = asyncio.create_task(old.write(write))
        await begun.wait()
        starting = asyncio.create_task(stack.enter_async_context(opening()))
        await until(lambda: old.read(waiting))
        assert not starting.done()
        go_on.set()
        await writing
        new = await starting
        await new.sharing.lead()
        with pytest.raises(OutdatedProcess, match="A later version has migrated"):
            await old.check()
        with pytest.raises(DatabaseUnavailable, match="A later version has migrated"):
            await old.write(write)
        assert not old.sharing.leads
        assert await old.read_at_once(lambda visit: visit.rows(COUNT)) == await new.read_at_once(
            lambda visit: visit.rows(COUNT)
        )
        await new.write(write)
        await new.check()


_WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
COUNT = Statement(select(func.count()).select_from(tasks))
