"""The time, and the trace that a request leaves through queue and store."""

import itertools
import os
import re
from contextvars import ContextVar
from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)


_ACCEPTED = re.compile(r"[A-Za-z0-9-]{8,64}", re.ASCII)
# 64 random bits for the process, and a number: as unique as 128 random bits, and had in a tenth of the time.
_process = os.urandom(8).hex()
_count = itertools.count(1)
_trace: ContextVar[str] = ContextVar("trace id", default="")


def new_trace_id(offered: str | None = None) -> str:
    """The id a caller offers (as nginx does), where it is a plain one; else a new one."""
    if offered and _ACCEPTED.fullmatch(offered):
        return offered
    return f"{_process}{next(_count):016x}"


def trace_id() -> str:
    """The id of what is being done here and now; a new one outside of any request or job."""
    return _trace.get() or new_trace_id()


def known_trace_id() -> str | None:
    return _trace.get() or None


class traced:  # noqa: N801 - used as one uses a context manager function
    """What is done in the block is done under this trace id."""

    __slots__ = ("_token", "_trace")

    def __init__(self, trace: str) -> None:
        self._trace = trace

    def __enter__(self) -> None:
        self._token = _trace.set(self._trace)

    def __exit__(self, *_: object) -> None:
        _trace.reset(self._token)
