"""What hangs beside the library's titles: streamers, categories and streams by forms and in Chromium; characters; uploads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.integration.casting import TMDB_ROLES, casting, tmdb_cast
from tests.integration.enricher import RunningEnricher
from tests.integration.onesheet import until
from tests.integration.streaming import StartStreaming, stored
from tests.integration.test_site import Visitor
from tests.integration.test_uploads import a_photo
from tests.providers.metadata_host import Said
from tests.providers.twitch import TwitchHost
from tests.servers.browser import CHROMIUM, SHOWN, Onlooker, Shifts, assert_clean, running_chromium


@asynccontextmanager
async def operating(enricher: RunningEnricher) -> AsyncIterator[Visitor]:
    """A browser without a script, signed in with the admin token."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        visitor = Visitor(enricher, client)
        await visitor.post("/login", token="the-admin-token", back="/")
        yield visitor


async def test_streamers_and_categories_hang_beside_films_and_are_managed_by_forms(
    streaming: StartStreaming, twitch: TwitchHost
) -> None:
    async with streaming() as enricher, operating(enricher) as visitor:
        _, welcome = await visitor.get("/")
        assert 'href="/streamers"' in welcome
        _, page = await visitor.post("/do/add-streamer", back="/streamers", login="first")
        assert "Added: Twitch is asked" in page
        assert 'href="/streamer/1"' in page
        _, page = await visitor.post("/do/add-streamer", back="/streamers", login="nobody")
        assert "Twitch knows no such streamer." in page
        await stored(enricher, "streamer/1/profile")
        _, page = await visitor.get("/streamers")
        assert 'class="tone"' in page  # in the colour of what is stored
        _, page = await visitor.post("/do/favor-streamer", back="/streamer/1", id="1")
        assert "No favourite any more" in page
        _, page = await visitor.get("/streamers?only=favorites")
        assert "1 streamer" in page
        _, page = await visitor.post("/do/add-category", back="/categories", name="Just Chatting")
        assert 'href="/category/1"' in page
        status, page = await visitor.get("/category/1")
        assert (status, "just_chatting.jpg" in page) == (200, True)
        stream = {
            "streamer_id": 1,
            "title": "A first one",
            "artwork_url": twitch.world.channels["123"].profile,
        }
        await enricher.manage("POST", "/api/streams", stream)
        _, page = await visitor.get("/streamer/1")
        assert "A first one" in page
        status, page = await visitor.get("/stream/1")
        assert (status, "Remove" in page) == (200, True)
        _, page = await visitor.post("/do/remove-streamer", back="/streamers", id="1")
        assert "0 streamers" in page
        missing, _ = await visitor.get("/streamer/1")
    assert missing == 404


@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here: make test installs it")
async def test_the_walls_of_streamers_and_categories_are_for_everybody_and_nothing_shifts(
    streaming: StartStreaming,
) -> None:
    async with streaming() as enricher, running_chromium() as browser:
        await enricher.manage("POST", "/api/streamers", {"logins": ["first", "second"]})
        await enricher.manage("POST", "/api/categories", {"name": "Just Chatting"})
        onlooker = Onlooker(browser, enricher.address)
        page = await onlooker.page(390, 844)
        for path in ("/streamers", "/streamer/1", "/categories", "/category/1"):
            await page.goto(path)
            await page.wait_for_function(SHOWN)
            await assert_clean(onlooker, page)
            assert (shifts := await Shifts.of(page)).sum_ < 0.02, shifts


async def test_the_characters_of_a_title_are_shown_where_somebody_opens_them(tmp_path: Path) -> None:
    async with casting(tmp_path) as found, operating(found.enricher) as visitor:
        title = found.title(1)
        found.tmdb.put("/3/movie/1/credits", Said({"id": 1, "cast": tmdb_cast(TMDB_ROLES), "crew": []}))
        item = {"title": title, "media_type": "movie", "tmdb_id": 1}
        await found.enricher.manage("POST", "/api/library/items", item)
        _, page = await visitor.get("/title/1")
        assert 'data-load="/title/1/characters"' in page
        status, page = await visitor.get("/title/1/characters")
        assert (status, "Neo" in page) == (200, True)


async def test_uploads_are_seen_and_let_go_by_an_operator(streaming: StartStreaming) -> None:
    async with streaming() as enricher, operating(enricher) as visitor:
        sent = await enricher.ask(
            "POST", "/upload-image", data=a_photo(), headers={"Authorization": "Bearer the-admin-token"}
        )
        name = sent.json["filename"]
        _, page = await visitor.get("/uploads")
        assert (name in page, "1 picture" in page) == (True, True)
        _, page = await visitor.post("/do/let-go", back="/uploads", file=name)
        assert "Let go." in page

        async def is_gone() -> bool:
            return name not in (await visitor.get("/uploads"))[1]

        await until(is_gone)
