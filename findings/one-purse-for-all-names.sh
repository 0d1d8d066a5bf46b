#!/usr/bin/env bash
# About: pyrate-limiter 4, one Limiter for the services that are asked, each acquire with its service's name.
# Guess: each name has its own allowance: the first argument is a key, and its page promises limits by key, "services, users, or resources
#   independently".
# Behaviour: Limiter(Rate(2, Duration.SECOND)) is one allowance for all names, which are labels: one request to TMDB and one to Trakt,
#   and Twitch has to wait. And what is heavier than the rate allows is False at once, blocking=True or not: who relies on waiting and
#   does not look at the answer sends it. One Limiter for each service, or a BucketFactory of one's own that goes by name.
# Version: pyrate-limiter 4.5.1. Source: its issues 153 and 238 (closed; 2.x kept names apart); the heavy one was observed.
source "$(dirname "$0")/sandbox.sh"
packages pyrate-limiter==4.5.1
in_python <<'PYTHON'
import asyncio, sys, time
from pyrate_limiter import Duration, Limiter, Rate

async def main():
    limiter = Limiter(Rate(2, Duration.MINUTE))
    allowed = {(name, turn): await limiter.try_acquire_async(name, blocking=False) for turn in (1, 2) for name in ("tmdb", "trakt", "twitch")}
    print("two a minute, by name and turn:", allowed)
    began = time.monotonic()
    heavy = await Limiter(Rate(2, Duration.MINUTE)).try_acquire_async("tmdb", weight=3, blocking=True)
    print(f"weight of three, blocking: {heavy} after {time.monotonic() - began:.3f} s")
    return sum(allowed.values()) != 2 or heavy is not False

sys.exit(asyncio.run(asyncio.wait_for(main(), 50)))
PYTHON
