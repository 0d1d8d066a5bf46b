"""Chromium, and what its pages complain of: at the console, by failing, by asking others."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = shutil.which("chromium")
PATIENCE_MS = 60_000
_OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
_SHIFTS = """() => new Promise((told) => {
    const found = [];
    const told_of = (one) => one.node?.closest ? [one.node.tagName, one.node.id, one.node.className].join(" ") : String(one.node?.nodeName);
    new PerformanceObserver((list) => {
        for (const one of list.getEntries()) if (!one.hadRecentInput) found.push([one.startTime, one.value, one.sources.map(told_of)]);
    }).observe({type: "layout-shift", buffered: true});
    requestAnimationFrame(() => requestAnimationFrame(() => told(found)));
})"""
"""Layout shifts so far that no input led to: when (ms), how much, and what shifted."""

_SESSION_GAP_MS, _SESSION_MS = 1000, 5000

SHOWN = """() => [...document.querySelectorAll("img")].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight && box.width;
}).every((one) => one.naturalWidth > 40 || one.closest(".brand"))"""
"""Whether every picture that can be seen is one, and no placeholder."""


@dataclass(frozen=True, slots=True)
class Shifts:
    """What shifted in a page. `largest`: the cumulative layout shift as web.dev defines it, of the session window that has most;
    `sum_`: of all.
    """

    largest: float
    sum_: float
    what: tuple[str, ...]

    @classmethod
    async def of(cls, page: Page) -> "Shifts":
        found = await page.evaluate(_SHIFTS)
        largest = window = began = last = 0.0
        for at, value, _ in found:
            if at - last >= _SESSION_GAP_MS or at - began >= _SESSION_MS:
                window, began = 0.0, at
            window, last = window + value, at
            largest = max(largest, window)
        what = (f"{value:.4f} at {at:.0f} ms: {', '.join(sources)}" for at, value, sources in found)
        return cls(largest, sum(value for _, value, _ in found), tuple(what))


@dataclass
class Onlooker:
    """Somebody with a browser that has nothing of the site yet."""

    browser: Browser
    origin: str
    also_from: tuple[str, ...] = ()
    """Other origins that may be asked."""
    complaints: list[str] = field(default_factory=list)
    """What a page said to its console, or asked of others, or could not get."""

    async def page(self, width: int = 1280, height: int = 900, *, light: bool = False) -> Page:
        context = await self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="light" if light else "dark",
            base_url=self.origin,
        )
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        page.on(
            "console", lambda said: self._complain(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on(
            "request", lambda request: None if self._is_ours(request.url) else self._complain(request.url)
        )
        return page

    def _complain(self, text: str) -> None:
        self.complaints.append(text)

    def _is_ours(self, url: str) -> bool:
        return url.startswith((self.origin, "data:", *self.also_from))


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_OPTIONS)
        try:
            yield browser
        finally:
            await browser.close()


async def assert_clean(onlooker: Onlooker, page: Page) -> None:
    """For those who see, hear or type, and for the console."""
    found = await Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()
    assert onlooker.complaints == []
