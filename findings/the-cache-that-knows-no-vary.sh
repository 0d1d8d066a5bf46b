#!/usr/bin/env bash
# About: aiohttp-client-cache with cache_control=True, before an API that answers by Accept-Language and says so in Vary.
# Guess: with its HTTP semantics switched on, no-store, max-age and Vary are kept to.
# Behaviour: cache_control covers no-store, max-age, Expires and ETag, not Vary: who asks for `pt` gets the German answer that was
#   stored for `de`. include_headers=True puts every request header into the key, so that each trace id misses;
#   between the two lies nothing. Put the language into the URL.
# Version: aiohttp-client-cache 0.15.0, aiohttp 3.14.5. Source: its documentation of cache_control lists what it reads; observed.
source "$(dirname "$0")/sandbox.sh"
packages aiohttp-client-cache==0.15.0 aiohttp==3.14.5
in_python <<'PYTHON'
import asyncio, sys
from aiohttp import web
from aiohttp_client_cache import CacheBackend, CachedSession

async def text_in_a_language(request):
    headers = {"Cache-Control": "no-store" if request.path == "/no-store" else "max-age=60", "Vary": "Accept-Language"}
    return web.Response(text=request.headers["Accept-Language"], headers=headers)

async def answers(url, **settings):
    """To de, to pt, and to pt with another trace id; whether that came from the cache."""
    async with CachedSession(cache=CacheBackend(cache_control=True, **settings)) as session:
        found = []
        for language, trace in (("de", "1"), ("pt", "1"), ("pt", "2")):
            async with session.get(url, headers={"Accept-Language": language, "X-Trace": trace}) as response:
                found.append((await response.text(), response.from_cache))
        return found

async def main():
    app = web.Application()
    app.router.add_get("/{path}", text_in_a_language)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    no_store, vary = await answers(f"{origin}/no-store"), await answers(f"{origin}/title")
    by_headers = await answers(f"{origin}/title", include_headers=True)
    await runner.cleanup()
    print("asked for de, pt, pt: no-store", no_store, "\nVary", vary, "\nwith include_headers", by_headers)
    right = [("de", False), ("pt", False), ("pt", False)]
    sys.exit((no_store, vary, by_headers) != (right, [("de", False), ("de", True), ("de", True)], right))

asyncio.run(main())
PYTHON
