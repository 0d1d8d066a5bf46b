"""Hits at one proxy without nginx: against a bare aiohttp handler, and against thumbor."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from tests.bench.load import BROWSER, FRONT_END, Served, compared, cpu_us
from tests.bench.report import Figure, other_checkout
from tests.bench.standing import FILE, Standing, ask, etag_of
from tests.providers.drawing import encode, poster
from tests.servers.service import measured_service

HIT_PROMISE, LARGE_PROMISE, BASE_PROMISE = 0.75, 1.2, 0.5
LARGE_BYTES = 800_000
THUMBOR_PROMISE = 10
PEERS = Path(".venv-peers/bin")
"""Where `make bench` installs what we compare ourselves with: it wants other versions than we do."""

_THUMBOR = """
ALLOW_UNSAFE_URL = True
QUALITY = 85
STORAGE = "thumbor.storages.no_storage"
RESULT_STORAGE = "thumbor.result_storages.file_storage"
RESULT_STORAGE_STORES_UNSAFE = True
RESULT_STORAGE_FILE_STORAGE_ROOT_PATH = {results!r}
"""


async def against_bare_handler(standing: Standing) -> list[Figure]:
    """CPU of the serving process per request: who waits for the network waits for both alike."""
    small = standing.proxy.address + standing.by_url
    large = await _large_original(standing)
    async with AsyncExitStack() as stack:
        bare_small = await stack.enter_async_context(bare(standing.file))
        bare_large = await stack.enter_async_context(bare(large))
        pid, known = standing.proxy.pid, f"If-None-Match: {await etag_of(small)}"
        served = {
            "bare": bare_small,
            "bare, large": bare_large,
            "as browsers ask": Served(small, pid),
            "through a front end": Served(small, pid, FRONT_END),
            "its 304": Served(small, pid, (*BROWSER, known)),
            "large": Served(standing.proxy.address + _path_of(standing, LARGE), pid),
        }
        if base := other_checkout():
            other = await stack.enter_async_context(
                measured_service("services.proxy", standing.settings, cwd=standing.directory, checkout=base)
            )
            served["the other checkout's"] = Served(other.address + standing.by_url, other.pid)
            await ask(other.address + standing.by_url)
        took = await cpu_us(served)
    kilobytes = standing.file.stat().st_size / 1000
    hit = f"a hit at one proxy, {kilobytes:.0f} kB"
    figures = [
        _cpu(f"{hit}, {how}", took[how], took["bare"], HIT_PROMISE)
        for how in ("as browsers ask", "through a front end", "its 304")
    ]
    figures.append(
        _cpu(f"an original of {LARGE_BYTES / 1000:.0f} kB", took["large"], took["bare, large"], LARGE_PROMISE)
    )
    if "the other checkout's" in served:
        other_us = took["the other checkout's"]
        figures.append(_cpu(f"{hit}", took["as browsers ask"], other_us, BASE_PROMISE, "the other checkout"))
    return figures


def _cpu(what: str, ours_us: float, other_us: float, promise: float, whose: str = "bare aiohttp") -> Figure:
    ratio = ours_us / other_us
    return Figure(
        what=f"CPU of {what}",
        ours=f"{ours_us:.0f} µs",
        reference=f"{other_us:.0f} µs {whose}",
        compared=f"{ratio:.2f} ×",
        promise=f"≤ {promise} ×",
        kept=ratio <= promise,
    )


LARGE = "large.jpg"


def _path_of(standing: Standing, file: str) -> str:
    return f"/api/images/proxy?url={quote(standing.host.url(f'/t/p/original/{file}'), safe='')}"


async def _large_original(standing: Standing) -> Path:
    """Stored, and hot; what is behind its last marker is part of no picture."""
    body = encode(poster(2, size=(620, 930)), "jpeg", quality=92)
    body += bytes(LARGE_BYTES - len(body))
    await standing.host.put(f"/t/p/original/{LARGE}", body)
    file = standing.directory / LARGE
    for _ in range(2):
        file.write_bytes(await ask(standing.proxy.address + _path_of(standing, LARGE)))
    return file


@asynccontextmanager
async def bare(file: Path) -> AsyncIterator[Served]:
    async with _process(sys.executable, "-m", "tests.bench.bare", str(file)) as process:
        assert process.stdout is not None
        yield Served((await process.stdout.readline()).decode().strip(), process.pid)


async def against_thumbor(standing: Standing) -> Figure:
    results = standing.directory / "thumbor"
    configuration = standing.directory / "thumbor.conf"
    configuration.write_text(_THUMBOR.format(results=str(results)))
    command = (
        str(PEERS / "thumbor"),
        "-p",
        "8899",
        "-i",
        "127.0.0.1",
        "-c",
        str(configuration),
        "-l",
        "error",
    )
    async with _process(*command):
        url = f"http://127.0.0.1:8899/unsafe/620x930/filters:format(webp)/{standing.host.url(f'/t/p/original/{FILE}')}"
        await _answering(url)
        ours, reference, ratio = await compared(standing.proxy.address + standing.by_url, url)
    return Figure(
        what="the same against thumbor's stored result",
        ours=f"{ours:,.0f}/s",
        reference=f"{reference:,.0f}/s thumbor",
        compared=f"{ratio:.1f} ×",
        promise=f"≥ {THUMBOR_PROMISE} ×",
        kept=ratio >= THUMBOR_PROMISE,
    )


async def _answering(url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await ask(url)
            except OSError:
                await asyncio.sleep(0.2)
            else:
                return


@asynccontextmanager
async def _process(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()
