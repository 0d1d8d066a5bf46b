"""The fetcher, composed as its own `__main__` does it, which a test can kill or suspend at a named step.

`python -m tests.servers.stopping_fetcher`, with STOP_ORDERS naming a directory that the test knows too.
"""

import asyncio
import json
import os
import signal
import threading
from enum import StrEnum
from pathlib import Path

import structlog

from services.fetcher.app import add_fetcher
from services.fetcher.settings import FetcherSettings
from shared.http import HttpSettings, create_skeleton
from shared.process.start import serve, start
from shared.queue import QueueSettings, open_queue
from shared.telemetry import Metrics
from shared.volume import VolumeSettings, volume_to_write

Step = StrEnum
"""A member of one of those that name steps, of a fetch or of either kind of volume."""

_log = structlog.get_logger()


class Orders:
    """At most one order at a time: whoever comes to the step first takes it, and sends itself the signal.

    So of several fetchers one is hit, and once: who does the work again is left alone.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._order = directory / "order"

    def give(self, step: Step, number: signal.Signals) -> None:
        for old in self._directory.glob("taken.*"):
            old.unlink()
        draft = self._directory / "draft"
        draft.write_text(json.dumps([step, number]))
        draft.replace(self._order)

    async def taken(self, *, within_s: float = 90) -> int:
        """Wait until somebody came to the step; its process id."""
        async with asyncio.timeout(within_s):
            while not (taken := list(self._directory.glob("taken.*"))):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.005)
        taken[0].unlink()
        return int(taken[0].suffix[1:])

    def obey(self, step: str) -> None:
        """What the fetcher does at each step: say so, and stop there if it is told to."""
        _log.info("step", step=step)
        try:
            at, number = json.loads(self._order.read_text())
            if at != step:
                return
            self._order.rename(self._directory / f"taken.{os.getpid()}")
        except FileNotFoundError:
            return
        signal.pthread_kill(threading.get_ident(), number)  # this very thread goes no further


async def main(volume_settings: VolumeSettings) -> None:
    at_step = Orders(Path(os.environ["STOP_ORDERS"])).obey
    with volume_to_write(volume_settings, on_step=at_step) as volume:
        async with open_queue(QueueSettings(), state_dir=volume_settings.state_dir) as queue:
            skeleton = create_skeleton("fetcher", Metrics())
            async with add_fetcher(skeleton, FetcherSettings(), queue=queue, volume=volume, on_step=at_step):
                await serve(skeleton, HttpSettings(), default_port=0)


if __name__ == "__main__":
    start(main)
