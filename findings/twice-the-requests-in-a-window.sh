#!/usr/bin/env bash
# About: aiolimiter before a provider that allows ten requests a second (or 40 in ten seconds).
# Guess: AsyncLimiter(10, 1) lets at most ten through in any second.
# Behaviour: it is a bucket that leaks: after a pause ten pass at once, and nine more while it drains: 19 within the first
#   second, nearly twice what the provider counts in its window, so that 429s come exactly after quiet times.
#   The burst has to be paid for: AsyncLimiter(1, 0.1), or a sliding window (pyrate-limiter).
# Version: aiolimiter 1.3.0. Source: its documentation calls it a leaky bucket with bursts; the sum was observed.
source "$(dirname "$0")/sandbox.sh"
packages aiolimiter==1.3.0
in_python <<'PYTHON'
import asyncio, sys
from aiolimiter import AsyncLimiter

async def most_in_a_second(limiter):
    loop, passed = asyncio.get_running_loop(), []

    async def ask():
        async with limiter:
            passed.append(loop.time())

    await asyncio.gather(*(ask() for _ in range(30)))
    return max(sum(start <= at < start + 1 for at in passed) for start in passed)

async def main():
    burst, paced = await most_in_a_second(AsyncLimiter(10, 1)), await most_in_a_second(AsyncLimiter(1, 0.1))
    print("most requests within a second: AsyncLimiter(10, 1)", burst, "- AsyncLimiter(1, 0.1)", paced)
    sys.exit(not (burst >= 17 and paced <= 11))

asyncio.run(main())
PYTHON
