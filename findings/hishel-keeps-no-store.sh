#!/usr/bin/env bash
# About: hishel 2, the HTTP cache for httpx.
# Guess: it follows RFC 9111, as it says of itself and as 0.x and 1.x did: no-store is not stored, Vary and max-age count.
# Behaviour: since 2.0 it follows nothing of that unless rfc=True is given. The default answers every further GET of a
#   URL from the cache, for ever: no-store, Vary: Accept-Language, no-cache with an ETag, max-age long past.
# Versions: hishel 2.0.0 (1.4.0 not), httpx 0.28.1. Source: the parameter `rfc` of its transports, False by default; observed.
source "$(dirname "$0")/sandbox.sh"
packages hishel==2.0.0 httpx==0.28.1 anysqlite==0.0.5
in_python "$work/cache.db" <<'PYTHON'
import asyncio, sys, time
from collections import Counter
from email.utils import formatdate
import httpx
from hishel import AsyncSqliteStorage
from hishel.httpx import AsyncCacheTransport

HEADERS = {
    "/no-store": {"Cache-Control": "no-store"},
    "/vary": {"Cache-Control": "max-age=60", "Vary": "Accept-Language"},
    "/no-cache": {"Cache-Control": "no-cache", "ETag": '"1"'},
    "/past": {"Cache-Control": "max-age=60", "Date": formatdate(time.time() - 3600, usegmt=True)},
}

async def asked_of_the_server(rfc):
    asked = Counter()

    def answer(request):
        asked[request.url.path] += 1
        return httpx.Response(200, headers=HEADERS[request.url.path], text=request.headers["Accept-Language"])

    storage = AsyncSqliteStorage(database_path=f"{sys.argv[1]}-{rfc}")
    settings = {"rfc": True} if rfc else {}
    transport = AsyncCacheTransport(next_transport=httpx.MockTransport(answer), storage=storage, **settings)
    async with httpx.AsyncClient(transport=transport) as client:
        for path in HEADERS:
            for language in ("de", "pt"):
                await client.get(f"http://pictures.example{path}", headers={"Accept-Language": language})
    return dict(asked)

default, by_the_rfc = asyncio.run(asked_of_the_server(False)), asyncio.run(asked_of_the_server(True))
print("requests that reach the server, of two each:", default, "with rfc=True:", by_the_rfc)
sys.exit(set(default.values()) != {1} or set(by_the_rfc.values()) != {2})
PYTHON
