"""Metrics: each is documented, what is not known is absent, and what is alerted on starts at 0."""

import re
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from shared.telemetry import Metrics, start_at_zero
from shared.telemetry.metrics import AnswerCounts, FollowedCounter, KnownGauge

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(onesheet_\w+)` \| (\w+) \|([^|]*)\| [^|]+ \| [^|]{10,} \|$", re.MULTILINE)
GENERAL = ("process_", "python_")


def in_code() -> dict[str, tuple[str, tuple[str, ...]]]:
    """By the name that a query uses: the kind, and the labels."""
    metrics = Metrics()
    labels: dict[str, tuple[str, ...]] = {"onesheet_build": ("version",)}
    parts = [vars(metrics), *(vars(part) for part in (metrics.videos, metrics.studio, metrics.store))]
    for metric in (each for part in parts for each in part.values()):
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            labels[family.name] = tuple(metric._labelnames)
        elif isinstance(metric, KnownGauge | FollowedCounter):
            labels[metric.name] = metric.labels
        elif isinstance(metric, AnswerCounts):
            labels |= {family.name: tuple(family._labelnames) for family in metric.describe()}
    families = [one for one in metrics.registry.collect() if not one.name.startswith(GENERAL)]
    assert {family.name for family in families} == labels.keys(), (
        "a metric is an attribute, so that it is found"
    )
    return {
        family.name + {"counter": "_total", "info": "_info"}.get(family.type, ""): (
            family.type,
            labels[family.name],
        )
        for family in families
    }


def documented() -> dict[str, tuple[str, tuple[str, ...]]]:
    rows = ROW.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert len(rows) == len({name for name, _, _ in rows}), "a metric stands there twice"
    return {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_every_metric_is_documented_with_its_kind_and_labels_and_no_other_is() -> None:
    assert documented() == in_code()


def test_a_gauge_that_nobody_knows_is_absent_and_so_is_one_that_is_not_known_any_more() -> None:
    metrics = Metrics()
    value = metrics.registry.get_sample_value
    known_everywhere = {"onesheet_build", "process_", "python_"}
    gauges = [one for one in metrics.registry.collect() if one.type == "gauge" and "onesheet" in one.name]
    assert [sample for gauge in gauges for sample in gauge.samples] == [], known_everywhere
    metrics.disk_free_bytes.set(5e9)
    metrics.lane_depth.set(3, "catalog")
    metrics.queue_connected.follow(lambda: 1.0)
    assert value("onesheet_disk_free_bytes") == 5e9
    assert value("onesheet_lane_depth", {"lane": "catalog"}) == 3
    assert value("onesheet_queue_connected") == 1
    metrics.lane_depth.forget("catalog")
    assert value("onesheet_lane_depth", {"lane": "catalog"}) is None


def test_a_counter_of_known_labels_starts_at_zero() -> None:
    metrics = Metrics()
    start_at_zero(metrics.dead_letters, ("catalog", "pictures.now"))
    assert metrics.registry.get_sample_value("onesheet_dead_letters_total", {"lane": "catalog"}) == 0
    metrics.expect_answers("proxy", "/p")
    labels = {"service": "proxy", "route": "/p", "status": "500"}
    assert metrics.registry.get_sample_value("onesheet_requests_total", labels) == 0
    metrics.answered("proxy", "/p", 500).count()
    assert metrics.registry.get_sample_value("onesheet_requests_total", labels) == 1


def test_no_series_tells_when_another_began() -> None:
    metrics = Metrics()
    metrics.answered("proxy", "/p", 200).count(0.1)
    samples = [sample.name for family in metrics.registry.collect() for sample in family.samples]
    assert [name for name in samples if name.endswith("_created")] == []


def test_a_wait_is_seen_while_it_lasts_and_measured_once() -> None:
    metrics = Metrics()
    value = metrics.registry.get_sample_value
    with metrics.waiting_for("seat") as had:
        assert value("onesheet_job_waits", {"what": "seat"}) == 1
        had()
        assert value("onesheet_job_waits", {"what": "seat"}) == 0
    assert value("onesheet_job_wait_seconds_count", {"what": "seat"}) == 1
    assert value("onesheet_build_info", {"version": "0.1.0"}) == 1


def test_answers_are_told_by_their_status_and_how_long_they_took() -> None:
    metrics = Metrics()
    value = metrics.registry.get_sample_value
    for seconds in (0.001, 0.0011, 70):
        metrics.answered("proxy", "/p", 200).count(seconds)
    metrics.answered("proxy", "/p", 304).count(0.002)
    metrics.answered("proxy", "malformed", 400).count()
    route = {"service": "proxy", "route": "/p"}
    assert value("onesheet_requests_total", {**route, "status": "200"}) == 3
    assert value("onesheet_requests_total", {**route, "status": "304"}) == 1
    at_most = {
        le: value("onesheet_request_seconds_bucket", {**route, "le": le})
        for le in ("0.001", "0.0025", "60.0", "+Inf")
    }
    assert at_most == {"0.001": 1, "0.0025": 3, "60.0": 3, "+Inf": 4}
    assert value("onesheet_request_seconds_count", route) == 4
    assert value("onesheet_request_seconds_sum", route) == pytest.approx(70.0041)
    unknown = {"service": "proxy", "route": "malformed"}
    assert value("onesheet_request_seconds_count", unknown) is None
