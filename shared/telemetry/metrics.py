"""Metrics: what a process counts and measures, and nothing that it does not know. `docs/metrics.md` says what each means."""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from shared.settings import ONESHEET_VERSION

# A sixth of all series, which nobody asks for: Prometheus sees a restart by itself.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library says no types of it


@dataclass(frozen=True, slots=True)
class TakenJobs:
    """So many jobs, the oldest of which had waited so long."""

    jobs: int = 0
    oldest_s: float = 0.0


class WorkCounter:
    def __init__(self) -> None:
        self._taken: dict[str, TakenJobs] = {}

    def took(self, lane: str, age_s: float) -> None:
        before = self._taken.get(lane, TakenJobs())
        self._taken[lane] = TakenJobs(before.jobs + 1, max(before.oldest_s, age_s))

    def since_last(self) -> Mapping[str, TakenJobs]:
        """Since this was asked the last time."""
        taken, self._taken = self._taken, {}
        return taken


class KnownGauge(Collector):
    """A gauge that has no sample until somebody knows its value, and none once nobody does: where a 0 would be a lie.

    Called like the library's own. With labels, each set of them is known or not by itself.
    """

    def __init__(
        self, name: str, documentation: str, labels: tuple[str, ...] = (), *, registry: CollectorRegistry
    ) -> None:
        self.name = name
        self.labels = labels
        self._documentation = documentation
        self._values: dict[tuple[str, ...], float | Callable[[], float]] = {}
        registry.register(self)

    def set(self, value: float, *labels: str) -> None:
        self._values[labels] = value

    def inc(self) -> None:
        """By one, of a gauge without labels that has been set."""
        self._change(1)

    def dec(self) -> None:
        self._change(-1)

    def _change(self, by: int) -> None:
        value = self._values.get((), 0.0)
        assert not callable(value)
        self._values[()] = value + by

    def value(self, *labels: str) -> float | None:
        """None where nobody knows it."""
        value = self._values.get(labels)
        return value() if callable(value) else value

    def follow(self, value: Callable[[], float], *labels: str) -> None:
        """Ask for the value whenever somebody looks."""
        self._values[labels] = value

    def known(self) -> frozenset[str]:
        """The values of the first label."""
        return frozenset(labels[0] for labels in self._values if labels)

    def forget(self, *labels: str) -> None:
        self._values.pop(labels, None)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return [GaugeMetricFamily(self.name, self._documentation, labels=self.labels)]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(self.name, self._documentation, labels=self.labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value() if callable(value) else value)
        return [family]


class FollowedCounter(Collector):
    """A counter that somebody else counts, who is asked whenever somebody looks; nothing until there is one."""

    def __init__(
        self, name: str, documentation: str, labels: tuple[str, ...], *, registry: CollectorRegistry
    ) -> None:
        self.name = name
        self.labels = labels
        self._documentation = documentation
        self._counts: Callable[[], Mapping[tuple[str, ...], int]] = dict
        registry.register(self)

    def follow(self, counts: Callable[[], Mapping[tuple[str, ...], int]]) -> None:
        """`counts`: since the process began, by the labels' values."""
        self._counts = counts

    def describe(self) -> Iterable[CounterMetricFamily]:
        return [CounterMetricFamily(self.name, self._documentation, labels=self.labels)]

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(self.name, self._documentation, labels=self.labels)
        for labels, count in self._counts().items():
            family.add_metric(labels, count)
        return [family]


