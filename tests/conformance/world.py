"""What all servers share: one volume, one broker with one fetcher, and hosts that pictures come from.

The one process has a queue of its own, as it is delivered; its jobs go to its own fetcher.
"""

import asyncio
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import aiohttp

from shared.contracts import Envelope, Message
from shared.pictures import (
    SourceUrl,
    State,
    Tree,
)
from shared.pictures.hosts import PICTURE_HOSTS
from shared.pictures.paths import POINTER
from shared.queue import Lane, Queue
from shared.queue.rabbitmq.engine import open_rabbitmq
from shared.telemetry import utc_now
from shared.volume import VolumeSettings, WriteVolume, volume_to_write
from shared.volume.local.layout import Layout
from tests.conformance.material import manifest_of, new_picture, original_of, revision_of
from tests.conformance.servers import Server, Servers
from tests.conformance.subjects import Stored, Subject
from tests.providers.picture_host import PictureHost
from tests.servers.onesheet_nginx import running_onesheet_nginx
from tests.servers.rabbitmq import Broker
from tests.servers.relay import Relay
from tests.servers.service import running_service

PATIENCE_S = 60
NGINX_HEEDS = {"TMDB_IMAGE_URL", "SIGNING_KEYS", "CORS_ORIGIN", "MISS_WAIT_OTHERS"}
MAX_KEPT_MB, MAX_BODY_MB = 1, 3


@dataclass(frozen=True)
class World:
    directory: Path
    host: PictureHost
    busy_host: PictureHost
    """One that tests have paused: not to be asked for anything else."""
    volume: WriteVolume
    layout: Layout
    queue: Queue
    relay: Relay
    """On the way to the broker, for servers whose queue shall be down at times."""
    settings: Mapping[str, str]
    """The usual ones."""
    client: aiohttp.ClientSession
    fetcher: Server
    """Does the jobs of every server but the one process."""
    enricher: Server
    """Has what nginx finds at no proxy."""

    @classmethod
    @asynccontextmanager
    async def running(cls, directory: Path, node: Broker) -> AsyncIterator[Self]:
        broker = node.vhost()
        volume = VolumeSettings(volume_url=f"file:{directory}/volume", state_directory=directory / "state")
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            host, busy_host = await enter(PictureHost.running()), await enter(PictureHost.running())
            settings = _settings(directory, broker, host, busy_host)
            fetcher, enricher = await asyncio.gather(
                enter(running_service("services.fetcher", settings, cwd=directory)),
                enter(running_service("services.enricher", settings, cwd=directory)),
            )
            client = await enter(_plain_client())
            yield cls(
                directory,
                host,
                busy_host,
                volume=stack.enter_context(volume_to_write(volume)),
                layout=Layout(volume.root),
                queue=await enter(open_rabbitmq(broker, lane_limit=10_000)),
                relay=await enter(Relay.before(node.amqp_port)),
                settings=settings,
                client=client,
                fetcher=Server("fetcher", fetcher.address, fetcher.address, client),
                enricher=Server("enricher", enricher.address, enricher.address, client),
            )

    @asynccontextmanager
    async def servers(self, name: str, *, through_relay: bool = False, **more: str) -> AsyncIterator[Servers]:
        """All the servers, with these settings besides the usual ones."""
        broker = self.settings["QUEUE_URL"]
        queue = self.relay.url(broker) if through_relay else broker
        proxy = {**self.settings, "QUEUE_URL": queue, **more}
        one_process = {**proxy, "QUEUE_URL": "", "STATE_DIR": f"{self.directory}/{name}"}
        behind_nginx = {**proxy, "SEND_FILES": "accel"}
        async with AsyncExitStack() as stack:
            own, bare, behind = await asyncio.gather(
                stack.enter_async_context(running_service("services", one_process, cwd=self.directory)),
                stack.enter_async_context(running_service("services.proxy", proxy, cwd=self.directory)),
                stack.enter_async_context(
                    running_service("services.proxy", behind_nginx, cwd=self.directory)
                ),
            )
            nginx = await stack.enter_async_context(
                running_onesheet_nginx(
                    self.layout.root,
                    proxies=[_authority(behind.address)],
                    enricher=_authority(self.enricher.address),
                    settings={key: proxy[key] for key in NGINX_HEEDS & proxy.keys()},
                )
            )
            yield Servers(
                (
                    Server("one process", own.address, own.address, self.client),
                    Server("nginx", nginx.root, behind.address, self.client),
                    Server("proxy", bare.address, bare.address, self.client),
                )
            )

    def new_subject(self) -> Subject:
        """One that nobody has asked for, and that the host has nothing for."""
        return Subject(SourceUrl.parse(self.host.url(f"/t/p/original/{uuid.uuid4().hex}.jpg")))

    def offered(self, body: bytes | None = None, **labels: Any) -> Subject:
        """One that the host has: a small picture of its own, or these bytes."""
        subject = self.new_subject()
        self.host.put(subject.path, body or new_picture(), **labels)
        return subject

    async def stored(
        self, *file_names: str, large: bool = False, source: str | None = None, fresh: bool = True
    ) -> Stored:
        """A picture on the volume, with these files and an original; their bytes are anything, for nobody looks.

        `large`: too large to be held in memory. Modified a day ago, as most of what is served was.
        """
        subject = Subject(SourceUrl.parse(source)) if source else self.new_subject()
        names = dict.fromkeys((*file_names, "original.jpg"))
        files = {name: os.urandom(400_000 if large else 3_000) for name in names}
        return await self.commit(subject, files, fresh=fresh)

    async def commit(
        self,
        subject: Subject,
        files: dict[str, bytes],
        *,
        fresh: bool = True,
        modified_s: float | None = None,
    ) -> Stored:
        """Make these files the current revision, and the subject's name point there.

        The same original is the same revision.
        """
        original = original_of(files)
        revision = revision_of(files)
        modified_s = modified_s or time.time() - 86_400
        pictures = self.volume.pictures
        base = await pictures.current(subject.picture)
        async with pictures.draft() as draft:
            for name, body in files.items():
                (draft.directory / name).write_bytes(body)
                os.utime(draft.directory / name, (modified_s, modified_s))
            await pictures.commit(
                subject.picture,
                revision,
                draft,
                manifest_of(subject.source, original),
                State(revision=revision, fresh_until=utc_now() + timedelta(days=1 if fresh else -1)),
                expected=base.id if base else None,
            )
        await self.volume.names.point(subject.name, subject.picture)
        return Stored(subject, revision, files)

    def keep(self, stored: Stored, files: dict[str, bytes], *, move: bool = False) -> None:
        """What pinning does: the picture is in `keep`, and in `cache` until it is evicted. With other files."""
        cache, keep = (self.layout.picture(tree, stored.subject.picture) for tree in (Tree.CACHE, Tree.KEEP))
        keep.parent.mkdir(parents=True, exist_ok=True)
        if move:
            cache.rename(keep)
        else:
            shutil.copytree(cache, keep, symlinks=True)
        for name, body in files.items():
            (keep / POINTER / name).write_bytes(body)

    def is_stored(self, subject: Subject) -> bool:
        directory = self.layout.picture(Tree.CACHE, subject.picture)
        return (directory / POINTER).exists()

    @contextmanager
    def queue_down(self) -> Iterator[None]:
        """For the impatient: no broker behind the relay, and the one process's queue file is locked."""
        file = sqlite3.connect(self.directory / "impatient" / "queue.sqlite", isolation_level=None)
        file.execute("BEGIN IMMEDIATE")
        self.relay.cut()
        try:
            yield
        finally:
            self.relay.mend()
            file.close()

    async def publish(self, message: Message, lane: Lane) -> None:
        await self.queue.publish(Envelope.of(message, trace_id="a-test"), lane)


