"""Logs: one canonical line for each request and job under its trace, JSON unless a terminal reads them, never blocking."""

import asyncio
import itertools
import logging
import os
import re
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import structlog
from pydantic import Field, field_validator
from pydantic_core import to_json
from structlog.typing import EventDict, WrappedLogger

from shared.settings import Settings
from shared.telemetry.limiting import LibraryLines
from shared.telemetry.tracing import report, step


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


def part_of_trace(name: str, **attributes: object) -> step:
    """A step of what is done here and now, for whoever looks at its trace."""
    return step(name, known_trace_id(), **attributes)


class traced:  # noqa: N801 - used as one uses a context manager function
    """What is done in the block is done under this trace id."""

    __slots__ = ("_token", "_trace")

    def __init__(self, trace: str) -> None:
        self._trace = trace

    def __enter__(self) -> None:
        self._token = _trace.set(self._trace)

    def __exit__(self, *_: object) -> None:
        _trace.reset(self._token)


class LogSettings(Settings):
    level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias="LOG_LEVEL")
    format: Literal["auto", "json", "console"] = Field("auto", validation_alias="LOG_FORMAT")

    @field_validator("level", "format", mode="before")
    @classmethod
    def _in_any_case(cls, word: object) -> object:
        return word.strip().lower() if isinstance(word, str) else word


Level = Literal["debug", "info"]

MAX_FIELD = 500
"""Characters: a field may hold what a stranger sent."""
WRITE_AFTER_S = 0.1
WRITE_AT_BYTES = 64 * 1024


class KnownLine:
    """What lines that are alike say alike, as JSON already."""

    __slots__ = ("begins", "fields")

    def __init__(self, **fields: str) -> None:
        """`event` and `level` among them."""
        self.fields = fields
        self.begins = to_json(fields)[:-1].decode()


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
        self._put(to_json(line, fallback=str))

    def write_known(self, known: KnownLine, trace: str, status: int, duration_ms: float) -> None:
        """The same as `write`, with what is not known beforehand, at a quarter of its cost."""
        if not self.as_json or known.fields["level"] not in self.levels:
            self.write({**known.fields, "trace_id": trace, "status": status, "duration_ms": duration_ms})
            return
        rest = f',"trace_id":"{trace}","status":{status},"duration_ms":{duration_ms},"timestamp":"{_timestamp(time.time())}"}}'
        self._put((known.begins + rest).encode())

    def _put(self, encoded: bytes) -> None:
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


_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What a terminal would act on, or show in another order."""


def bound_fields(line: dict[str, Any]) -> None:
    """Cut what is too long, and escape what would write to a terminal by itself, in place."""
    for key, value in line.items():
        if isinstance(value, str):
            cut = value[:MAX_FIELD] + "…" if len(value) > MAX_FIELD else value
            line[key] = _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], cut)


lines_out = LinesOut()
write_line = lines_out.write
write_known_line = lines_out.write_known


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

    __slots__ = ("_line", "_started", "_step", "_token")

    def __init__(self, event: str, *, level: Level = "info", **fields: Any) -> None:
        self._line: dict[str, Any] = {"event": event, "level": level, "trace_id": known_trace_id(), **fields}

    def __enter__(self) -> dict[str, Any]:
        self._token = _line.set(self._line)
        self._step = step.begun(self._line["event"], self._line["trace_id"])
        self._started = time.perf_counter()
        return self._line

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        _line.reset(self._token)
        if self._step:
            self._step.add(self._line)
            self._step.__exit__(kind, error, traceback)
        self._line["duration_ms"] = round((time.perf_counter() - self._started) * 1000, 1)
        write_line(self._line)


# Without the locals, which are whole settings, keys and passwords among them.
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
)


def configure_logs(settings: LogSettings) -> None:
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    before: list[Any] = [
        _say_which_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _bound_fields,
        _report_errors,
    ]
    lines_out.levels = frozenset(
        name for name in ("debug", "info") if logging.getLevelNamesMapping()[name.upper()] >= level
    )
    on_terminal = settings.format == "console" or (settings.format == "auto" and sys.stdout.isatty())
    lines_out.as_json = not on_terminal
    shape: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if on_terminal
        else [_TRACEBACKS, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*before, *shape],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shape],
        )
    )
    handler.addFilter(LibraryLines())
    # Libraries speak when something is wrong; what they do in between is in our own lines.
    # What aiormq says of every attempt to connect, our own line says with the reason.
    logging.getLogger("aiormq.connection").setLevel(logging.CRITICAL)
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


def _say_which_trace(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    if "trace_id" not in event and (trace := known_trace_id()):
        event["trace_id"] = trace
    return event


def _bound_fields(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    bound_fields(event)  # type: ignore[arg-type]  # a mutable mapping is enough
    return event


def _report_errors(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """What is logged with a traceback is a bug, and told where somebody looks at those."""
    raised = event.get("exc_info")
    error = sys.exc_info()[1] if raised is True else raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        report(error, known_trace_id())
    return event
