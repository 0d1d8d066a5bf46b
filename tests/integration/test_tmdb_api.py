"""TMDB through us: typed, cached, and with pictures of ours."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from services.enricher.finder.metadata import MetadataSettings, Urgency
from services.enricher.finder.metadata.tmdb_cache import TmdbMetadata
from services.enricher.pictures.shown import PictureUrls, PictureUrlSettings
from tests.integration.enricher import ADMIN, RunningEnricher, running_enricher
from tests.providers.behaviour import Behaviour
from tests.providers.tmdb import TmdbHost

URLS = PictureUrls(PictureUrlSettings())


@pytest.fixture
async def enricher(tmp_path: Path, tmdb: TmdbHost) -> AsyncIterator[RunningEnricher]:
    async with running_enricher(tmp_path, tmdb=tmdb, metadata=MetadataSettings(title_wait_s=1)) as running:
        yield running


def ours(path: str, size: str) -> str:
    return URLS.by_source(f"https://image.tmdb.org/t/p/original{path}", size)


RESOURCES: tuple[tuple[str, tuple[Any, ...], object], ...] = (
    ("search/movie?query=The%20Movie", ("results", 0, "poster_url"), "/poster"),
    ("search/tv?query=show", ("results", 0, "poster_url"), "/poster"),
    ("search/multi?query=x", ("page",), 1),
    ("movie/7", ("poster_url",), "/poster7.jpg"),
    ("movie/7/credits", ("cast", 0, "profile_url"), "/face1.jpg"),
    ("tv/7", ("backdrop_url",), "/backdrop7.jpg"),
    ("tv/7/credits", ("crew", 0, "job"), "Director"),
    ("tv/7/season/1", ("episodes", 0, "still_url"), "/still.jpg"),
    ("person/7", ("profile_url",), "/face7.jpg"),
    ("person/7/combined_credits", ("cast", 0, "media_type"), "movie"),
    ("collection/7", ("parts", 0, "id"), 1),
    ("trending/movie/week", ("page",), 1),
    ("trending/tv/week", ("page",), 1),
)


async def test_every_resource_is_asked_once_and_answered_with_pictures_of_ours(
    enricher: RunningEnricher, tmdb: TmdbHost
) -> None:
    for path, where, value in RESOURCES:
        for _ in range(2):
            answer = await enricher.get(f"/api/tmdb/{path}")
            assert answer.status == 200, (path, answer.body)
        found = answer.json
        for step in where:
            found = found[step]
        if isinstance(value, str) and value.startswith("/"):
            proxied = "/api/images/proxy?url=https%3A%2F%2Fimage.tmdb.org%2Ft%2Fp%2Foriginal%2F"
            assert found.startswith(proxied), path
            assert value.strip("/").partition(".")[0] in found, path
        else:
            assert found == value, path
        assert tmdb.counts[f"/3/{path.partition('?')[0]}"] == 1, path


async def test_paths_and_numbers_stay_as_tmdb_says_them_with_ours_beside(enricher: RunningEnricher) -> None:
    movie = (await enricher.get("/api/tmdb/3/movie/7")).json
    assert movie["poster_path"] == "/poster7.jpg"
    assert (movie["genres"], movie["genre_names"]) == ([{"id": 18, "name": "Drama"}], ["Drama"])
    [first, without] = (await enricher.get("/api/tmdb/search/movie?query=x")).json["results"]
    assert (first["genre_ids"], first["genre_names"]) == ([18], ["Drama"])
    assert (without["backdrop_path"], without["backdrop_url"]) == (None, None)


async def test_cast_and_crew_come_within_details_in_the_one_request(
    enricher: RunningEnricher, tmdb: TmdbHost
) -> None:
    path = "/api/tmdb/movie/7?append_to_response=credits,external_ids,lists_of_nothing"
    movie = (await enricher.get(path)).json
    assert movie["credits"]["cast"][0]["profile_url"] == ours("/face1.jpg", "w185")
    assert (movie["credits"]["crew"][0]["job"], movie["external_ids"]["imdb_id"]) == ("Director", "tt0000007")
    assert tmdb.total == 1


async def test_pictures_that_cinemarco_kept_by_folder_are_where_tmdb_has_them(
    enricher: RunningEnricher,
) -> None:
    folders = {"posters": "w500", "backdrops": "w1280", "profiles": "w185", "stills": "w300"}
    folders |= {"season_posters": "w300", "collections": "w500"}
    for folder, size in folders.items():
        url = f"{enricher.address}/images/{folder}/kqjL17yufvn9.jpg"
        async with enricher.client.get(url, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, f"/t/p/{size}/kqjL17yufvn9.jpg")
    assert (await enricher.get("/images/avatars/1.png")).status == 404


async def test_titles_are_searched_for_without_adult_ones(enricher: RunningEnricher, tmdb: TmdbHost) -> None:
    await enricher.get("/api/tmdb/search/movie?query=x&include_adult=true")
    assert not any("include_adult" in path for path in tmdb.counts)  # TMDB's default


OF_OTHERS = (
    ("tt0000007?external_source=imdb_id", 200),
    ("80007?external_source=tvdb_id", 200),
    ("80007?external_source=imdb_id", 400),
    ("tt0000007?external_source=tvdb_id", 400),
    ("tt0000007", 400),
)


async def test_titles_are_found_by_the_ids_of_others(enricher: RunningEnricher) -> None:
    for path, status in OF_OTHERS:
        answer = await enricher.get(f"/api/tmdb/find/{path}")
        assert answer.status == status, path
        if status == 200:
            found = [one["id"] for name in ("movie_results", "tv_results") for one in answer.json[name]]
            assert 7 in found, path


async def test_the_connection_is_tested_past_the_cache(enricher: RunningEnricher, tmdb: TmdbHost) -> None:
    assert "not asked yet" in (await enricher.get("/readyz")).json["providers"]["tmdb"]
    tested = (await enricher.manage("GET", "/api/tmdb/test")).json
    assert tested == {"success": True, "message": "TMDB answers, and accepts the key."}
    assert (await enricher.get("/readyz")).json["providers"]["tmdb"] == "ready: TMDB answers."
    tmdb.behave(Behaviour(status=401))
    tested = (await enricher.manage("GET", "/api/tmdb/test")).json
    assert (tested["success"], "key" in tested["message"]) == (False, True)


async def test_who_asks_for_a_title_waits_through_one_short_pause_of_the_provider(
    tmp_path: Path, tmdb: TmdbHost
) -> None:
    async with running_enricher(tmp_path / "patient", tmdb=tmdb) as enricher:
        tmdb.behave(Behaviour(status=429, headers={"Retry-After": "1"}, times=1))
        assert (await enricher.get("/api/tmdb/movie/7")).status == 200
        tmdb.behave(Behaviour(status=429, headers={"Retry-After": "1"}, times=1))
        assert (await enricher.get("/api/metadata/movie/tmdb:8")).status == 200
    assert tmdb.total == 4


async def test_each_role_has_its_usual_size(enricher: RunningEnricher) -> None:
    movie = (await enricher.get("/api/tmdb/movie/7")).json
    assert movie["poster_url"] == ours("/poster7.jpg", "w342")
    assert movie["backdrop_url"] == ours("/backdrop7.jpg", "w780")
    person = (await enricher.get("/api/tmdb/person/7")).json
    assert person["profile_url"] == ours("/face7.jpg", "w185")


TWO_ANSWERS = (
    ("search/movie?query=a", "search/movie?query=b"),
    ("search/movie?query=c", "search/movie?query=c&page=2"),
    ("search/movie?query=d", "search/movie?query=d&year=1999"),
    ("search/tv?query=e&year=1998", "search/tv?query=e&year=1999"),
    ("movie/7", "movie/7?language=de-DE"),
    ("tv/7/season/1", "tv/7/season/0"),
    ("trending/tv/week", "trending/tv/week?page=2"),
)


async def test_whatever_changes_the_answer_is_asked_for_itself(
    enricher: RunningEnricher, tmdb: TmdbHost
) -> None:
    for number, (first, second) in enumerate(TWO_ANSWERS, 1):
        for path in (first, second, first):
            assert (await enricher.get(f"/api/tmdb/{path}")).status == 200, path
        assert tmdb.total == 2 * number, second


REFUSED_BY_TMDB = (
    "search/movie",
    "search/movie?query=",
    f"search/movie?query={'x' * 201}",
    "search/movie?query=%20",
    "search/movie?query=a&page=0",
    "search/movie?query=a&page=501",
    "search/movie?query=a&year=19999",
    "movie/0",
    "movie/seven",
    "movie/99999999999",
    "movie/7?language=german",
    "tv/7/season/-1",
)


async def test_what_tmdb_would_refuse_is_refused_without_asking(
    enricher: RunningEnricher, tmdb: TmdbHost
) -> None:
    for path in REFUSED_BY_TMDB:
        answer = await enricher.get(f"/api/tmdb/{path}")
        assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json"), path
        assert tmdb.total == 0, path


async def test_what_tmdb_does_not_have_is_not_found_and_not_asked_for_again(
    enricher: RunningEnricher, tmdb: TmdbHost
) -> None:
    for _ in range(2):
        assert (await enricher.get("/api/tmdb/movie/5000")).status == 404
    assert tmdb.total == 1


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        (Behaviour(status=500), 502),
        (Behaviour(status=429, headers={"Retry-After": "700"}), 503),
        (Behaviour(status=401), 503),
        (Behaviour(body=b"<html>", content_type="text/html"), 502),
    ],
)
async def test_what_cannot_be_had_now_is_a_problem_that_says_when(
    enricher: RunningEnricher, tmdb: TmdbHost, behaviour: Behaviour, status: int
) -> None:
    tmdb.behave(behaviour)
    answer = await enricher.get("/api/tmdb/movie/7")
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert int(answer.headers["Retry-After"]) > 0


async def test_what_is_not_said_in_time_is_a_problem_that_says_when(tmp_path: Path, tmdb: TmdbHost) -> None:
    gate = tmdb.hold()
    async with running_enricher(tmp_path, tmdb=tmdb, metadata=MetadataSettings(title_wait_s=0.1)) as enricher:
        answer = await enricher.get("/api/tmdb/movie/7")
        gate.open()
    assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert int(answer.headers["Retry-After"]) > 0


async def test_answers_have_a_tag(enricher: RunningEnricher) -> None:
    first = await enricher.get("/api/tmdb/movie/7")
    again = await enricher.ask("GET", "/api/tmdb/movie/7", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


async def test_the_cache_tells_what_it_holds_and_is_cleared_by_operators_only(
    enricher: RunningEnricher, tmdb: TmdbHost
) -> None:
    await enricher.get("/api/tmdb/movie/7")
    await enricher.get("/api/tmdb/movie/7")
    statistics = (await enricher.get("/api/tmdb/cache/stats")).json
    assert statistics["memory"]["entries"] == statistics["memory"]["hits"] == 1
    for path in ("clear", "clear-expired"):
        assert (await enricher.ask("POST", f"/api/tmdb/cache/{path}")).status == 401
    assert (await enricher.manage("POST", "/api/tmdb/cache/clear-expired")).json == {
        "cleared": 0,
        "bytes_freed": 0,
    }
    await enricher.get("/api/tmdb/movie/7")
    assert tmdb.total == 1
    kinds = (await enricher.get("/api/tmdb/cache/stats")).json["stored"]["by_kind"]
    listed = (await enricher.get("/api/tmdb/cache/list?kind=movie")).json
    [entry] = listed["entries"]
    assert (listed["total"], entry["key"], entry["found"], entry["expired"]) == (1, "movie:7", True, False)
    assert kinds == {"movie": {"rows": 1, "bytes": entry["bytes"]}}
    assert (await enricher.get("/api/tmdb/cache/list?kind=tv")).json == {"entries": [], "total": 0}
    cleared = await enricher.manage("POST", "/api/tmdb/cache/clear")
    assert cleared.json == {"cleared": 1, "bytes_freed": entry["bytes"]}
    await enricher.get("/api/tmdb/movie/7")
    assert tmdb.total == 2


async def test_without_a_key_everything_says_that_tmdb_is_off(tmp_path: Path) -> None:
    async with running_enricher(tmp_path / "off") as enricher:
        answer = await enricher.get("/api/tmdb/movie/7")
    assert (answer.status, answer.json["detail"]) == (503, "TMDB is off: TMDB_API_KEY is not set.")


@pytest.mark.parametrize("name", ["tmdb:7", "tt0000007"])
async def test_one_title_is_described_by_any_of_its_ids(enricher: RunningEnricher, name: str) -> None:
    title = (await enricher.get(f"/api/metadata/movie/{name}")).json
    assert (title["title"], title["provider"], title["media_type"]) == ("The movie 7", "tmdb", "movie")
    assert title["poster_url"] == URLS.by_source("https://image.tmdb.org/t/p/original/poster7.jpg")
    assert set(title["images"]) == {"poster", "fanart"}


NO_TITLES = (
    ("movie/tmdb:5000", 404),
    ("movie/tt9999999", 404),
    ("movie/tmdb:x", 400),
    ("movie/tmdb:9999999999", 400),
    ("movie/..%2F..", 400),
    ("book/tmdb:7", 400),
    (f"movie/{'x' * 200}", 400),
)


async def test_a_title_that_is_none_says_so(enricher: RunningEnricher) -> None:
    for path, status in NO_TITLES:
        assert (await enricher.get(f"/api/metadata/{path}")).status == status, path


@pytest.mark.parametrize(("headers", "urgency"), [({}, Urgency.LATER), (ADMIN, Urgency.NOW)])
async def test_who_shows_no_token_leaves_a_share_of_the_budget_to_the_others(
    enricher: RunningEnricher,
    monkeypatch: pytest.MonkeyPatch,
    headers: dict[str, str],
    urgency: Urgency,
) -> None:
    asked: list[Urgency] = []
    look = TmdbMetadata.look

    async def noted(self: TmdbMetadata, resource: Any, until: datetime, urgency: Urgency) -> Any:
        asked.append(urgency)
        return await look(self, resource, until, urgency)

    monkeypatch.setattr(TmdbMetadata, "look", noted)
    for path in ("tmdb/search/movie?query=made-up", "tmdb/movie/7", "metadata/movie/tmdb:7"):
        for _ in range(2):  # over one connection: who asked before says nothing of who asks now
            assert (await enricher.get(f"/api/{path}", **ADMIN)).status == 200
            await enricher.manage("POST", "/api/tmdb/cache/clear")
            await enricher.manage("POST", "/api/items/enriched/clear-cache")
            asked.clear()
        assert (await enricher.get(f"/api/{path}", **headers)).status == 200
        assert set(asked) == {urgency}, path
