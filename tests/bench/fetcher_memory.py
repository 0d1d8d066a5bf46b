"""What a fetcher and its two renderers keep in memory, early and late in 10,000 jobs."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from shared.contracts import Envelope, FetchPicture
from shared.pictures import Rendition, SourceUrl
from shared.queue import Lane, Queue, QueueSettings, open_queue
from tests.bench.report import Figure
from tests.providers.separate_host import SeparateHost
from tests.servers.rabbitmq import RabbitNode
from tests.servers.service import RunningService, measured_service

JOBS = 10_000
SETTLED_AFTER = 1000
PROMISE = 1.1
PICTURE = "/poster/1-60x90.jpg"
"""Small, so that so many take minutes: what a job leaves behind does not depend on the pixels."""

_DONE = re.compile(r'^onesheet_jobs_total\{.*type="FetchPicture".*\} (\S+)$', re.MULTILINE)


async def memory_of_a_fetcher(directory: Path, node: RabbitNode) -> list[Figure]:
    async with SeparateHost.running() as host:
        authority = host.root.removeprefix("http://")
        settings = {
            "ALLOWED_HOSTS": authority,
            "ALLOW_PRIVATE": authority,
            "RENDER_PROCESSES": "2",
            "VOLUME_URL": f"file:{directory}/data",
            "QUEUE_URL": node.vhost(),
        }
        queue_settings = QueueSettings.model_validate({"QUEUE_URL": settings["QUEUE_URL"]})
        async with (
            open_queue(queue_settings, state_dir=directory) as queue,
            measured_service("services.fetcher", settings, cwd=directory) as fetcher,
        ):
            early = await _resident_after(0, SETTLED_AFTER, host, queue, fetcher)
            await _resident_after(SETTLED_AFTER, JOBS - SETTLED_AFTER, host, queue, fetcher)
            late = await _resident_after(JOBS - SETTLED_AFTER, JOBS, host, queue, fetcher)
    return [
        _figure("a fetcher", early.fetcher_bytes, late.fetcher_bytes),
        _figure("a renderer", early.renderer_bytes, late.renderer_bytes),
    ]


@dataclass(slots=True)
class _Resident:
    """The most that was seen of each."""

    fetcher_bytes: int = 0
    renderer_bytes: int = 0

    def look(self, process: psutil.Process) -> None:
        self.fetcher_bytes = max(self.fetcher_bytes, process.memory_info().rss)
        for server in process.children():
            for renderer in server.children():
                try:
                    self.renderer_bytes = max(self.renderer_bytes, renderer.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue


async def _resident_after(
    first: int, last: int, host: SeparateHost, queue: Queue, fetcher: RunningService
) -> _Resident:
    resident = _Resident()
    process = psutil.Process(fetcher.pid)
    for number in range(first, last):
        job = FetchPicture(
            source_url=SourceUrl.parse(host.url(f"{PICTURE}?n={number}")),
            rendition=Rendition.parse("small.webp"),
        )
        await queue.publish(Envelope.of(job, trace_id="a-benchmark"), Lane.PICTURES_LATER)
    async with aiohttp.ClientSession() as session, asyncio.timeout(600):
        while await _jobs_done(session, fetcher.address) < last:
            resident.look(process)
            await asyncio.sleep(0.2)
    resident.look(process)
    return resident


async def _jobs_done(session: aiohttp.ClientSession, address: str) -> float:
    async with session.get(f"{address}/metrics") as response:
        return sum(float(count) for count in _DONE.findall(await response.text()))


def _figure(whose: str, early: int, late: int) -> Figure:
    return Figure(
        what=f"memory of {whose}, in the last {SETTLED_AFTER:,} of {JOBS:,} jobs",
        ours=f"{late / 1024**2:.0f} MB",
        reference=f"{early / 1024**2:.0f} MB in the first {SETTLED_AFTER:,}",
        compared=f"{late / early:.2f} ×",
        promise=f"≤ {PROMISE} ×",
        kept=late <= PROMISE * early,
    )