async def eventually(check: Callable[[], Any], *, within_s: float = PATIENCE_S) -> Any:
    """What `check` returns, or what that awaits, as soon as it is something; asked the less often the longer it takes."""
    pause_s = 0.01
    async with asyncio.timeout(within_s):
        while True:
            found = check()
            if found := await found if asyncio.iscoroutine(found) else found:
                return found
            await asyncio.sleep(pause_s)
            pause_s = min(0.1, pause_s * 1.1)


def _settings(directory: Path, broker: str, host: PictureHost, busy_host: PictureHost) -> dict[str, str]:
    """`localhost` is the same host by another name, which only a signature allows."""
    allowed = [_authority(stand_in.root) for stand_in in (host, busy_host)]
    by_another_name = allowed[0].replace("127.0.0.1", "localhost")
    return {
        "QUEUE_URL": broker,
        "VOLUME_URL": f"file:{directory}/volume",
        "STATE_DIR": f"{directory}/state",
        "ALLOWED_HOSTS": ",".join([*allowed, *(known.host for known in PICTURE_HOSTS)]),
        "ALLOW_PRIVATE": ",".join([*allowed, by_another_name]),
        "TMDB_IMAGE_URL": host.url("/t/p"),
        "RENDER_PROCESSES": "1",
        "ENABLE_IMAGE_OPTIMIZATION": "false",
        "MAX_IMAGE_FILE_SIZE_MB": str(MAX_KEPT_MB),
        "MAX_BODY_MB": str(MAX_BODY_MB),
    }


def _authority(address: str) -> str:
    return address.removeprefix("http://")


def _plain_client() -> aiohttp.ClientSession:
    """Adds nothing to what a test sends, and leaves what comes as it is."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
        auto_decompress=False,
    )
