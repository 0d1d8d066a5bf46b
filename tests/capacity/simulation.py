"""The plan as a network of queues, in simulated time: how long requests of each kind take, with their waits.

Requests come as they like (Poisson), and work takes an exponential time about its mean, which varies more than ours does:
what is found is rather too long than too short. What leaves such a station comes as it likes to the next (Burke's theorem),
so that each station is simulated by itself, and a request's time is the sum of a wait and a work drawn at each.
"""

import heapq
import random
from collections.abc import Mapping, Sequence
from statistics import quantiles

from tests.capacity.model import Plan, ServiceTimes, Visits, visits

_WATCHED = 20_000
_PASSED_OVER = 4_000
"""The first ones, who find nobody there yet."""


def simulated(plan: Plan, times: ServiceTimes, *, seed: int = 1) -> Mapping[str, tuple[float, float]]:
    """The median and the 95th percentile of each kind that comes at all, in seconds."""
    chance = random.Random(seed)
    kinds = {name: kind for name, kind in visits(plan.site, times).items() if kind.per_second}
    waits = {
        name: waits_s(_work(name, kinds), plan.stations[name].servers, chance)
        for name in sorted({station for kind in kinds.values() for station, _ in kind.path})
    }
    return {name: _percentiles(kind, waits, chance) for name, kind in kinds.items()}


def _percentiles(
    kind: Visits, waits: Mapping[str, Sequence[float]], chance: random.Random
) -> tuple[float, float]:
    took = []
    for _ in range(_WATCHED):
        at_stations = sum(chance.choice(waits[name]) + chance.expovariate(1 / s) for name, s in kind.path)
        for_others = chance.expovariate(1 / kind.waits_s) if kind.waits_s else 0
        took.append(at_stations + for_others)
    cuts = quantiles(took, n=20)
    return cuts[9], cuts[18]


def _work(station: str, kinds: Mapping[str, Visits]) -> Sequence[tuple[float, float]]:
    """How many come a second, and how long each keeps a server."""
    return [
        (kind.per_second, seconds)
        for kind in kinds.values()
        for name, seconds in kind.path
        if name == station
    ]


def waits_s(
    work: Sequence[tuple[float, float]], servers: int, chance: random.Random, *, watched: int = _WATCHED
) -> Sequence[float]:
    """How long each of those who come waits for the first server that is free, whatever it comes for."""
    rates, means = zip(*work, strict=True)
    free_at, now, waits = [0.0] * servers, 0.0, []
    for mean_s in chance.choices(means, rates, k=_PASSED_OVER + watched):
        now += chance.expovariate(sum(rates))
        began = max(now, free_at[0])
        heapq.heapreplace(free_at, began + chance.expovariate(1 / mean_s))
        waits.append(began - now)
    return waits[_PASSED_OVER:]
