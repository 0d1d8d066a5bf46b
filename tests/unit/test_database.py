"""The enricher's database on SQLite and on PostgreSQL: transactions whole, one process, an orderly end."""

import asyncio
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Connection,
    bindparam,
    column,
    create_engine,
    func,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError, ProgrammingError, StatementError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, QueuePool
from sqlalchemy.util import greenlet_spawn

import shared.volume.local.layout
from services.enricher.database import migrations
from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database, DatabaseRefused, DatabaseUnavailable
from services.enricher.database.engines import DatabaseSettings, open_database
from services.enricher.database.migrations import configuration, upgrade
from services.enricher.database.postgresql_hosts import PostgresHosts, PostgresUrl
from services.enricher.database.schema import metadata, replacing
from services.enricher.database.sqlite_driver import FrugalConnection
from services.enricher.database.statements import DatabaseVisit, Statement, StatementOfSome
from services.enricher.finder.tables import tmdb_cache
from services.enricher.library.tables import NEVER, media_items
from services.enricher.tasks.rows import tasks
from services.enricher.wings import SHOWN_BY
from shared.background import Background
from shared.telemetry import Metrics
from tests.servers.databases import opened_database
from tests.servers.postgresql import PostgresServer

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCRIPTS = ScriptDirectory.from_config(configuration())
REVISIONS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]


def a_task(**changed: object) -> dict[str, object]:
    row = {"kind": "scan", "arguments": {}, "state": "queued", "cancelling": False, "starts": 0, "done": 0}
    return row | {"counts": {}, "errors": [], "created_at": NOON} | changed


async def stored_tasks(database: Database) -> int:
    async def count(connection: AsyncConnection) -> int:
        return (await connection.execute(select(func.count()).select_from(tasks))).scalar_one()

    return await database.read(count)


async def test_what_was_written_is_there_after_a_restart(
    database_settings: DatabaseSettings, tmp_path: Path
) -> None:
    for expected in (0, 1):
        async with open_database(database_settings, state_dir=tmp_path) as database:
            assert await stored_tasks(database) == expected
            await database.write(lambda connection: connection.execute(insert(tasks), a_task()))


async def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    async def half(connection: AsyncConnection) -> None:
        await connection.execute(insert(tasks), a_task())
        await connection.execute(insert(tasks), a_task(state="unheard of"))

    with pytest.raises(IntegrityError):
        await database.write(half)
    assert await stored_tasks(database) == 0


async def test_what_went_wrong_is_told_without_what_was_written(database: Database) -> None:
    async def elsewhere(connection: AsyncConnection) -> None:
        await connection.execute(text("INSERT INTO nowhere VALUES (:said)"), {"said": "what TMDB says"})

    with pytest.raises((DatabaseUnavailable, ProgrammingError)) as told:
        await database.write(elsewhere)
    assert re.search(r"no such table: nowhere|relation \"nowhere\" does not exist", str(told.value))
    assert "what TMDB says" not in f"{told.value}{told.value.__cause__}"


async def test_a_write_whose_caller_is_cancelled_ends_whole_and_lets_the_next_one_in(
    database: Database,
) -> None:
    halfway, go_on = asyncio.Event(), asyncio.Event()

    async def two(connection: AsyncConnection) -> None:
        await connection.execute(insert(tasks), a_task())
        halfway.set()
        await go_on.wait()
        await connection.execute(insert(tasks), a_task())

    caller = asyncio.create_task(database.write(two))
    await halfway.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    await database.write(lambda connection: connection.execute(insert(tasks), a_task()))
    assert await stored_tasks(database) == 3


async def test_closing_waits_for_the_write_that_nobody_waits_for(
    database_settings: DatabaseSettings, tmp_path: Path
) -> None:
    begun = asyncio.Event()

    async def slow(connection: AsyncConnection) -> None:
        begun.set()
        for _ in range(20):
            await connection.execute(insert(tasks), a_task())

    async with open_database(database_settings, state_dir=tmp_path) as database:
        caller = asyncio.create_task(database.write(slow))
        await begun.wait()
        caller.cancel()
    async with open_database(database_settings, state_dir=tmp_path) as database:
        assert await stored_tasks(database) == 20


async def test_no_thread_is_left_after_closing(tmp_path: Path) -> None:
    before = threading.active_count()
    async with opened_database(tmp_path) as database:
        await asyncio.gather(*(stored_tasks(database) for _ in range(10)))
        assert threading.active_count() > before
    for thread in threading.enumerate():
        if "_connection_worker" in thread.name:
            thread.join(5)
    assert threading.active_count() <= before


