"""The sandbox: processes that decode and render, and that can be killed without harm to anything else."""

import asyncio
import multiprocessing
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from http import HTTPStatus
from multiprocessing import forkserver
from typing import Self

import structlog
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from services.fetcher.errors import PictureError, RendererDied
from services.fetcher.rendering.confinement import OUT_OF_MEMORY, confine, run_confined
from services.fetcher.rendering.cpu_headroom import CpuHeadroom, was_taken
from services.fetcher.rendering.render import Order, RenderResult, TooLarge, Unsound, render
from services.fetcher.shares import RendererShares
from shared.pictures import FailureClass

JOBS_PER_PROCESS = 1000
"""Then it is replaced: decoders leak."""

LATE_S = 10.0
"""How long after its time limit an order may still be without an end, before the pool counts as broken."""

_LAST_WORDS = {
    OUT_OF_MEMORY: "needs more memory than its renderer has",
    -signal.SIGALRM: "took longer than it may",
    -signal.SIGXCPU: "took more processor time than it may",
}
_log = structlog.get_logger()


class _PoolBroken(Exception):
    """The pool has given up, as pebble's does when a renderer without work is killed."""


class Sandbox:
    """Renders in `processes` processes of at most `memory_bytes`, each order at most `timeout_s` of wall clock and
    of processor time; urgent orders first.
    """

    def __init__(self, *, processes: int, timeout_s: float, memory_bytes: int) -> None:
        self._processes = processes
        self._memory_bytes = memory_bytes
        self._slots = RendererShares(processes)
        self._timeout_s = timeout_s
        self._pool = self._new_pool()
        self._ending: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def running(cls, *, processes: int, timeout_s: float, memory_bytes: int) -> AsyncIterator[Self]:
        _start_forking()
        sandbox = cls(processes=processes, timeout_s=timeout_s, memory_bytes=memory_bytes)
        try:
            warm = sandbox._pool.schedule(_nothing)
            await asyncio.wrap_future(warm)  # the first order should not wait for imports
            yield sandbox
        finally:
            sandbox._end(sandbox._pool)
            await asyncio.gather(*sandbox._ending)

    async def render(
        self,
        order: Order,
        *,
        urgent: bool,
        starting: Callable[[], Awaitable[None]],
        host: str | None = None,
    ) -> RenderResult:
        """Raise PictureError for unsound bytes, RendererDied when the process crashed or had to be killed,
        FileNotFoundError when the original went away. `starting` is awaited once its turn has come.
        `host`: whose picture it is.
        """
        async with self._slots.take(urgent=urgent, host=host):
            await starting()
            pool = self._pool
            try:
                return await self._render(order, pool)
            except _PoolBroken:
                self._replace(pool)
            try:
                return await self._render(order, self._pool)
            except _PoolBroken:
                raise PictureError(FailureClass.OURS, "The picture could not be rendered here.") from None

    async def _render(self, order: Order, pool: ProcessPool) -> RenderResult:
        try:
            scheduled: ProcessFuture[RenderResult] = pool.schedule(
                run_confined, args=(render, order, self._timeout_s), timeout=self._timeout_s
            )
        except RuntimeError as error:
            raise _PoolBroken from error
        task = asyncio.wrap_future(scheduled)
        before = CpuHeadroom.now()
        try:
            await asyncio.wait({task}, timeout=self._timeout_s + LATE_S)
            if not task.done():
                raise _PoolBroken
            return task.result()
        except BrokenProcessPool as error:
            raise _PoolBroken from error
        except FileNotFoundError:  # purged, evicted, or a spool that was dropped
            raise
        except (Unsound, ProcessExpired, OSError) as error:
            raise self._judged(error, starved=was_taken(before, CpuHeadroom.now())) from error
        finally:
            task.cancel()

    def _judged(self, error: Exception, *, starved: bool) -> PictureError:
        """Whose fault it is: the picture's, or ours. `starved`: little of the processor was left to renderers."""
        match error:
            case Unsound():
                status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if isinstance(error, TooLarge) else None
                return PictureError(FailureClass.UNSOUND, str(error), status=status)
            case TimeoutError() if starved:
                return PictureError(
                    FailureClass.OURS, "Others took all the time there was to render the picture."
                )
            case TimeoutError():
                why = f"took longer than {self._timeout_s:g} s to render"
            case ProcessExpired():
                why = _LAST_WORDS.get(error.exitcode, "crashed its renderer")
            case _:  # everybody may read the reason, and an OSError's text tells our paths
                what = (isinstance(error, OSError) and error.strerror) or type(error).__name__
                _log.error("rendering failed", error=str(error))
                return PictureError(FailureClass.OURS, f"The picture could not be rendered here: {what}.")
        return RendererDied(f"The picture {why}.")

    def _replace(self, broken: ProcessPool) -> None:
        """Of all who find the pool broken, the first puts another in its place."""
        if self._pool is broken:
            _log.error("renderers replaced")
            self._pool = self._new_pool()
            self._end(broken)

    def _new_pool(self) -> ProcessPool:
        # Not fork: a child must not inherit threads, locks and the descriptors of picture locks.
        context = multiprocessing.get_context("forkserver")
        return ProcessPool(
            self._processes,
            max_tasks=JOBS_PER_PROCESS,
            initializer=confine,
            initargs=(self._memory_bytes,),
            context=context,
        )

    def _end(self, pool: ProcessPool) -> None:
        pool.stop()  # type: ignore[no-untyped-call]
        task = asyncio.create_task(asyncio.to_thread(pool.join))
        self._ending.add(task)


def _start_forking() -> None:
    """Start the server that forks renderers, deaf to Ctrl-C: each of them inherits that from its first moment."""
    forkserver.set_forkserver_preload([run_confined.__module__, render.__module__])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


def _nothing() -> None:
    pass
