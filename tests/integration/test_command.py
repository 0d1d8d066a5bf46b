"""The command `onesheet`, typed at a server that runs, and at the files where none does."""

import asyncio
import json
import logging
import shlex
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from typer.testing import CliRunner, Result

from services.command.main import app
from services.fetcher.settings import FetcherSettings
from shared.queue import Lane
from shared.settings import HostSettings
from shared.telemetry import utc_now
from shared.telemetry.logs import lines_out
from shared.volume import HostPause
from tests.contract.test_documents import DOCUMENTS, commands
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.picture_host import PictureHost
from tests.providers.tmdb import TmdbHost
from tests.servers.databases import furnish
from tests.unit.catalogs import source
from tests.unit.test_dead_letters import died

pytestmark = [pytest.mark.asyncio(loop_scope="module")]
POSTER = "/poster/1-60x90.jpg"


@dataclass(frozen=True)
class Typing:
    """Somebody at a terminal, with what the environment says."""

    environment: dict[str, str]
    host: PictureHost
    enricher: RunningEnricher
    films: Path

    async def types(self, *words: str, text: str | None = None) -> Result:
        return await asyncio.to_thread(typed, self.environment, *words, text=text)

    async def answers(self, *words: str) -> Any:
        """What a script reads."""
        result = await self.types(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


def typed(environment: dict[str, str], *words: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, list(words), env=environment, input=text)


@pytest.fixture(scope="module")
def silence() -> Iterator[None]:
    """The server of these tests logs to the standard output that the command answers on, and here says nothing."""
    before = structlog.get_config()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_out, "levels", frozenset[str]())
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        yield
    structlog.configure(**before)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def typing(silence: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Typing]:
    directory = tmp_path_factory.mktemp("command")
    films = directory / "films"
    films.mkdir()
    (films / "Heat (1995).mkv").write_bytes(b"film")
    async with PictureHost.running() as host, TmdbHost().running() as tmdb:
        with pytest.MonkeyPatch.context() as settings:
            authority = host.root.removeprefix("http://")
            settings.setenv("ALLOW_PRIVATE", authority)
            settings.setenv("ALLOWED_HOSTS", authority)
            settings.setenv("DISK_FREE_FLOOR_GB", "0")
            fetcher, hosts = FetcherSettings(), HostSettings()
        async with running_enricher(
            directory, tmdb=tmdb, fetcher=fetcher, hosts=hosts, roots=(str(films),)
        ) as enricher:
            environment = {"ONESHEET_URL": enricher.address, "ONESHEET_TOKEN": "the-admin-token"}
            yield Typing(environment, host, enricher, films)


async def test_pictures_are_fetched_ahead_from_urls_and_files(typing: Typing, tmp_path: Path) -> None:
    listed = tmp_path / "urls"
    listed.write_text(f"# posters\n{typing.host.url(POSTER)}\n\n")
    task = await typing.answers("warm", str(listed), typing.host.url("/poster/2-60x90.jpg"))
    assert (task["state"], task["counts"]) == ("done", {"stored": 2})
    again = await typing.types("warm", "-", text=typing.host.url(POSTER))
    assert (again.exit_code, again.stdout) == (0, "Nothing is missing.\n")
    assert "1 there already" in again.stderr


async def test_what_is_not_allowed_is_said_and_fails(typing: Typing) -> None:
    refused = await typing.types("warm", "http://elsewhere.example/1.jpg")
    assert refused.exit_code == 1
    assert "ALLOWED_HOSTS" in refused.stderr


async def test_a_folder_is_scanned_and_waited_for(typing: Typing) -> None:
    task = await typing.answers("scan", str(typing.films))
    assert (task["kind"], task["state"], task["done"]) == ("scan", "done", 1)
    outside = await typing.types("scan", "/etc")
    assert (outside.exit_code, "LIBRARY_ROOTS" in outside.stderr) == (1, True)


async def test_what_is_stored_is_counted(typing: Typing) -> None:
    counted = await typing.answers("stats")
    assert counted["storage"]["free_bytes"] > 0
    assert "disk: free_bytes" in (await typing.types("stats")).stdout


