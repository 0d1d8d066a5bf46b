"""What a site of so many pictures and requests needs, from measured service times: cores, machines, bytes, money.

Every number that is assumed rather than measured is a field of `Site` or of `Prices`, with its unit, so that somebody who
knows better can say so.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BUSY = 0.6
"""Up to this share of its time a server may work: beyond it waits grow fast."""
_DAY_S, _MONTH_S = 86_400, 30 * 86_400
_MEASURED = Path(__file__).with_name("measured.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTimes:
    """Processor time in microseconds of one core, bytes, and requests to the store; `machine` says of which."""

    machine: str
    nginx_hit_us: float
    nginx_passes_on_us: float
    proxy_hit_us: float
    proxy_named_us: float
    proxy_unchanged_us: float
    proxy_miss_us: float
    fetcher_miss_us: float
    renderer_miss_us: float
    enricher_name_us: float
    enricher_page_us: float
    broker_miss_us: float
    hit_bytes: int
    page_bytes: int
    stored_bytes: int
    store_reads_a_miss: float
    store_writes_a_miss: float

    @classmethod
    def read(cls, file: Path = _MEASURED) -> "ServiceTimes":
        return cls(**json.loads(file.read_text()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`pictures` are kept, `requests` come a second. `renewed_days`: after so long a picture has been replaced, or its title
    has given its place to another; `at_the_store`: the share of hits that a proxy's own disk does not have.
    """

    pictures: int
    requests: float
    on_objects: bool
    unchanged: float = 0.1
    named: float = 0.2
    pages: float = 1 / 60
    renewed_days: float = 90
    at_the_store: float = 0.02
    download_s: float = 0.3
    store_s: float = 0.02
    provider_calls: float = 40

    @property
    def misses(self) -> float:
        """New pictures a second: no more than are asked for."""
        return min(self.pictures / (self.renewed_days * _DAY_S), self.requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Euros. `core`: of a machine's core a month; `gigabyte` kept a month on disks or in the store; `sent` a terabyte of
    traffic; `reads` and `writes`: a million requests to the store.
    """

    core: float = 8
    gigabyte: float = 0.02
    sent: float = 1
    reads: float = 0.4
    writes: float = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    cores: int = 16
    network_bytes_s: float = 10e9 / 8


@dataclass(frozen=True, slots=True)
class Station:
    """Where work is done: `load` is how many servers it keeps busy without a pause, `servers` how many there are."""

    load: float
    servers: int

    @property
    def busy(self) -> float:
        return self.load / self.servers


@dataclass(frozen=True, slots=True)
class Plan:
    """`machines` carry all processes; `euros` are a month's; `days_to_fill` the store from nothing."""

    site: Site
    stations: Mapping[str, Station]
    machines: int
    stored_bytes: float
    sent_bytes_s: float
    euros: float
    days_to_fill: float

    @property
    def first(self) -> tuple[str, float]:
        """What saturates first, and at how many times this site's load."""
        name = max(self.stations, key=lambda each: self.stations[each].busy)
        return name, 1 / self.stations[name].busy


@dataclass(frozen=True, slots=True)
class Visits:
    """How often requests of a kind come a second, and where each is worked at for how long, in turn, in seconds."""

    per_second: float
    path: tuple[tuple[str, float], ...]
    waits_s: float = 0
    """For others, whose time is not ours: the picture's host, the store."""


def visits(site: Site, times: ServiceTimes) -> dict[str, Visits]:
    """The kinds of requests. A page takes its pictures' requests with it; a miss is asked for by name and resolved once."""
    us = 1e-6
    misses, pages = site.misses, site.requests * site.pages
    served = max(0.0, site.requests - misses - pages)
    unchanged, named = served * site.unchanged, served * site.named
    plain = served - unchanged - named
    through = (("nginx", times.nginx_passes_on_us * us),)
    if site.on_objects:
        cold = plain * site.at_the_store
        kinds = {
            "hit": Visits(plain - cold, (*through, ("proxy", times.proxy_hit_us * us))),
            "cold hit": Visits(
                cold, (*through, ("proxy", 2 * times.proxy_hit_us * us)), waits_s=2 * site.store_s
            ),
            "named": Visits(named, (*through, ("proxy", times.proxy_named_us * us))),
            "unchanged": Visits(unchanged, (*through, ("proxy", times.proxy_unchanged_us * us))),
        }
    else:
        kinds = {"hit": Visits(served, (("nginx", times.nginx_hit_us * us),))}  # whatever its form
    miss = (
        *through,
        ("proxy", times.proxy_miss_us * us),
        ("enricher", times.enricher_name_us * us),
        ("broker", times.broker_miss_us * us),
        ("fetcher", times.fetcher_miss_us * us),
        ("renderer", times.renderer_miss_us * us),
    )
    waits_s = site.download_s + (4 * site.store_s if site.on_objects else 0)
    kinds["miss"] = Visits(misses, miss, waits_s=waits_s)
    kinds["page"] = Visits(pages, (*through, ("enricher", times.enricher_page_us * us)))
    return kinds


def plan(
    site: Site,
    times: ServiceTimes,
    *,
    prices: Prices = Prices(),
    machine: Machine = Machine(),
) -> Plan:
    """The fewest servers of each kind that work no more than `BUSY` of their time."""
    kinds = visits(site, times)
    loads: dict[str, float] = {}
    for kind in kinds.values():
        for station, seconds in kind.path:
            loads[station] = loads.get(station, 0) + kind.per_second * seconds
    stations = {name: Station(load, max(1, math.ceil(load / BUSY))) for name, load in loads.items()}
    pages = kinds["page"].per_second
    sent = (site.requests * (1 - site.unchanged) - pages) * times.hit_bytes + pages * times.page_bytes
    cores = sum(station.servers for station in stations.values())
    machines = max(math.ceil(cores / machine.cores), math.ceil(sent / machine.network_bytes_s / BUSY))
    stations["network"] = Station(sent / machine.network_bytes_s, machines)
    stations["provider"] = Station(site.misses / site.provider_calls, 1)
    stored = site.pictures * times.stored_bytes
    return Plan(
        site,
        stations,
        machines,
        stored,
        sent,
        _euros(
            site, kinds, times, prices, cores=machines * machine.cores, stored_bytes=stored, sent_bytes_s=sent
        ),
        site.pictures / site.provider_calls / _DAY_S,
    )


def _euros(
    site: Site,
    kinds: Mapping[str, Visits],
    times: ServiceTimes,
    prices: Prices,
    *,
    cores: int,
    stored_bytes: float,
    sent_bytes_s: float,
) -> float:
    euros = cores * prices.core + stored_bytes / 1e9 * prices.gigabyte
    euros += sent_bytes_s * _MONTH_S / 1e12 * prices.sent
    if site.on_objects:
        reads = 2 * kinds["cold hit"].per_second + site.misses * times.store_reads_a_miss
        euros += reads * _MONTH_S / 1e6 * prices.reads
        euros += site.misses * times.store_writes_a_miss * _MONTH_S / 1e6 * prices.writes
    return euros
