"""`make fuzz`: mutants of all pictures there are, by the dice of a seed; one of ten goes through all services."""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.telemetry import LogSettings, configure_logs
from tests.fuzz.hunt import Findings, hunt, mutants
from tests.fuzz.seeds import Seed, collected, drawn
from tests.fuzz.whole import hunt_through
from tests.integration.onesheet import QUICK_DELAYS, running_onesheet
from tests.providers.picture_host import PictureHost

THROUGH_ALL = 10


async def main(count: int, seed: int) -> int:
    seeds = drawn() + collected()
    through_all = count // THROUGH_ALL
    begun = time.monotonic()
    alone = await hunt(mutants(seeds, count - through_all, seed))
    whole = await _through_all(seeds, through_all, seed + 1)
    print(f"{count} mutants of {len(seeds)} pictures, seed {seed}, in {time.monotonic() - begun:.0f} s")
    for outcome, times in (alone.outcomes + whole.outcomes).most_common():
        print(f"{times:8}  {outcome}")
    print(f"slowest {alone.slowest_s:.1f} s, largest renderer {alone.largest_bytes / 1024**2:.0f} MB")
    for died in alone.died + whole.died:
        print(f"died  {died}")
    for wrong in alone.wrong + whole.wrong:
        print(f"WRONG {wrong}")
    return 1 if alone.wrong or whole.wrong else 0


async def _through_all(seeds: tuple[Seed, ...], count: int, seed: int) -> Findings:
    with TemporaryDirectory(prefix="fuzz-") as name:
        async with PictureHost.running() as host:
            authority = host.root.removeprefix("http://")
            os.environ.update(
                ALLOWED_HOSTS=authority, ALLOW_PRIVATE=authority, DISK_FREE_FLOOR_GB="0", LOG_LEVEL="error"
            )
            configure_logs(LogSettings())
            running = running_onesheet(
                Path(name), host, proxy=ProxySettings(), fetcher=FetcherSettings(), delays=QUICK_DELAYS
            )
            async with running as onesheet:
                return await hunt_through(onesheet, mutants(seeds, count, seed))


if __name__ == "__main__":
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--count", type=int, default=5000)
    said.add_argument("--seed", type=int, default=1)
    arguments = said.parse_args()
    sys.exit(asyncio.run(main(arguments.count, arguments.seed)))
