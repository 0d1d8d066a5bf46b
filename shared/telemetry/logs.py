"""Logs: structlog on stdout, JSON unless a terminal reads them; libraries' own warnings take the same way."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from shared.telemetry.settings import LogSettings

MAX_FIELD = 500
"""Characters: a field may hold what a stranger sent."""


def configure_logs(settings: LogSettings) -> None:
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _bound_fields,
    ]
    on_terminal = settings.format == "console" or (settings.format == "auto" and sys.stdout.isatty())
    shape: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if on_terminal
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
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
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


def _bound_fields(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str) and len(value) > MAX_FIELD:
            event[key] = value[:MAX_FIELD] + "…"
    return event
