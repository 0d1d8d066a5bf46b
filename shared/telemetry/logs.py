"""Logs: structlog on stdout, JSON unless a terminal reads them; libraries' own warnings take the same way."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from shared.telemetry.lines_out import bound_fields, lines_out
from shared.telemetry.settings import LogSettings
from shared.telemetry.trace import known_trace_id

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
