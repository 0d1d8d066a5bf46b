"""Pages of the library: what providers say of its titles, and pictures that are on their way."""

import asyncio
import base64
import hashlib
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import services.enricher.database.engines
from services.enricher.api.access import Access
from services.enricher.app import GATE
from services.enricher.finder.metadata import MetadataSettings
from services.enricher.finder.metadata.titles import TitleKey, Titles
from services.enricher.library import Item
from services.enricher.library.pages.enrichment import Enriched, Enrichment
from services.enricher.pictures.shown import PictureUrlSettings
from services.proxy.settings import ProxySettings
from shared.contracts import FetchPicture, PictureStored
from shared.pictures import Rendition, SourceUrl, picture_id
from shared.pictures.public_paths import PUBLIC_PATHS
from tests.contract.volumes import commit
from tests.integration.enricher import running_enricher
from tests.integration.onesheet import until
from tests.providers.behaviour import Behaviour
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt import TraktHost, imdb_id, title

PAGE = "/api/items/enriched"
PATIENT = MetadataSettings(page_deadline_s=60)
W342 = Rendition.parse("w342.webp")
IMPATIENT = MetadataSettings(page_deadline_s=0.3)


@pytest.fixture
async def trakt() -> AsyncIterator[TraktHost]:
    async with TraktHost.running() as host:
        yield host


def poster_of(number: int) -> str:
    return f"https://{title(number)['images']['poster'][0]}"


def source_in(url: str) -> str:
    [source] = parse_qs(urlsplit(url).query)["url"]
    return source


async def test_an_item_comes_with_what_trakt_says_and_with_pictures_of_ours(
    tmp_path: Path, trakt: TraktHost, tmdb: TmdbHost
) -> None:
    async with running_enricher(tmp_path, trakt=trakt, tmdb=tmdb) as enricher:
        await enricher.add(1, first=7, list_source="watchlist", overseerr_id=12)
        page = (await enricher.get(PAGE)).json
    [item] = page.pop("items")
    assert page == {
        "total": 1,
        "page": 1,
        "limit": 50,
        "total_pages": 1,
        "providers": {"trakt": "ready", "tmdb": "ready"},
    }
    assert (item["title"], item["overview"], item["rating"]) == (
        "Movie 7",
        "What Trakt says of movie 7.",
        7.5,
    )
    assert (item["genres"], item["full_path"]) == (["Science Fiction", "Drama"], "/films/7.mkv")
    assert (item["list_source"], item["overseerr_id"]) == ("watchlist", 12)
    assert source_in(item["poster_url"]) == poster_of(7)
    assert item["poster_url"].startswith("/api/images/proxy?url=")
    assert set(item["images"]) == {"poster", "fanart"}
    assert item["images"]["poster"]["url"] == f"{item['poster_url']}&size=w342"
    assert (item["pending"], item["stale"]) == (False, False)
    assert tmdb.total == 0


async def test_an_item_has_its_pictures_by_name_where_an_id_of_it_is_known(tmp_path: Path) -> None:
    urls = PictureUrlSettings(public_url="https://media.example.org")
    async with running_enricher(tmp_path, urls=urls) as enricher:
        await enricher.add(1)
        await enricher.add(1, first=2, imdb_id=None)
        unknown, item = (await enricher.get(PAGE)).json["items"]
    of_item = "https://media.example.org/api/v1/images/movie/imdb:tt0000001"
    assert {name: item[name] for name in item if name.startswith("local_")} == {
        "local_image_url": f"{of_item}/poster/original",
        "local_poster_url": f"{of_item}/poster/original",
        "local_banner_url": f"{of_item}/banner/original",
        "local_fanart_url": f"{of_item}/fanart/original",
        "local_thumbnail_url": f"{of_item}/poster/thumbnail",
    }
    assert {unknown[name] for name in item if name.startswith("local_")} == {None}


async def test_nothing_on_a_page_leads_anywhere_but_to_us(
    tmp_path: Path, trakt: TraktHost, tmdb: TmdbHost
) -> None:
    async with running_enricher(tmp_path, trakt=trakt, tmdb=tmdb) as enricher:
        await enricher.add(20)
        body = (await enricher.get(PAGE)).body.decode()
    assert "https%3A%2F%2Fwalter-r2.trakt.tv" in body
    assert "//" not in body


