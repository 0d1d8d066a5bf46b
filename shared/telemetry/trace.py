"""Trace ids: one from the request through the queue to the store."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from structlog.contextvars import bound_contextvars, get_contextvars

_ACCEPTED = re.compile(r"[A-Za-z0-9-]{8,64}", re.ASCII)


def new_trace_id(offered: str | None = None) -> str:
    """The id a caller offers (as nginx does), where it is a plain one; else a new one."""
    if offered and _ACCEPTED.fullmatch(offered):
        return offered
    return uuid.uuid4().hex


def trace_id() -> str:
    """The id of what is being done here and now; a new one outside of any request or job."""
    return str(get_contextvars().get("trace_id") or new_trace_id())


@contextmanager
def traced(trace: str) -> Iterator[None]:
    with bound_contextvars(trace_id=trace):
        yield
