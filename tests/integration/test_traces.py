"""One trace for one request: from nginx's header through proxy, queue and fetcher to the store. And what Sentry is told."""

import gzip
import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import sentry_sdk
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr
from sentry_sdk.transport import Transport

from shared.telemetry import LogSettings, configure_logs, telling, traced, tracing
from shared.telemetry.tracing import Spans, TelemetrySettings
from tests.integration.onesheet import Onesheet, until

POSTER = "/poster/1-60x90.jpg"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing._Reporting, "spans", Spans(provider))
    return exporter


async def test_a_miss_is_one_trace_from_the_header_to_the_store(
    onesheet: Onesheet, exported: InMemorySpanExporter
) -> None:
    answer = await onesheet.get(POSTER, size="small", format="webp", headers={"X-Request-ID": TRACE})
    assert (answer.status, answer.headers["X-Trace-Id"]) == (200, TRACE)

    def found() -> dict[str, ReadableSpan]:
        """The first of each name."""
        spans = reversed(exported.get_finished_spans())
        return {one.name: one for one in spans if one.context and f"{one.context.trace_id:032x}" == TRACE}

    wanted = {"request", "publish", "job", "download", "render", "store"}
    await until(lambda: wanted <= set(found()))
    spans = found()

    def above(name: str) -> int:
        parent = spans[name].parent
        assert parent
        return int(parent.span_id)

    def own(name: str) -> int:
        context = spans[name].context
        assert context
        return int(context.span_id)

    assert {above(name) for name in ("download", "render", "store")} == {own("job")}
    assert {f"{above(name):016x}" for name in ("request", "job")} == {TRACE[:16]}  # what nginx says it is
    assert (spans["request"].attributes or {})["onesheet.status"] == 200
    assert (spans["job"].attributes or {})["onesheet.outcome"] == "fetched"


def test_spans_are_sent_to_the_collector_that_is_set() -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        with (
            telling("proxy", TelemetrySettings(endpoint=endpoint)),
            tracing.step("store", TRACE, picture="p"),
        ):
            pass
        collector.shutdown()
    ((path, body),) = received
    sent = ExportTraceServiceRequest.FromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
    (resource,) = sent.resource_spans
    attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (path, attributes["service.name"]) == ("/v1/traces", "proxy")
    assert [span.trace_id.hex() for span in resource.scope_spans[0].spans] == [TRACE]


def test_nobody_is_told_where_nothing_is_set() -> None:
    with telling("proxy", TelemetrySettings(endpoint="", sentry_dsn=None)):
        assert tracing.step.begun("request", TRACE) is None


def test_what_is_set_and_not_installed_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    with (
        pytest.raises(ValueError, match="install the extra sentry"),
        telling("proxy", TelemetrySettings(endpoint="", sentry_dsn=SecretStr("http://key@127.0.0.1/1"))),
    ):
        pass


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What would go to Sentry."""
    sent: list[str] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: sentry_sdk.envelope.Envelope) -> None:
            sent.extend(json.dumps(item.payload.json) for item in envelope.items)

    original = sentry_sdk.init
    monkeypatch.setattr(sentry_sdk, "init", lambda **given: original(**given, transport=Kept))
    before = structlog.get_config()
    configure_logs(LogSettings(format="json"))
    yield sent
    structlog.configure(**before)
    original(dsn=None)


def test_a_bug_is_told_with_its_trace_and_without_what_it_was_about(sent: list[str]) -> None:
    settings = TelemetrySettings(endpoint="", sentry_dsn=SecretStr("http://key@127.0.0.1:1/1"))
    with telling("fetcher", settings), traced(TRACE):
        secret = "the-admin-token".upper()
        try:
            json.loads(secret)
        except ValueError:
            structlog.get_logger().exception("job failed")
    (event,) = map(json.loads, sent)
    assert event["tags"]["trace_id"] == TRACE
    assert event["exception"]["values"][0]["type"] == "JSONDecodeError"
    assert secret not in sent[0]
