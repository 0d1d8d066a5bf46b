"""The sandbox: processes that decode and render, and that can be killed without harm to anything else."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Self

from pebble import ProcessExpired, ProcessPool

from services.fetcher.errors import PictureError, RendererDied
from services.fetcher.render import Order, Rendered, TooLarge, Unsound, render
from services.fetcher.slots import Slots
from shared.pictures import FailureClass

JOBS_PER_PROCESS = 1000
"""Then it is replaced: decoders leak."""


class Sandbox:
    """Renders in `processes` processes, each order at most `timeout_s`; urgent orders first."""

    def __init__(self, pool: ProcessPool, *, processes: int, timeout_s: float) -> None:
        self._pool = pool
        self._slots = Slots(processes)
        self._timeout_s = timeout_s

    @classmethod
    @asynccontextmanager
    async def running(cls, *, processes: int, timeout_s: float) -> AsyncIterator[Self]:
        # Not fork: a child must not inherit threads, locks and the descriptors of picture locks.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["services.fetcher.render"])
        pool = ProcessPool(processes, max_tasks=JOBS_PER_PROCESS, initializer=_settle_down, context=context)
        try:
            await asyncio.wrap_future(
                pool.schedule(_settle_down)
            )  # the first order should not wait for imports
            yield cls(pool, processes=processes, timeout_s=timeout_s)
        finally:
            pool.stop()  # type: ignore[no-untyped-call]
            await asyncio.to_thread(pool.join)

    async def render(self, order: Order, *, urgent: bool) -> Rendered:
        """Raise PictureError for unsound bytes, RendererDied when the process crashed or had to be killed."""
        async with self._slots.take(urgent=urgent):
            task = self._pool.schedule(render, args=(order,), timeout=self._timeout_s)
            try:
                return await asyncio.wrap_future(task)
            except TooLarge as error:
                status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                raise PictureError(FailureClass.UNSOUND, str(error), status=status) from None
            except Unsound as error:
                raise PictureError(FailureClass.UNSOUND, str(error)) from None
            except TimeoutError:
                raise RendererDied(f"The picture took longer than {self._timeout_s:g} s to render.") from None
            except ProcessExpired:
                raise RendererDied("The picture crashed its renderer.") from None


def _settle_down() -> None:
    """In the child: leave Ctrl-C to the parent, and the processor to whoever serves pictures."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
