"""Pages of 50 titles: cold before a provider with 200 ms latency, unchanged, and made again."""

import asyncio
import os
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from services.enricher.database.engines import DatabaseSettings, open_database
from services.enricher.finder.metadata import MetadataSettings, ProviderSettings, open_metadata
from services.enricher.finder.providers.opening import open_providers
from services.enricher.finder.providers.trakt.client import TraktSettings
from services.enricher.library import ItemIds, LibraryEntry, LibrarySettings, MediaType, Selection
from services.enricher.library.pages.enrichment import Enrichment, MadeItem, Posters
from services.enricher.library.pages.kept import KeptPages
from services.enricher.library.pages.pages import Listings, Pages
from services.enricher.pictures.prefetch import Prefetch
from services.enricher.pictures.shown import PictureUrls, PictureUrlSettings, ShownPictures
from shared.background import Background
from shared.http import RenderedBody
from shared.pictures import HostRules, picture_id
from shared.queue import QueueSettings, open_queue
from shared.telemetry import Metrics
from shared.volume import VolumeSettings, volume_to_keep
from tests.bench.earlier import beside_base
from tests.bench.load import load
from tests.bench.report import Figure, other_checkout
from tests.providers.trakt import CLIENT_ID, TraktHost, imdb_id, title
from tests.servers.service import measured_service
from tests.unit.libraries import scanned_library

TITLES = 50
COLD_PAGES = 5
LATENCY_S = 0.2
COLD_PROMISE_S = 1.0
UNCHANGED_PROMISE = 5000
REBUILT_PROMISE = 300
REBUILDS = 300
ONE_PROMISE = 0.5
WHOLE_OF_BASE, ONE_OF_BASE = 0.5, 0.15
ADMIN_TOKEN = "the-token"
PATH = "/api/items/enriched"


async def pages(directory: Path) -> list[Figure]:
    async with TraktHost.running() as trakt:
        settings = {
            "ADMIN_TOKEN": ADMIN_TOKEN,
            "TRAKT_BASE_URL": trakt.root,
            "TRAKT_CLIENT_ID": CLIENT_ID,
            "VOLUME_URL": f"file:{directory}/data",
            "STATE_DIR": f"{directory}/state",
        }
        async with measured_service("services", settings, cwd=directory) as enricher:
            await _fill(enricher.address)
            trakt.latency_s = LATENCY_S
            cold = await _cold(enricher.address)
            unchanged = await _unchanged(enricher.address)
        trakt.latency_s = 0
        return [cold, *unchanged, *await _rebuilt(directory / "rebuilt", trakt)]


async def _fill(address: str) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        for number in range(1, TITLES * COLD_PAGES + 1):
            item = {"title": f"Movie {number}", "media_type": "movie", "imdb_id": imdb_id(number)}
            await session.post(f"{address}/api/library/items", json=item)


async def _cold(address: str) -> Figure:
    took = []
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        for number in range(1, COLD_PAGES + 1):
            began = time.perf_counter()
            async with session.get(f"{address}{PATH}?page={number}") as answer:
                page = await answer.json()
            took.append(time.perf_counter() - began)
            assert all(item["overview"] for item in page["items"])
    seconds = statistics.median(took)
    return Figure(
        what=f"a cold page of {TITLES} titles, the provider takes {LATENCY_S * 1000:.0f} ms",
        ours=f"{seconds:.2f} s",
        reference=f"{TITLES * LATENCY_S:.0f} s one after the other",
        compared=f"{seconds / (TITLES * LATENCY_S):.3f} ×",
        promise=f"≤ {COLD_PROMISE_S} s",
        kept=seconds <= COLD_PROMISE_S,
    )


async def _unchanged(address: str) -> list[Figure]:
    async with aiohttp.ClientSession() as session, session.get(address + PATH) as answer:
        tag, kilobytes = answer.headers["ETag"], len(await answer.read()) / 1000
    known = await load(address + PATH, headers=(f"If-None-Match: {tag}",))
    sent = await load(address + PATH)
    return [
        Figure(
            what=f"an unchanged page of {TITLES} titles, the client has it (304)",
            ours=f"{known.per_second:,.0f}/s",
            reference="–",
            compared="–",
            promise=f"≥ {UNCHANGED_PROMISE:,}/s",
            kept=known.per_second >= UNCHANGED_PROMISE,
        ),
        Figure(
            what=f"an unchanged page of {TITLES} titles, sent ({kilobytes:.0f} kB)",
            ours=f"{sent.per_second:,.0f}/s",
            reference="–",
            compared="–",
            promise=f"≥ {UNCHANGED_PROMISE:,}/s",
            kept=sent.per_second >= UNCHANGED_PROMISE,
        ),
    ]