async def test_lanes_are_shown_once_or_watched(typing: Typing, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = await typing.answers("queues")
    assert [lane["lane"] for lane in lanes["lanes"]] == [lane.value for lane in Lane]
    looks = iter((None, None))

    def look_again(_seconds: float) -> None:
        if next(looks, "enough") == "enough":
            raise KeyboardInterrupt

    monkeypatch.setattr("services.command.main.sleep", look_again)
    watched = await typing.types("queues", "--watch", "--json")
    assert watched.exit_code == 130
    assert watched.stdout.count('"put_off"') == 3


async def test_a_choice_is_explained_and_a_picture_purged(typing: Typing) -> None:
    url = typing.host.url("/poster/3-60x90.jpg")
    await typing.answers("warm", url)
    told = await typing.answers("explain", url)
    assert told["revision"]
    assert (await typing.answers("purge", url, "--dry-run"))["picture_id"] == told["picture_id"]
    assert (await typing.answers("purge", told["picture_id"]))["picture_id"] == told["picture_id"]

    async def gone() -> bool:
        return (await typing.answers("explain", url))["revision"] is None

    await until(gone)
    assert (await typing.answers("explain", "movie/tmdb:603/poster"))["finding"]
    assert (await typing.types("purge", "movie/tmdb:99999/poster")).exit_code == 5
    assert (await typing.types("explain", "movie")).exit_code == 2


async def test_dead_letters_are_read_sent_again_and_dropped(typing: Typing) -> None:
    for number in (1, 2, 3):
        await typing.enricher.queue.publish(died(number), Lane.DEAD)

    async def there() -> bool:
        return bool((await typing.answers("dead", "list"))["total"] == 3)

    await until(there)
    found = await typing.answers("dead", "list", "--lane", "pictures.later", "--class", "upstream")
    first, second, _ = (letter["id"] for letter in found["letters"])
    assert str(source(3)) in (await typing.types("dead", "list")).stdout
    assert (await typing.answers("dead", "show", str(first)))["body"]
    assert [letter["id"] for letter in await typing.answers("dead", "redrive", str(first))] == [first]
    assert (await typing.answers("dead", "drop", str(second)))["dropped"] == 1
    assert (await typing.answers("dead", "drop", "--all", "--dry-run"))["dropped"] == 1
    assert (await typing.answers("dead", "redrive", "--all"))["state"] == "done"
    assert (await typing.types("dead", "drop")).exit_code == 2
    assert (await typing.types("dead", "show", str(second))).exit_code == 5


async def test_a_pause_of_a_host_is_shown_and_ended(typing: Typing) -> None:
    pause = HostPause(until=utc_now().replace(year=2100), failing=True)
    await typing.enricher.volume.hosts.pause("slow.example:443", pause)
    assert [host["host"] for host in (await typing.answers("hosts", "list"))["hosts"]] == ["slow.example:443"]
    assert "is over" in (await typing.types("hosts", "resume", "slow.example:443")).stdout
    assert (await typing.types("hosts", "resume", "slow.example:443")).exit_code == 5


async def test_what_is_stored_is_scrubbed(typing: Typing) -> None:
    assert (await typing.answers("catalog", "scrub", "--dry-run"))["state"] == "done"


async def test_a_wrong_token_and_nobody_there_have_codes_of_their_own(typing: Typing) -> None:
    assert (await typing.types("queues", "--token", "wrong")).exit_code == 4
    assert (await typing.types("queues", "--url", "http://127.0.0.1:1")).exit_code == 3


async def test_each_key_is_tried_for_real(typing: Typing) -> None:
    before = await typing.enricher.manage("GET", "/api/v1/admin/providers")
    asked = await typing.enricher.manage("POST", "/api/v1/admin/providers/check")
    found = {one["name"]: one["condition"] for one in asked.json["providers"]}
    assert [one["name"] for one in before.json["providers"]] == list(found)
    assert (found["tmdb"], found["trakt"]) == ("ready", "off")


NOT_TYPED_HERE = {
    "serve": "tests/integration/test_one_process.py",
    "catalog rebuild": "where no server runs: test_the_catalog_is_made_anew_from_the_files",
    "database copy": "where no server runs, into PostgreSQL: tests/unit/test_copying.py",
    "restore": "tests/integration/test_backup.py",
    "import": "tests/integration/test_listsync.py, test_streamvault.py",
    "volume copy": "into a store of objects: tests/integration/test_volume_copy.py",
    "--install-completion": "it would install something in somebody's home",
}
"""Where it is, or why not."""

COMMANDS = [
    words[1:] for document in DOCUMENTS for words in commands(document) if words[0].endswith("onesheet")
]


@pytest.mark.parametrize("words", [list(one) for one in dict.fromkeys(map(tuple, COMMANDS))], ids=shlex.join)
async def test_what_a_document_says_to_type_works(
    typing: Typing, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if {words[0], shlex.join(words[:2])} & NOT_TYPED_HERE.keys():
        return
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("services.command.main.sleep", _interrupted)
    monkeypatch.setenv("QUEUE_URL", "amqp://onesheet:password@broker:5672/onesheet")
    monkeypatch.setenv("VOLUME_URL", f"file:{typing.films.parent}/volume")
    monkeypatch.setenv("STATE_DIR", f"{typing.films.parent}/state")
    (tmp_path / "urls.txt").write_text(typing.host.url(POSTER))
    there = {
        "/media/films": str(typing.films),
        "/srv/backups/onesheet.tar.gz": "onesheet.tar.gz",
        "http://10.0.0.2:8081": typing.enricher.address,
    }
    result = await typing.types(*(there.get(word, word) for word in words))
    expected = {0}
    if words[0] == "doctor":
        expected = {0, 1}  # it finds what is not as it should be of a test
    elif "--watch" in words:
        expected = {130}
    elif words[0] in ("dead", "hosts", "purge"):
        expected = {0, 5}  # there is none of that number or name
    assert result.exit_code in expected, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def _interrupted(_seconds: float) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A directory where a server has been, and none runs."""
    monkeypatch.chdir(tmp_path)
    furnish(tmp_path / "state")
    return {"PORT": "1", "VOLUME_URL": "file:data", "ONESHEET_URL": "", "ADMIN_TOKEN": "t"}


async def test_where_no_server_runs_the_files_are_asked(at_home: dict[str, str]) -> None:
    counted = await asyncio.to_thread(typed, at_home, "queues", "--json")
    assert counted.exit_code == 0, counted.output
    assert json.loads(counted.stdout)["lanes"][0]["waiting"] == 0
    assert "No server runs here" in counted.stderr
    url = "https://image.tmdb.org/t/p/original/1.jpg"
    warmed = await asyncio.to_thread(typed, at_home, "warm", url)
    assert (warmed.exit_code, "when the services run again" in warmed.stderr) == (0, True)


async def test_the_catalog_is_made_anew_from_the_files(at_home: dict[str, str]) -> None:
    made = await asyncio.to_thread(typed, at_home, "catalog", "rebuild", "--json")
    assert (made.exit_code, json.loads(made.stdout)["pictures"]) == (0, 0)


async def test_where_nothing_is_at_all_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nowhere = {"PORT": "1", "ONESHEET_URL": "", "STATE_DIR": "nowhere"}
    result = await asyncio.to_thread(typed, nowhere, "stats")
    assert (result.exit_code, "ONESHEET_URL" in result.stderr) == (3, True)
