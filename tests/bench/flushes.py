"""How often a miss waits for the disk: traced, of the whole tree of processes, beside what is flushed for what is made ahead."""

import asyncio
import re
import shutil
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from shared.pictures import SourceUrl
from tests.bench.earlier import idle
from tests.bench.miss import PICTURE, settings_for, through_us, until_rest_is_made
from tests.bench.report import Figure, fresh
from tests.providers.separate_host import SeparateHost
from tests.servers.service import measured_service

MISSES = 5
AT_MOST, AT_MOST_AHEAD, ROUNDS_AT_MOST = 11, 17, 2
SETTLES_S = 2.0
"""Longer than records are gathered."""

_FLUSH = re.compile(r"^\d+ +(\d+\.\d+) (?:fsync|fdatasync|sync_file_range|syncfs|sync)\((?:\d+<([^>]*)>)?")


@dataclass(frozen=True, slots=True)
class Flush:
    """`at_s`: when it began, in seconds since 1970."""

    at_s: float
    path: str

    @property
    def round(self) -> str | None:
        """Of the volume, what it is flushed with; None: nobody who is answered has waited for it. The download is on its way to the
        disk while it is rendered.
        """
        if "/data/" not in self.path or self.path.endswith("/download"):
            return None
        return "draft" if "/data/tmp/" in self.path else "pointer"


async def flushes_of_a_miss(directory: Path) -> list[Figure]:
    """None where there is no strace."""
    if not shutil.which("strace"):
        return []
    async with SeparateHost.running() as host:
        alone = await _misses(host, fresh(directory, "alone"), ENABLE_IMAGE_OPTIMIZATION="false")
        ahead = await _misses(host, fresh(directory, "ahead"))
    flushes, with_rest = (
        statistics.median(len(miss.flushes) for miss in misses) for misses in (alone, ahead)
    )
    rounds = statistics.median(miss.rounds for miss in alone)
    return [
        _counted("flushes of a miss", flushes, AT_MOST),
        _counted("flushes of a miss, with what is made ahead", with_rest, AT_MOST_AHEAD),
        _counted("flushes in a row before a miss is answered", rounds, ROUNDS_AT_MOST),
    ]


def _counted(what: str, found: float, at_most: int) -> Figure:
    return Figure(what, f"{found:g}", "–", "–", f"≤ {at_most}", kept=found <= at_most)


@dataclass(frozen=True, slots=True)
class _Miss:
    flushes: Sequence[Flush]
    answered_s: float

    @property
    def rounds(self) -> int:
        """One after the other, before the answer."""
        kinds = [flush.round for flush in self.flushes if flush.round and flush.at_s <= self.answered_s]
        return sum(kind != before for kind, before in zip(kinds, [None, *kinds], strict=False))


async def _misses(host: SeparateHost, directory: Path, **more: str) -> list[_Miss]:
    """Of a service that has served one and rests."""
    found = []
    settings = settings_for(host, directory) | more
    async with (
        measured_service("services", settings, cwd=directory) as service,
        aiohttp.ClientSession() as session,
    ):
        for number in range(-1, MISSES):
            source = SourceUrl.parse(host.url(f"{PICTURE}?n={number}"))
            await idle(service.pid, for_s=SETTLES_S)
            async with _traced(service.pid, directory / "trace") as flushes:
                await through_us(session, service.address, source)
                answered_s = time.time()
                if not more:
                    await until_rest_is_made(directory, source)
                await asyncio.sleep(SETTLES_S)
            if number >= 0:
                found.append(_Miss(flushes, answered_s))
    return found


@asynccontextmanager
async def _traced(pid: int, into: Path) -> AsyncIterator[list[Flush]]:
    """In the list once the block has ended, in their order."""
    flushes: list[Flush] = []
    calls = "trace=fsync,fdatasync,sync_file_range,syncfs,sync"
    tracer = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-y", "-ttt", "-e", calls, "-o", into, "-p", str(pid)),
        stderr=asyncio.subprocess.PIPE,
    )
    assert tracer.stderr
    if b"attached" not in (said := await tracer.stderr.readline()):
        raise RuntimeError(f"strace: {said.decode()}")
    try:
        yield flushes
    finally:
        if tracer.returncode is None:
            tracer.terminate()
        await tracer.communicate()
    flushes += _flushes_in(into)


def _flushes_in(trace: Path) -> list[Flush]:
    found = filter(None, map(_FLUSH.match, trace.read_text().splitlines()))
    return sorted((Flush(float(one[1]), one[2] or "") for one in found), key=lambda one: one.at_s)
