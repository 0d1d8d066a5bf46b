"""A fetcher on a backlog that nobody waits for, against nothing but rendering on all processors."""

import asyncio
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from services.fetcher.rendering.render import Order, render
from shared.contracts import Envelope, FetchPicture
from shared.pictures import STANDARD_SIZES, Format, Rendition, SourceUrl, candidates
from shared.queue import Lane, Queue, QueueSettings, open_queue
from tests.bench.report import Figure
from tests.providers.drawing import encode, photo
from tests.providers.separate_host import SeparateHost
from tests.providers.variants import with_comment
from tests.servers.rabbitmq import RabbitNode
from tests.servers.service import measured_service

PROMISE = 0.85
ROUNDS = 3
DRAWN = ((3000, 2000), (2000, 3000), (1920, 1080), (2560, 1440), (1500, 1500), (1400, 2100))
COPIES = 12
"""Of each drawing, with a comment that makes it a file of its own."""

RENDITIONS = tuple(Rendition(size, Format.WEBP) for size in STANDARD_SIZES if size != "large")


async def backlog(directory: Path, node: RabbitNode) -> Figure:
    originals = _originals(directory / "originals")
    async with SeparateHost.running() as host:
        for original in originals:
            await host.put(f"/{original.name}", original.read_bytes(), content_type="image/jpeg")
        authority = host.root.removeprefix("http://")
        settings = {
            "ALLOWED_HOSTS": authority,
            "ALLOW_PRIVATE": authority,
            "VOLUME_URL": f"file:{directory}/data",
            "QUEUE_URL": node.vhost(),
        }
        async with measured_service("services.fetcher", settings, cwd=directory):
            ours, bare = await _in_turns(originals, host, settings["QUEUE_URL"], directory)
    ratio = statistics.median(mine / other for mine, other in zip(ours, bare, strict=True))
    return Figure(
        what=f"pictures of 2 to 6 megapixels that a fetcher puts by, {len(RENDITIONS)} renditions each",
        ours=f"{statistics.median(ours):.1f}/s",
        reference=f"{statistics.median(bare):.1f}/s only rendered",
        compared=f"{ratio:.2f} ×",
        promise=f"≥ {PROMISE} ×",
        kept=ratio >= PROMISE,
    )


def _originals(directory: Path) -> list[Path]:
    directory.mkdir()
    made = []
    for seed, size in enumerate(DRAWN):
        drawn = encode(photo(seed, size), "jpeg")
        for copy in range(COPIES):
            made.append(directory / f"{seed}-{copy}.jpg")
            made[-1].write_bytes(with_comment(drawn, f"copy {copy}"))
    return made


async def _in_turns(
    originals: list[Path], host: SeparateHost, queue_url: str, directory: Path
) -> tuple[list[float], list[float]]:
    """Pictures per second of both, in each round. The first few warm both up."""
    ours, bare = [], []
    async with open_queue(
        QueueSettings.model_validate({"QUEUE_URL": queue_url}), state_dir=directory
    ) as queue:
        forking = get_context("forkserver")
        with ProcessPoolExecutor(os.cpu_count(), forking, initializer=_give_way) as processes:
            await _only_rendered(originals[:4], processes, directory / "warm")
            await _put_by(originals[:4], host, queue, directory / "data", "warm")
            for number in range(ROUNDS):
                bare.append(await _only_rendered(originals, processes, directory / f"bare-{number}"))
                ours.append(await _put_by(originals, host, queue, directory / "data", str(number)))
    return ours, bare


def _give_way() -> None:
    """As renderers do: whatever else runs on this machine takes the same from both."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


async def _only_rendered(originals: list[Path], processes: ProcessPoolExecutor, into: Path) -> float:
    orders = []
    for original in originals:
        (into / original.stem).mkdir(parents=True)
        orders.append(Order(original, into / original.stem, RENDITIONS, 85, 120_000_000))
    begun = time.perf_counter()
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.run_in_executor(processes, render, order) for order in orders))
    return len(originals) / (time.perf_counter() - begun)


async def _put_by(
    originals: list[Path], host: SeparateHost, queue: Queue, volume: Path, version: str
) -> float:
    sources = [SourceUrl.parse(host.url(f"/{original.name}?{version}")) for original in originals]
    begun = time.perf_counter()
    for source in sources:
        job = FetchPicture(source_url=source, rendition=RENDITIONS[0])
        await queue.publish(Envelope.of(job, trace_id="a-benchmark"), Lane.PICTURES_LATER)
    left = {volume / path for source in sources for path in _expected(source)}
    async with asyncio.timeout(120):
        while left := {path for path in left if not path.exists()}:  # noqa: ASYNC110 - another process makes them
            await asyncio.sleep(0.05)
    return len(originals) / (time.perf_counter() - begun)


def _expected(source: SourceUrl) -> list[str]:
    return [
        next(path for path in candidates(source.picture, (rendition,)) if path.startswith("cache"))
        for rendition in RENDITIONS
    ]
