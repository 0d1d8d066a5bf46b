"""The sandbox: processes that decode and render, and that can be killed without harm to anything else."""

import asyncio
import math
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Self

import structlog
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from services.fetcher.errors import PictureError, RendererDied
from services.fetcher.rendering import answers, forking
from services.fetcher.rendering.answers import render
from services.fetcher.rendering.confinement import OUT_OF_MEMORY, confine, not_given_up
from services.fetcher.rendering.cpu_headroom import CpuHeadroom, was_taken
from services.fetcher.rendering.lockdown import Reach, hide_memory
from services.fetcher.rendering.order import Order, RenderResult, TooLarge, Unsound
from services.fetcher.shares import RendererShares
from shared.pictures import FailureClass

JOBS_PER_PROCESS = 1000
"""Then it is replaced: decoders leak."""

RESTS_AFTER_S = 60.0
"""So long without an order, renderers are kept, and the server that forks them."""

BEGINS_AFTER_S = 2.0
"""What starts has enough to do: renderers are made then, or for the first order, where that comes before."""

SLOW_AFTER_S = 0.5
"""For who takes longer, what is left of the processors is looked at: that costs more than most orders cost us otherwise."""

LATE_S = 10.0
"""How long after its time limit an order may still be without an end, before the pool counts as broken."""

STARVED_AFTER_S = 5.0
"""So long somebody waits for a renderer that gives way to everybody, while others take the processor whole."""

COMPETES_S = 600.0
"""So long after that renderers give way no more."""

_FACES_BYTES = 512 * 1024**2
"""Address space that OpenCV and NumPy take, besides what a renderer is given: most of it is never touched."""


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


class _Starved(Exception):
    """Others leave nothing to renderers that give way."""


