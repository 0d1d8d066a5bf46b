"""The wall of 500 posters in Chromium, beside a page that is nothing but the same 500 pictures."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page

from tests.bench.by_name import found_at
from tests.bench.earlier import idle
from tests.bench.multiplexed import ALIKE
from tests.bench.report import Figure
from tests.providers.drawing import encode, poster
from tests.providers.separate_host import SeparateHost
from tests.providers.tmdb import TmdbHost
from tests.servers.browser import SHOWN, Onlooker, Shifts, assert_clean, running_chromium
from tests.servers.service import measured_service

TITLES = 500
ROUNDS = 7
PAINTED_PROMISE = 1.5
SHIFT_PROMISE = 0.02
ADMIN_TOKEN = "the-token"
PATIENCE_S = 300
EAGER = 12
"""Posters that the wall asks for at once."""

FIRST_ROW = """(() => {
    function look() {
        const images = [...document.querySelectorAll("img[srcset]")];
        const top = Math.min(...images.map((one) => one.getBoundingClientRect().top));
        const row = images.filter((one) => one.getBoundingClientRect().top < top + 5);
        if (row.length > 2 && row.every((one) => one.complete && one.naturalWidth > 40))
            requestAnimationFrame(() => requestAnimationFrame(() => { window.paintedFirstRow = performance.now(); }));
        else requestAnimationFrame(look);
    }
    look();
})()"""
"""Notes when the first row is on the screen, in milliseconds since the address was entered."""

PLAIN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Plain</title>
<style>body {{ display: grid; gap: 16px; margin: 24px; grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)) }}
img {{ width: 100%; height: auto }}</style>
{pictures}
"""


START_PROMISE_S = 10.0


async def gallery(directory: Path) -> list[Figure]:
    """Its start; and all of it stored, before a browser that has seen nothing of it, in turns with the plain page."""
    began = time.monotonic()
    (first := directory / "first").mkdir()
    async with measured_service("services", {}, cwd=first) as onesheet, aiohttp.ClientSession() as session:
        async with session.get(onesheet.address) as answer:
            assert answer.status == HTTPStatus.OK
        start_s = time.monotonic() - began
    async with _hung(directory) as origin, running_chromium() as browser:
        items = await _items(origin)
        async with _plain(origin, items) as plain:
            onlooker = Onlooker(browser, origin, also_from=(plain,))
            await _painted_ms(onlooker, "/"), await _painted_ms(onlooker, plain)
            ours, static = [], []
            for _ in range(ROUNDS):
                ours.append(await _painted_ms(onlooker, "/"))
                static.append(await _painted_ms(onlooker, plain))
        shifts, seen = await _looked_through(Onlooker(browser, origin))
    ours_ms, static_ms = statistics.median(ours), statistics.median(static)
    return [
        Figure(
            what="the gallery is there after a first start, with no setting",
            ours=f"{start_s:.1f} s",
            reference="–",
            compared="–",
            promise=f"≤ {START_PROMISE_S:.0f} s",
            kept=start_s <= START_PROMISE_S,
        ),
        Figure(
            what=f"the first row of the wall of {TITLES} posters painted, 1280 pixels",
            ours=f"{ours_ms:.0f} ms",
            reference=f"{static_ms:.0f} ms a page of nothing else",
            compared=f"{ours_ms / static_ms:.2f} ×",
            promise=f"≤ {PAINTED_PROMISE} ×",
            kept=ours_ms <= PAINTED_PROMISE * static_ms,
        ),
        Figure(
            what="the wall from its top to its end: layout shift; pictures seen, nothing to complain of",
            ours=f"{shifts.sum_:.3f} in all",
            reference=f"{shifts.largest:.3f} within a session window; {seen} pictures",
            compared="; ".join(shifts.what) or "–",
            promise=f"< {SHIFT_PROMISE} in all, {TITLES} pictures",
            kept=shifts.sum_ < SHIFT_PROMISE and seen == TITLES,
        ),
    ]


