"""The account in the gallery: signing in, importing, and what was watched of a title; in Chromium, and without a script."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import expect

from services.enricher.finder.metadata import ProviderSettings
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.integration.test_gallery import Shop
from tests.integration.test_site import Visitor
from tests.integration.test_trakt_api import settings
from tests.integration.test_trakt_import import fill
from tests.providers.drawing import encode, poster
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt_account import TraktAccountHost
from tests.servers.browser import CHROMIUM, assert_clean, running_chromium

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Home:
    """An enricher whose account has something to import."""

    enricher: RunningEnricher
    trakt: TraktAccountHost
    tmdb: TmdbHost

    async def item(self, title: str) -> str:
        [item] = (await self.enricher.get(f"/api/library/items?q={title}")).json["items"]
        return f"/title/{item['id']}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Home]:
    async with (
        TraktAccountHost.running() as trakt,
        TmdbHost.running() as tmdb,
        running_enricher(tmp_path_factory.mktemp("account"), providers=settings(trakt, tmdb)) as enricher,
    ):
        fill(trakt, tmdb)
        yield Home(enricher, trakt, tmdb)


@pytest_asyncio.fixture(loop_scope="module")
async def operator(home: Home) -> AsyncIterator[Visitor]:
    """A browser without a script, signed in with the admin token."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        visitor = Visitor(home.enricher, client)
        await visitor.post("/login", token="the-admin-token", back="/account")
        yield visitor


def link_to_trakt(page: str) -> str:
    found = re.search(r'class="button strong" href="([^"]+)"', page)
    assert found
    return found[1]


async def test_whoever_has_no_token_is_asked_for_it(home: Home) -> None:
    for path in ("/account", "/account/preview"):
        async with home.enricher.client.get(home.enricher.address + path) as answer:
            assert answer.status == 401
    for path in (
        "/account/sign-in",
        "/account/device",
        "/account/import",
        "/account/do/sync",
        "/do/watch/rate",
    ):
        async with home.enricher.client.post(home.enricher.address + path) as answer:
            assert answer.status == 401


async def test_an_account_is_signed_in_imported_and_synced_without_a_script(
    home: Home, operator: Visitor
) -> None:
    _, page = await operator.post("/account/sign-in")
    code, state = home.trakt.approve(link_to_trakt(page))
    status, page = await operator.get(f"/trakt/callback?error=access_denied&state={state}")
    assert (status, "Somebody said no" in page) == (400, True)

    _, page = await operator.post("/account/sign-in")
    code, state = home.trakt.approve(link_to_trakt(page))
    assert f'name="state" value="{state}"' in page  # for whom Trakt shows a code
    _, page = await operator.post("/account/do/exchange", back="/account", code=code, state=state)
    assert "Signed in at Trakt." in page
    _, page = await operator.get("/account/preview")
    assert "6 titles, 6 of them new here; 0 are here already." in page

    gate = home.tmdb.hold()
    _, page = await operator.post("/account/import", back="/account", movies="yes", series="yes")
    assert "The import has begun." in page
    await gate.arrived()

    async def shows_how_far_it_is() -> bool:
        return "0 of 5" in (await operator.get("/account"))[1]  # the watchlist was not ticked

    await until(shows_how_far_it_is)
    gate.open()

    async def is_over() -> bool:
        return "5 titles" in (await operator.get("/account"))[1]

    await until(is_over)
    _, page = await operator.post("/account/do/sync", back="/account")
    assert "Syncing has begun." in page

    async def is_synced() -> bool:
        return (
            "on the watchlist" not in (await operator.get("/account"))[1].lower()
            and (await home.enricher.get("/api/watch/entries?watchlist=true")).json["total"] == 2
        )

    await until(is_synced)
    _, page = await operator.post("/account/do/auto-sync", back="/account", enabled="false")
    assert "It is synced only when you say so." in page


