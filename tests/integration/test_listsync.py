"""What ListSync leaves behind, taken over: items, lists, dates and pictures, without a download."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.command.main import app as command
from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.pictures import DOWNLOAD, picture_id
from shared.settings import HostSettings
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.gallery import drawn_file
from tests.providers.listsync import ListSyncFolder, proxied

HOST = "https://image.tmdb.org/t/p/original"
IMPORT = "/api/import/listsync"
CACHED, LOOKED_AT = "2026-01-02T03:04:05Z", "2026-05-06T07:08:09Z"
PICTURE = drawn_file("poster", 3, (60, 90), "jpeg") or b""


def url(number: int) -> str:
    return f"{HOST}/poster{number}.jpg"


def cached(number: int, **values: object) -> dict[str, object]:
    return {
        "image_url": url(number),
        "local_path": f"data/images/{picture_id(url(number))}.jpg",
        "cached_at": "2026-01-02 03:04:05",
        "last_accessed": "2026-05-06 07:08:09",
        "image_data": None,
    } | values


def item(number: int, **values: object) -> dict[str, object]:
    return {
        "full_path": f"/films/{number}.mkv",
        "title": f"Film {number}",
        "media_type": "movie",
        "year": 2000 + number,
        "imdb_id": f"tt{number:07}",
        "tmdb_id": number,
        "created_at": f"2025-01-{number:02} 00:00:00",
        "updated_at": f"2025-02-{number:02} 00:00:00",
        "poster_url": proxied(url(number)),
        "poster_cached_at": "2026-01-02 03:04:05",
    } | values


def synced(number: int, **values: object) -> dict[str, object]:
    return {
        "id": 100 + number,
        "title": f"Film {number}",
        "media_type": "movie",
        "year": 2000 + number,
        "imdb_id": f"tt{number:07}",
        "tmdb_id": str(number),
        "overseerr_id": number,
        "status": "available",
        "last_synced": "2026-03-01 00:00:00",
        "source_list_type": "trakt",
        "source_list_id": "watchlist",
    } | values


@pytest.fixture
def left(tmp_path: Path) -> ListSyncFolder:
    """Two films with posters, a series that is on two lists, and whatever can be wrong with a picture."""
    folder = ListSyncFolder(tmp_path / "listsync")
    folder.add("media_items", [item(1), item(2), item(3, title="")])
    show = {"media_type": "tv", "title": "A show", "imdb_id": "", "tmdb_id": "77", "status": "not_found"}
    folder.add("synced_items", [synced(1), synced(4, **show)])
    folder.add(
        "item_lists",
        [
            {
                "item_id": 101,
                "list_type": "mdblist",
                "list_id": "somebody",
                "synced_at": "2026-04-01 00:00:00",
            },
            {
                "item_id": 104,
                "list_type": "trakt",
                "list_id": "watchlist",
                "synced_at": "2026-02-01 00:00:00",
            },
        ],
    )
    folder.add(
        "lists",
        [{"list_type": "mdblist", "list_id": "somebody", "display_name": "Somebody's", "poster_url": None}],
    )
    folder.add(
        "cached_images",
        [
            cached(1),
            cached(5, image_data=PICTURE, local_path=None),
            cached(6),
            cached(7),
            cached(8, image_url=None),
        ],
    )
    folder.put(url(1), PICTURE)
    folder.put(url(2), PICTURE)  # of which no row tells but the poster's
    folder.put(url(7), b"no picture at all")
    folder.put("https://nobody.example/knows.jpg", PICTURE)
    return folder


@asynccontextmanager
async def whole(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningEnricher]:
    monkeypatch.setenv("DISK_FREE_FLOOR_GB", "0")
    monkeypatch.setenv("RENDER_PROCESSES", "1")
    monkeypatch.setenv("ENABLE_IMAGE_OPTIMIZATION", "false")
    async with running_enricher(
        directory, fetcher=FetcherSettings(), proxy=ProxySettings(), hosts=HostSettings()
    ) as running:
        yield running


async def imported(enricher: RunningEnricher, **order: object) -> dict[str, Any]:
    reply = await enricher.manage("POST", IMPORT, order)
    assert reply.status == 202, reply.json
    task: dict[str, Any] = reply.json

    async def has_ended() -> bool:
        task.update((await enricher.manage("GET", f"/api/v1/admin/tasks/{task['id']}")).json)
        return task["state"] not in ("queued", "running")

    await until(has_ended, every_s=0.05)
    return task


async def test_all_that_listsync_has_is_taken_over_once(
    left: ListSyncFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = {"database": str(left.database), "images": str(left.images)}
    async with whole(tmp_path, monkeypatch) as enricher:
        dry = await imported(enricher, **order, dry_run=True)
        assert (await enricher.get("/api/items")).json["total"] == 0
        first = await imported(enricher, **order)
        items = (await enricher.get("/api/items?order=newest")).json["items"]
        page = (await enricher.get("/api/items?list_source=mdblist:somebody")).json
        listed = (await enricher.get("/api/images/cache/list")).json["items"]
        assert enricher.fetched_ahead() == []
        status, _ = await enricher.picture(f"/t/p/w342/{url(1).rpartition('/')[2]}")
        broken = await enricher.volume.pictures.state(picture_id(url(7)))
        again = await imported(enricher, **order)
        after = (await enricher.get("/api/items?order=newest")).json["items"]
    assert dry["counts"] == {
        "items added": 5,
        "picture would be adopted": 4,
        "picture file missing": 1,
        "errors": 3,
    }
    assert (first["state"], first["counts"]["items added"], first["counts"]["picture adopted"]) == (
        "done",
        5,
        3,
    )
    assert (first["counts"]["picture refused"], first["counts"]["picture file missing"]) == (1, 1)
    assert len(first["errors"]) == 3
    assert broken.failures.get(DOWNLOAD) is None
    film = next(one for one in items if one["imdb_id"] == "tt0000001")
    assert [(one["list_type"], one["list_id"], one["display_name"]) for one in film["list_sources"]] == [
        ("mdblist", "somebody", "Somebody's"),
        ("trakt", "watchlist", None),
    ]
    assert (film["status"], film["overseerr_id"], film["last_synced"]) == (
        "available",
        1,
        "2026-04-01T00:00:00Z",
    )
    assert film["created_at"] == "2025-01-01T00:00:00Z"
    assert (film["stored"], film["full_path"]) == (True, "/films/1.mkv")
    assert [one["title"] for one in page["items"]] == ["Film 1"]
    assert {one["title"]: one["media_type"] for one in items} == {
        "Film 1": "movie",
        "Film 2": "movie",
        "A show": "tv",
    }
    one = next(one for one in listed if one["image_url"] == url(1))
    assert (one["cached_at"], one["last_accessed"], one["source"]) == (CACHED, LOOKED_AT, "tmdb")
    assert status == 200
    assert {key: count for key, count in again["counts"].items() if key != "errors"} == {
        "items unchanged": 5,
        "picture was stored": 3,
        "picture refused": 1,
        "picture file missing": 1,
    }
    assert [one | {"images": {}} for one in after] == [one | {"images": {}} for one in items]


@pytest.mark.parametrize("trouble", ["no file", "no database", "another schema", "no folder", "locked"])
async def test_what_cannot_be_read_is_a_sentence_and_nothing_is_imported(
    left: ListSyncFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr("services.enricher.library.listsync.reading.PATIENCE_S", 0.1)
    order = {"database": str(left.database), "images": str(left.images)}
    with closing(sqlite3.connect(left.database, isolation_level=None)) as connection:
        match trouble:
            case "no file":
                order["database"] += ".not"
            case "no database":
                left.database.write_bytes(b"no database " * 1000)
            case "another schema":
                connection.execute("ALTER TABLE media_items RENAME COLUMN title TO name")
            case "no folder":
                order["images"] += ".not"
            case "locked":
                connection.execute("BEGIN EXCLUSIVE")
        async with running_enricher(tmp_path) as enricher:
            task = await imported(enricher, **order)
            total = (await enricher.get("/api/items")).json["total"]
    assert (task["state"], task["done"], total) == ("failed", 0, 0)
    assert task["reason"].endswith(".")
    assert "listsync" in task["reason"]


async def test_a_command_starts_the_import_and_tells_how_it_ended(
    left: ListSyncFolder, tmp_path: Path
) -> None:
    async with running_enricher(tmp_path) as enricher:

        async def typed(database: Path, *more: str, token: str = "the-admin-token") -> Result:
            words = ["import", "listsync", str(database), "--url", enricher.address, "--token", token, *more]
            return await asyncio.to_thread(CliRunner().invoke, command, words)

        dry = await typed(left.database, "--dry-run")
        broken = await typed(tmp_path / "not there.db")
        refused = await typed(left.database, token="another")
    assert [result.exit_code for result in (dry, broken, refused)] == [0, 1, 4]
    assert "done, 5 items added" in dry.output
    assert "There is no file" in broken.output
    assert "does not allow" in refused.output


async def test_only_operators_import(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        assert (await enricher.ask("POST", IMPORT, json={"database": "/x"})).status == 401
        assert (await enricher.manage("POST", IMPORT, {})).status == 400
