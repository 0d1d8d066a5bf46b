"""What operators see: one line per request and per job, metrics, and the trace id that joins them."""

from shared.telemetry.limiting import LineLimiter
from shared.telemetry.logs import (
    MAX_FIELD,
    Level,
    LogSettings,
    add_to_line,
    canonical_line,
    configure_logs,
    new_trace_id,
    part_of_trace,
    trace_id,
    traced,
    utc_now,
)
from shared.telemetry.metrics import Metrics, start_at_zero
from shared.telemetry.tracing import telling

__all__ = [
    "MAX_FIELD",
    "Level",
    "LineLimiter",
    "LogSettings",
    "Metrics",
    "add_to_line",
    "canonical_line",
    "configure_logs",
    "new_trace_id",
    "part_of_trace",
    "start_at_zero",
    "telling",
    "trace_id",
    "traced",
    "utc_now",
]
