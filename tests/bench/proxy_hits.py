"""Hits at one proxy without nginx: against a bare aiohttp handler, and against thumbor."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.load import compared
from tests.bench.report import Figure
from tests.bench.standing import FILE, Standing, ask

BARE_PROMISE = 0.7
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


async def against_bare_handler(standing: Standing) -> Figure:
    async with _process(sys.executable, "-m", "tests.bench.bare", str(standing.file)) as process:
        assert process.stdout is not None
        bare = (await process.stdout.readline()).decode().strip()
        ours, reference, ratio = await compared(standing.proxy.address + standing.by_url, bare)
    kilobytes = standing.file.stat().st_size / 1000
    return Figure(
        what=f"hits at one proxy, {kilobytes:.0f} kB WebP, 32 connections",
        ours=f"{ours:,.0f}/s",
        reference=f"{reference:,.0f}/s bare aiohttp",
        compared=f"{ratio:.2f} ×",
        promise=f"≥ {BARE_PROMISE} ×",
        kept=ratio >= BARE_PROMISE,
    )


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
