"""The model against a run: one proxy pinned to one core, asked for a mixture of what it was measured with one by one."""

import os
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.load import BROWSER, CONNECTIONS, ROUNDS, Served, cpu_s, cpu_us, load
from tests.bench.report import Figure
from tests.bench.standing import Standing, etag_of
from tests.capacity.measuring import served_by

_WITHIN = 0.2
_MIXTURE = {"proxy_hit_us": 7, "proxy_named_us": 2, "proxy_unchanged_us": 1}
"""Of ten requests."""


@dataclass(frozen=True, slots=True)
class _Seen:
    us: float
    per_second: float


async def checked(stored: Standing) -> list[Figure]:
    """Processor time a request, and the rate beyond which the proxy's core has nothing left."""
    known = await etag_of(stored.proxy.address + stored.by_url)
    served = served_by(stored, known)
    pinned = _pin(stored.proxy.pid)
    try:
        singly = await cpu_us(served)
        seen = await _mixed(stored, served, known)
    finally:
        os.sched_setaffinity(0, pinned)
    share = sum(_MIXTURE.values())
    model_us = sum(singly[name] * many / share for name, many in _MIXTURE.items())
    return [
        _figure("processor time of a request in a mixture, one proxy", seen.us, model_us, "µs"),
        _figure("the rate at which its one core is busy", seen.per_second, 1e6 / model_us, "/s"),
    ]


def _pin(pid: int) -> set[int]:
    """The service has the first core, who asks the others; return which were ours before."""
    before = os.sched_getaffinity(0)
    first, *others = sorted(before)
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {first})
    os.sched_setaffinity(0, others or {first})
    return before


async def _mixed(stored: Standing, served: dict[str, Served], known: str) -> _Seen:
    script = stored.directory / "mixture.lua"
    script.write_text(_script(stored, served, known))
    pid, address = stored.proxy.pid, stored.proxy.address
    rounds = []
    for _ in range(ROUNDS):
        before = cpu_s(pid)
        seen = await load(address, connections=CONNECTIONS, script=script)
        rounds.append(_Seen((cpu_s(pid) - before) / seen.requests * 1e6, seen.per_second))
    return _Seen(median(each.us for each in rounds), median(each.per_second for each in rounds))


def _script(stored: Standing, served: dict[str, Served], known: str) -> str:
    """For wrk: the requests of the mixture, over and over. An ETag stands for one that the client has."""
    address = stored.proxy.address
    requests = []
    for name, many in _MIXTURE.items():
        path = served[name].url.removeprefix(address)
        fields = [field.split(": ", 1) for field in BROWSER]
        if name == "proxy_unchanged_us":
            fields.append(["If-None-Match", known])
        headers = ",".join(f"['{key}']='{value}'" for key, value in fields)
        requests += [f"wrk.format('GET','{path}',{{{headers}}})"] * many
    return (
        f"init=function() all={{{','.join(requests)}}} n=0 end\n"
        "request=function() n=n+1 return all[n%#all+1] end\n"
    )


def _figure(what: str, seen: float, model: float, unit: str) -> Figure:
    ratio = seen / model
    return Figure(
        what=what,
        ours=f"{seen:,.0f} {unit}",
        reference=f"{model:,.0f} {unit} by the model",
        compared=f"{ratio:.2f} ×",
        promise=f"within {_WITHIN:.0%}",
        kept=abs(ratio - 1) <= _WITHIN,
    )
