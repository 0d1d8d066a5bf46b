"""The canonical line: everything worth knowing of one request or job, in one place.

Written for the fastest requests there are: a line costs a few microseconds, so it does not go through
structlog where it becomes JSON anyway.
"""

import time
from contextvars import ContextVar
from typing import Any

from shared.telemetry.lines_out import Level, write_line
from shared.telemetry.trace import known_trace_id

_line: ContextVar[dict[str, Any] | None] = ContextVar("canonical line", default=None)


def add_to_line(**fields: Any) -> None:
    """Add to the line of the request or job that is being done here; nothing outside of one."""
    line = _line.get()
    if line is not None:
        line.update(fields)


class canonical_line:  # noqa: N801 - used as one uses a context manager function
    """Write one line when the block is left, however it is left, with what was added meanwhile.

    A class, for a generator would cost more than the line.
    """

    __slots__ = ("_line", "_started", "_token")

    def __init__(self, event: str, *, level: Level = "info", **fields: Any) -> None:
        self._line: dict[str, Any] = {"event": event, "level": level, "trace_id": known_trace_id(), **fields}

    def __enter__(self) -> dict[str, Any]:
        self._token = _line.set(self._line)
        self._started = time.perf_counter()
        return self._line

    def __exit__(self, *_: object) -> None:
        _line.reset(self._token)
        self._line["duration_ms"] = round((time.perf_counter() - self._started) * 1000, 1)
        write_line(self._line)
