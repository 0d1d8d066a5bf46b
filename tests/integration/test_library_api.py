"""Managing the library over HTTP: adding, removing, scanning, and the tasks that do it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.integration.enricher import RunningEnricher, running_enricher

ITEMS = "/api/library/items"
TASKS = "/api/v1/admin/tasks"


async def ended(enricher: RunningEnricher, task: int) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    async with asyncio.timeout(30):
        while shown.get("state") not in ("done", "failed", "cancelled"):
            shown = (await enricher.manage("GET", f"{TASKS}/{task}")).json
            await asyncio.sleep(0.02)
    return shown


async def test_the_same_title_from_another_path_is_the_same_item(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        first = {"title": "Dune", "media_type": "movie", "year": 2021, "full_path": "/a/Dune.mkv"}
        await enricher.manage("POST", ITEMS, first)
        again = {**first, "full_path": "/b/Dune.2021.mkv", "imdb_id": "tt1160419"}
        added = await enricher.manage("POST", ITEMS, again)
        listed = (await enricher.get(ITEMS)).json
    assert added.status == 201
    assert (added.json["id"], added.json["paths"]) == (1, ["/a/Dune.mkv", "/b/Dune.2021.mkv"])
    assert (listed["total"], [item["imdb_id"] for item in listed["items"]]) == (1, ["tt1160419"])


async def test_a_removed_item_is_gone_from_every_page(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        await enricher.add(2)
        await enricher.get(ITEMS)
        assert (await enricher.ask("DELETE", f"{ITEMS}/1")).status == 401
        assert (await enricher.manage("DELETE", f"{ITEMS}/1")).status == 204
        assert (await enricher.manage("DELETE", f"{ITEMS}/1")).status == 404
        listed = (await enricher.get(ITEMS)).json
    assert [item["id"] for item in listed["items"]] == [2]


NO_ITEMS: tuple[dict[str, Any], ...] = (
    {"title": ""},
    {"title": " "},
    {"title": None},
    {"media_type": "song"},
    {"year": 99999},
    {"imdb_id": "603"},
    {"imdb_id": "tt\u0661\u0662\u0663\u0664\u0665\u0666\u0667"},
    {"tmdb_id": 0},
    {"poster_url": "file:///etc/passwd"},
    {"poster_url": "https://user:password@example.org/a.jpg"},
    {"overview": "what providers say is not kept"},
)


async def test_an_item_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        for wrong in NO_ITEMS:
            item = {"title": "Dune", "media_type": "movie", **wrong}
            answer = await enricher.manage("POST", ITEMS, item)
            refused = (400, "application/problem+json")
            assert (answer.status, answer.headers["Content-Type"]) == refused, wrong
            assert (await enricher.get(ITEMS)).json["total"] == 0, wrong


async def test_a_scanned_folder_is_on_the_next_page(tmp_path: Path) -> None:
    media = tmp_path / "media"
    for name in ("Dune (2021) {imdb-tt1160419}/Dune.mkv", "Alien (1979) [tmdbid-348]/Alien.mkv"):
        file = media / name
        file.parent.mkdir(parents=True)
        file.touch()
    async with running_enricher(tmp_path, roots=(str(media),)) as enricher:
        assert (await enricher.get(ITEMS)).json["total"] == 0
        started = await enricher.manage("POST", "/api/library/scan", {"path": str(media)})
        assert (started.status, started.json["kind"]) == (202, "scan")
        task = await ended(enricher, started.json["id"])
        items = (await enricher.get(ITEMS)).json["items"]
        newest = (await enricher.manage("GET", TASKS)).json["tasks"]
    assert (task["state"], task["counts"]["changed"]) == ("done", 2)
    assert {(item["imdb_id"], item["tmdb_id"]) for item in items} == {("tt1160419", None), (None, 348)}
    assert [one["id"] for one in newest] == [task["id"]]


@pytest.mark.parametrize("path", ["/", "/etc", "..", "/nowhere"])
async def test_only_folders_that_an_operator_named_are_scanned(tmp_path: Path, path: str) -> None:
    async with running_enricher(tmp_path, roots=(str(tmp_path / "media"),)) as enricher:
        answer = await enricher.manage("POST", "/api/library/scan", {"path": path})
    assert answer.status == 400
    assert "LIBRARY_ROOTS" in answer.json["detail"]


async def test_a_scan_and_its_task_are_for_operators_only(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        assert (await enricher.ask("POST", "/api/library/scan", json={"path": "/"})).status == 401
        for method, path in (("GET", TASKS), ("GET", f"{TASKS}/1"), ("POST", f"{TASKS}/1/cancel")):
            assert (await enricher.ask(method, path)).status == 401


async def test_a_task_that_nobody_started_is_not_found(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        for method, path in (("GET", f"{TASKS}/7"), ("POST", f"{TASKS}/7/cancel")):
            assert (await enricher.manage(method, path)).status == 404


async def test_a_task_that_has_ended_stays_as_it_is_when_it_is_cancelled(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    async with running_enricher(tmp_path, roots=(str(media),)) as enricher:
        started = await enricher.manage("POST", "/api/library/scan", {"path": str(media)})
        before = await ended(enricher, started.json["id"])
        after = (await enricher.manage("POST", f"{TASKS}/{before['id']}/cancel")).json
    assert after == before
