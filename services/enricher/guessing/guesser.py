"""What a name says to guessit, which takes some milliseconds of CPU for each."""

import asyncio
import contextlib
import multiprocessing
import os
import re
import signal
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from typing import Self

import structlog
from pebble import ProcessExpired, ProcessPool

_END_OF_TITLE = re.compile(
    r"(?<=[ ._(\[])(?:(?:19|20)\d\d(?=[ ._)\]]|$)|s\d{1,2}e\d{1,3}|\d{1,2}x\d{2}(?!\d))", re.IGNORECASE
)

_YEAR_FIRST = re.compile(r"(?:19|20)\d\d[ ._]")
"""Then it is not clear which is the title, and everything has to be found."""

_NEVER_OF_USE = ["crc", "uuid", "size", "bit_rate", "audio_bit_rate", "video_bit_rate", "mimetype"]
_OF_USE_WITHOUT_AN_END = [
    "release_group",
    "streaming_service",
    "language",
    "subtitle_language",
    "bonus",
    "bonus_title",
    "film",
    "film_title",
    "disc",
    "cd",
    "cd_count",
    "date",
    "week",
    "episode_details",
    "episode_format",
    "proper_count",
    "audio_channels",
    "audio_profile",
    "video_profile",
    "video_api",
    "color_depth",
]


def guessed(name: str, kind: str) -> tuple[str, int | None] | None:
    """Title and year. `kind` is movie or episode. `name` may have a folder before it, which helps where it is vague.

    Runs in the child, which alone has guessit: it takes 0.2 s and 30 MB to load.
    """
    from guessit import guessit  # noqa: PLC0415 - see above
    from guessit.api import GuessitException  # noqa: PLC0415 - see above

    own = name.rpartition("/")[2]
    title_ends = _END_OF_TITLE.search(own) is not None and not _YEAR_FIRST.match(own)
    # Then what may come after it need not be found, nor the folder read: half the time, and half again.
    excludes = _NEVER_OF_USE + (_OF_USE_WITHOUT_AN_END if title_ends else [])
    try:
        found = guessit(
            own if title_ends else name, {"type": kind, "no_user_config": True, "excludes": excludes}
        )
    except GuessitException:
        return None
    title, year = _first(found.get("title")), _first(found.get("year"))
    return (str(title), year if isinstance(year, int) else None) if title else None


def _first(found: object) -> object:
    """What is found more than once is a list: a span of years."""
    return found[0] if isinstance(found, list) and found else found


_log = structlog.get_logger()

Guess = tuple[str, int | None]
"""Title and year."""

PROCESSES = min(os.cpu_count() or 1, 4)
TIMEOUT_S = 5.0
"""For one name, which may be made to be difficult."""


class Guesser:
    """The processes are started with the first name, and end with the context."""

    def __init__(self, *, processes: int, timeout_s: float) -> None:
        self._processes = processes
        self._timeout_s = timeout_s
        self._pool: ProcessPool | None = None

    @classmethod
    @asynccontextmanager
    async def ready(cls, *, processes: int = PROCESSES, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Self]:
        guesser = cls(processes=processes, timeout_s=timeout_s)
        try:
            yield guesser
        finally:
            await guesser._end()

    async def guess(self, names: Iterable[tuple[str, str]]) -> Sequence[Guess | None]:
        """In the order of the names, each with its kind, movie or episode.

        None for one that cannot be guessed, took too long, or cost its process.
        """
        self._pool = self._pool or self._started()
        wanted = list(names)
        try:
            scheduled = [self._pool.schedule(guessed, args=name, timeout=self._timeout_s) for name in wanted]
        except RuntimeError:  # the pool gave up, as pebble's does when a process without work is killed
            await self._end()
            return [None] * len(wanted)
        return [await _outcome(future) for future in scheduled]

    async def _end(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call] # as it is
            await asyncio.to_thread(pool.join)

    def _started(self) -> ProcessPool:
        # Not fork: a child must not inherit threads and locks.
        context = multiprocessing.get_context("spawn")
        return ProcessPool(self._processes, initializer=_settle_down, context=context)


async def _outcome(future: Future[Guess | None]) -> Guess | None:
    try:
        return await asyncio.wrap_future(future)
    except (TimeoutError, ProcessExpired, BrokenProcessPool, MemoryError):
        return None
    except Exception:  # noqa: BLE001 - raised in the child, by whatever a name does to guessit
        _log.exception("guess_failed")
        return None


def _settle_down() -> None:
    """In the child: leave Ctrl-C to the parent, and the processor to whoever serves pictures."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(19)
