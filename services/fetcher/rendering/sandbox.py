"""The sandbox: processes that decode and render, and that can be killed without harm to anything else."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from multiprocessing import forkserver, resource_tracker
from typing import Self

import structlog
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from services.fetcher.errors import PictureError, RendererDied
from services.fetcher.rendering import answers
from services.fetcher.rendering.answers import render
from services.fetcher.rendering.confinement import OUT_OF_MEMORY, confine, not_given_up
from services.fetcher.rendering.cpu_headroom import CpuHeadroom, was_taken
from services.fetcher.rendering.lockdown import Reach, hide_memory, without_settings
from services.fetcher.rendering.order import Order, RenderResult, TooLarge, Unsound
from services.fetcher.shares import RendererShares
from shared.pictures import FailureClass

JOBS_PER_PROCESS = 1000
"""Then it is replaced: decoders leak."""

RESTS_AFTER_S = 60.0
"""So long without an order, renderers are kept; the server that forks them stays."""

BEGINS_AFTER_S = 2.0
"""What starts has enough to do: renderers are made then, or for the first order, where that comes before."""

SLOW_AFTER_S = 0.5
"""For who takes longer, what is left of the processors is looked at: that costs more than most orders cost us otherwise."""

LATE_S = 10.0
"""How long after its time limit an order may still be without an end, before the pool counts as broken."""

_PRELOAD = "services.fetcher.rendering.preload"

_LAST_WORDS = {
    OUT_OF_MEMORY: "needs more memory than its renderer has",
    -signal.SIGALRM: "took longer than it may",
    -signal.SIGXCPU: "took more processor time than it may",
}
_DEATHS = {OUT_OF_MEMORY: "memory", -signal.SIGALRM: "time", -signal.SIGXCPU: "time"}
DEATHS = ("memory", "time", "crash", "all replaced")
_log = structlog.get_logger()


def _nobody_counts(_death: str) -> None:
    pass


class _PoolBroken(Exception):
    """The pool has given up, as pebble's does when a renderer without work is killed."""


