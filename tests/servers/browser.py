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
SHIFTED = """() => new Promise((told) => {
    let sum = 0;
    new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) sum += one.value; })
        .observe({type: "layout-shift", buffered: true});
    requestAnimationFrame(() => requestAnimationFrame(() => told(sum)));
})"""
"""Cumulative layout shift, so far."""

SHOWN = """() => [...document.querySelectorAll("img")].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight && box.width;
}).every((one) => one.naturalWidth > 40 || one.closest(".brand"))"""
"""Whether every picture that can be seen is one, and no placeholder."""


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
