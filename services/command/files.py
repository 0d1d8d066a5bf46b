"""The enricher over the files, where no server runs: its API for one command, and then it is gone."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from aiohttp import web

from services.command.server import CommandFailed, Server, kept_token, speak_aside
from services.enricher.app import add_enricher
from services.enricher.settings import EnricherSettings
from shared.http import create_skeleton
from shared.process.start import take_identity
from shared.queue import QueueError, QueueSettings, open_queue
from shared.telemetry import Metrics
from shared.volume import VolumeRefused, VolumeSettings, volume_to_keep


@contextmanager
def over_files(place: VolumeSettings) -> Iterator[Server]:
    """The enricher over the files of this place, on a free port of this machine, in a thread.

    Raise CommandFailed where another process has them.
    """
    speak_aside()
    take_identity(place)
    opened = _InThread(place)
    try:
        yield opened.start()
    finally:
        opened.end()


class _InThread:
    def __init__(self, place: VolumeSettings) -> None:
        self._place = place
        self._thread = threading.Thread(target=self._run, name="enricher")
        self._listens = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._address = ""
        self._trouble: Exception | None = None

    def start(self) -> Server:
        self._thread.start()
        self._listens.wait()
        if self._trouble:
            raise CommandFailed(str(self._trouble))
        return Server(self._address, kept_token(), over_files=True)

    def end(self) -> None:
        if self._loop and self._over and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except (VolumeRefused, QueueError, OSError, ValueError) as error:
            self._trouble = error
        finally:
            self._listens.set()

    async def _serve(self) -> None:
        place, skeleton = self._place, create_skeleton("enricher", Metrics())
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as stack:
            queue = await stack.enter_async_context(
                open_queue(QueueSettings(), state_dir=place.state_dir, background=skeleton.background)
            )
            volume = volume_to_keep(place)
            await stack.enter_async_context(
                add_enricher(
                    skeleton, EnricherSettings(), queue=queue, volume=volume, state_dir=place.state_dir
                )
            )
            runner = web.AppRunner(skeleton.app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self._address = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._listens.set()
            await self._over.wait()