class Sandbox:
    """Renders in `processes` processes of at most `memory_bytes`, each order at most `timeout_s` of wall clock and
    of processor time; urgent orders first. They open files within `reach` only. `when_idle`: with what nobody else
    wants of the processor.
    """

    def __init__(
        self,
        *,
        processes: int,
        timeout_s: float,
        memory_bytes: int,
        reach: Reach,
        when_idle: bool,
        on_death: Callable[[str], None],
    ) -> None:
        self._on_death = on_death
        self._processes = processes
        self._reach = reach
        self._reached = reach.identities()
        self._memory_bytes = memory_bytes
        self._when_idle = when_idle
        self._slots = RendererShares(processes)
        self._timeout_s = timeout_s
        self._pool = self._new_pool()
        self._orders = 0
        self._begun: asyncio.Task[None] | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        *,
        processes: int,
        timeout_s: float,
        memory_bytes: int,
        reach: Reach,
        when_idle: bool = True,
        on_death: Callable[[str], None] = _nobody_counts,
    ) -> AsyncIterator[Self]:
        """`on_death` hears of each renderer that died in the middle of a picture, of what: one of DEATHS."""
        hide_memory()
        sandbox = cls(
            processes=processes,
            timeout_s=timeout_s,
            memory_bytes=memory_bytes,
            reach=reach,
            when_idle=when_idle,
            on_death=on_death,
        )
        beginning = asyncio.get_running_loop().call_later(BEGINS_AFTER_S, sandbox._begin)
        try:
            yield sandbox
        finally:
            beginning.cancel()
            if sandbox._begun:
                await asyncio.wait({sandbox._begun})
            sandbox._stay_up()
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
        async with self._slots.take(urgent=urgent, host=host), self._at_work():
            await asyncio.shield(self._begin())
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

    def _begin(self) -> asyncio.Task[None]:
        """Have what forks renderers, and the first ones. What went wrong with that shows in the orders."""
        if self._begun is None:
            self._begun = asyncio.create_task(self._have_renderers())
        return self._begun

    async def _have_renderers(self) -> None:
        try:
            _start_forking()
            if lacking := await asyncio.wrap_future(self._pool.schedule(not_given_up)):
                _log.warning("renderers are not wholly confined", still_have=lacking)
        except (OSError, RuntimeError, ProcessExpired) as error:
            _log.error("renderers could not be made", error=str(error))
        if not self._orders:
            self._await_rest()

    @asynccontextmanager
    async def _at_work(self) -> AsyncIterator[None]:
        self._orders += 1
        self._stay_up()
        try:
            yield
        finally:
            self._orders -= 1
            if not self._orders:
                self._await_rest()

    def _await_rest(self) -> None:
        self._resting = asyncio.get_running_loop().call_later(RESTS_AFTER_S, self._rest)

    def _stay_up(self) -> None:
        if self._resting:
            self._resting.cancel()

    def _rest(self) -> None:
        """Let the renderers go, whose memory others may use: the next order has new ones forked, in some 50 ms."""
        resting, self._pool = self._pool, self._new_pool()
        self._end(resting)

    async def _render(self, order: Order, pool: ProcessPool) -> RenderResult:
        try:
            scheduled: ProcessFuture[str] = pool.schedule(
                answers.answer, args=(render, order, self._timeout_s), timeout=self._timeout_s
            )
        except RuntimeError as error:
            raise _PoolBroken from error
        task = asyncio.wrap_future(scheduled)
        before = None
        try:
            done, _ = await asyncio.wait({task}, timeout=SLOW_AFTER_S)
            if not done:
                before = CpuHeadroom.now()
                await asyncio.wait({task}, timeout=self._timeout_s + LATE_S - SLOW_AFTER_S)
            if not task.done():
                raise _PoolBroken
            return answers.understood(task.result(), order)
        except BrokenProcessPool as error:
            raise _PoolBroken from error
        except FileNotFoundError:  # purged, evicted, or a spool that was dropped
            raise
        except PermissionError as error:
            if pool is not self._pool or self._reach.identities() != self._reached:
                raise _PoolBroken from error  # others lie in place of the directories that were allowed
            raise self._judged(error, starved=False) from error
        except answers.AnswerRefused as error:
            self._replace(pool)
            raise RendererDied("The picture crashed its renderer.") from error
        except (Unsound, ProcessExpired, OSError) as error:
            raise self._judged(error, starved=was_taken(before, CpuHeadroom.now())) from error
        finally:
            task.cancel()

    def _judged(self, error: Exception, *, starved: bool) -> PictureError:
        """Whose fault it is: the picture's, or ours. `starved`: little of the processor was left to renderers."""
        if isinstance(error, TimeoutError | ProcessExpired):
            self._on_death(_DEATHS.get(getattr(error, "exitcode", -signal.SIGALRM), "crash"))
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
                _log.error(
                    "rendering failed", error="; ".join((str(error), *getattr(error, "__notes__", ())))
                )
                return PictureError(FailureClass.OURS, f"The picture could not be rendered here: {what}.")
        return RendererDied(f"The picture {why}.")

    def _replace(self, broken: ProcessPool) -> None:
        """Of all who find the pool broken, the first puts another in its place."""
        if self._pool is broken:
            _log.error("renderers replaced")
            self._on_death("all replaced")
            self._pool = self._new_pool()
            self._end(broken)

    def _new_pool(self) -> ProcessPool:
        # Not fork: a child must not inherit threads, locks and the descriptors of picture locks.
        self._reached = self._reach.identities()
        return ProcessPool(
            self._processes,
            max_tasks=JOBS_PER_PROCESS,
            initializer=confine,
            initargs=(self._memory_bytes, self._when_idle, self._reach),
            context=answers.AnswersOnly(),
        )

    def _end(self, pool: ProcessPool) -> None:
        pool.stop()  # type: ignore[no-untyped-call]
        task = asyncio.create_task(asyncio.to_thread(pool.join))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _start_forking() -> None:
    """Start the server that forks renderers, deaf to Ctrl-C and without our keys: each of them inherits that from its
    first moment.
    """
    forkserver.set_forkserver_preload([answers.__name__, _PRELOAD])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _clean_environment():
            resource_tracker.ensure_running()
            forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


@contextmanager
def _clean_environment() -> Iterator[None]:
    """Without any setting: what starts meanwhile gets no other."""
    all_of_it = dict(os.environ)
    for name in all_of_it.keys() - without_settings(all_of_it).keys():
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(all_of_it)
