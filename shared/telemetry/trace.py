"""Trace ids: one from the request through the queue to the store."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ACCEPTED = re.compile(r"[A-Za-z0-9-]{8,64}", re.ASCII)
_trace: ContextVar[str] = ContextVar("trace id", default="")


def new_trace_id(offered: str | None = None) -> str:
    """The id a caller offers (as nginx does), where it is a plain one; else a new one."""
    if offered and _ACCEPTED.fullmatch(offered):
        return offered
    return os.urandom(16).hex()


def trace_id() -> str:
    """The id of what is being done here and now; a new one outside of any request or job."""
    return _trace.get() or new_trace_id()


def known_trace_id() -> str | None:
    return _trace.get() or None


@contextmanager
def traced(trace: str) -> Iterator[None]:
    token = _trace.set(trace)
    try:
        yield
    finally:
        _trace.reset(token)