async def test_what_was_watched_shows_on_the_wall_and_is_changed_on_a_titles_page(
    home: Home, operator: Visitor
) -> None:
    _, page = await operator.get("/?only=watched")
    assert {"The movie 1", "The movie 3", "The show 5"} <= set(re.findall(r'class="name">([^<]+)<', page))
    assert "The movie 4" not in page
    _, page = await operator.get("/?only=watchlist&q=movie")
    assert re.findall(r'class="name">([^<]+)<', page) == ["The movie 4"]

    path = await home.item("movie 4")
    said = {"media_type": "movie", "tmdb_id": "4", "back": path}
    _, page = await operator.post("/do/watch/seen", **said, watched_on="2024-06-01")
    assert "the last time on 2024-06-01" in page
    _, page = await operator.post("/do/watch/rate", **said, rating="4")
    assert '<option value="4" selected>' in page
    _, page = await operator.post("/do/watch/want", **said, wanted="false")
    assert "Put on the watchlist" in page
    session = re.search(r'/do/watch/unseen".*?name="id" value="(\d+)"', page, re.DOTALL)
    assert session
    _, page = await operator.post("/do/watch/unseen", back=path, id=session[1])
    assert "the last time on" not in page
    _, page = await operator.post("/do/watch/seen", **said, watched_on="2999-01-01")
    assert "Nobody has watched that yet" in page


async def test_episodes_are_watched_on_a_seasons_page_also_while_tmdb_is_away(
    home: Home, operator: Visitor
) -> None:
    path = await home.item("show 6")
    season = f"{path}/season/1"
    _, page = await operator.get(season)
    assert page.count('class="state done">Watched<') == 3
    episode = {"media_type": "tv", "tmdb_id": "6", "season": "1", "back": season}
    _, page = await operator.post("/do/watch/episode", **episode, episode="4", watched="true")
    assert page.count('class="state done">Watched<') == 4
    _, page = await operator.post("/do/watch/episode", **episode, episode="1", watched="false")
    assert page.count('class="state done">Watched<') == 3
    _, page = await operator.get(path)
    assert "3 watched" in page


async def test_a_title_that_nobody_has_noted_yet_is_rated_by_one_form(home: Home, operator: Visitor) -> None:
    item = {"title": "The movie 8", "media_type": "movie", "tmdb_id": 8}
    await home.enricher.manage("POST", "/api/library/items", item)
    path = await home.item("movie 8")
    _, page = await operator.post("/do/watch/rate", media_type="movie", tmdb_id="8", back=path, rating="5")
    assert '<option value="5" selected>' in page


async def test_a_code_that_is_typed_elsewhere_signs_in_and_signing_out_forgets(
    home: Home, operator: Visitor
) -> None:
    _, page = await operator.post("/account/do/sign-out", back="/account")
    assert "Signed out at Trakt." in page
    _, page = await operator.post("/account/do/sync", back="/account")
    assert "Nobody is signed in at Trakt" in page
    _, page = await operator.post("/account/device")
    assert "5055CC52" in page
    assert "https://auth.trakt.example/activate" in page
    assert "5055CC52" in (await operator.get("/account"))[1]


@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here: make test installs it")
async def test_from_signing_in_to_an_episode_by_clicking(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        trakt, tmdb = await enter(TraktAccountHost.running()), await enter(TmdbHost.running())
        fill(trakt, tmdb)
        providers: ProviderSettings = settings(trakt, tmdb)
        enricher = await enter(running_enricher(tmp_path, providers=providers))
        shop = Shop(enricher, await enter(running_chromium()), tmp_path, "")
        page = await shop.signed_in("/account")
        drawn = encode(poster(1, (100, 150)), "png")  # nobody serves pictures here
        await page.route(
            re.compile("/api/(v1/)?images/"),
            lambda route: route.fulfill(body=drawn, content_type="image/png"),
        )
        await assert_clean(shop, page)
        await page.get_by_role("button", name="Sign in with this browser").click()
        link = page.get_by_role("link", name="Go on to Trakt")
        code, state = trakt.approve(str(await link.get_attribute("href")))
        await page.goto(f"/trakt/callback?code={code}&state={state}")
        await page.get_by_role("link", name="To the account").click()
        await page.get_by_role("button", name="Import", exact=True).click()
        await expect(page.locator("#importing .state.done")).to_be_attached()  # without being asked for again
        await assert_clean(shop, page)
        await page.goto("/?only=watched")
        await page.get_by_role("link", name="The show 5").click()
        await page.get_by_text("Season 1").click()
        await page.get_by_role("button", name="Episode 2: not watched").click()
        await expect(page.get_by_role("button", name="Episode 2: watched")).to_have_text("Watched")
        await expect(page.get_by_role("button", name="Episode 2: not watched")).to_have_count(0)
        await page.get_by_label("My rating").select_option("5")
        await page.get_by_role("button", name="Rate").click()
        await expect(page.get_by_label("My rating")).to_have_value("5")
        await assert_clean(shop, page)
        [entry] = (await enricher.get("/api/watch/entries?tmdb_id=5")).json["entries"]
        assert (entry["watch_status"], entry["rating"]["rating"]) == ("watching", 5)
