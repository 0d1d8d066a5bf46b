#!/usr/bin/env bash
# About: gql 4 against a GraphQL API that answers 429 with `Retry-After` and, as many do, a JSON body with `errors`.
# Guess: TransportServerError with code 429 and the headers, as for every status from 400 on.
# Behaviour: where the body is GraphQL, the status is not looked at: TransportQueryError, the same as for a misspelled field, with no
#   code and no headers. "Too many" looks like our mistake, and is never waited out. With HTML as the body code is 429. The
#   headers can be had from transport.response_headers (of the last answer, whosever it was).
# Versions: gql 4.4.0, aiohttp 3.14.5. Source: observed.
source "$(dirname "$0")/sandbox.sh"
packages gql==4.4.0 graphql-core==3.3.2 aiohttp==3.14.5
in_python <<'PYTHON'
import asyncio, sys
from aiohttp import web
from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport

async def refuse(request):
    headers = {"Retry-After": "7"}
    if request.path == "/json":
        return web.json_response({"errors": [{"message": "Too Many Requests."}]}, status=429, headers=headers)
    return web.Response(text="<h1>Too many</h1>", content_type="text/html", status=429, headers=headers)

async def refusal(url):
    try:
        async with Client(transport=AIOHTTPTransport(url=url)) as session:
            return await session.execute(gql("{ book { title } }"))
    except Exception as error:
        return type(error).__name__, getattr(error, "code", None)

async def main():
    app = web.Application()
    app.router.add_post("/{kind}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    as_json, as_html = await refusal(f"{origin}/json"), await refusal(f"{origin}/html")
    await runner.cleanup()
    print("429 with JSON:", as_json, "| 429 with HTML:", as_html)
    sys.exit((as_json, as_html) != (("TransportQueryError", None), ("TransportServerError", 429)))

asyncio.run(main())
PYTHON
