"""Titles without ids: found by title and year, or chosen by an operator."""

from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from tests.integration.enricher import ADMIN, RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt import TraktHost, imdb_id
from tests.providers.tvdb import TvdbHost

PAGE = "/api/items/enriched"
UNMATCHED = "/api/v1/admin/unmatched"


async def add(enricher: RunningEnricher, title: str, year: int | None, media_type: str = "movie") -> int:
    item = {"title": title, "media_type": media_type, "year": year}
    return int((await enricher.manage("POST", "/api/library/items", item)).json["id"])


async def settled(enricher: RunningEnricher) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []

    async def is_settled() -> bool:
        items[:] = (await enricher.get(PAGE)).json["items"]
        return not any(item["pending"] for item in items)

    await until(is_settled)
    return items


async def test_a_title_without_ids_is_found_by_its_title_and_year(tmp_path: Path) -> None:
    async with TmdbHost.running() as tmdb, running_enricher(tmp_path, tmdb=tmdb) as enricher:
        await add(enricher, "The Movie 1", 2000)
        await add(enricher, "The Show 1", None, "tv")
        first = (await enricher.get(PAGE)).json["items"]
        assert [item["pending"] for item in first] == [True, True]
        items = await settled(enricher)
    assert [(item["tmdb_id"], item["overview"]) for item in items] == [(1, "What TMDB says of number 1.")] * 2
    assert all(item["poster_url"] and item["local_poster_url"] for item in items)


async def test_what_is_not_clearly_right_is_chosen_by_an_operator(tmp_path: Path) -> None:
    async with TmdbHost.running() as tmdb, running_enricher(tmp_path, tmdb=tmdb) as enricher:
        item_id = await add(enricher, "The Movie 1", 1950)
        [item] = await settled(enricher)
        assert (item["unmatched"], item["tmdb_id"], item["overview"]) == (True, None, None)
        listed = (await enricher.manage("GET", UNMATCHED)).json
        assert (listed["total"], listed["items"][0]["id"]) == (1, item_id)
        candidates = listed["items"][0]["candidates"]
        assert [(one["title"], one["tmdb_id"], one["year"]) for one in candidates] == [
            ("The movie 1", 1, 1999),
            ("The movie 10", 10, None),
        ]
        async with enricher.client.get(enricher.address + "/unmatched", headers=ADMIN) as answer:
            assert "The movie 10" in await answer.text()
        assert (await enricher.manage("PUT", f"{UNMATCHED}/{item_id}", {})).status == 400
        chosen = await enricher.manage("PUT", f"{UNMATCHED}/{item_id}", {"tmdb_id": 10})
        assert (chosen.status, chosen.json["tmdb_id"], chosen.json["unmatched"]) == (200, 10, False)
        [item] = await settled(enricher)
        assert item["overview"] == "What TMDB says of number 10."
        assert (await enricher.manage("GET", UNMATCHED)).json["total"] == 0
        assert (await enricher.manage("PUT", f"{UNMATCHED}/999", {"tmdb_id": 1})).status == 404


async def test_a_series_known_by_its_tvdb_id_only_is_shown(tmp_path: Path) -> None:
    async with TmdbHost.running() as tmdb, running_enricher(tmp_path, tmdb=tmdb) as enricher:
        item = {"title": "The show 3", "media_type": "tv", "tvdb_id": 80_003}
        await enricher.manage("POST", "/api/library/items", item)
        [item] = await settled(enricher)
    assert item["overview"] == "What TMDB says of number 3."
    assert item["poster_url"]


@pytest.mark.parametrize(("kind", "title"), [("movie", "The Movie 7"), ("tv", "The Show 7")])
async def test_where_there_is_trakt_alone_it_is_asked_for_titles_and_says_whose_ids_they_have(
    tmp_path: Path, kind: str, title: str
) -> None:
    async with TraktHost.running() as trakt, running_enricher(tmp_path, trakt=trakt) as enricher:
        await add(enricher, title, 1957, kind)
        await add(enricher, "The Show 9", 1959, kind)  # which comes with an episode of it alone
        await add(enricher, "Far", 1999, kind)
        far, unknown, found = await settled(enricher)
        path = f"/search/{'movie' if kind == 'movie' else 'show'}"
        asked = f"{path}?query={quote_plus(title)}&extended=full&fields=title,aliases"
        assert [trakt.counts[asked], trakt.counts[path]] == [1, 3]
    tvdb_id = 80_007 if kind == "tv" else None
    assert (found["imdb_id"], found["tmdb_id"], found["tvdb_id"]) == (
        imdb_id(7, show=kind == "tv"),
        7,
        tvdb_id,
    )
    assert found["overview"] == f"What Trakt says of {'show' if kind == 'tv' else 'movie'} 7."
    assert (unknown["unmatched"], unknown["tmdb_id"]) == ((True, None) if kind == "movie" else (False, 9))
    assert (far["unmatched"], far["tmdb_id"], far["imdb_id"]) == (True, None, None)


@pytest.mark.parametrize(
    ("kind", "title", "id_"), [("movie", "The movie 7", 7), ("tv", "the show 7", 80_007)]
)
async def test_where_there_is_tvdb_alone_it_is_asked_for_titles_in_all_languages(
    tmp_path: Path, kind: str, title: str, id_: int
) -> None:
    async with TvdbHost.running() as tvdb, running_enricher(tmp_path, tvdb=tvdb) as enricher:
        await add(enricher, title, 2000, kind)
        await add(enricher, "Far", None, kind)
        far, found = await settled(enricher)
        asked = f"/v4/search?query={quote_plus(title)}&type={'series' if kind == 'tv' else 'movie'}&limit=10"
        assert tvdb.counts[asked] == 1
    assert (found["tvdb_id"], found["tmdb_id"]) == (id_, None)
    assert (far["unmatched"], far["tvdb_id"]) == (True, None)
