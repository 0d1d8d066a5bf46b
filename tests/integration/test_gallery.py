"""The gallery and the operators' page in Chromium: what is clicked is done, and nothing shifts, fails or asks elsewhere."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect
from pydantic import SecretStr

from services.enricher.finder.metadata import ProviderSettings
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.fetcher.settings import DownloadSettings, FetcherSettings
from services.proxy.settings import ProxySettings
from shared.pictures import Kind, Name, Role
from shared.queue import Lane
from shared.settings import HostSettings
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.demo import DemoTmdb, hung
from tests.providers.drawing import encode, poster
from tests.providers.picture_host import PictureHost
from tests.providers.tmdb import API_KEY
from tests.servers.browser import (
    CHROMIUM,
    PATIENCE_MS,
    SHOWN,
    Onlooker,
    Shifts,
    assert_clean,
    running_chromium,
)
from tests.unit.test_dead_letters import died

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here: make test installs it"),
]


class Shop(Onlooker):
    """All that a page needs, running; and a browser."""

    def __init__(self, enricher: RunningEnricher, browser: Browser, media: Path, pasted: str) -> None:
        super().__init__(browser, enricher.address)
        self.enricher = enricher
        self.media = media
        self.pasted = pasted

    async def signed_in(self, path: str) -> Page:
        page = await self.page()
        await page.goto(f"/login?back={path}")
        await page.get_by_label("Token").fill("the-admin-token")
        await page.get_by_role("main").get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"**{path}")
        return page


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """With the demo library, and a folder to scan."""
    directory = tmp_path_factory.mktemp("gallery")
    media = directory / "films"
    media.mkdir()
    (media / "Some Film (2001).mkv").touch()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        host, tmdb = await enter(PictureHost.running()), await enter(DemoTmdb.running())
        drawn = [encode(poster(number, (360, 540)), "jpeg") for number in range(8)]
        for number, (path, _) in enumerate(hung()):  # small ones, which cost a renderer little
            host.put(f"/t/p/original/{path}", drawn[number % len(drawn)])
        authority, images = host.root.removeprefix("http://"), host.url("/t/p")
        hosts = HostSettings(allowed_hosts=(authority,))
        enricher = await enter(
            running_enricher(
                directory,
                proxy=ProxySettings(hosts=hosts, tmdb_image_url=images),
                fetcher=FetcherSettings(download=DownloadSettings(hosts=hosts, allow_private=(authority,))),
                hosts=hosts,
                providers=ProviderSettings.read(
                    TmdbSettings(api_key=SecretStr(API_KEY), base_url=tmdb.base_url, image_url=images)
                ),
                roots=(f"{media}:movie",),
            )
        )
        await enricher.ended("/api/v1/admin/demo")
        yield Shop(enricher, await enter(running_chromium()), media, host.url("/poster/7.jpg"))


expect.set_options(timeout=PATIENCE_MS)


@pytest.mark.parametrize(("width", "height", "light"), [(390, 844, True), (1280, 900, False)])
async def test_the_wall_shows_every_picture_and_nothing_shifts(
    shop: Shop, width: int, height: int, light: bool
) -> None:
    page = await shop.page(width, height, light=light)
    await page.goto("/")
    await page.wait_for_function(SHOWN)
    assert (shifts := await Shifts.of(page)).sum_ < 0.02, shifts
    await expect(page.get_by_role("heading", name="24 titles")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await assert_clean(shop, page)
    await page.context.close()


async def test_a_picture_is_pinned_by_clicking_and_the_wall_shows_it(shop: Shop) -> None:
    page = await shop.signed_in("/")
    await page.get_by_role("link", name="Nosferatu").click()
    await expect(page.get_by_role("heading", name="Nosferatu", exact=True)).to_be_visible()
    await assert_clean(shop, page)
    await page.get_by_role("button", name="Use picture 2 of TMDB").click()
    await expect(page.get_by_text("Pinned: this is shown from now on.")).to_be_attached()
    shown = page.locator(".candidate.is-shown img")
    await expect(shown).to_have_attribute("alt", "Picture 2 from TMDB")
    await page.goto("/")
    poster = page.get_by_role("link", name="Nosferatu").locator("img")
    picture = (await shop.enricher.volume.names.picture(_poster_of("tt0013442"))) or "none"
    assert picture in str(await poster.get_attribute("src"))
    assert shop.complaints == []
    await page.context.close()


async def test_a_dead_letter_is_sent_again_by_clicking(shop: Shop) -> None:
    await shop.enricher.queue.publish(died(1), Lane.DEAD)
    await until(lambda: _dead(shop, 1))
    page = await shop.signed_in("/ops")
    await assert_clean(shop, page)
    await page.get_by_role("link", name="Read").click()
    await expect(page.get_by_text("The source answered 500.").first).to_be_visible()
    await assert_clean(shop, page)
    await page.get_by_role("button", name="Send again").click()
    await expect(page.get_by_text("Sent again, as if it had never been tried.")).to_be_attached()
    await until(lambda: _dead(shop, 0))
    await shop.enricher.queue.publish(died(2), Lane.DEAD)
    await expect(
        page.get_by_role("button", name="Drop", exact=False).first
    ).to_be_visible()  # told by an event
    assert shop.complaints == []
    await page.context.close()


async def test_any_picture_comes_through_by_pasting_its_url(shop: Shop) -> None:
    page = await shop.signed_in("/add")
    await page.get_by_label("URL of a picture").fill(shop.pasted)
    await page.get_by_role("button", name="Show it").click()
    await page.wait_for_function(SHOWN)
    await assert_clean(shop, page)
    await page.context.close()


async def test_a_folder_is_scanned_by_clicking_and_its_progress_shows(shop: Shop) -> None:
    page = await shop.signed_in("/scan")
    await expect(page.get_by_label("Folder on the server")).to_have_value(str(shop.media))
    await page.get_by_role("button", name="Scan").click()
    await expect(page.locator("#scans .state.done")).to_be_visible()  # without being asked for again
    await assert_clean(shop, page)
    await page.goto("/?q=some+film")
    await expect(page.get_by_role("link", name="Some Film")).to_be_visible()
    await page.context.close()


async def test_a_title_in_one_long_word_widens_no_page_of_a_phone(shop: Shop) -> None:
    item = {"title": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk", "media_type": "movie"}
    added = (await shop.enricher.manage("POST", "/api/library/items", item)).json["id"]
    page = await shop.page(390, 844)
    await page.goto(f"/title/{added}")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    heading = page.get_by_role("heading", name=item["title"]).first
    assert await heading.evaluate("one => one.scrollWidth <= one.clientWidth")
    await shop.enricher.manage("DELETE", f"/api/library/items/{added}")
    await page.context.close()


async def test_the_wall_goes_on_and_keeps_its_place(shop: Shop) -> None:
    for number in range(70):
        item = {"title": f"Shelved {number:02}", "media_type": "tv", "full_path": f"/shelf/{number}"}
        await shop.enricher.manage("POST", "/api/library/items", item)
    page = await shop.page()
    await page.goto("/?q=shelved&sort=title")
    cards = page.locator(".card")
    await until(lambda: _at_the_end(page, cards, 70), every_s=0.2)
    await page.reload()
    await expect(cards).to_have_count(10)
    await page.get_by_role("link", name="Show earlier ones").click()
    await expect(cards).to_have_count(70)
    assert shop.complaints == []
    await page.context.close()


async def _at_the_end(page: Page, cards: Locator, count: int) -> bool:
    """Whether the last of so many is in sight, and the address says so. Where the page ends later than a key was pressed, it is
    pressed once more.
    """
    await page.keyboard.press("End")
    return await cards.count() == count and "page=2" in page.url


def _poster_of(imdb_id: str) -> Name:
    return Name(Kind.MOVIE, f"imdb:{imdb_id}", Role.POSTER)


async def _dead(shop: Shop, count: int) -> bool:
    reply = await shop.enricher.manage("GET", "/api/v1/admin/dead")
    return bool(reply.json["total"] == count)