async def test_titles_that_trakt_does_not_have_come_from_tmdb(
    tmp_path: Path, trakt: TraktHost, tmdb: TmdbHost
) -> None:
    trakt.behave(Behaviour(status=404))
    async with running_enricher(tmp_path, trakt=trakt, tmdb=tmdb) as enricher:
        await enricher.add(1, first=7, imdb_id=None, tmdb_id=7)
        [item] = (await enricher.get(PAGE)).json["items"]
    assert item["overview"] == "What TMDB says of number 7."
    assert source_in(item["poster_url"]) == "https://image.tmdb.org/t/p/original/poster7.jpg"


@pytest.mark.parametrize("given", ["neither", "trakt", "tmdb"])
async def test_each_provider_may_be_off_and_the_page_says_so(
    tmp_path: Path, trakt: TraktHost, tmdb: TmdbHost, given: str
) -> None:
    async with running_enricher(
        tmp_path, trakt=trakt if given == "trakt" else None, tmdb=tmdb if given == "tmdb" else None
    ) as enricher:
        await enricher.add(1, first=7, tmdb_id=7)
        page = (await enricher.get(PAGE)).json
        ready = await enricher.get("/readyz")
    assert page["providers"] == {name: "ready" if name == given else "off" for name in ("trakt", "tmdb")}
    assert bool(page["items"][0]["overview"]) == (given != "neither")
    assert ready.status == 200
    for name in ("trakt", "tmdb"):
        assert ready.json["providers"][name].startswith("ready" if name == given else "off: ")


