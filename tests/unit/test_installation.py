"""What `make run` installs is all that the services need, whatever else a developer has beside it."""

import json
import re
import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import date, timedelta
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import services
from tests.house import neglected
from tests.servers.certificates import made_certificate
from tests.servers.databases import furnish

ROOT = Path(__file__).parents[2]
_CHILD = """
import json, sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in missing:
            raise ModuleNotFoundError(f"{name} would not be installed", name=name)

missing = set(json.load(sys.stdin))
sys.meta_path.insert(0, Missing())
import services.one_process, services.proxy.app, services.fetcher.app, services.enricher.app
import aiodns, aiosqlite
import aiohttp_socks, alembic, babelfish, http_sf  # at their first use
import services.enricher.api.openapi, services.fetcher.rendering.render
"""


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
PINNED = {canonicalize_name(name): Version(version) for name, version in PINS.items()}
PRIVATELY = {
    "aiohttp": "connections.Connection: _messages, _waiter and more of a RequestHandler; its answer: prepared",
    "aiosqlite": "sqlite_driver.FrugalConnection: _execute, _conn and _thread of a connection",
    "sqlalchemy": "connection.open_engine: _is_async of create_engine",
    "pillow": "animation._Film: _mode and _size of a picture",
}
"""What is used of them that they promise nobody, by name. Read it again in the next minor version, then let that in."""


_AT_FIRST_USE = {
    *(
        "jinja2",
        "rapidfuzz",
        "alembic",
        "mako",
        "openapi_pydantic",
        "aiohttp_socks",
        "babelfish",
        "http_sf",
        "guessit",
    ),
    *(
        "PIL",
        "pi_heif",
        "resvg_py",
        "aio_pika",
        "asyncpg",
        "sqlalchemy.orm",
        "sqlalchemy.dialects.postgresql",
        "services.enricher.library.scan.reading",
    ),
}
_STARTED = """
import asyncio, json, sys
from pathlib import Path
import services.__main__, shared.queue.embedded.engine
import aiohttp.connector
from pydantic import BaseModel
from services.enricher.database.engines import DatabaseSettings, open_database

async def opened():
    async with open_database(DatabaseSettings(), state_dir=Path(sys.argv[1])) as database:
        await database.ping()

def below(model):
    return {model}.union(*map(below, model.__subclasses__()))

ours = [model for model in below(BaseModel) if model.__module__.partition(".")[0] in ("services", "shared")]
built = [model.__qualname__ for model in ours if model.__pydantic_complete__]
asyncio.run(opened())
certificates = aiohttp.connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509"]
print(json.dumps([list(sys.modules), certificates, len(ours), built]))
"""


def test_what_is_seldom_used_is_not_loaded_by_a_start(tmp_path: Path) -> None:
    furnish(tmp_path)
    said = subprocess.run(
        [sys.executable, "-c", _STARTED, tmp_path], capture_output=True, text=True, check=True, cwd=ROOT
    )
    modules, certificates, models, built = json.loads(said.stdout)
    assert set(modules) & _AT_FIRST_USE == set()
    assert certificates == 0
    assert models > 100
    assert built == []


def by_a_socket(trust: ssl.SSLContext) -> None:
    ours, its = socket.socketpair()
    with ours, its, trust.wrap_socket(ours, server_hostname="a.example", do_handshake_on_connect=False):
        pass


def by_asyncio(trust: ssl.SSLContext) -> None:
    trust.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="a.example")


@pytest.mark.parametrize("connect", [by_a_socket, by_asyncio])
def test_the_certificates_that_the_system_trusts_are_read_once_there_is_a_connection(
    connect: Callable[[ssl.SSLContext], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert services.__doc__  # they are what puts it off
    monkeypatch.setenv("SSL_CERT_FILE", made_certificate(tmp_path)["TLS_CERTIFICATE"])
    trust = ssl.create_default_context()
    assert trust.get_ca_certs() == []
    connect(trust)
    [read] = trust.get_ca_certs()
    assert read["subject"] == read["issuer"]
    connect(trust)
    assert trust.get_ca_certs() == [read]
    assert trust.verify_mode is ssl.CERT_REQUIRED


def installed_for(wanted: list[str]) -> set[str]:
    """The names of all distributions that come with these requirements."""
    found: set[tuple[str, str]] = set()
    queue = [(Requirement(text), "") for text in wanted]
    while queue:
        requirement, asked_with = queue.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": asked_with}):
            continue
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in found:
                found.add((name, extra))
                queue += [(Requirement(text), extra) for text in _requires(name)]
    return {name for name, _ in found}


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # of another system
        return []


def test_the_services_start_with_what_they_ask_for() -> None:
    wanted = PROJECT["project"]["dependencies"]
    there = installed_for(wanted) | {"onesheet-server"}
    missing = [
        module
        for module, distributions in packages_distributions().items()
        if not there & set(map(canonicalize_name, distributions))
    ]
    assert "pytest" in missing
    command = [sys.executable, "-c", _CHILD]
    subprocess.run(command, input=json.dumps(missing), text=True, check=True, cwd=ROOT)


@pytest.mark.parametrize("name", PRIVATELY)
def test_who_is_used_through_private_parts_is_held_to_the_minor_version_they_were_read_in(name: str) -> None:
    [held] = [each for each in map(Requirement, PROJECT["project"]["dependencies"]) if each.name == name]
    read = PINNED[canonicalize_name(name)]
    assert held.specifier.contains(read)
    assert held.specifier.contains(f"{read.major}.{read.minor}.999")
    assert not held.specifier.contains(f"{read.major}.{read.minor + 1}.0")


def test_versions_with_known_faults_are_let_in_by_no_range() -> None:
    [aiohttp] = [
        each for each in map(Requirement, PROJECT["project"]["dependencies"]) if each.name == "aiohttp"
    ]
    assert not aiohttp.specifier.contains("3.14.2")


@pytest.mark.parametrize(
    ("days", "told"),
    [(0, False), (90, False), (91, True), (-400, False)],
    ids=["new", "young", "old", "dated ahead"],
)
def test_pins_that_nobody_has_looked_through_for_ninety_days_are_told(days: int, told: bool) -> None:
    constraints = (ROOT / "constraints.txt").read_text()
    said = re.search(r"looked through on ([0-9-]+)", constraints)
    assert said
    looked = date.fromisoformat(said[1])
    assert bool(neglected(constraints, looked + timedelta(days=days))) == told
    assert neglected("a==1", looked)


def test_every_package_that_make_installs_is_pinned_and_no_other() -> None:
    groups = PROJECT["dependency-groups"]
    wanted = [*PROJECT["project"]["dependencies"], *groups["test"], *groups["lint"], *groups["bench"]]
    needed = installed_for(wanted)
    assert needed - set(PINNED) == set()
    in_the_bench_alone = {"pyvips", "pyvips-binary", "cffi", "pycparser"}  # which need not be installed here
    assert set(PINNED) - needed - in_the_bench_alone == set()


def test_what_is_installed_is_what_is_pinned() -> None:
    needed = installed_for([*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["test"]])
    assert {name: Version(version(name)) for name in needed} == {
        name: PINNED[canonicalize_name(name)] for name in needed
    }
