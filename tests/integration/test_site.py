"""The site as it is served: who sees what, what a first run says, forms without a script, files and headers."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from pydantic import SecretStr
from yarl import URL

from services.enricher.api.sessions import SESSION_COOKIE
from services.enricher.app import GATE
from services.enricher.finder.metadata import ProviderSettings
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.pictures.shown import PictureUrlSettings
from services.proxy.settings import ProxySettings
from shared.contracts import FetchPicture, TaskProgressed
from shared.queue import Lane
from shared.telemetry import utc_now
from shared.volume import HostPause
from tests.contract.test_alerts import promtool
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.unit.test_dead_letters import died

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORDS = 60
ADMIN = ["/add", "/scan", "/unmatched", "/ops", "/picture?url=https://image.tmdb.org/t/p/original/a.jpg"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def enricher(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningEnricher]:
    """Without a key for any provider."""
    async with running_enricher(tmp_path_factory.mktemp("site"), proxy=ProxySettings()) as running:
        yield running


class Visitor:
    """A browser without a script."""

    def __init__(self, enricher: RunningEnricher, client: aiohttp.ClientSession) -> None:
        self._address = enricher.address
        self._client = client

    async def get(self, path: str) -> tuple[int, str]:
        async with self._client.get(self._address + path) as answer:
            return answer.status, unescape(await answer.text())

    async def post(self, path: str, /, *, origin: str = "", **form: str) -> tuple[int, str]:
        """Where it ends, after redirects."""
        headers = {"Origin": origin or self._address}
        async with self._client.post(self._address + path, data=form, headers=headers) as answer:
            return answer.status, unescape(await answer.text())


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(enricher: RunningEnricher) -> AsyncIterator[Visitor]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        yield Visitor(enricher, client)


@pytest_asyncio.fixture(loop_scope="module")
async def operator(visitor: Visitor) -> Visitor:
    status, _ = await visitor.post("/login", token="the-admin-token", back="/ops")
    assert status == 200
    return visitor


async def test_a_first_run_says_what_is_missing_and_how_to_get_it(visitor: Visitor) -> None:
    status, page = await visitor.get("/")
    assert status == 200
    for said in (
        "TMDB_API_KEY is not set.",
        "themoviedb.org/settings/api",
        "LIBRARY_ROOTS",
        "Hang a demo library",
    ):
        assert said in page


@pytest.mark.parametrize("path", ADMIN)
async def test_what_operates_asks_who_is_there_and_shows_it_afterwards(
    enricher: RunningEnricher, path: str
) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        visitor = Visitor(enricher, client)
        status, page = await visitor.get(path)
        assert status == 401
        assert f'name="back" value="{path}"' in page
        status, page = await visitor.post("/login", token="guess", back=path)
        assert status == 403
        assert "The token does not allow this." in page
        status, page = await visitor.post("/login", token="the-admin-token", back=path)
        assert status == 200
        assert "Sign out" in page


async def test_reading_that_is_closed_asks_by_the_same_form(enricher: RunningEnricher) -> None:
    through = {"X-Forwarded-For": "203.0.113.9"}
    async with enricher.client.get(enricher.address + "/", headers=through) as answer:
        assert answer.status == 401
        assert 'action="/login"' in await answer.text()


async def test_the_cookie_is_for_nobody_but_us_and_ends_with_the_session(enricher: RunningEnricher) -> None:
    origin = {"Origin": enricher.address, "X-Forwarded-Proto": "https"}
    form = {"token": "the-admin-token"}
    async with enricher.client.post(
        enricher.address + "/login", data=form, headers=origin, allow_redirects=False
    ) as answer:
        cookie = answer.cookies[SESSION_COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Strict", True)
    mine = {"Cookie": f"{SESSION_COOKIE}={cookie.value}"}
    assert (await enricher.get("/api/v1/admin/tasks", **mine)).status == 200
    leaving = {"Origin": enricher.address, **mine}
    async with enricher.client.post(enricher.address + "/logout", headers=leaving) as answer:
        assert answer.status == 200
    assert (await enricher.get("/api/v1/admin/tasks", **mine)).status == 401


async def test_a_form_on_a_page_of_others_does_nothing(operator: Visitor, enricher: RunningEnricher) -> None:
    form = {"title": "Planted", "media_type": "movie", "back": "/"}
    status, _ = await operator.post("/do/add", origin="http://elsewhere.example", **form)
    assert status == 403
    assert "Planted" not in await enricher.text("/api/library/items")


async def test_a_title_is_added_found_shown_and_removed_without_a_script(
    operator: Visitor, enricher: RunningEnricher
) -> None:
    form = {"title": "Ænima & <Sons>", "media_type": "movie", "year": "1999", "imdb_id": "tt0000042"}
    status, page = await operator.post("/do/add", back="/add", **form)
    assert (status, "Added to the library." in page) == (200, True)
    _, page = await operator.get("/?q=sons")
    assert "Ænima & <Sons>" in page
    [item] = (await enricher.get("/api/library/items?q=sons")).json["items"]
    status, page = await operator.get(f"/title/{item['id']}")
    assert (status, "Ænima & <Sons>" in page) == (200, True)
    status, page = await operator.get(f"/title/{item['id']}/pictures/poster")
    assert (status, "TMDB_API_KEY is not set." in page) == (200, True)
    _, page = await operator.post("/do/remove", back="/", id=str(item["id"]))
    assert "Removed from the library." in page
    assert (await operator.get(f"/title/{item['id']}"))[0] == 404


async def test_what_cannot_be_done_is_told_on_the_page(operator: Visitor) -> None:
    _, page = await operator.post("/do/scan", back="/scan", path="/etc")
    assert "No folder may be scanned: name those that may in LIBRARY_ROOTS." in page
    _, page = await operator.post("/do/add", back="/add", title="", media_type="movie")
    assert "title: Field required." in page
    assert "There is nothing to do by that name." in (await operator.post("/do/nothing", back="/"))[1]


async def test_the_demo_library_is_hung_and_taken_down(operator: Visitor, enricher: RunningEnricher) -> None:
    _, page = await operator.post("/do/demo", back="/")
    assert "The demo library is being hung." in page

    async def hung() -> bool:
        return bool((await enricher.get("/api/library/items?q=metropolis")).json["total"])

    await until(hung)
    tasks = (await enricher.manage("GET", "/api/v1/admin/tasks")).json["tasks"]
    await enricher.manage("POST", f"/api/v1/admin/tasks/{tasks[0]['id']}/cancel")  # nobody renders here
    _, page = await operator.post("/do/clear-demo", back="/")
    assert "The demo library is taken down." in page
    assert not await hung()


async def test_dead_letters_are_filtered_and_dropped(operator: Visitor, enricher: RunningEnricher) -> None:
    for letter in (died(1), died(2, lane=Lane.CATALOG, failure_class=None)):
        await enricher.queue.publish(letter, Lane.DEAD)

    async def both() -> bool:
        return "2 of 2" in (await operator.get("/ops"))[1]

    await until(both)
    _, page = await operator.get("/ops?lane=catalog&class=")
    assert "1 of 1" in page
    _, page = await operator.post("/do/drop-all", back="/ops", lane="catalog", **{"class": ""})
    assert "1 of 1" in page
    assert "Dropped, all of them." in page


async def test_pauses_are_ended_and_pictures_explained_warmed_up_and_purged_by_forms(
    operator: Visitor, enricher: RunningEnricher
) -> None:
    pause = HostPause(until=utc_now().replace(year=2100), failing=True)
    await enricher.volume.hosts.pause("slow.example:443", pause)
    _, page = await operator.get("/ops")
    assert "slow.example:443" in page
    _, page = await operator.post("/do/end-pause", back="/ops", host="slow.example:443")
    assert ("the host is asked again" in page, "slow.example:443" in page) == (True, False)
    url = "https://image.tmdb.org/t/p/original/a.jpg"
    _, page = await operator.post("/do/warm", back="/ops", urls=url)
    assert "On their way: see the tasks." in page
    await until(lambda: bool(enricher.queue.jobs(FetchPicture)))
    assert "It is on its way, or cannot be had." in (await operator.get(f"/picture?url={url}"))[1]
    _, page = await operator.post("/do/purge", back="/ops", url=url)
    assert "Purged: asked for again, it is fetched again." in page


async def test_files_are_kept_for_good_by_their_tag_and_pages_are_not(enricher: RunningEnricher) -> None:
    page = await enricher.client.get(enricher.address + "/")
    text = await page.text()
    path = text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    async with enricher.client.get(enricher.address + path) as style:
        assert style.headers["Cache-Control"].endswith("immutable")
        assert style.content_type == "text/css"
        tag = style.headers["ETag"]
    plain = str(URL(path).with_query(None))
    async with enricher.client.get(enricher.address + plain, headers={"If-None-Match": tag}) as again:
        assert (again.status, again.headers["Cache-Control"]) == (304, "no-cache")
    assert page.headers["Cache-Control"] == "private, no-cache"
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert (await enricher.client.get(f"{enricher.address}/static/../access.py")).status == 404
    for path in ("/nowhere", "/title/none", "/api/nowhere"):
        for accept, kind in (("text/html,*/*", "text/html"), ("*/*", "application/problem+json")):
            async with enricher.client.get(enricher.address + path, headers={"Accept": accept}) as answer:
                assert (answer.status, answer.content_type) == (404, kind)


async def test_operators_hear_how_services_are_and_others_do_not(enricher: RunningEnricher) -> None:
    assert (await enricher.get("/ops/events")).status == 401
    key = enricher.app[GATE].sessions.begin(is_admin=True)
    heard = []
    async with enricher.client.get(enricher.address + "/ops/events", cookies={SESSION_COOKIE: key}) as stream:
        async for line in stream.content:
            if line.startswith(b"event: "):
                heard.append(line.decode().split()[1])
            if heard == ["hello"]:
                await enricher.announce(
                    TaskProgressed(task=1, kind="scan", state="running", done=1, total=None, counts={})
                )
            if {"service.measured", "task.progressed"} <= set(heard):
                break


async def test_no_file_but_those_beside_the_pages_is_served(visitor: Visitor) -> None:
    for name in ("en.toml", "..%2fsite.py", "base.html"):
        assert (await visitor.get(f"/static/{name}"))[0] == 404


async def test_a_provider_is_named_in_its_words_and_by_the_logo_that_the_operator_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logos = tmp_path / "logos"
    logos.mkdir()
    (logos / "tmdb.png").write_bytes(b"theirs")
    monkeypatch.setenv("PROVIDER_LOGOS", str(logos))
    providers = ProviderSettings.read(
        TmdbSettings(api_key=SecretStr("0" * 32), base_url="http://127.0.0.1:1")
    )
    async with running_enricher(tmp_path, providers=providers) as enricher:
        key = enricher.app[GATE].sessions.begin(is_admin=True)
        visitor = Visitor(enricher, enricher.client)
        enricher.client.headers["Cookie"] = f"{SESSION_COOKIE}={key}"
        _, page = await visitor.get("/add")
        assert "This product uses the TMDB API but is not endorsed or certified by TMDB." in page
        assert "TheTVDB" not in page
        (logo,) = re.findall(r'<img class="logo" src="(/static/logo-tmdb.png\?v=[^"]+)" alt="TMDB"', page)
        async with enricher.client.get(enricher.address + logo) as answer:
            assert (await answer.read(), answer.headers["Content-Type"]) == (b"theirs", "image/png")
            assert "immutable" in answer.headers["Cache-Control"]


async def test_below_a_path_of_a_web_server_links_lead_below_it(tmp_path: Path) -> None:
    urls = PictureUrlSettings(public_url="https://pictures.example/onesheet")
    async with running_enricher(tmp_path, urls=urls) as enricher:
        key = enricher.app[GATE].sessions.begin(is_admin=True)
        through = {"X-Forwarded-Host": "pictures.example", "Cookie": f"{SESSION_COOKIE}={key}"}
        async with enricher.client.get(enricher.address + "/", headers=through) as answer:
            page = await answer.text()
        assert 'href="/onesheet/scan"' in page
        assert 'href="/scan"' not in page


async def test_whatever_strangers_make_up_is_counted_under_names_that_we_chose(
    enricher: RunningEnricher,
) -> None:
    """Each series costs Prometheus memory for as long as it keeps anything."""

    async def ask(word: str) -> None:
        for path in (
            f"/{word}?q={word}",
            f"/api/images/proxy?url=https://{word}.example/x.jpg&size={word}",
            f"/api/images/proxy?url=https://{word}.example/x.jpg",
            f"/api/v1/images/movie/tmdb:{word}/{word}/w342",
            f"/api/v1/images/{word}/tmdb:1/poster/w342",
            f"/api/metadata/movie/{word}",
            f"/api/tmdb/{word}/1",
            f"/static/{word}",
        ):
            headers = {"X-Request-ID": word, "User-Agent": word, "Host": "localhost"}
            async with enricher.client.get(enricher.address + path, headers=headers):
                pass

    async def measured() -> str:
        async with enricher.client.get(enricher.address + "/metrics") as answer:
            return await answer.text()

    def series(text: str) -> int:
        return text.count("_total{") + text.count("_count{")

    await ask("first")
    before = await measured()
    for number in range(WORDS):
        await ask(f"madeup{number}")
    after = await measured()
    assert "madeup" not in after.casefold()
    assert series(after) - series(before) < WORDS  # what happens beside it is counted, too
    promtool("check", "metrics", given=after)
