"""The canonical line: everything worth knowing of one request or job, in one place.

Written for the fastest requests there are: a line costs a few microseconds, so it does not go through
structlog where it becomes JSON anyway.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def canonical_line(event: str, *, level: Level = "info", **fields: Any) -> Iterator[dict[str, Any]]:
    """Write one line when the block is left, however it is left, with what was added meanwhile."""
    line: dict[str, Any] = {"event": event, "level": level, "trace_id": known_trace_id(), **fields}
    token = _line.set(line)
    started = time.perf_counter()
    try:
        yield line
    finally:
        _line.reset(token)
        line["duration_ms"] = round((time.perf_counter() - started) * 1000, 1)
        write_line(line)