class AnswerCounts(Collector):
    """Requests by their status, and how long they took by their route. Like the library's counter and histogram, of which one
    of each would cost a hit a tenth of its time: only the event loop counts here, so that nothing has to be locked.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answered: dict[tuple[str, str, str], AnswerCount] = {}
        self._took: dict[tuple[str, str], TimesTaken] = {}
        registry.register(self)

    def of(self, service: str, route: str, status: int) -> "AnswerCount":
        """What counts answers of this status to requests of this route."""
        key = service, route, str(int(status))
        if key not in self._answered:
            self._answered[key] = AnswerCount(self._took.setdefault(key[:2], TimesTaken()))
        return self._answered[key]

    def describe(self) -> Iterable[CounterMetricFamily | HistogramMetricFamily]:
        return self._families()

    def collect(self) -> Iterable[CounterMetricFamily | HistogramMetricFamily]:
        requests, seconds = self._families()
        for labels, answered in self._answered.items():
            requests.add_metric(labels, answered.times)
        for route, took in self._took.items():
            if took.times:
                seconds.add_metric(route, took.buckets(), took.sum_s)
        return requests, seconds

    def _families(self) -> tuple[CounterMetricFamily, HistogramMetricFamily]:
        return (
            CounterMetricFamily(
                "onesheet_requests", "HTTP requests answered", labels=("service", "route", "status")
            ),
            HistogramMetricFamily(
                "onesheet_request_seconds", "From request to answer", labels=("service", "route")
            ),
        )


class TimesTaken:
    """How long something took, so many times."""

    __slots__ = ("_times_by_bound", "sum_s")

    def __init__(self) -> None:
        self._times_by_bound = [0] * (len(_SECONDS) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        self._times_by_bound[bisect_left(_SECONDS, seconds)] += 1
        self.sum_s += seconds

    @property
    def times(self) -> int:
        return sum(self._times_by_bound)

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus has them: each counts what lies below its bound, with all of those before."""
        bounds = (*map(str, map(float, _SECONDS)), "+Inf")
        return list(zip(bounds, accumulate(self._times_by_bound), strict=True))


class AnswerCount:
    """Answers that are alike."""

    __slots__ = ("_took", "times")

    def __init__(self, took: TimesTaken) -> None:
        self._took = took
        self.times = 0

    def count(self, seconds: float | None = None) -> None:
        """None: how long it took is nothing that we know."""
        self.times += 1
        if seconds is not None:
            self._took.observe(seconds)


def start_at_zero(counter: Counter, *labels: Iterable[str]) -> None:
    """Tell the counter as 0 for each of these labels: what is absent until it first counts has no first increase."""
    for values in product(*labels):
        counter.labels(*values)


FIRST_PICTURE = "miss"
"""What a wait that brought the picture is called."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class VideoMetrics:
    """What becomes of videos."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.bytes = KnownGauge("onesheet_videos_bytes", "What videos take on the volume", registry=registry)
        self.fetched = Counter(
            "onesheet_videos_fetched",
            "Videos that were asked of services' hosts, by outcome",
            ["outcome"],
            registry=registry,
        )
        self.let_go = Counter(
            "onesheet_videos_let_go",
            "Videos that were removed for their age, or to make room",
            ["why"],
            registry=registry,
        )
        self.served = Counter(
            "onesheet_videos_served",
            "Requests for videos that a proxy answered, by status",
            ["status"],
            registry=registry,
        )


class StoreMetrics:
    """What a store of objects is asked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = FollowedCounter(
            "onesheet_store_requests",
            "Requests to the object store",
            ("kind", "outcome"),
            registry=registry,
        )
        self.bytes = FollowedCounter(
            "onesheet_store_bytes",
            "Bytes read from the object store, and written",
            ("direction",),
            registry=registry,
        )


class StudioMetrics:
    """What is paid for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "onesheet_studio_requests",
            "Paid requests of the studio, by what became of them",
            ["service", "outcome"],
            registry=registry,
        )
        self.jobs = Gauge(
            "onesheet_studio_jobs",
            "Jobs of the studio of which something is still to come, by state",
            ["state"],
            registry=registry,
        )
        self.spent = Gauge(
            "onesheet_studio_spent_dollars",
            "What the studio has spent today, in UTC, counting what may have been paid",
            ["service"],
            registry=registry,
        )


def _tell_of_the_process(registry: CollectorRegistry) -> None:
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    Info("onesheet_build", "Which version runs", registry=registry).info({"version": ONESHEET_VERSION})


