"""The account over HTTP: signing in through a browser, importing, and what a frontend shows and changes."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.enricher.api.access import Access
from services.enricher.app import GATE
from services.enricher.finder.metadata import ProviderSettings
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.finder.providers.trakt.client import TraktSettings
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.integration.test_trakt_import import describe, fill
from tests.providers.tmdb import API_KEY, TmdbHost
from tests.providers.trakt import CLIENT_ID
from tests.providers.trakt_account import CLIENT_SECRET, TraktAccountHost

TRAKT, WATCH = "/api/trakt", "/api/watch/entries"
NGINX = {"X-Forwarded-For": "203.0.113.5"}


def settings(trakt: TraktAccountHost, tmdb: TmdbHost) -> ProviderSettings:
    return ProviderSettings.read(
        TraktSettings(
            client_id=SecretStr(CLIENT_ID),
            client_secret=SecretStr(CLIENT_SECRET),
            redirect_uri="http://localhost/trakt/callback",
            auth_url=trakt.root,
            base_url=trakt.root,
        ),
        TmdbSettings(api_key=SecretStr(API_KEY), base_url=tmdb.base_url),
    )


async def sign_in(enricher: RunningEnricher, trakt: TraktAccountHost) -> None:
    begun = (await enricher.manage("POST", f"{TRAKT}/auth-url")).json
    code, state = trakt.approve(begun["url"])
    assert state == begun["state"]
    back = f"/trakt/callback?code={code}&state={state}"
    async with enricher.client.get(enricher.address + back, headers=NGINX) as answer:
        assert (answer.status, "Signed in at Trakt." in await answer.text()) == (200, True)
    assert (await enricher.get(f"/api{back}")).status == 400  # once


async def begun(enricher: RunningEnricher) -> Any:
    """How the import is, once it knows how much there is to do."""
    status: Any = {}

    async def is_known() -> bool:
        status.update((await enricher.get(f"{TRAKT}/import/status")).json)
        return status["total"] is not None

    await until(is_known)
    return status


async def over(enricher: RunningEnricher) -> Any:
    status: Any = {}

    async def is_over() -> bool:
        status.update((await enricher.get(f"{TRAKT}/import/status")).json)
        return not status["in_progress"]

    await until(is_over)
    return status


async def imported(enricher: RunningEnricher, path: str = f"{TRAKT}/import") -> dict[str, Any]:
    task: dict[str, Any] = (await enricher.manage("POST", path)).json

    async def has_ended() -> bool:
        task.update((await enricher.manage("GET", f"/api/v1/admin/tasks/{task['id']}")).json)
        return task["state"] not in ("queued", "running")

    await until(has_ended)
    return task


async def shown_to_a_frontend(enricher: RunningEnricher) -> tuple[Any, Any]:
    listed = (await enricher.get(f"{WATCH}?watched=true&media_type=movie")).json
    assert {one["title"] for one in listed["entries"]} == {"The movie 1", "The movie 2", "The movie 3"}
    [rated] = (await enricher.get(f"{WATCH}?rating=5")).json["entries"]
    assert rated["rating"] == {"rating": 5, "name": "Outstanding", "trakt_rating": 9}
    assert rated["poster_url"].startswith("/api/images/proxy?url=")
    wanted = (await enricher.get(f"{WATCH}?watchlist=true")).json
    assert {one["tmdb_id"] for one in wanted["entries"]} == {4, 6}
    # one title is one item, however it came
    items = (await enricher.get("/api/library/items?limit=100")).json["items"]
    assert [item["tmdb_id"] for item in items if item["imdb_id"] == "tt0000001"] == [1]

    of_five = next(one for one in (await enricher.get(WATCH)).json["entries"] if one["tmdb_id"] == 5)
    whole = (await enricher.get(f"{WATCH}/{of_five['id']}")).json
    assert [(one["episode"], len(one["watched"])) for one in whole["episodes"]] == [
        (n, 1) for n in range(1, 7)
    ]
    assert whole["credits"][0]["name"] == "Another"

    return rated, of_five


async def changed_by_a_person(enricher: RunningEnricher, rated: Any, of_five: Any) -> None:
    path = f"{WATCH}/{rated['id']}"
    changed = (await enricher.manage("PUT", f"{path}/rating", {"trakt_rating": 4})).json
    assert changed["rating"] == {"rating": 2, "name": "Meh", "trakt_rating": 4}
    seen = await enricher.manage("POST", f"{path}/sessions", {"watched_at": "2024-06-01T20:00:00Z"})
    assert (seen.status, seen.json["times_watched"]) == (201, 3)
    episode = f"{WATCH}/{of_five['id']}/episodes/1/6"
    assert (await enricher.manage("PUT", episode, {"watched": False})).json["watch_status"] == "watching"


def everything_in(directory: Path) -> str:
    return b"".join(file.read_bytes() for file in directory.rglob("*") if file.is_file()).decode(
        errors="replace"
    )


async def test_from_signing_in_to_a_change_that_trakt_is_told(
    tmp_path: Path,
    trakt: TraktAccountHost,
    tmdb: TmdbHost,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TRAKT_WRITE_BACK", "true")
    fill(trakt, tmdb)
    told = ""
    async with running_enricher(tmp_path, providers=settings(trakt, tmdb)) as enricher:
        await enricher.add(1)  # movie 1, of a file
        await sign_in(enricher, trakt)
        preview = (await enricher.manage("GET", f"{TRAKT}/import/preview")).json
        assert (preview["total_items"], preview["already_in_library"], preview["new_items"]) == (6, 0, 6)
        gate = tmdb.hold()
        first = await enricher.manage("POST", f"{TRAKT}/import")
        assert first.status == 202
        await gate.arrived()
        second = await enricher.manage("POST", f"{TRAKT}/import")
        assert (second.status, second.json["detail"]) == (409, "An import is already in progress.")
        status = await begun(enricher)
        assert (status["in_progress"], status["total"]) == (True, 6)
        assert status["current_item"]
        gate.open()
        ended = await over(enricher)
        assert (ended["completed"], ended["total"], ended["errors"]) == (6, 6, [])

        rated, of_five = await shown_to_a_frontend(enricher)
        await changed_by_a_person(enricher, rated, of_five)

        async def is_told() -> bool:
            return bool((await enricher.manage("GET", f"{TRAKT}/writes")).json["total"] == 0)

        await until(is_told)
        assert {path for path, _ in trakt.posts} == {"/sync/ratings", "/sync/history", "/sync/history/remove"}
        for asked in (
            f"{TRAKT}/status",
            f"{TRAKT}/sync/status",
            "/readyz",
            "/api/v1/admin/tasks",
            TRAKT + "/history/5",
        ):
            told += (await enricher.manage("GET", asked)).body.decode()
        assert (await imported(enricher, f"{TRAKT}/sync"))["state"] == "done"
        assert (await enricher.manage("POST", f"{TRAKT}/sign-out")).status == 204
        refused = await enricher.manage("POST", f"{TRAKT}/sync")
        assert (refused.status, refused.json["detail"]) == (
            409,
            "Nobody is signed in at Trakt: sign in first.",
        )
        told += everything_in(tmp_path)
    told += capfd.readouterr().out
    assert "The show 5" in told
    assert "access-secret" not in told
    assert "refresh-secret" not in told
    assert "code=code-1" not in told


async def test_without_keys_a_sentence_names_the_setting_and_everything_else_works(
    tmp_path: Path, tmdb: TmdbHost
) -> None:
    async with running_enricher(tmp_path, tmdb=tmdb) as enricher:
        status = (await enricher.get(f"{TRAKT}/status")).json
        assert (status["signed_in"], status["problem"]) == (False, "TRAKT_CLIENT_ID is not set.")
        for method, path in (
            ("POST", "auth-url"),
            ("POST", "device"),
            ("POST", "sync"),
            ("GET", "import/preview"),
        ):
            refused = await enricher.manage(method, f"{TRAKT}/{path}")
            assert refused.status in (400, 409)
            assert "TRAKT_CLIENT_ID is not set" in refused.json["detail"]
        describe(tmdb, 7, s1=2)
        added = await enricher.manage("POST", WATCH, {"media_type": "tv", "tmdb_id": 7, "watchlist": True})
        assert (added.status, added.json["title"], added.json["reason"]) == (201, "The show 7", "Added here")
        again = await enricher.manage("POST", WATCH, {"media_type": "tv", "tmdb_id": 7})
        assert again.json["id"] == added.json["id"]
        seen = f"{WATCH}/{added.json['id']}/episodes/1/1"
        assert (await enricher.manage("PUT", seen, {"watched": True})).json["watch_status"] == "watching"
        unknown = await enricher.manage("POST", WATCH, {"media_type": "movie", "tmdb_id": 123456})
        assert unknown.status == 404
        assert (await enricher.manage("PUT", f"{WATCH}/99/watchlist", {"wanted": True})).status == 404
        for moment in ("2999-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"):
            never = {"watched_at": moment}
            assert (await enricher.manage("POST", f"{WATCH}/1/sessions", never)).status == 400


async def test_who_may_what_of_the_account(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        routes = {
            (method, path): access
            for (method, path), access in enricher.app[GATE].guarded_routes.items()
            if "/trakt/" in path or "/watch/" in path
        }
        assert len(routes) == 27
        read_openly = {"status", "import/status", "sync/status"}
        for (method, path), access in routes.items():
            if path.endswith("/callback"):
                expected = Access.RETURNING
            elif method == "GET" and (
                path.startswith(WATCH) or path.removeprefix(f"{TRAKT}/") in read_openly
            ):
                expected = Access.LISTS
            else:
                expected = Access.ADMIN
            assert access is expected, (method, path)
        for path in ("/trakt/callback", "/api/trakt/callback"):
            url = f"{enricher.address}{path}?code=x&state=y"
            async with enricher.client.get(url, headers=NGINX) as stranger:
                assert (stranger.status, "TRAKT_CLIENT_ID" in await stranger.text()) == (400, True)
        assert (await enricher.get(WATCH, **NGINX)).status == 401