async def test_items_without_ids_come_back_as_they_are_where_nobody_can_be_asked(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        await enricher.add(1, imdb_id=None)
        [item] = (await enricher.get(PAGE)).json["items"]
    assert (item["title"], item["overview"], item["poster_url"], item["images"]) == (
        "Movie 1",
        None,
        None,
        {},
    )
    assert (item["pending"], item["unmatched"]) == (False, False)


async def test_pages_divide_the_library_newest_first(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        await enricher.add(7)
        await enricher.add(1, first=8, list_source="watchlist")
        await enricher.add(1, first=9, media_type="tv")

        async def titles(path: str) -> tuple[list[str], int]:
            answer = (await enricher.get(path)).json
            return [item["title"].removeprefix("Movie ") for item in answer["items"]], answer["total"]

        assert await titles(f"{PAGE}?limit=4") == (["9", "8", "7", "6"], 9)
        assert await titles(f"{PAGE}?limit=4&page=3") == (["1"], 9)
        assert await titles(f"{PAGE}?limit=4&page=4") == ([], 9)
        assert await titles(f"{PAGE}?list_source=watchlist") == (["8"], 1)
        assert await titles("/api/library/items?limit=2&offset=3") == (["6", "5"], 9)
        assert await titles("/api/library/items?type=tv") == (["9"], 1)


async def test_a_page_that_cannot_be_is_refused(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        for query in (
            "page=0",
            "limit=0",
            "limit=101",
            "page=x",
            "page=1&page=2",
            "page=99999999999999999999",
        ):
            answer = await enricher.get(f"{PAGE}?{query}")
            assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json"), query


async def test_a_page_is_not_sent_again_to_who_has_it(tmp_path: Path, trakt: TraktHost) -> None:
    async with running_enricher(tmp_path, trakt=trakt) as enricher:
        await enricher.add(3)
        first = await enricher.get(PAGE)
        again = await enricher.ask("GET", PAGE, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
        await enricher.add(1, first=4)
        changed = await enricher.ask("GET", PAGE, headers={"If-None-Match": first.headers["ETag"]})
    assert (changed.status, len(changed.json["items"])) == (200, 4)


async def test_an_unchanged_page_is_made_once_also_where_no_provider_has_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    really = Enrichment.of

    async def of(self: Enrichment, items: Sequence[Item]) -> Enriched:
        nonlocal made
        made += 1
        return await really(self, items)

    monkeypatch.setattr(Enrichment, "of", of)
    async with running_enricher(tmp_path) as enricher:
        await enricher.add(1)
        first, second = await enricher.get(PAGE), await enricher.get(PAGE)
    assert (made, first.body) == (1, second.body)


async def test_each_of_fifty_cold_titles_is_asked_once_for_twenty_pages(
    tmp_path: Path, trakt: TraktHost
) -> None:
    async with running_enricher(tmp_path, trakt=trakt, metadata=PATIENT) as enricher:
        await enricher.add(50, first=100)
        await enricher.manage("POST", "/api/items/enriched/clear-cache")
        trakt.counts.clear()
        trakt.latency_s = 0.2
        pages = await asyncio.gather(*(enricher.get(PAGE) for _ in range(20)))
    assert all(item["overview"] for page in pages for item in page.json["items"])
    asked = {path: count for path, count in trakt.counts.items() if "?" not in path}
    assert (len(asked), set(asked.values())) == (50, {1})


async def test_a_slow_provider_does_not_hold_the_page_up_and_what_came_late_is_there_the_next_time(
    tmp_path: Path, trakt: TraktHost
) -> None:
    async with running_enricher(tmp_path, trakt=trakt, metadata=IMPATIENT) as enricher:
        gate = trakt.hold("/movies/tt0000002")
        await enricher.add(2)
        page = (await enricher.get(PAGE)).json
        late, ready = page["items"]
        assert (late["pending"], late["overview"]) == (True, None)
        assert (ready["pending"], ready["overview"]) == (False, "What Trakt says of movie 1.")
        gate.open()
        await until(lambda: trakt.total >= 2)
        page = (await enricher.get(PAGE)).json
    assert [item["pending"] for item in page["items"]] == [False, False]


async def test_titles_beyond_what_the_provider_allows_at_once_are_pending_and_there_the_next_time(
    tmp_path: Path, tmdb: TmdbHost
) -> None:
    async with running_enricher(tmp_path, tmdb=tmdb, metadata=IMPATIENT) as enricher:
        for number in range(1, 51):
            await enricher.add(1, first=number, imdb_id=None, tmdb_id=number)
        first = (await enricher.get(PAGE)).json["items"]
        assert all(bool(item["overview"]) != item["pending"] for item in first)
        assert any(item["pending"] for item in first), "TMDB allows 40 in a second"
        await until(lambda: tmdb.total == 50)
        second = (await enricher.get(PAGE)).json["items"]
    assert all(item["overview"] for item in second)
    assert tmdb.over_limit == 0


async def test_with_the_provider_down_a_page_shows_what_was_said_before_and_flags_it(
    tmp_path: Path, trakt: TraktHost
) -> None:
    brief = MetadataSettings(ttl_s=1, page_deadline_s=10)
    async with running_enricher(tmp_path, trakt=trakt, metadata=brief) as enricher:
        await enricher.add(1)
        await enricher.get(PAGE)
        trakt.behave(Behaviour(status=500))
        await asyncio.sleep(1.1)  # until what is kept has expired
        await enricher.add(1, first=2, imdb_id=None)  # so that the page is made again
        page = (await enricher.get(PAGE)).json
    [_, stale] = page["items"]
    assert (stale["stale"], stale["overview"]) == (True, "What Trakt says of movie 1.")
    assert page["providers"]["trakt"] == "failing"


@pytest.mark.parametrize("told", [True, False])
async def test_a_provider_that_has_enough_is_left_alone_and_pages_are_answered(
    tmp_path: Path, told: bool
) -> None:
    async with (
        TraktHost.running(requests=5, period_s=60, told=told) as trakt,
        running_enricher(tmp_path, trakt=trakt, metadata=IMPATIENT) as enricher,
    ):
        await enricher.add(30, first=1)
        for _ in range(5):
            page = (await enricher.get(PAGE)).json
            assert len(page["items"]) == 30
        refused = trakt.over_limit
        assert refused < 30
        assert sum(bool(item["overview"]) for item in page["items"]) == 5
        assert all(bool(item["overview"]) != item["pending"] for item in page["items"])
        assert page["providers"]["trakt"] == "busy"
        await enricher.get(PAGE)
        assert trakt.over_limit == refused


async def test_a_refused_key_is_said_and_nothing_is_taken_for_missing(
    tmp_path: Path, trakt: TraktHost
) -> None:
    trakt.behave(Behaviour(status=403))
    async with running_enricher(tmp_path, trakt=trakt) as enricher:
        await enricher.add(1)
        page = (await enricher.get(PAGE)).json
        title_ = await enricher.get("/api/metadata/movie/tt0000001")
    assert page["providers"]["trakt"] == "misconfigured"
    assert title_.status == 503
    assert "Trakt" in title_.json["detail"]


async def test_posters_are_stored_bare_and_fetched_ahead_once(tmp_path: Path, trakt: TraktHost) -> None:
    signed = PictureUrlSettings(signing_keys=("key",), public_url="https://media.example.org")
    async with running_enricher(tmp_path, trakt=trakt, urls=signed) as enricher:
        await enricher.add(3)
        for _ in range(3):
            page = (await enricher.manage("GET", PAGE)).json
        assert all("&sig=" in item["poster_url"] for item in page["items"])
        assert page["items"][0]["poster_url"].startswith("https://media.example.org/api/images/proxy?")
        await until(lambda: len(enricher.fetched_ahead()) == 3)
        jobs = enricher.queue.jobs(FetchPicture)
        assert {str(job.source_url) for job in jobs} == {poster_of(n) for n in (1, 2, 3)}
        assert {str(job.rendition) for job in jobs} == {"w342.webp"}
        assert {str(job.name) for job in jobs} == {f"movie/imdb:tt000000{n}/poster" for n in (1, 2, 3)}
    # Without any provider: what is stored is what was handed out, neither signed nor prefixed.
    async with running_enricher(tmp_path) as enricher:
        page = (await enricher.get(PAGE)).json
    assert {source_in(item["poster_url"]) for item in page["items"]} == {poster_of(n) for n in (1, 2, 3)}
    assert not any("sig=" in item["poster_url"] for item in page["items"])


async def test_a_stored_poster_goes_when_its_provider_shows_another_from_whichever_host(
    tmp_path: Path, trakt: TraktHost
) -> None:
    async with running_enricher(tmp_path, trakt=trakt) as enricher:
        await enricher.add(1, poster_url="https://walter.trakt.tv/images/movies/1/posters/thumb/old.jpg.webp")
        [item] = (await enricher.get(PAGE)).json["items"]
    assert source_in(item["poster_url"]) == poster_of(1)


async def test_a_database_that_cannot_be_written_does_not_hold_a_page_up(
    tmp_path: Path, trakt: TraktHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    for_ever = (
        "PRAGMA busy_timeout = 600000",
        *services.enricher.database.engines.EVERYBODY[1:],
    )  # so that who writes waits for the end of this
    monkeypatch.setattr(services.enricher.database.engines, "EVERYBODY", for_ever)
    async with running_enricher(tmp_path, trakt=trakt) as enricher:
        await enricher.add(2)
        with closing(sqlite3.connect(tmp_path / "state/enricher.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            page = (await enricher.get(PAGE)).json
            assert [source_in(item["poster_url"]) for item in page["items"]] == [poster_of(2), poster_of(1)]
            other.execute("ROLLBACK")
            count = "SELECT count(poster_url) FROM media_items"
            await until(lambda: other.execute(count).fetchone() == (2,))


async def test_a_stored_poster_stays_while_only_another_provider_answers(
    tmp_path: Path, trakt: TraktHost, tmdb: TmdbHost
) -> None:
    async with running_enricher(tmp_path, trakt=trakt) as enricher:
        await enricher.add(1, tmdb_id=1)
        await enricher.get(PAGE)
    async with running_enricher(tmp_path, tmdb=tmdb) as enricher:
        [item] = (await enricher.get(PAGE)).json["items"]
    assert item["overview"] == "What TMDB says of number 1."
    assert source_in(item["poster_url"]) == poster_of(1)


async def test_a_picture_that_comes_to_be_stored_is_shown_as_such_on_kept_pages(
    tmp_path: Path, trakt: TraktHost
) -> None:
    async with running_enricher(tmp_path, trakt=trakt) as enricher:
        await enricher.add(1)
        await enricher.get(PAGE)
        before = (await enricher.get(PAGE)).json["items"][0]["images"]["poster"]
        assert before["color"] is None
        source = SourceUrl.parse(poster_of(1))
        w342 = Rendition.parse("w342.webp")
        store = enricher.volume.pictures
        revision = await commit(store, b"poster", w342, picture=source.picture)
        await enricher.announce(
            PictureStored(picture=source.picture, revision=revision.id, renditions=(w342,))
        )

        after = before
        async with asyncio.timeout(60):
            while after["color"] is None:
                after = (await enricher.get(PAGE)).json["items"][0]["images"]["poster"]
    assert after["url"] == f"/p/{picture_id(poster_of(1))}/{revision.id}/w342.webp"
    assert after["color"] == "#102030"


async def test_a_picture_that_changes_has_its_own_item_made_anew_and_no_other(
    tmp_path: Path, trakt: TraktHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = list[str | None]()
    really = Titles.lookup

    async def lookup(self: Titles, keys: Iterable[TitleKey], **how: Any) -> Any:
        looked_up.extend(key.imdb_id for key in keys)
        return await really(self, keys, **how)

    async with running_enricher(tmp_path, trakt=trakt) as enricher:
        await enricher.add(3)
        await enricher.get(PAGE)
        await until(lambda: all(task.get_name() != "storing posters" for task in asyncio.all_tasks()))
        before = await enricher.get(PAGE)

        async def made_anew() -> bool:
            return (await enricher.get(PAGE)).body != before.body

        monkeypatch.setattr(Titles, "lookup", lookup)
        changed = SourceUrl.parse(poster_of(2)).picture
        revision = await commit(enricher.volume.pictures, b"poster", W342, picture=changed)
        await enricher.announce(PictureStored(picture=changed, revision=revision.id, renditions=(W342,)))
        await until(made_anew)
        after = await enricher.get(PAGE)
    assert looked_up == [imdb_id(2)]
    changed_items = [
        one["imdb_id"]
        for one, other in zip(after.json["items"], before.json["items"], strict=True)
        if one != other
    ]
    assert changed_items == [imdb_id(2)]


async def test_after_a_restart_tmdb_is_not_asked_again_and_trakts_text_was_never_written(
    tmp_path: Path, trakt: TraktHost, tmdb: TmdbHost
) -> None:
    async with running_enricher(tmp_path, tmdb=tmdb) as enricher:
        await enricher.add(5, imdb_id=None, tmdb_id=None)
        await enricher.add(1, first=11, imdb_id=None, tmdb_id=11)
        before = (await enricher.get(PAGE)).json["items"]
    asked = titles_asked(tmdb)
    async with running_enricher(tmp_path, tmdb=tmdb) as enricher:
        after = (await enricher.get(PAGE)).json["items"]
    assert (before, asked) == (after, titles_asked(tmdb))
    async with running_enricher(tmp_path / "trakt", trakt=trakt) as enricher:
        await enricher.add(1)
        assert b"What Trakt says" in (await enricher.get(PAGE)).body
    for file in (tmp_path / "trakt").rglob("*"):
        assert not file.is_file() or b"What Trakt says" not in file.read_bytes()


def titles_asked(tmdb: TmdbHost) -> int:
    """Without the searches for titles that have no ids, which go on in the background, and what those ask of what they found."""
    searching = ("/search/", "/alternative_titles")
    return sum(count for path, count in tmdb.counts.items() if not any(part in path for part in searching))


async def test_clearing_needs_the_admin_token_and_makes_us_ask_again(
    tmp_path: Path, trakt: TraktHost
) -> None:
    async with running_enricher(tmp_path, trakt=trakt) as enricher:
        await enricher.add(1)
        await enricher.get(PAGE)
        asked = trakt.total
        refused = await enricher.ask("POST", "/api/items/enriched/clear-cache")
        assert (refused.status, trakt.total) == (401, asked)
        cleared = await enricher.manage("POST", "/api/items/enriched/clear-cache")
        await enricher.get(PAGE)
    assert (cleared.status, trakt.total) == (200, asked + 1)


MANAGING_PAGES = ("/ops", "/add", "/scan", "/unmatched", "/picture", "/account", "/uploads")
MANAGING_READS = (
    "/api/trakt/device",
    "/api/tmdb/test",
    "/api/trakt/import/preview",
    "/api/trakt/history/",
    "/api/trakt/writes",
)


async def test_whatever_is_served_has_passed_the_gate_but_pictures_and_what_tells_how_we_are(
    tmp_path: Path,
) -> None:
    async with running_enricher(tmp_path, proxy=ProxySettings()) as enricher:
        app = enricher.app
        guarded = {path: access for (_, path), access in app[GATE].guarded_routes.items()}
        served = {route.resource.canonical for route in app.router.routes() if route.resource}
    plain = {re.sub(r"\{(\w+):[^}]*\}", r"{\1}", path) for path in guarded}
    pictures = {re.sub(r"\{(\w+):.*?\}(?=/|\.|$)", r"{\1}", form.pattern) for form in PUBLIC_PATHS.forms}
    rest = {"/healthz", "/readyz", "/readyz/stored", "/metrics", "/{anything}", "/api/images/openapi.json"}
    rest |= {"/{key}/isValid", "/videos/{name}.mp4", "/videos-produced/{name}.mp4"}
    assert served - plain - pictures == rest
    to_read_with_a_body = {
        *(f"/api/v1/characters/{what}" for what in ("batch", "enhance", "preload")),
        "/api/categories/images/batch",
    }
    to_sign_in = {"/login", "/logout", "/api/trakt/callback", "/trakt/callback"}
    for (method, path), access in app[GATE].guarded_routes.items():
        manages = (
            method != "GET"
            or path.startswith(("/api/v1/admin/", *MANAGING_PAGES, *MANAGING_READS))
            or "/pictures/" in path
            or path.endswith("/character")
            or path in {"/api/images", "/api/videos", "/api/categories/search"}
        )
        for_others = path in to_sign_in or access in {
            Access.UPLOADING,
            Access.STUDIO,
            Access.USER,
            Access.TELLING,
        }
        reads = path in to_read_with_a_body
        assert for_others or (manages and not reads) == (access is Access.ADMIN), (method, path)


async def test_lists_need_a_token_where_urls_are_signed_or_a_web_server_stands_before_us(
    tmp_path: Path,
) -> None:
    telling = (
        PAGE,
        "/api/library/items",
        "/api/images/cache/list",
        "/api/v1/images/artwork/1",
        "/api/events",
    )
    signed = PictureUrlSettings(signing_keys=("key",))
    async with running_enricher(tmp_path, urls=signed) as enricher:
        assert {(await enricher.get(path)).status for path in telling} == {401}
        assert (await enricher.manage("GET", PAGE)).status == 200
    async with running_enricher(tmp_path) as enricher:
        forwarded = {"X-Forwarded-For": "203.0.113.5"}
        assert {(await enricher.get(path, **forwarded)).status for path in telling} == {401}
        assert (await enricher.get(PAGE)).status == 200


async def test_another_name_for_this_machine_reads_nothing(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        for path in (PAGE, "/api/docs", "/api/openapi.json"):
            answer = await enricher.get(path, Host="rebound.attacker.example")
            assert (answer.status, "PUBLIC_URL" in str(answer.body)) == (421, True)


async def test_with_api_tokens_reading_needs_one(tmp_path: Path) -> None:
    async with running_enricher(tmp_path, api_tokens=("reader",)) as enricher:
        assert (await enricher.get(PAGE)).status == 401
        assert (await enricher.get(PAGE, Authorization="Bearer reader")).status == 200
        assert (await enricher.get("/healthz")).status == 200
        adding = await enricher.ask(
            "POST", "/api/library/items", headers={"Authorization": "Bearer reader"}, json={}
        )
    assert adding.status == 403


async def test_the_page_where_admins_type_their_token_is_framed_by_nobody_and_runs_its_own_script_alone(
    tmp_path: Path,
) -> None:
    async with (
        running_enricher(tmp_path) as enricher,
        enricher.client.get(f"{enricher.address}/api/docs") as answer,
    ):
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    script = page.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}'" in policy
    assert "frame-ancestors 'none'" in policy


async def test_the_description_has_every_path_and_its_page_needs_no_other_site(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        document = json.loads((await enricher.get("/api/openapi.json")).body)
        page = await enricher.text("/api/docs")
        assert "http" not in page.replace("https://", "http://").partition("<script>")[0]
        for part in ("swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js"):
            assert len(await enricher.text(f"/api/docs/{part}")) > 10_000
    assert {
        "/api/items/enriched",
        "/api/tmdb/tv/{id}/season/{number}",
        "/api/metadata/{media_type}/{id}",
    } <= set(document["paths"])
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            described = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert described == set(re.findall(r"\{(\w+)\}", path)), (method, path)


async def test_a_path_has_the_methods_that_are_described_and_none_of_one_that_looks_like_it(
    tmp_path: Path,
) -> None:
    async with running_enricher(tmp_path) as enricher:
        for method, path, allowed in (
            ("PATCH", "/api/items/enriched", {"GET", "HEAD"}),
            ("PUT", "/api/v1/admin/images/api/image-no-auth/a.jpg", {"DELETE"}),
        ):
            answer = await enricher.manage(method, path)
            assert (answer.status, set(answer.headers["Allow"].split(", "))) == (405, allowed), path
