"""`make capacity`: what sites need, from 1 million pictures and 1,000 requests a second to 100 and a million.

`PICTURES=5e6 REQUESTS=3000` asks for one site, `MEASURE=1` measures this machine first, `CHECK=1` compares the model with a
run and fails where it is further off than it promises.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from tests.bench.report import report
from tests.bench.standing import standing
from tests.capacity.check import checked
from tests.capacity.measuring import measured
from tests.capacity.model import Plan, ServiceTimes, Site, plan
from tests.capacity.simulation import simulated
from tests.servers.rabbitmq import RabbitNode

PICTURES = (1_000_000, 10_000_000, 100_000_000)
REQUESTS = (1_000, 10_000, 100_000, 1_000_000)
ON_FILES = 1_000_000
"""Up to so many pictures one file system is taken; beyond it a store of objects."""
_MEASURED_HERE = Path("bench-results/service-times.json")
_WORKED_AT = ("nginx", "proxy", "enricher", "broker", "fetcher", "renderer")
NEEDS = ("pictures", "requests/s", "volume", *_WORKED_AT, "machines", "stored", "sent", "a month")
GIVES = (
    "pictures",
    "requests/s",
    "new/s",
    "hit, p95",
    "miss, median",
    "miss, p95",
    "full first",
    "filled in",
)

Rows = Iterable[tuple[str, ...]]


def needs(plans: Iterable[Plan]) -> Rows:
    """Cores by service, whole machines, and what they cost."""
    for made in plans:
        yield (
            *_site(made),
            "objects" if made.site.on_objects else "files",
            *(f"{made.stations[name].servers}" for name in _WORKED_AT if name in made.stations),
            f"{made.machines}",
            f"{made.stored_bytes / 1e12:,.1f} TB",
            f"{made.sent_bytes_s * 8 / 1e9:,.1f} Gbit/s",
            f"{made.euros:,.0f} €",
        )


def gives(plans: Iterable[Plan], times: ServiceTimes) -> Rows:
    """How long who asks waits, what has nothing left first, and how long the provider takes to fill it."""
    for made in plans:
        took = simulated(made, times)
        first, times_as_much = made.first
        yield (
            *_site(made),
            f"{made.site.misses:.2g}",
            f"{took['hit'][1] * 1000:.2g} ms",
            *(f"{seconds:.2f} s" for seconds in took["miss"]),
            f"{first} at {times_as_much:.1f} ×",
            f"{made.days_to_fill:,.1f} days",
        )


def _site(made: Plan) -> tuple[str, str]:
    return f"{made.site.pictures:,}", f"{made.site.requests:,.0f}"


def sites() -> list[Site]:
    if "PICTURES" in os.environ or "REQUESTS" in os.environ:
        pictures, requests = (float(os.environ.get(name, "1e6")) for name in ("PICTURES", "REQUESTS"))
        return [Site(pictures=int(pictures), requests=requests, on_objects=pictures > ON_FILES)]
    return [
        Site(pictures=pictures, requests=requests, on_objects=pictures > ON_FILES)
        for pictures in PICTURES
        for requests in REQUESTS
    ]


def markdown(header: Sequence[str], rows: Rows) -> str:
    lines = [header, ["---:"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _measured_here(directory: Path) -> ServiceTimes:
    times = asyncio.run(measured(directory))
    _MEASURED_HERE.parent.mkdir(exist_ok=True)
    _MEASURED_HERE.write_text(json.dumps(asdict(times), indent=2) + "\n")
    return times


async def _check(directory: Path) -> int:
    """How many figures the model misses."""
    rabbitmq, stored = directory / "broker", directory / "standing"
    rabbitmq.mkdir()
    stored.mkdir()
    with closing(RabbitNode(rabbitmq)) as node:
        node.ensure_running()
        async with standing(stored, node) as there:
            return report(await checked(there))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="capacity-", dir=".") as name:
        directory = Path(name).absolute()
        directory.chmod(0o755)  # nginx reads as another user
        if os.environ.get("CHECK") == "1":
            return asyncio.run(_check(directory))
        here = os.environ.get("MEASURE") == "1"
        times = _measured_here(directory) if here else ServiceTimes.read()
    print(f"Service times of {times.machine}.\n")
    plans = [plan(site, times) for site in sites()]
    print(markdown(NEEDS, needs(plans)), markdown(GIVES, gives(plans, times)), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
