"""Episodes, seasons and persons that the library numbers, and what a library is synced by."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.enricher import RunningEnricher, running_enricher

PARTS = "/api/library/parts"
SYNC = "/api/v1/admin/sync/images"
ROLES = ("image", "poster", "fanart", "banner")


@pytest.fixture
async def enricher(tmp_path: Path) -> AsyncIterator[RunningEnricher]:
    async with running_enricher(tmp_path) as running:
        yield running


async def test_a_number_names_an_episode_a_season_or_a_person(enricher: RunningEnricher) -> None:
    numbers = {}
    for kind, id_ in (("episode", "tvdb:5"), ("season", "tmdb:1399-s1"), ("person", "imdb:nm0186505")):
        said = await enricher.manage("POST", PARTS, {"kind": kind, "id": id_, "title": kind.title()})
        again = await enricher.manage("POST", PARTS, {"kind": kind, "id": id_})
        assert (said.status, again.json) == (201, said.json)
        assert {value for name, value in said.json.items() if name.startswith("local_")} == {None}
        numbers[kind] = said.json["id"]
    listed = (await enricher.get(f"{PARTS}?kind=season")).json
    assert (listed["total"], [one["title"] for one in listed["items"]]) == (1, ["Season"])
    path = f"/api/v1/images/season/{numbers['season']}/poster/w342"
    async with enricher.client.get(enricher.address + path, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (
            302,
            "/api/v1/images/season/tmdb:1399-s1/poster/w342",
        )
    assert (await enricher.get(f"/api/v1/images/episode/{numbers['season']}/still/w300")).status == 404
    dry = await enricher.ended(f"{SYNC}/missing?dry_run=true")
    assert sorted(item["name"] for item in dry["items"]) == [
        "episode/tvdb:5/image",
        "episode/tvdb:5/thumbnail",
        "person/imdb:nm0186505/image",
        "season/tmdb:1399-s1/image",
        "season/tmdb:1399-s1/poster",
    ]
    limited = await enricher.ended(f"{SYNC}/missing?dry_run=true&content_type=season&limit=1")
    assert [item["name"] for item in limited["items"]] == ["season/tmdb:1399-s1/image"]
    assert (await enricher.manage("POST", f"{SYNC}/person/{numbers['person']}")).status == 202
    assert (await enricher.manage("POST", f"{SYNC}/person/{numbers['season']}")).status == 404
    assert (await enricher.manage("DELETE", f"{PARTS}/{numbers['person']}")).status == 204
    assert (await enricher.get(f"{PARTS}/{numbers['person']}")).status == 404


async def test_titles_come_before_parts_with_all_that_each_is_to_have(enricher: RunningEnricher) -> None:
    await enricher.add(1)
    await enricher.add(1, first=2, media_type="tv")
    dry = await enricher.ended(f"{SYNC}/missing?dry_run=true")
    assert {item["name"] for item in dry["items"][:4]} == {f"series/imdb:tt0000002/{role}" for role in ROLES}
    assert {item["name"] for item in dry["items"][4:]} == {f"movie/imdb:tt0000001/{role}" for role in ROLES}


@pytest.mark.parametrize(
    "said", [{"kind": "movie", "id": "tmdb:5"}, {"kind": "episode", "id": "5"}, {"kind": "person", "id": "x"}]
)
async def test_what_cannot_be_numbered_is_refused(enricher: RunningEnricher, said: dict[str, str]) -> None:
    assert (await enricher.manage("POST", PARTS, said)).status == 400


async def test_a_pin_of_a_kind_that_others_number_is_answered_with_paths_that_work(
    enricher: RunningEnricher,
) -> None:
    """Nobody fetches here: what matters is that no path of it is refused as it is written."""
    order = {"url": "https://static-cdn.jtvnw.net/a.png"}
    names = [f"{kind}/12/profile" for kind in ("streamer", "category", "stream", "character", "user", "book")]
    for name in names:
        assert (await enricher.manage("DELETE", f"/api/v1/admin/images/{name}")).status == 404
    for kind in ("series", "episode", "person"):
        refused = await enricher.manage("PUT", f"/api/v1/admin/images/{kind}/12/poster", order)
        assert refused.status == 400