@asynccontextmanager
async def _hung(directory: Path) -> AsyncIterator[str]:
    """A library whose posters are all stored."""
    async with SeparateHost.running() as host, TmdbHost.running(requests=10_000) as tmdb:
        drawn = [encode(poster(number, (500, 750)), "jpeg") for number in range(12)]
        for number in range(1, TITLES + 1):
            await host.put(f"/t/p/original/poster{number}.jpg", drawn[number % len(drawn)])
        settings = found_at(host, tmdb) | {
            "ADMIN_TOKEN": ADMIN_TOKEN,
            "HOST_CONCURRENCY": "32",
            **ALIKE,
            "VOLUME_URL": f"file:{directory}/data",
        }
        async with measured_service("services", settings, cwd=directory) as onesheet:
            await _fill(onesheet.address)
            await idle(onesheet.pid, for_s=2)
            yield onesheet.address


async def _fill(origin: str) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with aiohttp.ClientSession(origin, headers=headers, raise_for_status=True) as session:
        for number in range(1, TITLES + 1):
            item = {"title": f"Movie {number}", "media_type": "movie", "tmdb_id": number}
            await session.post("/api/library/items", json=item)
    async with asyncio.timeout(PATIENCE_S):
        items = await _items(origin)
        while not all(map(_is_stored, items)):
            await asyncio.sleep(1)
            items = await _items(origin)
    at_once = asyncio.Semaphore(8)
    async with aiohttp.ClientSession(origin, raise_for_status=True) as session:

        async def ask(path: str) -> None:
            async with at_once, session.get(path, headers={"Accept": "image/webp"}) as answer:
                await answer.read()

        for hung in items:
            paths = [part.split()[0] for part in hung["images"]["poster"]["srcset"].split(",")]
            await asyncio.gather(*map(ask, paths))


def _is_stored(item: dict[str, Any]) -> bool:
    shown = item["images"].get("poster")
    return bool(shown and shown["color"])


async def _items(origin: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    async with aiohttp.ClientSession(origin, raise_for_status=True) as session:
        for offset in range(0, TITLES, 100):
            async with session.get(f"/api/library/items?limit=100&offset={offset}") as answer:
                items += (await answer.json())["items"]
    return items


@asynccontextmanager
async def _plain(origin: str, items: list[dict[str, Any]]) -> AsyncIterator[str]:
    """The same pictures in the same order, as whoever knows how to write a page would have them."""
    pictures = []
    for number, item in enumerate(items):
        shown = item["images"]["poster"]
        sizes = ", ".join(origin + part.strip() for part in shown["srcset"].split(","))
        lazy = ' loading="lazy"' if number >= EAGER else ""
        pictures.append(
            f'<img src="{origin}{shown["url"]}" srcset="{sizes}" sizes="200px" alt="" width="342" height="513"'
            f' decoding="async"{lazy}>'
        )
    text = PLAIN.format(pictures="\n".join(pictures))

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def _painted_ms(onlooker: Onlooker, address: str) -> float:
    page = await onlooker.page()
    await page.add_init_script(FIRST_ROW)
    await page.goto(address)
    await page.wait_for_function("() => window.paintedFirstRow")
    painted: float = await page.evaluate("window.paintedFirstRow")
    await page.context.close()
    return painted


async def _looked_through(onlooker: Onlooker) -> tuple[Shifts, int]:
    """Down to the end: how much shifted, and how many posters were seen. Raise AssertionError for any complaint."""
    page = await onlooker.page()
    await page.goto("/")
    await page.wait_for_function(SHOWN)
    await assert_clean(onlooker, page)
    while not await _at_the_end(page):
        await page.mouse.wheel(0, 700)
        await page.wait_for_function(SHOWN)
    await assert_clean(onlooker, page)
    found = await Shifts.of(page), await page.locator(".card img").count()
    await page.context.close()
    return found


async def _at_the_end(page: Page) -> bool:
    end: bool = await page.evaluate(
        "!document.querySelector('[data-later]') && scrollY + innerHeight >= document.documentElement.scrollHeight - 2"
    )
    return end
