"""Titles without ids: found by title and year, or chosen by an operator."""

from pathlib import Path
from typing import Any

from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.tmdb import TmdbHost

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
