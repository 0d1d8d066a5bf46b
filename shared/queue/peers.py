"""The processes that share a queue, as each of them tells of itself: whether they were set up alike."""

import hashlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from shared.contracts import Envelope, ServiceStats
from shared.queue.port import Queue
from shared.telemetry import Metrics

HEARD_LASTS_S = 15.0
"""So long what a process said of itself counts."""

PROCESSES_AT_MOST = 1000
SETTINGS_AT_MOST = 20
ONLY_ONE = "enricher"
"""Of this service there is one, unless all share one database (`SHARED`): else two would share out the dead letters and the
catalog's records by chance.
"""

SHARED = "DATABASE_URL"

_log = structlog.get_logger()


def fingerprint(*values: object) -> str:
    """By which two processes see whether they mean the same, and nobody sees what that is."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:8]


def alike(
    *,
    volume: str,
    allowed_hosts: Sequence[str],
    signing_keys: Sequence[str] | None = None,
    upload_signing_keys: Sequence[str] | None = None,
) -> dict[str, str]:
    """What has to be the same in all services, by the settings' names. `volume`: its identity; keys: None of who has nothing to
    do with them.
    """
    given = {"SIGNING_KEYS": signing_keys, "UPLOAD_SIGNING_KEYS": upload_signing_keys}
    keys = {name: fingerprint(value) for name, value in given.items() if value is not None}
    return {"VOLUME_URL": volume, "ALLOWED_HOSTS": fingerprint(allowed_hosts), **keys}


@dataclass(frozen=True, slots=True)
class HeardStats:
    at_s: float
    stats: ServiceStats


class Peers:
    """All processes that were heard of lately, oneself among them: what one tells, one hears."""

    def __init__(self, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._heard: dict[str, HeardStats] = {}
        self._troubles: Mapping[str, str] = {}

    @asynccontextmanager
    async def listening(self, queue: Queue) -> AsyncIterator[None]:
        async with queue.listen(self._hear_event, ServiceStats):
            yield

    def hear(self, stats: ServiceStats) -> None:
        self._forget()
        if len(self._heard) < PROCESSES_AT_MOST or stats.instance in self._heard:
            self._heard[stats.instance] = HeardStats(self._clock(), stats)
        self._judge()

    @property
    def stats(self) -> Sequence[ServiceStats]:
        """What each said last, unless that was long ago."""
        self._forget()
        return [heard.stats for heard in self._heard.values()]

    def troubles(self) -> Mapping[str, str]:
        """What is unlike that has to be alike, by the setting's name; and what there is too much of. Without the hosts'
        names, for anybody may read it.
        """
        return self._troubles

    async def _hear_event(self, event: Envelope) -> None:
        if isinstance(event.payload, ServiceStats):
            self.hear(event.payload)

    def _forget(self) -> None:
        old = self._clock() - HEARD_LASTS_S
        self._heard = {name: heard for name, heard in self._heard.items() if heard.at_s > old}

    def _judge(self) -> None:
        services, settings = self._by_service(), self._by_setting()
        for service, processes in services.items():
            self._metrics.processes.set(len(processes), service)
        found = {}
        for name, processes_of in settings.items():
            self._metrics.settings_unlike.set(float(len(processes_of) > 1), name)
            if len(processes_of) > 1:
                found[name] = "It is not the same in all services."
        sharing = [process for processes in settings.get(SHARED, {}).values() for process in processes]
        too_many = len(services[ONLY_ONE]) > max(1, len(sharing))
        self._metrics.settings_unlike.set(float(too_many), ONLY_ONE)
        if too_many:
            found[ONLY_ONE] = "There are several, and each has only a part: end all but one."
        for name in found.keys() - self._troubles.keys():
            who = settings.get(name) or {name: services[name]}
            _log.warning("services_unlike", what=name, trouble=found[name], processes=sorted(who.values()))
        for name in self._troubles.keys() - found.keys():
            _log.info("services_alike_again", what=name)
        self._troubles = found

    def _by_service(self) -> Mapping[str, list[str]]:
        """Those that have been heard of before stay, with nobody."""
        found: dict[str, list[str]] = defaultdict(
            list, {name: [] for name in self._metrics.processes.known()}
        )
        for stats in self.stats:
            found[stats.service].append(stats.instance)
        return found

    def _by_setting(self) -> Mapping[str, Mapping[str, list[str]]]:
        """Who has it how."""
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for stats in self.stats:
            for name, value in list(stats.setup.items())[:SETTINGS_AT_MOST]:
                found[name][value].append(f"{stats.service} {stats.instance}")
        return found
