"""Load by wrk: bounded in connections and time, against addresses of this machine only."""

import asyncio
import re
import statistics
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 32
SECONDS = 2
ACCEPT = "Accept: image/webp"
ROUNDS = 5

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What one run saw. Latencies in milliseconds."""

    per_second: float
    median_ms: float
    p99_ms: float


async def load(
    url: str,
    *,
    connections: int = CONNECTIONS,
    seconds: int = SECONDS,
    script: Path | None = None,
    header: str = ACCEPT,
) -> Load:
    """Raise RuntimeError when anything but success was answered."""
    extra = ("-s", str(script)) if script else ()
    process = await asyncio.create_subprocess_exec(
        *("wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-H", header, *extra, url),
        stdout=asyncio.subprocess.PIPE,
    )
    said = (await process.communicate())[0].decode()
    if "Non-2xx" in said or "Socket errors" in said or "Requests/sec" not in said:
        raise RuntimeError(f"{url}: {said}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found
    return Load(float(found[1]), _percentile(said, 50), _percentile(said, 99))


async def compared(ours: str, reference: str) -> tuple[float, float, float]:
    """Requests per second of both, taken in turns, and the median of the rounds' ratios."""
    rounds = [((await load(ours)).per_second, (await load(reference)).per_second) for _ in range(ROUNDS)]
    ratio = statistics.median(mine / other for mine, other in rounds)
    return statistics.median(r[0] for r in rounds), statistics.median(r[1] for r in rounds), ratio


def _percentile(said: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", said, re.MULTILINE)
    assert found
    return float(found[1]) * _UNITS[found[2]]
