#!/usr/bin/env bash
# About: gql 4, one Client for the process and `await client.execute_async(query)` from several tasks.
# Guess: a client is shared, like aiohttp's session below it; at worst queries wait for one another.
# Behaviour: each call connects and closes the one transport. The second fails (TransportAlreadyConnected), and by failing closes
#   the connector under the first, which fails as well although it was alone when it began: of three queries at
#   once none is answered. `async with client as session`, kept open, takes all of them.
# Versions: gql 4.4.0, aiohttp 3.14.5. Source: gql's documentation, "Async permanent session", advises it; that the first
#   fails, too, was observed.
source "$(dirname "$0")/sandbox.sh"
packages gql==4.4.0 graphql-core==3.3.2 aiohttp==3.14.5
in_python 2>"$work/logged" <<'PYTHON'
import asyncio, sys
from aiohttp import web
from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport

async def answer(_request):
    await asyncio.sleep(0.3)
    return web.json_response({"data": {"book": 1}})

async def main():
    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = Client(transport=AIOHTTPTransport(url=f"http://127.0.0.1:{runner.addresses[0][1]}/"))
    query = gql("{ book }")
    calls = [client.execute_async(query) for _ in range(3)]
    shared = [type(found).__name__ for found in await asyncio.gather(*calls, return_exceptions=True)]
    async with client as session:
        kept_open = await asyncio.gather(*(session.execute(query) for _ in range(3)))
    await runner.cleanup()
    print("execute_async three times at once:", shared, "| one session:", kept_open)
    sys.exit("dict" in shared or "TransportAlreadyConnected" not in shared or kept_open != [{"book": 1}] * 3)

asyncio.run(main())
PYTHON
