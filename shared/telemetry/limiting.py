"""Limited lines: what may be said over and over is said once, and then once a minute with how often it was."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

EVERY_S = 60.0
KINDS_AT_MOST = 200
"""Kinds of lines that are told apart; beyond that the one that was said longest ago counts as new."""

MAX_KIND = 200


@dataclass(slots=True)
class _Said:
    at_s: float
    kept_back: int = 0


class LineLimiter:
    """Tells for each kind of line whether it is its turn."""

    def __init__(self, *, every_s: float = EVERY_S, now: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._now = now
        self._said: OrderedDict[str, _Said] = OrderedDict()

    def turn(self, kind: str) -> int | None:
        """How many were kept back since the last one that was said; None: keep this one back, too."""
        now = self._now()
        said = self._said.get(kind)
        if said and now - said.at_s < self._every_s:
            said.kept_back += 1
            return None
        self._said[kind] = _Said(now)
        self._said.move_to_end(kind)
        if len(self._said) > KINDS_AT_MOST:
            self._said.popitem(last=False)
        return said.kept_back if said else 0


class LibraryLines(logging.Filter):
    """Lines of libraries, which know no measure: asyncio writes a traceback for each connection it cannot accept."""

    def __init__(self, limiter: LineLimiter | None = None) -> None:
        super().__init__()
        self._limiter = limiter or LineLimiter()

    def filter(self, record: logging.LogRecord) -> bool:
        first = str(record.msg).partition("\n")[0][:MAX_KIND]
        kept_back = self._limiter.turn(f"{record.name} {record.levelno} {first}")
        if kept_back:
            record.msg = f"{record.msg} (and {kept_back} more like it since the last)"
        return kept_back is not None
