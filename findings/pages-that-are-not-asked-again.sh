#!/usr/bin/env bash
# About: @retry of tenacity, and of stamina, on an async generator that yields the pages of a search.
# Guess: a page that fails is asked for again; or the decorator refuses what it cannot repeat.
# Behaviour: tenacity takes it and does nothing: the call that it watches only makes the generator, which cannot fail; the first error ends the search.
#   A coroutine function beside it is tried three times. stamina does ask again, and begins with the first page: what was yielded
#   comes twice, so that a list has each title of the first pages double. Put the decorator on what asks for one page.
# Versions: tenacity 9.2.1, stamina 26.1.0. Source: tenacity's issues 63 and 64 (open since 2017); stamina's doubles were observed.
source "$(dirname "$0")/sandbox.sh"
packages tenacity==9.2.1 stamina==26.1.0
in_python <<'PYTHON'
import asyncio, sys
import stamina, tenacity

ways = {
    "tenacity": tenacity.retry(stop=tenacity.stop_after_attempt(3), reraise=True),
    "stamina": stamina.retry(on=ConnectionError, attempts=3, wait_initial=0.01, wait_max=0.01),
}

async def searched(retry):
    failures = [ConnectionError("page 3, once")]

    @retry
    async def pages():
        for page in (1, 2, 3):
            if page == 3 and failures:
                raise failures.pop()
            yield page

    seen = []
    try:
        async for page in pages():
            seen.append(page)
    except ConnectionError as error:
        seen.append(repr(error))
    return seen

async def tried(retry):
    attempts = 0

    @retry
    async def page():
        nonlocal attempts
        attempts += 1
        raise ConnectionError

    try:
        await page()
    except ConnectionError:
        return attempts

async def main():
    return {name: (await searched(retry), await tried(retry)) for name, retry in ways.items()}

stamina.instrumentation.set_on_retry_hooks([])
seen = asyncio.run(main())
for name, (pages, attempts) in seen.items():
    print(f"{name}: pages {pages}; a coroutine is tried {attempts} times")
sys.exit(not (seen["tenacity"][0] == [1, 2, "ConnectionError('page 3, once')"] and seen["stamina"][0] == [1, 2, 1, 2, 3]
              and all(attempts == 3 for _, attempts in seen.values())))
PYTHON
