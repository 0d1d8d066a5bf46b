"""Load by wrk: bounded in connections and time, against addresses of this machine only. Asked as browsers ask, for whom a
hit is: what no client sends measures nothing.
"""

import asyncio
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

CONNECTIONS = 32
SECONDS = 2
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
    "Accept-Language: de,en-US;q=0.7,en;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Connection: keep-alive",
    "Referer: http://localhost:3000/",
    "Sec-Fetch-Dest: image",
    "Sec-Fetch-Mode: no-cors",
    "Sec-Fetch-Site: same-site",
    "Priority: u=5, i",
)
FRONT_END = tuple(header for header in BROWSER if not header.startswith("Connection"))
"""The same through a proxy that drops what is meant for the connection, as most do."""
ROUNDS = 5

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What one run saw. Latencies in milliseconds."""

    requests: int
    per_second: float
    median_ms: float
    p99_ms: float


async def load(
    url: str,
    *,
    connections: int = CONNECTIONS,
    seconds: int = SECONDS,
    script: Path | None = None,
    headers: Sequence[str] = BROWSER,
) -> Load:
    """Raise RuntimeError when anything but success was answered."""
    extra = ("-s", str(script)) if script else ()
    process = await asyncio.create_subprocess_exec(
        *("wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency"),
        *(word for header in headers for word in ("-H", header)),
        *(*extra, url),
        stdout=asyncio.subprocess.PIPE,
    )
    said = (await process.communicate())[0].decode()
    if "Non-2xx" in said or "Socket errors" in said or "Requests/sec" not in said:
        raise RuntimeError(f"{url}: {said}")
    found, requests = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"(\d+) requests in", said)
    assert found
    assert requests
    return Load(int(requests[1]), float(found[1]), _percentile(said, 50), _percentile(said, 99))


async def compared(ours: str, reference: str) -> tuple[float, float, float]:
    """Requests per second of both, taken in turns, and the median of the rounds' ratios."""
    rounds = [((await load(ours)).per_second, (await load(reference)).per_second) for _ in range(ROUNDS)]
    ratio = statistics.median(mine / other for mine, other in rounds)
    return statistics.median(r[0] for r in rounds), statistics.median(r[1] for r in rounds), ratio


@dataclass(frozen=True, slots=True)
class Served:
    """What is asked for, how, and which process answers."""

    url: str
    pid: int
    headers: Sequence[str] = BROWSER


async def cpu_us(all_: Mapping[str, Served]) -> dict[str, float]:
    """CPU of the process per request, in microseconds: medians of rounds taken in turns."""
    rounds: dict[str, list[float]] = {name: [] for name in all_}
    for _ in range(ROUNDS):
        for name, served in all_.items():
            before = cpu_s(served.pid)
            seen = await load(served.url, headers=served.headers)
            rounds[name].append((cpu_s(served.pid) - before) / seen.requests * 1_000_000)
    return {name: statistics.median(each) for name, each in rounds.items()}


def cpu_s(pid: int, *, children: bool = False) -> float:
    """User and system, so far; with its children as they live now, where asked for."""
    process = psutil.Process(pid)
    counted = [process, *(process.children(recursive=True) if children else ())]
    return float(sum(sum(one.cpu_times()[:2]) for one in counted))


def _percentile(said: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", said, re.MULTILINE)
    assert found
    return float(found[1]) * _UNITS[found[2]]
