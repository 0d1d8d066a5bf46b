#!/usr/bin/env bash
# About: aiohttp-retry, requests that are tried again when a server is busy for a moment.
# Guess: a POST is not sent again unless one asks for it; or if it is, with the same body, or an error where the body cannot be
#   read a second time.
# Behaviour: every method is sent again after a 5xx. A body of bytes comes whole each time; an open file is at its end by then,
#   so that the second try sends nothing, and 200 says that the upload went well: an empty file.
# Versions: aiohttp-retry 2.9.1, aiohttp 3.14.5. Source: observed.
source "$(dirname "$0")/sandbox.sh"
packages aiohttp-retry==2.9.1 aiohttp==3.14.5
in_python <<'PYTHON'
import asyncio, io, sys
from aiohttp import web
from aiohttp_retry import ExponentialRetry, RetryClient

async def arrives(body):
    came = []

    async def upload(request):
        came.append(await request.read())
        return web.Response(status=503 if len(came) == 1 else 200)

    app = web.Application()
    app.router.add_post("/upload", upload)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with RetryClient(retry_options=ExponentialRetry(attempts=3, start_timeout=0.01)) as client:
        async with client.post(f"http://127.0.0.1:{port}/upload", data=body) as answer:
            status = answer.status
    await runner.cleanup()
    return status, came

async def main():
    return await arrives(b"a poster"), await arrives(io.BytesIO(b"a poster"))

seen = asyncio.run(main())
for what, (status, came) in zip(("bytes", "a file"), seen):
    print(f"{what}: answered {status}; what the server got: {came}")
sys.exit(seen != ((200, [b"a poster", b"a poster"]), (200, [b"a poster", b""])))
PYTHON
