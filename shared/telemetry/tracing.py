"""Traces by OpenTelemetry and errors by Sentry, where they are set: until then a step costs a look at a variable.

The trace of a request or job has the id that its log lines have, as nginx makes it and the queue carries it, so that all
that was done for one request is one trace, whoever did it.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, Protocol, Self

from pydantic import Field, SecretStr

from shared.settings import ONESHEET_VERSION, Settings


class TelemetrySettings(Settings):
    """`endpoint`, and whatever else of OTEL_* OpenTelemetry itself reads."""

    endpoint: str = Field("", validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    sentry_dsn: SecretStr | None = Field(None, validation_alias="SENTRY_DSN")


class TraceSpan(Protocol):
    """As OpenTelemetry has it."""

    def set_attribute(self, key: str, value: Any, /) -> None: ...
    def record_exception(self, exception: BaseException, /) -> None: ...
    def end(self) -> None: ...


_HEX = re.compile(r"[0-9a-f]{32}")
_SCALARS = (str, bool, int, float)
_here: ContextVar[tuple[str, Any] | None] = ContextVar("trace and span", default=None)


class Spans:
    """Makes spans of a provider of OpenTelemetry's."""

    def __init__(self, provider: Any) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - the extra `otel`

        self._provider = provider
        self._tracer = provider.get_tracer("onesheet", ONESHEET_VERSION)
        self._trace = trace

    def start(self, name: str, trace_id: str) -> tuple[TraceSpan, Token[tuple[str, Any] | None]]:
        """Below the step that is under way in the same trace, or else below what began the trace."""
        above = _here.get()
        context = above[1] if above and above[0] == trace_id else self._remote(trace_id)
        span = self._tracer.start_span(name, context=context)
        return span, _here.set((trace_id, self._trace.set_span_in_context(span)))

    def close(self) -> None:
        """Send what is left, within the library's own time."""
        self._provider.shutdown()

    def _remote(self, trace_id: str) -> Any:
        known = trace_id if _HEX.fullmatch(trace_id) else hashlib.sha256(trace_id.encode()).hexdigest()[:32]
        # As nginx says it to whoever is behind it: its own part has the first half of the trace's id.
        parent = self._trace.SpanContext(
            int(known, 16) or 1,
            int(known[:16], 16) or 1,
            is_remote=True,
            trace_flags=self._trace.TraceFlags(1),
        )
        return self._trace.set_span_in_context(self._trace.NonRecordingSpan(parent))


class _Reporting:
    """What this process tells whom. Set once, where it begins to serve."""

    spans: Spans | None = None
    sentry: Any = None


class step:  # noqa: N801 - used as one uses a context manager function
    """A part of what is done in a trace, with how long it took and what it ended in."""

    __slots__ = ("_attributes", "_begun", "_name", "_trace_id")

    def __init__(self, name: str, trace_id: str | None, **attributes: object) -> None:
        self._name, self._trace_id, self._attributes = name, trace_id, attributes

    @classmethod
    def begun(cls, name: str, trace_id: str | None) -> Self | None:
        """One that is under way, to be ended by `__exit__`; None where nobody is told."""
        if _Reporting.spans is None:
            return None
        begun = cls(name, trace_id)
        begun.__enter__()
        return begun

    def __enter__(self) -> None:
        spans = _Reporting.spans
        self._begun = spans.start(self._name, self._trace_id) if spans and self._trace_id else None

    def add(self, attributes: Mapping[str, object]) -> None:
        self._attributes |= attributes

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if self._begun is None:
            return
        span, token = self._begun
        for name, value in self._attributes.items():
            if value is not None:
                span.set_attribute(f"onesheet.{name}", value if isinstance(value, _SCALARS) else str(value))
        if isinstance(error, Exception):
            span.record_exception(error)
        span.end()
        _here.reset(token)


def report(error: BaseException, trace_id: str | None) -> None:
    """Tell Sentry, where it is set."""
    if _Reporting.sentry:
        with _Reporting.sentry.new_scope() as scope:
            scope.set_tag("trace_id", trace_id or "")
            scope.capture_exception(error)


@contextmanager
def telling(service: str, settings: TelemetrySettings | None = None) -> Iterator[None]:
    """Tell of steps and errors while the context lasts. Raise ValueError where what is set is not installed."""
    settings = settings or TelemetrySettings()
    try:
        if settings.endpoint:
            _Reporting.spans = Spans(_exporting(service, settings.endpoint))
        if settings.sentry_dsn:
            _Reporting.sentry = _sentry(service, settings.sentry_dsn)
        yield
    finally:
        spans, sentry = _Reporting.spans, _Reporting.sentry
        _Reporting.spans = _Reporting.sentry = None
        if spans:
            spans.close()
        if sentry:
            sentry.flush(timeout=2)


def _exporting(service: str, endpoint: str) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - the extra `otel`
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above
    except ModuleNotFoundError:
        raise ValueError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: install the extra otel."
        ) from None
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES overrule what is said here.
    said = Resource({"service.name": service, "service.version": ONESHEET_VERSION})
    resource = said.merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))
    )
    return provider


def _sentry(service: str, dsn: SecretStr) -> Any:
    """Without local variables, requests and breadcrumbs: keys, tokens and what people look at are none of Sentry's business."""
    try:
        import sentry_sdk  # noqa: PLC0415 - the extra `sentry`
    except ModuleNotFoundError:
        raise ValueError(
            "SENTRY_DSN is set, but its library is not installed: install the extra sentry."
        ) from None
    sentry_sdk.init(
        dsn=dsn.get_secret_value(),
        release=f"onesheet@{ONESHEET_VERSION}",
        server_name=service,
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        max_breadcrumbs=0,
    )
    return sentry_sdk
