"""Hits at a proxy whose pictures lie in a store of objects: warm against files, cold against the store itself."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.parse import quote

import obstore

from shared.pictures import SourceUrl
from shared.volume.objects.opening import ObjectVolume
from tests.bench.load import BROWSER, Served, cpu_us
from tests.bench.report import Figure, report
from tests.bench.standing import ask
from tests.contract.volumes import MEDIUM, commit
from tests.integration.onesheet import until
from tests.providers.drawing import encode, poster
from tests.providers.separate_host import SeparateHost
from tests.servers.object_stores import seaweedfs_in
from tests.servers.rabbitmq import RabbitNode
from tests.servers.service import RunningService, measured_service

WARM_PROMISE, COLD_PROMISE = 0.9, 0.6
COLD_PICTURES, ROUNDS, CLIENTS = 1500, 5, 32
COLD_BYTES = 53_000
T = TypeVar("T")
W = TypeVar("W")


async def hits_on_objects(directory: Path, node: RabbitNode) -> list[Figure]:
    """Two servers serve one picture that each has fetched; then a proxy alone serves many that nobody here ever saw."""
    store = seaweedfs_in(directory)
    try:
        await asyncio.to_thread(store.start)
        settings = store.settings(directory / "writer", cache_directory=directory / "writing")
        volume = await asyncio.to_thread(ObjectVolume, settings)
        on_objects = {
            **store.environment(settings),
            "STATE_DIR": str(directory / "state"),
            "VOLUME_CACHE_DIR": str(directory / "kept"),
        }
        on_files = {"VOLUME_URL": f"file:{directory}/data", "STATE_DIR": str(directory / "files")}
        async with SeparateHost.running() as host:
            await host.put("/1.jpg", encode(poster(1, size=(620, 930)), "jpeg", quality=92))
            path = f"/api/images/proxy?url={quote(host.url('/1.jpg'), safe='')}&size=w342&format=webp"
            async with (
                _served(on_files, host, directory) as files,
                _served(on_objects, host, directory) as objects,
            ):
                await ask(files.address + path)
                await ask(objects.address + path)
                served = {
                    "files": Served(files.address + path, files.pid),
                    "objects": Served(objects.address + path, objects.pid),
                }
                warm = _warm(await cpu_us(served))
            alone = {**on_objects, "QUEUE_URL": node.vhost(), "VOLUME_CACHE_DIR": str(directory / "cold")}
            async with measured_service("services.proxy", alone, cwd=directory) as proxy:
                return [warm, await _cold(volume, proxy, directory / "cold")]
    finally:
        await asyncio.to_thread(store.close)


@asynccontextmanager
async def _served(
    settings: dict[str, str], host: SeparateHost, directory: Path
) -> AsyncIterator[RunningService]:
    authority = host.root.removeprefix("http://")
    allowed = {"ALLOWED_HOSTS": authority, "ALLOW_PRIVATE": authority}
    async with measured_service("services", {**settings, **allowed}, cwd=directory) as service:
        yield service


def _warm(took: dict[str, float]) -> Figure:
    ratio = took["files"] / took["objects"]
    return Figure(
        what="a warm hit at a proxy on a store of objects",
        ours=f"{took['objects']:.0f} µs",
        reference=f"{took['files']:.0f} µs on files",
        compared=f"{ratio:.2f} × as fast",
        promise=f"≥ {WARM_PROMISE} ×",
        kept=ratio >= WARM_PROMISE,
    )


async def _cold(volume: ObjectVolume, proxy: RunningService, kept: Path) -> Figure:
    """Each of as many pictures once, by as many clients: from the store, and through a proxy that has none of them. What it
    still writes to its disk afterwards is waited for: the next round is not to pay for it.
    """
    pictures = [SourceUrl.parse(f"http://a.example/{number}.jpg").picture for number in range(COLD_PICTURES)]
    body, writer = bytes(COLD_BYTES), volume.to_write().pictures
    made = await _each(pictures, lambda picture: commit(writer, body, MEDIUM, picture=picture))
    keys = [f"p/{one.picture}/{one.id}/{MEDIUM}" for one in made]
    rates: dict[str, list[float]] = {"bare": [], "ours": []}
    for first in range(0, COLD_PICTURES, COLD_PICTURES // ROUNDS):
        some = keys[first : first + COLD_PICTURES // ROUNDS]
        rates["bare"].append(await _rate(some, [partial(_bare, volume)] * CLIENTS))
        rates["ours"].append(await _through(proxy.address, some))
        await until(partial(_holds, kept, first + len(some)))
    bare, ours = (sorted(each)[len(each) // 2] for each in (rates["bare"], rates["ours"]))
    return Figure(
        what=f"a cold hit there, {COLD_BYTES / 1000:.0f} kB, {CLIENTS} clients",
        ours=f"{ours:.0f}/s",
        reference=f"{bare:.0f}/s bare obstore",
        compared=f"{ours / bare:.2f} ×",
        promise=f"≥ {COLD_PROMISE} ×",
        kept=ours / bare >= COLD_PROMISE,
    )


def _holds(kept: Path, files: int) -> bool:
    return sum(1 for _ in kept.rglob(f"*{MEDIUM}")) >= files


async def _bare(volume: ObjectVolume, key: str) -> None:
    """As the library has it, and nothing around it."""
    answer = await obstore.get_async(
        volume.client.stores[volume.client.settings.bucket], volume.client.settings.key_prefix + key
    )
    await answer.bytes_async()


async def _through(address: str, keys: Sequence[str]) -> float:
    """By connections that take no more of the processor than they have to: it is not the client that is measured."""
    host, port = address.removeprefix("http://").split(":")
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(CLIENTS):
            reader, writer = await asyncio.open_connection(host, int(port), limit=2 * COLD_BYTES)
            stack.callback(writer.close)
            connections.append(partial(_ask, reader, writer))
        return await _rate(keys, connections)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
    writer.write(f"GET /{key} HTTP/1.1\r\nHost: onesheet\r\n{_BROWSER}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    length = re.search(rb"\r\nContent-Length: (\d+)\r\n", head)
    assert length
    await reader.readexactly(int(length[1]))


_BROWSER = "\r\n".join(BROWSER)


async def _rate(keys: Sequence[str], clients: Sequence[Callable[[str], Awaitable[object]]]) -> float:
    """A second, each client asking for the next key as soon as it has one."""
    left, began = iter(keys), time.perf_counter()

    async def ask(get: Callable[[str], Awaitable[object]]) -> None:
        for key in left:
            await get(key)

    await asyncio.gather(*map(ask, clients))
    return len(keys) / (time.perf_counter() - began)


async def _each(over: Sequence[W], do: Callable[[W], Awaitable[T]]) -> list[T]:
    limit = asyncio.Semaphore(CLIENTS)

    async def one(what: W) -> T:
        async with limit:
            return await do(what)

    return await asyncio.gather(*map(one, over))


if __name__ == "__main__":
    with TemporaryDirectory(prefix="bench-", dir=".") as name:
        place = Path(name).absolute()
        (place / "rabbitmq").mkdir()
        with closing(RabbitNode(place / "rabbitmq")) as broker:
            broker.ensure_running()
            report(asyncio.run(hits_on_objects(place, broker)))
