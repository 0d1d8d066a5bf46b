#!/usr/bin/env bash
# About: aiohttp's router, a route for whatever nobody handles that is registered before the others.
# Guess: the first registered route that fits answers, as the documentation has it: then it answers everything. Or paths
#   without variables come first: then it answers nothing that has a route of its own.
# Behaviour: both at once. A later route for /healthz is found before it, and so is /a/{name}; a later route for /, and one whose
#   first part is a variable (/{key}/status), are never reached.
# Versions: aiohttp 3.14.5. Source: observed.
source "$(dirname "$0")/sandbox.sh"
packages aiohttp==3.14.5
in_python <<'PYTHON'
import asyncio, sys
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

ROUTES = ("/{anything:.*}", "/healthz", "/a/{name}", "/", "/{key}/status")

def saying(route):
    async def answer(_request):
        return web.Response(text=route)
    return answer

async def main():
    app = web.Application()
    for route in ROUTES:
        app.router.add_get(route, saying(route))
    async with TestClient(TestServer(app)) as client:
        return {path: await (await client.get(path)).text() for path in ("/healthz", "/a/b", "/", "/k/status")}

seen = asyncio.run(main())
for path, route in seen.items():
    print(f"GET {path}: answered by {route}")
catch_all = ROUTES[0]
sys.exit(seen != {"/healthz": "/healthz", "/a/b": "/a/{name}", "/": catch_all, "/k/status": catch_all})
PYTHON