class _NothingLeft(TimeoutError):
    """An order's time is over, of which others took the processor."""


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
        faces: bool,
        on_death: Callable[[str], None],
    ) -> None:
        self._on_death = on_death
        self._processes = processes
        self._reach = reach
        self._reached = reach.identities()
        self._memory_bytes = memory_bytes
        self._when_idle = when_idle
        self._faces = faces
        self._slots = RendererShares(processes)
        self._timeout_s = timeout_s
        self._competes_until_s = -math.inf
        self._pool = self._new_pool()
        self._leaving: set[ProcessPool] = set()
        self._orders = 0
        self._begun: asyncio.Task[None] | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._letting_go: asyncio.Task[None] | None = None
        self._not_given_up = ""
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
        faces: bool = False,
        on_death: Callable[[str], None] = _nobody_counts,
    ) -> AsyncIterator[Self]:
        """`faces`: they may be counted, for which renderers have more address space. `on_death` hears of each renderer that died in the middle of a picture, of what: one of DEATHS."""
        hide_memory()
        sandbox = cls(
            processes=processes,
            timeout_s=timeout_s,
            memory_bytes=memory_bytes + (_FACES_BYTES if faces else 0),
            reach=reach,
            when_idle=when_idle,
            faces=faces,
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
            for leaving in sandbox._leaving:  # they are joined already, and no pool can be twice
                leaving.stop()  # type: ignore[no-untyped-call]
            sandbox._end(sandbox._pool)
            await asyncio.gather(*sandbox._ending)

    async def render(
        self,
        order: Order,
        *,
        urgent: bool,
        starting: Callable[[], Awaitable[None]],
        host: str | None = None,
        late: bool = False,
    ) -> RenderResult:
        """Raise PictureError for unsound bytes, RendererDied when the process crashed or had to be killed,
        FileNotFoundError when the original went away. `starting` is awaited once its turn has come.
        `host`: whose picture it is. `late`: it answered late, and who waits does so anyway.
        """
        async with self._slots.take(urgent=urgent, host=host, late=late), self._at_work():
            await starting()
            pool = self._pool
            try:
                return await self._render(order, pool, urgent=urgent)
            except _PoolBroken:
                self._replace(pool)
            except _Starved:
                self._compete(pool)
            try:
                return await self._render(order, self._pool, urgent=False)
            except _PoolBroken:
                raise PictureError(FailureClass.OURS, "The picture could not be rendered here.") from None

    async def render_each(
        self, orders: Sequence[Order], *, starting: Callable[[], Awaitable[None]], host: str | None = None
    ) -> Sequence[RenderResult | PictureError]:
        """Several small ones, for which nobody waits, by one renderer in one go; what becomes of each. Where one of them ends
        their renderer, all are rendered by themselves.
        """
        async with self._slots.take(urgent=False, host=host), self._at_work():
            await starting()
            pool = self._pool
            try:
                ended = await self._answered(answers.answer_each, orders, pool)
                said = answers.each_understood(ended, orders)
            except answers.AnswerRefused:
                self._replace(pool)
            except _NothingLeft as error:
                return [self._judged(error)] * len(orders)
            except (_PoolBroken, ProcessExpired, OSError):
                pass
            else:
                return [self._judged(one) if isinstance(one, Exception) else one for one in said]
        return [await self._by_itself(order, host) for order in orders]

    async def _by_itself(self, order: Order, host: str | None) -> RenderResult | PictureError:
        async def nothing_more() -> None:
            pass

        try:
            return await self.render(order, urgent=False, starting=nothing_more, host=host)
        except PictureError as error:
            return error

    def expect_orders(self) -> None:
        """There will be one soon: what it needs is made meanwhile, where it was let go."""
        if self._begin().done():
            self._await_rest()

    def _begin(self) -> asyncio.Task[None]:
        """Have what forks renderers, and the first ones. What went wrong with that shows in the orders."""
        if self._begun is None:
            self._begun = asyncio.create_task(self._have_renderers())
        return self._begun

    async def _have_renderers(self) -> None:
        if self._letting_go:
            await asyncio.wait({self._letting_go})
        try:
            forking.start_forking(faces=self._faces)
            # In a thread, for it waits until what forks them has loaded the decoders.
            scheduled: ProcessFuture[str] = await asyncio.to_thread(self._pool.schedule, not_given_up)
            lacking, told = await asyncio.wrap_future(scheduled), self._not_given_up
            if lacking and lacking != told:
                _log.warning("renderers are not wholly confined", still_have=lacking)
            self._not_given_up = lacking
        except (OSError, RuntimeError, ProcessExpired) as error:
            _log.error("renderers could not be made", error=str(error))
        self._await_rest()

    @asynccontextmanager
    async def _at_work(self) -> AsyncIterator[None]:
        self._orders += 1
        self._stay_up()
        try:
            await asyncio.shield(self._begin())
            if self._gives_way != self._pool_gives_way:
                self._take_another()
            yield
        finally:
            self._orders -= 1
            self._await_rest()

    def _await_rest(self) -> None:
        self._stay_up()
        if not self._orders:
            self._resting = asyncio.get_running_loop().call_later(RESTS_AFTER_S, self._rest)

    def _stay_up(self) -> None:
        if self._resting:
            self._resting.cancel()

    def _rest(self) -> None:
        """Let the renderers go, and what they are forked from, whose memory others may use: whoever comes next has both
        started anew, in some tenths of a second, most of which a download hides.
        """
        if self._begun and self._begun.done():
            self._begun = None
            resting, self._pool = self._pool, self._new_pool()
            self._end(resting)
            self._letting_go = self._in_the_end(self._let_go(set(self._ending)))

    async def _let_go(self, ending: set[asyncio.Task[None]]) -> None:
        """After the last renderer, without which the server would not end."""
        await asyncio.gather(*ending)
        await asyncio.to_thread(forking.stop_forking)

    async def _answered(
        self, answer: Callable[..., str], asked: object, pool: ProcessPool, *, urgent: bool = False
    ) -> str:
        """Raise _PoolBroken, _Starved where somebody waits, and whatever ended the renderer."""
        try:
            scheduled: ProcessFuture[str] = pool.schedule(
                answer, args=(render, asked, self._timeout_s), timeout=self._timeout_s
            )
        except RuntimeError as error:
            raise _PoolBroken from error
        task = asyncio.wrap_future(scheduled)
        before = None
        try:
            await asyncio.wait({task}, timeout=SLOW_AFTER_S)
            if not task.done():
                before = CpuHeadroom.now()
                if urgent and self._gives_way:
                    await asyncio.wait({task}, timeout=STARVED_AFTER_S - SLOW_AFTER_S)
                    if not task.done() and was_taken(before, CpuHeadroom.now()):
                        raise _Starved
                await asyncio.wait({task}, timeout=self._timeout_s + LATE_S)
            if not task.done():
                raise _PoolBroken
            return task.result()
        except BrokenProcessPool as error:
            raise _PoolBroken from error
        except TimeoutError as error:
            if was_taken(before, CpuHeadroom.now()):
                raise _NothingLeft from error
            raise
        finally:
            task.cancel()

    async def _render(self, order: Order, pool: ProcessPool, *, urgent: bool) -> RenderResult:
        try:
            said = await self._answered(answers.answer, order, pool, urgent=urgent)
            return answers.understood(said, order)
        except FileNotFoundError:  # purged, evicted, or a spool that was dropped
            raise
        except PermissionError as error:
            if pool is not self._pool or self._reach.identities() != self._reached:
                raise _PoolBroken from error  # others lie in place of the directories that were allowed
            raise self._judged(error) from error
        except answers.AnswerRefused as error:
            self._replace(pool)
            raise RendererDied("The picture crashed its renderer.") from error
        except (Unsound, ProcessExpired, OSError) as error:
            raise self._judged(error) from error

    def _judged(self, error: Exception) -> PictureError:
        """Whose fault it is: the picture's, or ours."""
        if isinstance(error, TimeoutError | ProcessExpired):
            self._on_death(_DEATHS.get(getattr(error, "exitcode", -signal.SIGALRM), "crash"))
        match error:
            case Unsound():
                status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if isinstance(error, TooLarge) else None
                return PictureError(FailureClass.UNSOUND, str(error), status=status)
            case _NothingLeft():
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

    @property
    def _gives_way(self) -> bool:
        """Whether renderers shall have but what nobody else wants, at this moment."""
        return self._when_idle and time.monotonic() >= self._competes_until_s

    def _compete(self, starved: ProcessPool) -> None:
        """Of all who starve in a pool, the first puts one in its place that does not give way."""
        if self._pool is starved:
            _log.warning("renderers give way no more", for_s=COMPETES_S)
            self._competes_until_s = time.monotonic() + COMPETES_S
            self._take_another()

    def _take_another(self) -> None:
        """What the one before has begun it may end."""
        leaving, self._pool = self._pool, self._new_pool()
        leaving.close()  # type: ignore[no-untyped-call]
        self._leaving.add(leaving)
        task = self._in_the_end(asyncio.to_thread(leaving.join))
        task.add_done_callback(lambda _: self._leaving.discard(leaving))

    def _new_pool(self) -> ProcessPool:
        # Not fork: a child must not inherit threads, locks and the descriptors of picture locks.
        self._reached = self._reach.identities()
        self._pool_gives_way = self._gives_way
        return ProcessPool(
            self._processes,
            max_tasks=JOBS_PER_PROCESS,
            initializer=confine,
            initargs=(self._memory_bytes, self._pool_gives_way, self._reach),
            context=answers.AnswersOnly(),
        )

    def _end(self, pool: ProcessPool) -> None:
        pool.stop()  # type: ignore[no-untyped-call]
        self._in_the_end(asyncio.to_thread(pool.join))

    def _in_the_end(self, ending: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Done before the sandbox is left."""
        task = asyncio.create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task
