"""The capacity model: what a plan promises, and waits as queueing theory has them where it has a formula."""

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.capacity.__main__ import NEEDS, markdown, needs, sites
from tests.capacity.model import BUSY, Machine, Prices, ServiceTimes, Site, plan, visits
from tests.capacity.simulation import simulated, waits_s

TIMES = ServiceTimes.read()
SMALL = Site(pictures=1_000_000, requests=1_000, on_objects=False)
LARGE = Site(pictures=100_000_000, requests=100_000, on_objects=True)
DOCUMENT = Path(__file__).parents[2] / "docs/capacity.md"


@pytest.mark.parametrize("site", [SMALL, LARGE], ids=["on files", "on objects"])
def test_no_server_of_a_plan_works_more_than_its_share(site: Site) -> None:
    made = plan(site, TIMES)
    assert all(made.stations[name].busy <= BUSY for name in ("nginx", "proxy", "fetcher", "renderer"))
    assert made.stations["network"].busy <= BUSY
    assert made.first[1] >= 1


def test_every_request_is_of_one_kind_and_new_pictures_are_no_more_than_requests() -> None:
    for site in (SMALL, LARGE, replace(SMALL, pictures=10**12)):
        assert sum(kind.per_second for kind in visits(site, TIMES).values()) == pytest.approx(
            max(site.requests, site.misses + site.requests * site.pages)
        )
        assert site.misses <= site.requests


def test_twice_the_requests_keep_twice_as_many_busy() -> None:
    once, twice = plan(LARGE, TIMES), plan(replace(LARGE, requests=2 * LARGE.requests), TIMES)
    assert twice.stations["proxy"].load == pytest.approx(2 * once.stations["proxy"].load, rel=0.01)
    assert twice.stations["renderer"].load == pytest.approx(once.stations["renderer"].load)


def test_what_the_network_cannot_carry_takes_more_machines() -> None:
    slow = Machine(cores=10_000, network_bytes_s=1e8)
    made = plan(LARGE, TIMES, machine=slow)
    assert made.machines == math.ceil(made.sent_bytes_s / 1e8 / BUSY)


def test_a_store_of_objects_bills_its_requests_and_a_file_system_none() -> None:
    dear, free = Prices(reads=1000, writes=1000), Prices(reads=0, writes=0)
    assert plan(SMALL, TIMES, prices=dear).euros == plan(SMALL, TIMES, prices=free).euros
    assert plan(LARGE, TIMES, prices=dear).euros > plan(LARGE, TIMES, prices=free).euros


@pytest.mark.parametrize(("servers", "busy"), [(1, 0.5), (1, 0.8), (4, 0.7), (40, 0.9)])
def test_waits_are_those_of_erlangs_formula(servers: int, busy: float) -> None:
    waits = waits_s([(busy * servers, 1.0)], servers, random.Random(2), watched=200_000)
    mean = sum(waits) / len(waits)
    assert mean == pytest.approx(_erlang_wait_s(servers, busy), rel=0.15)


def _erlang_wait_s(servers: int, busy: float) -> float:
    """The mean wait of M/M/c where a server takes one second: Erlang's C divided by what is free."""
    offered = servers * busy
    terms = [offered**n / math.factorial(n) for n in range(servers)]
    last = offered**servers / math.factorial(servers) / (1 - busy)
    return last / (sum(terms) + last) / (servers - offered)


def test_a_kind_takes_its_own_work_and_the_waits_at_others_however_seldom_it_comes() -> None:
    took = simulated(plan(SMALL, TIMES), TIMES)
    miss = visits(SMALL, TIMES)["miss"]
    alone_s = sum(seconds for _, seconds in miss.path) + miss.waits_s
    assert 0.5 * alone_s < took["miss"][0] < took["miss"][1] < 8 * alone_s
    assert took["hit"][0] < took["miss"][0]
    assert simulated(plan(SMALL, TIMES), TIMES) == took


def test_the_document_has_what_the_model_gives() -> None:
    table = markdown(NEEDS, needs(plan(site, TIMES) for site in sites()))
    assert table in DOCUMENT.read_text()
