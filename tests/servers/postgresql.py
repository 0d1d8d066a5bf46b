"""A PostgreSQL of our own: on a free port, in a temporary directory, ended by its process id.

The Debian package's own cluster is neither needed nor touched. PostgreSQL refuses to run as root: root runs it as the
user `postgres`, anybody else as themselves.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from services.enricher.database.engines import DatabaseSettings, open_database
from services.enricher.database.migrations import LATEST
from services.enricher.database.schema import metadata
from tests.servers.databases import ELSEWHERE, use_server
from tests.servers.rabbitmq import free_ports

READY_WITHIN_S = 150
STOP_WITHIN_S = 15
_USER = "onesheet"
_MIGRATED, _BARE = "migrated", "bare"
_MISSING = "PostgreSQL is missing: install the Debian package postgresql (`make test` does)."


class PostgresServer:
    """One that runs, until `close`. What it keeps is lost in a power cut: it waits for no disk."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._programs = _programs()
        [self.port] = free_ports(1)
        # A child with a death signal dies with the *thread* that started it: this one outlives every test.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="postgresql")
        self._server: subprocess.Popen[bytes] | None = None
        self._told: dict[str, subprocess.Popen[str]] = {}
        self._own: set[str] = set()

    def start(self) -> None:
        directory = self._directory
        if os.getuid() == 0:
            shutil.chown(directory, "postgres")
        self._run(
            *("initdb", "-D", str(directory / "data"), "-A", "trust", "-U", _USER, "--no-sync"),
            *("--no-instructions", "-E", "UTF8", "--locale=C.UTF-8"),
        )
        self._server = self._starter.submit(self._start).result()
        self._wait_until_ready(self._server, self.port)
        for name in (_MIGRATED, _BARE):
            self._run("createdb", *self._client, name)
        migrating = _migrate(DatabaseSettings(url=self._url(_MIGRATED)))
        self._starter.submit(asyncio.run, migrating).result()

    def migrated(self) -> DatabaseSettings:
        """A database with this version's schema and nothing in it: the same one for each test, emptied. Another one for each
        would be eight megabytes and three hundred files.
        """
        emptied = [f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)]
        self._say(_MIGRATED, *emptied, f"UPDATE alembic_version SET version_num = '{LATEST}'")
        return DatabaseSettings(url=self._url(_MIGRATED))

    def bare(self) -> DatabaseSettings:
        """A database without any table, which is made so for each test."""
        self._say(
            _BARE, "SET client_min_messages = error", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"
        )
        return DatabaseSettings(url=self._url(_BARE))

    def of_its_own(self, name: str) -> DatabaseSettings:
        """A database with this version's schema, made where it is not there, and kept until the server ends."""
        if name not in self._own:
            self._hang_up(_MIGRATED)  # which nobody may be connected to meanwhile
            self._run("createdb", *self._client, "-T", _MIGRATED, f"own_{name}")
            self._own.add(name)
        return DatabaseSettings(url=self._url(f"own_{name}"))

    @contextmanager
    def pooled(self, **settings: str) -> Iterator[DatabaseSettings]:
        """The migrated database behind PgBouncer, which gives a connection to somebody else after each transaction."""
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            pytest.skip("PgBouncer is missing: install the Debian package pgbouncer.")
        [port] = free_ports(1)
        users, configuration = self._directory / "users.txt", self._directory / "pgbouncer.ini"
        users.write_text(f'"{_USER}" ""\n')
        said = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "auth_file": str(users),
            "pool_mode": "transaction",
            **settings,
        }
        lines = [f"[databases]\n* = host=127.0.0.1 port={self.port} user={_USER}\n[pgbouncer]"]
        configuration.write_text("\n".join(lines + [f"{name} = {value}" for name, value in said.items()]))
        pooler = self._starter.submit(self._begin, self._command(program, "-q", str(configuration))).result()
        try:
            self._wait_until_ready(pooler, port)
            yield DatabaseSettings(url=f"postgresql://{_USER}@127.0.0.1:{port}/{_MIGRATED}")
        finally:
            pooler.kill()
            pooler.wait()

    @contextmanager
    def standby(self) -> Iterator["PostgresServer"]:
        """Another server beside it that follows this one's writes, until it is promoted."""
        with TemporaryDirectory(prefix="onesheet-standby-", ignore_cleanup_errors=True) as directory:
            standby = PostgresServer(Path(directory))
            try:
                standby._follow(self)
                yield standby
            finally:
                standby.close()

    def promote(self) -> None:
        """It takes writes from now on."""
        self._run("pg_ctl", "promote", "-w", "-D", str(self._directory / "data"))

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """It takes connections, as a machine that hangs does, and says nothing."""
        assert self._server
        processes = [*psutil.Process(self._server.pid).children(), psutil.Process(self._server.pid)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def kill(self) -> None:
        """At once: nothing is needed any more."""
        for database in [*self._told]:
            self._hang_up(database)
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT)
            try:
                self._server.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None

    def close(self) -> None:
        self.kill()
        self._starter.shutdown()

    def _follow(self, other: "PostgresServer") -> None:
        if os.getuid() == 0:
            shutil.chown(self._directory, "postgres")
        copied = ("-D", str(self._directory / "data"), "-R", "-X", "stream", "-c", "fast", "--no-sync")
        self._run("pg_basebackup", *other._client, *copied)
        self._server = self._starter.submit(self._start).result()
        self._wait_until_ready(self._server, self.port)

    def _say(self, database: str, *statements: str) -> None:
        """Through a psql that stays: it and its connection would cost more than what is said."""
        if (told := self._told.get(database)) is None or told.poll() is not None:
            told = self._told[database] = self._starter.submit(self._talk, database).result()
        assert told.stdin
        assert told.stdout
        told.stdin.write("\\; ".join(statements) + ";\n\\echo done\n")
        told.stdin.flush()
        if (said := told.stdout.readline()) != "done\n":
            raise RuntimeError(f"psql failed:\n{said}{told.communicate()[0]}")

    def _talk(self, database: str) -> subprocess.Popen[str]:
        command = self._command("psql", *self._client, "-q", "-X", "-v", "ON_ERROR_STOP=1", database)
        return subprocess.Popen(
            command,
            cwd=self._directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _hang_up(self, database: str) -> None:
        if told := self._told.pop(database, None):
            told.communicate()

    @property
    def _client(self) -> tuple[str, ...]:
        return ("-h", "127.0.0.1", "-p", str(self.port), "-U", _USER)

    def _url(self, name: str) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{name}"

    def _command(self, program: str, *options: str) -> list[str]:
        command = ["setpriv", "--pdeathsig", "QUIT"]
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            command += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--init-groups"]
        return [*command, str(self._programs / program), *options]

    def _run(self, program: str, *options: str) -> None:
        command = self._command(program, *options)
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self._directory)
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")

    def _start(self) -> subprocess.Popen[bytes]:
        options = ["-D", str(self._directory / "data"), "-k", str(self._directory), "-p", str(self.port)]
        options += ["-h", "127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=32MB"]
        return self._begin(self._command("postgres", *options))

    def _begin(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self._directory / "output.log").open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _wait_until_ready(self, server: subprocess.Popen[bytes], port: int) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        asking = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", _USER]
        while subprocess.run(asking, check=False).returncode:
            if server.poll() is not None or time.monotonic() > deadline:
                output = (self._directory / "output.log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not start:\n{output[-4000:]}")
            time.sleep(0.05)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """One server for the whole run; each test begins with an empty database in it."""
    # Outside of pytest's directory, which nobody but its owner can pass.
    with TemporaryDirectory(prefix="onesheet-postgresql-", ignore_cleanup_errors=True) as directory:
        server = PostgresServer(Path(directory))
        try:
            server.start()
            yield server
        finally:
            server.close()


@pytest.fixture(scope="session", autouse=ELSEWHERE)
def on_postgresql(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test's database, where the environment says so."""
    use_server(request.getfixturevalue("postgresql"))
    yield
    use_server(None)


def _programs() -> Path:
    """Debian has them where no search for programs looks; the latest version's."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3])
    )
    found = versions[-1] if versions else shutil.which("postgres")
    if found is None:
        pytest.fail(_MISSING)
    return Path(found).parent


async def _migrate(settings: DatabaseSettings) -> None:
    async with open_database(settings, state_dir=Path("/nowhere")):
        pass