async def test_readers_do_not_wait_for_the_writer_and_see_what_was_before(database: Database) -> None:
    written, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection) -> None:
        await connection.execute(insert(tasks), a_task())
        written.set()
        await go_on.wait()

    writing = asyncio.create_task(database.write(slow))
    await written.wait()
    assert await stored_tasks(database) == 0
    go_on.set()
    await writing
    assert await stored_tasks(database) == 1


async def test_writers_take_turns_from_their_first_statement_on(database: Database) -> None:
    async def add_one(connection: AsyncConnection) -> None:
        (found,) = (await connection.execute(select(func.count()).select_from(tasks))).one()
        await connection.execute(insert(tasks), a_task(done=found))

    await asyncio.gather(*(database.write(add_one) for _ in range(20)))

    async def numbers(connection: AsyncConnection) -> list[int]:
        return list((await connection.execute(select(tasks.c.done).order_by(tasks.c.done))).scalars())

    assert await database.read(numbers) == list(range(20))


async def test_a_statement_and_its_rows_take_one_visit_to_the_connections_thread(
    in_a_file: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one ends the transaction; where there was none, nothing does."""
    database, visits = in_a_file, list[str]()
    visit = FrugalConnection._execute

    async def counted(self: FrugalConnection, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        visits.append(work.__name__)
        return await visit(self, work, *args, **named)  # type: ignore[no-untyped-call]

    await database.ping()
    monkeypatch.setattr(FrugalConnection, "_execute", counted)
    await stored_tasks(database)
    assert visits == ["_do", "commit"]
    visits.clear()
    await database.write(lambda connection: connection.execute(insert(tasks), [a_task(), a_task()]))
    assert visits == ["_do", "commit"]
    visits.clear()
    with pytest.raises(DatabaseUnavailable, match="nonsense"):
        await database.write(lambda connection: connection.execute(text("nonsense")))
    assert visits == ["_do", "rollback"]
    visits.clear()
    await database.write(nothing)
    assert visits == []
    assert await stored_tasks(database) == 2


async def test_a_transaction_that_did_not_end_stands_in_nobodys_way(tmp_path: Path) -> None:
    """As where its rollback failed. What it had written is gone."""
    path = tmp_path / "a.sqlite"
    connection = FrugalConnection(path, begin="BEGIN")
    async with connection:
        await connection.execute("CREATE TABLE numbers (number INTEGER)")
        for statement in ("BEGIN", "INSERT INTO numbers VALUES (1)"):
            await connection.execute(statement)
        assert await connection.at_once(lambda _visit: "done") == "done"
        assert not connection.in_transaction
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM numbers").fetchone() == (0,)


async def test_in_place_of_a_connection_that_was_given_up_another_one_is_opened(in_a_file: Database) -> None:
    reading = in_a_file._engines.reading
    await in_a_file.ping()
    given_up = await reading.raw_connection()
    await greenlet_spawn(given_up.invalidate)
    assert isinstance(pool := reading.sync.pool, QueuePool)
    assert pool.checkedin() == 1
    await in_a_file.ping()


DONE_OF = Statement(select(tasks.c.id, tasks.c.done).where(tasks.c.kind == bindparam("of")))
OF_SOME = StatementOfSome(lambda some: select(tasks.c.done).where(tasks.c.done.in_(some)))
TASK = Statement(insert(tasks).values({name: bindparam(f"new_{name}") for name in a_task()}))


def new_tasks(*numbers: int, **changed: object) -> list[dict[str, object]]:
    return [
        {f"new_{name}": value for name, value in a_task(done=number, **changed).items()} for number in numbers
    ]


async def test_what_is_asked_at_once_is_one_visit_to_the_connections_thread(
    in_a_file: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, visits = in_a_file, list[str]()
    visit = FrugalConnection._execute

    async def counted(self: FrugalConnection, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        visits.append(work.__name__)
        return await visit(self, work, *args, **named)  # type: ignore[no-untyped-call]

    def writing(visit: DatabaseVisit) -> int:
        visit.run(TASK, *new_tasks(1, 2, 3))
        return len(visit.rows(DONE_OF, {"of": "scan"}))

    await database.ping()
    await database.write(nothing)
    monkeypatch.setattr(FrugalConnection, "_execute", counted)
    assert await database.write_at_once(writing) == 3
    assert len(await database.read_at_once(lambda visit: visit.rows(DONE_OF, {"of": "scan"}))) == 3
    assert visits == ["_transaction", "_transaction"]


async def test_many_statements_of_one_visit_are_one_transaction_and_one_turn_of_the_thread(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = 0
    execute = FrugalConnection._execute

    async def counted(self: FrugalConnection, *args: Any, **given: Any) -> Any:
        nonlocal visits
        visits += 1
        return await execute(self, *args, **given)  # type: ignore[no-untyped-call]

    async def writing(connection: AsyncConnection) -> int:
        for _ in range(5):
            await connection.execute(insert(tasks).values(a_task()))
        return len((await connection.execute(select(tasks.c.id))).all())

    async def failing(connection: AsyncConnection) -> None:
        await writing(connection)
        raise LookupError

    monkeypatch.setattr(FrugalConnection, "_execute", counted)
    assert await database.write_on_one_visit(writing) == 5
    assert visits in (0, 2)  # the statements, and the commit; PostgreSQL has no thread
    with pytest.raises(LookupError):
        await database.write_on_one_visit(failing)
    assert await stored_tasks(database) == 5
    assert await database.write(writing) == 10


async def test_who_waits_for_something_else_on_one_visit_is_told_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    async def waiting(connection: AsyncConnection) -> None:
        await connection.execute(insert(tasks).values(a_task()))
        await asyncio.sleep(0)

    async with opened_database(tmp_path) as database:
        with pytest.raises(RuntimeError, match="waited for something else"):
            await database.write_on_one_visit(waiting)
        assert await stored_tasks(database) == 0


async def test_what_is_asked_at_once_is_one_transaction(database: Database) -> None:
    def half(visit: DatabaseVisit) -> None:
        visit.run(TASK, *new_tasks(1))
        visit.run(TASK, *new_tasks(2, state="unheard of"))

    with pytest.raises((IntegrityError, sqlite3.IntegrityError)):
        await database.write_at_once(half)
    assert await stored_tasks(database) == 0
    with pytest.raises(DatabaseUnavailable, match=r"readonly|read-only"):
        await database.read_at_once(lambda visit: visit.run(TASK, *new_tasks(1)))


async def test_rows_that_are_asked_for_at_once_have_their_columns_by_name_and_their_types(
    database: Database,
) -> None:
    created = Statement(select(tasks.c.kind, tasks.c.created_at, tasks.c.arguments, tasks.c.cancelling))
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
    [row] = new_tasks(1, created_at=elsewhere, arguments={"path": "/films"}, cancelling=True)
    assert await database.write_at_once(lambda visit: visit.run(TASK, row)) == 1
    [found] = await database.read_at_once(lambda visit: visit.rows(created))
    assert (found.kind, found.created_at, found.cancelling) == ("scan", NOON, True)
    assert (found.arguments, found.created_at.tzinfo) == ({"path": "/films"}, UTC)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 513])
async def test_a_list_of_any_length_finds_each_once(database: Database, length: int) -> None:
    await database.write_at_once(lambda visit: visit.run(TASK, *new_tasks(*range(4))))
    found = await database.read_at_once(lambda visit: visit.rows(*OF_SOME.of(range(3, 3 + length))))
    assert [row.done for row in found] == [3]


async def test_a_database_that_is_up_to_date_is_opened_without_alembic(
    database_settings: DatabaseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(_connection: Connection) -> None:
        raise AssertionError("there is nothing to migrate")

    async with open_database(database_settings, state_dir=tmp_path):
        pass
    monkeypatch.setattr(migrations, "upgrade", asked)
    async with open_database(database_settings, state_dir=tmp_path) as database:
        assert await stored_tasks(database) == 0


def test_the_latest_migration_is_known_by_its_name() -> None:
    assert REVISIONS[-1] == migrations.LATEST


async def nothing(_connection: AsyncConnection) -> None:
    pass


async def test_a_reader_sees_one_state_from_its_first_statement_to_its_last(database: Database) -> None:
    async def counted_twice(connection: AsyncConnection) -> list[int]:
        counts = list[int]()
        for _ in range(2):
            found = await connection.execute(select(func.count()).select_from(tasks))
            counts.append(found.scalar_one())
            await database.write(lambda writing: writing.execute(insert(tasks), a_task()))
        return counts

    assert await database.read(counted_twice) == [0, 0]
    assert await stored_tasks(database) == 2


async def test_it_is_told_how_many_rows_changed_and_what_a_new_one_is_called(database: Database) -> None:
    async def told(connection: AsyncConnection) -> tuple[int, int, int]:
        first = (await connection.execute(insert(tasks), a_task())).inserted_primary_key
        assert first is not None
        [(second,)] = await connection.execute(insert(tasks).returning(tasks.c.id), a_task())
        changed = await connection.execute(update(tasks).values(done=7))
        return first[0], second, changed.rowcount

    first, second, changed = await database.write(told)
    assert (second - first, changed) == (1, 2)


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"readonly|read-only"):
        await database.read(lambda connection: connection.execute(insert(tasks), a_task()))


async def test_moments_keep_their_instant_and_need_a_zone(database: Database) -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
    await database.write(lambda connection: connection.execute(insert(tasks), a_task(created_at=elsewhere)))

    async def created(connection: AsyncConnection) -> datetime:
        stored: datetime = (await connection.execute(select(tasks.c.created_at))).scalar_one()
        return stored

    assert await database.read(created) == NOON
    naive = a_task(created_at=NOON.replace(tzinfo=None))
    with pytest.raises(StatementError, match="without a zone"):
        await database.write(lambda connection: connection.execute(insert(tasks), naive))


async def test_a_text_is_kept_without_what_one_engine_has_no_room_for(database: Database) -> None:
    row = a_task(reason="Said \0 by somebody: \N{CLAPPER BOARD}.")
    await database.write(lambda connection: connection.execute(insert(tasks), row))

    async def reasons(connection: AsyncConnection) -> list[str | None]:
        return list((await connection.execute(select(tasks.c.reason))).scalars())

    assert await database.read(reasons) == ["Said  by somebody: \N{CLAPPER BOARD}."]


async def test_numbers_and_ids_have_sixty_four_bits(database: Database) -> None:
    row = a_task(id=2**40, done=2**40)
    await database.write(lambda connection: connection.execute(insert(tasks), row))

    async def numbers(connection: AsyncConnection) -> list[int]:
        return list((await connection.execute(select(tasks.c.done).where(tasks.c.id == 2**40))).scalars())

    assert await database.read(numbers) == [2**40]


async def test_rows_of_the_same_key_are_replaced_even_within_one_list(database: Database) -> None:
    def row(key: str, value: str | None) -> dict[str, object]:
        return {"cache_key": key, "cache_value": value, "expires_at": NOON, "fetched_at": NOON}

    replace = replacing(tmdb_cache)
    await database.write_at_once(lambda visit: visit.run(replace, row("a", "1"), row("b", "1")))
    await database.write_at_once(lambda visit: visit.run(replace, row("b", "2"), row("b", None)))

    async def rows(connection: AsyncConnection) -> dict[str, str | None]:
        found = await connection.execute(select(tmdb_cache.c.cache_key, tmdb_cache.c.cache_value))
        return {row.cache_key: row.cache_value for row in found}

    assert await database.read(rows) == {"a": "1", "b": None}


async def test_a_second_opening_of_a_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    async with opened_database(tmp_path):
        with pytest.raises(DatabaseRefused, match="Another process already has the database"):
            async with opened_database(tmp_path):
                pass
    async with opened_database(tmp_path) as database:
        await database.ping()


@pytest.mark.parametrize(
    ("hosts", "why"),
    [
        ("127.0.0.1:1", ""),
        ("127.0.0.1:1,localhost:2", r".*127\.0\.0\.1: .*; localhost: "),
        ("127.0.0.1:one", ".*one"),
        ("127.0.0.1:1,127.0.0.1:two", ".*two"),
    ],
)
async def test_a_postgresql_that_does_not_answer_is_refused_without_its_password(
    tmp_path: Path, hosts: str, why: str
) -> None:
    settings = DatabaseSettings(url=f"postgresql://onesheet:secret@{hosts}/onesheet")
    with pytest.raises(DatabaseRefused, match=f"cannot be used: {why}") as told:
        async with open_database(settings, state_dir=tmp_path):
            pass
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "shown", "without", "password"),
    [
        ("postgresql://a:b%40@c/d", "postgresql://a:***@c/d", "postgresql://a@c/d", "b@"),
        ("postgresql://a:b@c@d:1,e:2/f?sslmode=require", "***@d:1,e:2/f?sslmode=require", "//a@d:1,e", "b@c"),
        ("postgresql://a@[::1]:5433/d", "postgresql://a@[::1]:5433/d", "postgresql://a@[::1]:5433/d", ""),
        ("postgresql:///d?host=/run", "postgresql:///d?host=/run", "postgresql:///d?host=/run", ""),
    ],
)
def test_a_url_of_postgresqls_is_shown_without_its_password(
    url: str, shown: str, without: str, password: str
) -> None:
    read = PostgresUrl(url)
    assert read.shown.endswith(shown)
    assert without in read.without_password
    assert read.password == password


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://a:b@c@d:1,E/f?sslmode=require", (("d", 1), ("e", 5432))),
        ("postgresql://[::1]:5433/d", (("::1", 5433),)),
        ("postgresql:///d?host=/run", ()),
    ],
)
def test_a_url_of_postgresqls_says_its_hosts_in_their_order(
    url: str, hosts: tuple[tuple[str, int], ...]
) -> None:
    assert PostgresUrl(url).hosts == hosts


async def test_connections_to_the_server_before_are_ended_once_its_name_leads_to_another(
    postgresql: PostgresServer,
) -> None:
    url = str(postgresql.migrated().url)
    with postgresql.standby() as other:
        hosts = PostgresHosts(PostgresUrl(url))
        before = [await hosts.connect({}) for _ in range(2)]
        assert not any(one.is_closed() for one in before)
        hosts.address = PostgresUrl(url.replace(str(postgresql.port), str(other.port)))
        now = await hosts.connect({})
        assert all(one.is_closed() for one in before)
        assert not now.is_closed()
        await now.close()


async def test_a_postgresql_is_named_as_its_own_programs_name_it(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    """Of several hosts the first that may be written, over TLS where the server has it, by either name of the scheme."""
    url = str(postgresql.migrated().url)
    several = url.replace("@", "@127.0.0.1:1,") + "?target_session_attrs=read-write&sslmode=prefer"
    for named in (several, url.replace("postgresql:", "postgres:")):
        async with open_database(DatabaseSettings(url=named), state_dir=tmp_path) as database:
            await database.ping()
    with pytest.raises(DatabaseRefused, match="rejected SSL upgrade"):
        async with open_database(DatabaseSettings(url=f"{url}?sslmode=require"), state_dir=tmp_path):
            pass


@pytest.mark.parametrize("limit", [0, 1, 2])
async def test_a_postgresql_without_a_connection_to_spare_is_refused_in_a_sentence(
    postgresql: PostgresServer, tmp_path: Path, limit: int
) -> None:
    settings = postgresql.migrated()
    few = DatabaseSettings(url=str(settings.url).replace("onesheet@", "few@"))

    async def limited(connection: AsyncConnection) -> None:
        role = f"CREATE ROLE few LOGIN CONNECTION LIMIT {limit} IN ROLE pg_read_all_data"
        for statement in ("DROP ROLE IF EXISTS few", role):
            await connection.execute(text(statement))

    async with open_database(settings, state_dir=tmp_path) as database:
        await database.write(limited)
    sharing = Background(Metrics())
    if limit < 2:
        with pytest.raises(DatabaseRefused, match='cannot be used: too many connections for role "few"'):
            async with open_database(few, state_dir=tmp_path, background=sharing):
                pass
        return
    async with open_database(few, state_dir=tmp_path, background=sharing) as database:
        await database.check()
        with pytest.raises(DatabaseUnavailable, match="too many connections"):
            await database.ping()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {
            "ignore_startup_parameters": "lock_timeout, idle_in_transaction_session_timeout, idle_session_timeout,"
            " tcp_keepalives_idle, tcp_keepalives_interval, tcp_keepalives_count"
        },
    ],
    ids=["strict", "lenient"],
)
async def test_a_pooler_is_refused_for_two_could_lead(
    postgresql: PostgresServer, tmp_path: Path, settings: dict[str, str]
) -> None:
    postgresql.migrated()
    with (
        postgresql.pooled(**settings) as pooled,
        pytest.raises(DatabaseRefused, match="Set DATABASE_URL to PostgreSQL itself"),
    ):
        async with open_database(pooled, state_dir=tmp_path):
            pass


async def test_a_postgresql_that_throws_everybody_out_is_unavailable_and_then_there_again(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    async def throw_out(connection: AsyncConnection) -> None:
        await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    async with open_database(postgresql.migrated(), state_dir=tmp_path) as database:
        with pytest.raises(DatabaseUnavailable):
            await database.write(throw_out)
        await database.write(lambda connection: connection.execute(insert(tasks), a_task()))
        assert await stored_tasks(database) == 1


async def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.volume.local.layout, "_file_system", lambda _path: "nfs4")
    settings = DatabaseSettings(url=f"sqlite:{tmp_path}/far.sqlite")
    with pytest.raises(shared.volume.VolumeRefused, match=r"DATABASE_URL .* network file system"):
        async with open_database(settings, state_dir=tmp_path):
            pass


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "enricher.sqlite").write_text("not a database, but quite long " * 100)
    with pytest.raises(DatabaseRefused, match="cannot be used"):
        async with open_database(DatabaseSettings(), state_dir=tmp_path):
            pass


async def test_a_database_of_a_later_version_is_refused(
    database_settings: DatabaseSettings, tmp_path: Path
) -> None:
    async with open_database(database_settings, state_dir=tmp_path) as database:
        await database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(DatabaseRefused, match="later version"):
        async with open_database(database_settings, state_dir=tmp_path):
            pass


async def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    with plain_connection(tmp_path / "enricher.sqlite") as connection:
        connection.execute(text("CREATE TABLE tasks (mine)"))
    with pytest.raises(DatabaseRefused, match="already exists"):
        async with open_database(DatabaseSettings(), state_dir=tmp_path):
            pass
    with plain_connection(tmp_path / "enricher.sqlite") as connection:
        assert inspect(connection).get_table_names() == ["tasks"]


def test_an_unknown_scheme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'mysql': sqlite and postgresql are known"):
        open_database(DatabaseSettings(url="mysql://x"), state_dir=tmp_path)


async def test_the_file_is_where_the_setting_says(tmp_path: Path) -> None:
    async with open_database(DatabaseSettings(url=f"sqlite:{tmp_path}/deeper/x.sqlite"), state_dir=tmp_path):
        assert (tmp_path / "deeper" / "x.sqlite").exists()


@contextmanager
def plain_connection(path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        yield connection
    engine.dispose()


Transaction = Callable[[Callable[[Connection], None]], Awaitable[None]]


@pytest.fixture(params=["sqlite", "postgresql"])
async def in_nothing(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Transaction]:
    """A transaction in a database without any table."""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql")
        url = f"{server.bare().url}".replace("postgresql:", "postgresql+asyncpg:")
    else:
        url = f"sqlite+aiosqlite:///{tmp_path}/x.sqlite"
    engine = create_async_engine(url, poolclass=NullPool)

    async def transaction(work: Callable[[Connection], None]) -> None:
        async with engine.begin() as connection:
            await connection.run_sync(work)

    yield transaction
    await engine.dispose()


async def test_the_tables_in_code_are_those_that_the_migrations_make(in_nothing: Transaction) -> None:
    def compare(connection: Connection) -> None:
        upgrade(connection)
        context = MigrationContext.configure(connection, opts={"target_metadata": metadata})
        assert SHOWN_BY  # with the app all wings and their tables are known
        assert compare_metadata(context, metadata) == []

    await in_nothing(compare)


async def test_each_migration_goes_up_from_empty_and_from_the_version_before(in_nothing: Transaction) -> None:
    def migrate(connection: Connection) -> None:
        before: set[str] = set()
        for revision in REVISIONS:
            upgrade(connection, to=revision)
            after = set(inspect(connection).get_table_names())
            assert before <= after, revision
            before = after
        assert set(metadata.tables) <= before

    await in_nothing(migrate)


async def test_titles_that_were_synced_before_know_when_after_the_migration(in_nothing: Transaction) -> None:
    synced = datetime(2026, 4, 1, tzinfo=UTC)

    def migrate(connection: Connection) -> None:
        upgrade(connection, to="0007")
        row = {
            "title": "Dune",
            "media_type": "movie",
            "created_at": synced,
            "updated_at": synced,
            "plain_title": "dune",
            "first_of_title": True,
            "first_in_list": True,
        }
        before = media_items.c
        names = [before[name] for name in ("title_key", "last_synced", *row)]
        old = table("media_items", *(column(one.name, one.type) for one in names))
        for key, at in (("a", None), ("a", synced), ("b", None)):
            connection.execute(old.insert().values(title_key=key, last_synced=at, **row))
        upgrade(connection)
        rows = connection.execute(select(before.title_key, before.title_synced).order_by(before.id)).all()
        assert [tuple(row) for row in rows] == [("a", synced), ("a", synced), ("b", NEVER)]

    await in_nothing(migrate)
