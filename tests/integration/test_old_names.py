"""What scripts of other programs read: by their names, beside ours."""

from pathlib import Path

import pytest

from tests.integration.enricher import running_enricher

SYNCED = "2026-04-01T00:00:00Z"
CLEANUP = "/api/images/cache/cleanup"


async def test_management_answers_have_the_names_that_scripts_know(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        statistics = (await enricher.get("/api/images/cache/stats")).json
        listed = (await enricher.get("/api/images/cache/list")).json
        storage = (await enricher.get("/api/v1/images/storage/stats")).json
        cleaned = [await enricher.manage(method, CLEANUP) for method in ("POST", "DELETE")]
        refused = await enricher.manage("POST", f"{CLEANUP}?hours=23")
        task = (await enricher.manage("GET", f"/api/v1/admin/tasks/{cleaned[0].json['task_id']}")).json
    old = ("total_images", "valid_images", "total_size_bytes", "total_size_mb", "source_breakdown")
    assert [statistics[name] for name in old] == [0, 0, 0, 0, {}]
    assert (statistics["oldest_image"], statistics["newest_image"]) == (None, None)
    assert (listed["images"], listed["items"], listed["total"]) == ([], [], 0)
    of_buckets = ("backend", "enabled", "bucket", "endpoint", "total_size_bytes", "total_size_gb")
    assert [storage[name] for name in of_buckets] == ["none", False, None, None, 0, 0]
    assert [
        (one.status, one.json["success"], one.json["deleted_count"], one.json["hours"]) for one in cleaned
    ] == [
        (200, True, 0, 720),
        (200, True, 0, 24),
    ]
    assert cleaned[0].json["message"].endswith("for 720 hours.")
    assert refused.status == 400
    assert (task["task_id"], task["state"], task["current"], task["error"]) == (task["id"], "done", 0, None)
    assert (task["status"], task["result"]) == ("done: 0", {})


async def test_items_are_read_and_changed_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERSEERR_URL", "http://seerr:5055")
    async with running_enricher(tmp_path) as enricher:
        lists = "trakt:https://trakt.tv/lists/5"
        await enricher.add(1, list_source=lists, overseerr_id=77, last_synced=SYNCED, status="available")
        await enricher.add(1, first=2)
        page = (await enricher.get("/api/items?limit=1")).json
        one = (await enricher.get("/api/items/1")).json
        changed = await enricher.manage(
            "PATCH", "/api/library/items/1", {"status": "requested", "year": None}
        )
        by_list = (await enricher.get("/api/items?list_source=trakt:https://trakt.tv/lists/5")).json
        no_filter = (await enricher.get("/api/items?list_source=nothing")).json
        await enricher.manage("PUT", "/api/library/lists/trakt:5", {"display_name": "Five"})
        named = (await enricher.get("/api/library/lists")).json["lists"]
        refused = [
            (await enricher.manage("PATCH", "/api/items/1", body)).status
            for body in ({"title": None}, {"imdb_id": "1"}, {"media_type": "tv"})
        ]
        missing = (await enricher.manage("PATCH", "/api/items/99", {})).status
        closed = (await enricher.ask("PATCH", "/api/items/1", json={})).status
    assert (page["total"], page["total_pages"], page["items"][0]["id"]) == (2, 2, 1)
    assert one["overseerr_url"] == "http://seerr:5055/movie/77"
    assert (one["list_source"], one["last_synced"], one["stored"]) == (
        "trakt:5",
        SYNCED,
        False,
    )
    assert (changed.status, changed.json["status"], changed.json["overseerr_id"]) == (200, "requested", 77)
    assert (by_list["total"], no_filter["total"]) == (1, 2)
    assert [(one["list_type"], one["list_id"], one["display_name"]) for one in named] == [
        ("trakt", "5", "Five")
    ]
    assert (refused, missing, closed) == ([400, 400, 400], 404, 401)
