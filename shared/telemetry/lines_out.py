"""Where canonical lines go: as JSON to stdout, a tenth of a second's worth at once; or to structlog, for eyes."""

import asyncio
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import structlog
from pydantic_core import to_json

Level = Literal["debug", "info"]

MAX_FIELD = 500
"""Characters: a field may hold what a stranger sent."""
WRITE_AFTER_S = 0.1
WRITE_AT_BYTES = 64 * 1024


class LinesOut:
    """Lines of one process. `as_json` and `levels` are set when logs are configured."""

    def __init__(self) -> None:
        self.as_json = False
        self.levels: frozenset[str] = frozenset({"debug", "info"})
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def write(self, line: dict[str, Any]) -> None:
        if line["level"] not in self.levels:
            return
        if not self.as_json:
            fields = {key: value for key, value in line.items() if key not in ("event", "level")}
            getattr(structlog.get_logger(), line["level"])(line["event"], **fields)
            return
        line["timestamp"] = _timestamp(time.time())
        encoded = to_json(line, fallback=str)
        self._pending.append(encoded)
        self._pending_bytes += len(encoded)
        if self._pending_bytes >= WRITE_AT_BYTES:
            self.flush()
        elif self._timer is None:
            self._schedule()

    def flush(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            text = b"\n".join((*self._pending, b"")).decode()
            self._pending.clear()
            self._pending_bytes = 0
            sys.stdout.write(text)
            sys.stdout.flush()

    def _schedule(self) -> None:
        try:
            self._timer = asyncio.get_running_loop().call_later(WRITE_AFTER_S, self.flush)
        except RuntimeError:  # no loop runs: nothing would come back for the line
            self.flush()


def _timestamp(now_s: float) -> str:
    second = int(now_s)
    return f"{_second(second)}.{int((now_s - second) * 1000):03d}Z"


@lru_cache(2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def bound_fields(line: dict[str, Any]) -> None:
    """Cut what is too long, in place."""
    for key, value in line.items():
        if isinstance(value, str) and len(value) > MAX_FIELD:
            line[key] = value[:MAX_FIELD] + "…"


lines_out = LinesOut()
write_line = lines_out.write