class Metrics:
    """What this project counts. A service fills what it does; in one process all share one."""

    heard = 0
    """How often something came from a client, for who lets requests go first: no metric that is told."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        _tell_of_the_process(self.registry)
        self._answers = AnswerCounts(self.registry)
        self.pictures_served = Counter(
            "onesheet_pictures_served", "Pictures by how they were had", ["outcome"], registry=self.registry
        )
        self.connections_let_go = Counter(
            "onesheet_connections_let_go",
            "Connections that were closed on clients: too many, or no header in time",
            ["reason"],
            registry=self.registry,
        )
        self.queue_connected = KnownGauge(
            "onesheet_queue_connected", "1: this process is connected to the queue", registry=self.registry
        )
        self.waiting = KnownGauge(
            "onesheet_waiting", "Requests that wait for a picture", registry=self.registry
        )
        self.first_picture_seconds = Histogram(
            "onesheet_first_picture_seconds",
            "How long a request for what was not stored waited, by what it ended in",
            ["outcome"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.job_waits = Gauge(
            "onesheet_job_waits",
            "Jobs in hand that wait: for a slot of their fetcher, for a seat at a host",
            ["what"],
            registry=self.registry,
        )
        self.job_wait_seconds = Histogram(
            "onesheet_job_wait_seconds",
            "How long they waited for it",
            ["what"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.jobs = Counter(
            "onesheet_jobs", "Jobs by how they ended", ["type", "outcome"], registry=self.registry
        )
        self.job_seconds = Histogram(
            "onesheet_job_seconds", "Doing a job", ["type"], buckets=_SECONDS, registry=self.registry
        )
        self.job_age_seconds = Histogram(
            "onesheet_job_age_seconds",
            "How old a job was when it was taken",
            ["lane"],
            buckets=(*_SECONDS, 300, 3600),
            registry=self.registry,
        )
        self.downloads = Counter(
            "onesheet_downloads", "Requests to picture hosts by result", ["result"], registry=self.registry
        )
        self.provider_requests = Counter(
            "onesheet_provider_requests",
            "Requests to metadata providers by result",
            ["provider", "result"],
            registry=self.registry,
        )
        self.refusals = Counter(
            "onesheet_refusals", "Connections that policy refused, by rule", ["rule"], registry=self.registry
        )
        self.failures = Counter(
            "onesheet_failures", "Failures by class", ["failure_class"], registry=self.registry
        )
        self.records_refused = Counter(
            "onesheet_catalog_records_refused",
            "Records the catalog lane did not take",
            registry=self.registry,
        )
        self.lane_depth = KnownGauge(
            "onesheet_lane_depth", "Messages that wait in a lane", ("lane",), registry=self.registry
        )
        self.lane_consumers = KnownGauge(
            "onesheet_lane_consumers", "Who takes messages from a lane", ("lane",), registry=self.registry
        )
        self.lane_oldest_seconds = KnownGauge(
            "onesheet_lane_oldest_seconds",
            "How long the oldest message of a lane has waited",
            ("lane",),
            registry=self.registry,
        )
        self.jobs_put_off = KnownGauge(
            "onesheet_jobs_put_off", "Messages of all lanes that come back later", registry=self.registry
        )
        self.hosts_paused = KnownGauge(
            "onesheet_hosts_paused", "Picture hosts that are left alone now", registry=self.registry
        )
        self.provider_budget_left = KnownGauge(
            "onesheet_provider_budget_left",
            "Requests that a provider may be asked at once",
            ("provider",),
            registry=self.registry,
        )
        self.dead_letters_kept = KnownGauge(
            "onesheet_dead_letters_kept", "Dead letters there are now", ("lane",), registry=self.registry
        )
        self.catalog_lag_seconds = KnownGauge(
            "onesheet_catalog_lag_seconds", "How far the catalog is behind", registry=self.registry
        )
        self.processes = KnownGauge(
            "onesheet_processes", "Processes that were heard of lately", ("service",), registry=self.registry
        )
        self.settings_unlike = KnownGauge(
            "onesheet_settings_unlike",
            "1: a setting that has to be the same everywhere is not",
            ("setting",),
            registry=self.registry,
        )
        self.tasks = Counter(
            "onesheet_tasks", "Tasks by how they ended", ["kind", "state"], registry=self.registry
        )
        self.renderers_killed = Counter(
            "onesheet_renderers_killed",
            "Renderers that crashed or had to be ended in the middle of a picture",
            ["why"],
            registry=self.registry,
        )
        self.dead_letters = Counter(
            "onesheet_dead_letters", "Jobs that failed for good", ["lane"], registry=self.registry
        )
        self.disk_bytes = KnownGauge(
            "onesheet_disk_bytes",
            "What pictures take on the disk, as the catalog knows",
            registry=self.registry,
        )
        self.disk_files = KnownGauge("onesheet_disk_files", "The same in files", registry=self.registry)
        self.disk_free_bytes = KnownGauge(
            "onesheet_disk_free_bytes", "What is left on the volume's disk", registry=self.registry
        )
        self.evictions_ordered = Counter(
            "onesheet_evictions_ordered", "Pictures that were chosen to make room", registry=self.registry
        )
        self.background_failures = Counter(
            "onesheet_background_failures",
            "Rounds of background work that failed",
            ["name"],
            registry=self.registry,
        )
        self.unreadable_rows = Counter(
            "onesheet_unreadable_rows",
            "Rows that were passed over because they could not be read",
            ["table"],
            registry=self.registry,
        )
        self.character_images = Counter(
            "onesheet_character_images",
            "Answers to questions for a character's picture, by where it was had",
            ["outcome"],
            registry=self.registry,
        )
        self.character_generation_failures = Counter(
            "onesheet_character_generation_failures",
            "Pictures of characters that could not be made",
            registry=self.registry,
        )
        self.character_generation_seconds = Histogram(
            "onesheet_character_generation_seconds",
            "Making a picture of a character",
            buckets=(1, 2.5, 5, 7.5, 10, 15, 20, 30, 60, 120),
            registry=self.registry,
        )
        self.videos = VideoMetrics(self.registry)
        self.studio = StudioMetrics(self.registry)
        self.store = StoreMetrics(self.registry)
        self.work = WorkCounter()
        self._told: dict[tuple[str, str], float] = {}
        # Looking a child up by its labels costs more than counting: on the hot path it is looked up once.
        self.answered = lru_cache(1024)(self._answers.of)
        self.served = lru_cache(64)(self.pictures_served.labels)

    def took(self, lane: str, age_s: float) -> None:
        """That a job was taken from a lane, which was so old."""
        self.job_age_seconds.labels(lane).observe(age_s)
        self.work.took(lane, age_s)

    @property
    def waiting_now(self) -> int:
        """Requests of this process that wait for a picture."""
        return int(self.waiting.value() or 0)

    def counted_since_last(self) -> dict[str, dict[str, float]]:
        """What was counted since this was asked the last time: see `ServiceStats.counted`."""
        found: dict[str, dict[str, float]] = {}
        for what, label, value in self._counts():
            more = value - self._told.get((what, label), 0.0)
            if more > 0:
                found.setdefault(what, {})[label] = more
            self._told[what, label] = value
        return found

    def _counts(self) -> Iterator[tuple[str, str, float]]:
        """As they stand: what, of which kind, how many."""
        counters = {
            "served": (self.pictures_served, "outcome"),
            "failures": (self.failures, "failure_class"),
        }
        for what, (counter, label) in counters.items():
            for sample in next(iter(counter.collect())).samples:
                if sample.name.endswith("_total"):
                    yield what, sample.labels[label], sample.value
        below = 0.0
        for sample in next(iter(self.first_picture_seconds.collect())).samples:
            if sample.name.endswith("_bucket") and sample.labels["outcome"] == FIRST_PICTURE:
                yield "first_picture", sample.labels["le"], sample.value - below
                below = sample.value

    def expect_answers(self, service: str, route: str) -> None:
        """What is alerted on is there before it first happens."""
        for status in (500, 503):
            self.answered(service, route, status)

    @contextmanager
    def waiting_for(self, what: str) -> Iterator[Callable[[], None]]:
        """A job waits for a `slot` or a `seat` until what this gives is called, or the block is left."""
        gauge, began = self.job_waits.labels(what), time.perf_counter()
        waits = True

        def ended() -> None:
            nonlocal waits
            if waits:
                waits = False
                gauge.dec()
                self.job_wait_seconds.labels(what).observe(time.perf_counter() - began)

        gauge.inc()
        try:
            yield ended
        finally:
            ended()