async def _rebuilt(directory: Path, trakt: TraktHost) -> list[Figure]:
    """In this process, without HTTP: what making the page costs when something on it changes."""
    state_dir = directory / "state"
    volume = volume_to_keep(VolumeSettings(volume_url=f"file:{directory}/data", state_directory=state_dir))
    providers = ProviderSettings.read(TraktSettings(client_id=CLIENT_ID, base_url=trakt.root))
    urls = PictureUrls(PictureUrlSettings())

    def library_written() -> None:
        listings.forget()

    async with (
        open_queue(QueueSettings(), state_dir=state_dir) as queue,
        open_database(DatabaseSettings(), state_dir=state_dir) as database,
        open_providers(
            providers, database=database, metrics=Metrics(), background=Background(Metrics())
        ) as asked,
        open_metadata(
            MetadataSettings(), asked, database=database, background=Background(Metrics())
        ) as metadata,
        scanned_library(database.watched(library_written, topic="library"), LibrarySettings()) as opened,
        Posters(opened.library).open() as posters,
    ):
        listings = Listings(opened.library)
        ids = range(1, TITLES + 1)
        await opened.library.add_all(
            [LibraryEntry(f"Movie {n}", MediaType.MOVIE, ids=ItemIds(imdb=imdb_id(n))) for n in ids]
        )
        items: KeptPages[MadeItem] = KeptPages()
        shown = ShownPictures(volume.pictures, urls)
        enrichment = Enrichment(
            metadata.titles,
            posters=posters,
            shown=shown,
            urls=urls,
            prefetch=Prefetch(queue, volume.pictures, HostRules.of([])),
            kept=items,
        )
        nothing_kept: KeptPages[RenderedBody] = KeptPages(max_bytes=1, parts=items)
        made = Pages(listings, enrichment, kept=nothing_kept, providers=lambda: metadata.providers)
        await made.page(Selection(), 1, TITLES)
        changed = picture_id(f"https://{title(1)['images']['poster'][0]}")

        def one_picture() -> None:
            shown.forget(changed)
            items.forget(changed)

        async def taken_ms(change: Callable[[], None]) -> float:
            began = time.process_time()
            for _ in range(REBUILDS):
                change()
                await made.page(Selection(), 1, TITLES)
            return 1000 * (time.process_time() - began) / REBUILDS

        whole_ms, one_ms = await taken_ms(items.clear), await taken_ms(one_picture)
    per_second = 1000 / whole_ms
    return [
        Figure(
            what=f"a page of {TITLES} titles made again, all of it in memory",
            ours=f"{per_second:,.0f}/s",
            reference="–",
            compared="–",
            promise=f"≥ {REBUILT_PROMISE}/s",
            kept=per_second >= REBUILT_PROMISE,
        ),
        Figure(
            what="the same where one of its pictures changed",
            ours=f"{one_ms:.2f} ms",
            reference=f"{whole_ms:.2f} ms for the whole page",
            compared=f"{one_ms / whole_ms:.2f} ×",
            promise=f"≤ {ONE_PROMISE} ×",
            kept=one_ms <= ONE_PROMISE * whole_ms,
        ),
        *await _beside_base(directory, whole_ms, one_ms),
    ]


_REMADE = """
import asyncio, sys, time
from pathlib import Path

time.perf_counter = time.process_time  # by which earlier builds measured it
from tests.bench import pages
from tests.providers.trakt import TraktHost

async def main():
    async with TraktHost.running() as trakt:
        print(await pages._rebuilt(Path(sys.argv[1]), trakt))

asyncio.run(main())
"""


async def _beside_base(directory: Path, whole_ms: float, one_ms: float) -> list[Figure]:
    """Against the whole page by the other checkout, which knew no other way."""
    base = other_checkout()
    if base is None:
        return []
    process = await asyncio.create_subprocess_exec(
        *(str(base / ".venv/bin/python"), "-c", _REMADE, str(directory / "other")),
        cwd=base,
        env={**os.environ, "PYTHONPATH": str(base)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    found = re.search(r"ours='([\d,]+)/s'", said.decode())
    if not found:
        raise RuntimeError(f"the other checkout says nothing of its pages: {said!r}")
    theirs_ms = 1000 / int(found[1].replace(",", ""))
    what = f"CPU of a page of {TITLES} titles made again"
    return [
        beside_base(what, whole_ms, theirs_ms, unit="ms", at_most=WHOLE_OF_BASE),
        beside_base(f"{what}, one picture of it changed", one_ms, theirs_ms, unit="ms", at_most=ONE_OF_BASE),
    ]


if __name__ == "__main__":
    import tempfile

    from tests.bench.report import report

    with tempfile.TemporaryDirectory() as name:
        report(asyncio.run(pages(Path(name))))
