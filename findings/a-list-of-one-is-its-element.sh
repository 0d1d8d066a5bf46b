#!/usr/bin/env bash
# About: cashews, a cache whose keys are made from a function's arguments (`@cache(ttl="1m")`).
# Guess: two calls share an answer where their arguments are equal, as with functools.lru_cache, of other types perhaps where they print
#   alike (1 and "1").
# Behaviour: lists, tuples, sets and dictionaries are joined with colons, and None is nothing: titles(["a"]) answers titles("a") with a
#   list where a title was wanted; [1, 2], {1: 2} and the text "1:2" are one; posters(language=None), "any", answers for "" ("without
#   words") and for []. True is "true". On the other hand 1 and 1.0, which are equal, are two.
# Version: cashews 7.6.0. Source: its README shows keys as templates of arguments, without their types; observed.
source "$(dirname "$0")/sandbox.sh"
packages cashews==7.6.0
in_python <<'PYTHON'
import asyncio, sys
from cashews import cache

cache.setup("mem://")

@cache(ttl="1m")
async def asked(what):
    return what

async def main():
    shared = [("a", ["a"]), ([1, 2], "1:2"), ({1: 2}, (1, 2)), (None, ""), ("", []), (True, "true"), (1, 1.0)]
    seen = []
    for first, second in shared:
        await cache.clear()
        seen.append([await asked(first), await asked(second)])
        print(f"{first!r:8} then {second!r:8} answers {seen[-1][1]!r}")
    sys.exit([repr(pair[1]) for pair in seen] != ["'a'", "[1, 2]", "{1: 2}", "None", "''", "True", "1.0"])

asyncio.run(main())
PYTHON
