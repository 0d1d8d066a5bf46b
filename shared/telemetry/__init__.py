"""What operators see: one line per request and per job, metrics, and the trace id that joins them."""

from shared.telemetry.clock import utc_now
from shared.telemetry.line import add_to_line, canonical_line
from shared.telemetry.lines_out import MAX_FIELD, Level
from shared.telemetry.logs import configure_logs
from shared.telemetry.metrics import Metrics
from shared.telemetry.settings import LogSettings
from shared.telemetry.trace import new_trace_id, trace_id, traced

__all__ = [
    "MAX_FIELD",
    "Level",
    "LogSettings",
    "Metrics",
    "add_to_line",
    "canonical_line",
    "configure_logs",
    "new_trace_id",
    "trace_id",
    "traced",
    "utc_now",
]
