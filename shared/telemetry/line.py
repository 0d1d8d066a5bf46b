"""The canonical line: everything worth knowing of one request or job, in one place."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog

_line: ContextVar[dict[str, Any] | None] = ContextVar("canonical line", default=None)
_log = structlog.get_logger()


def add_to_line(**fields: Any) -> None:
    """Add to the line of the request or job that is being done here; nothing outside of one."""
    line = _line.get()
    if line is not None:
        line.update(fields)


@contextmanager
def canonical_line(event: str, *, level: str = "info", **fields: Any) -> Iterator[dict[str, Any]]:
    """Log one line when the block is left, however it is left, with what was added meanwhile."""
    line = dict(fields)
    token = _line.set(line)
    started = time.perf_counter()
    try:
        yield line
    finally:
        _line.reset(token)
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        getattr(_log, level)(event, **line, duration_ms=milliseconds)
