"""Work: the jobs that a process took lately, by lane, for whoever wants to know how old what is taken is."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector


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


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """What this project counts. A service fills what it does; in one process all share one."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "onesheet_requests",
            "HTTP requests answered",
            ["service", "route", "status"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "onesheet_request_seconds",
            "From request to answer",
            ["service", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._pictures = Counter(
            "onesheet_pictures_served", "Pictures by how they were had", ["outcome"], registry=self.registry
        )
        self.connections_let_go = Counter(
            "onesheet_connections_let_go",
            "Connections that were closed on clients: too many, or no header in time",
            ["reason"],
            registry=self.registry,
        )
        self.waiting = Gauge("onesheet_waiting", "Requests that wait for a picture", registry=self.registry)
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
        self.lane_depth = Gauge(
            "onesheet_lane_depth", "Messages that wait in a lane", ["lane"], registry=self.registry
        )
        self.dead_letters = Counter(
            "onesheet_dead_letters", "Jobs that failed for good", ["lane"], registry=self.registry
        )
        self.disk_bytes = Gauge(
            "onesheet_disk_bytes",
            "What pictures take on the disk, as the catalog knows",
            registry=self.registry,
        )
        self.disk_files = Gauge("onesheet_disk_files", "The same in files", registry=self.registry)
        self.disk_free_bytes = Gauge(
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
        self.work = WorkCounter()
        # Looking a child up by its labels costs more than counting: on the hot path it is looked up once.
        self.answered = lru_cache(1024)(self._answered)
        self.served = lru_cache(64)(self._pictures.labels)

    def took(self, lane: str, age_s: float) -> None:
        """That a job was taken from a lane, which was so old."""
        self.job_age_seconds.labels(lane).observe(age_s)
        self.work.took(lane, age_s)

    def _answered(self, service: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(service, route, status), self._request_seconds.labels(service, route)
