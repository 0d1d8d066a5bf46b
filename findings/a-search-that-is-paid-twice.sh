#!/usr/bin/env bash
# About: aiohttp's client, a GET that costs something at a service whose connection ends before it answers.
# Guess: sent once, ServerDisconnectedError. What is sent again is what met a kept connection that was closed while idle (RFC 9112,
#   9.3.1); with force_close=True there is no kept connection.
# Behaviour: every GET, HEAD, PUT, DELETE … is sent a second time, on a fresh connection too, with force_close and with `Connection: close`.
#   Where the second one is answered there is no error, and nothing tells that there were two. A POST is sent once. A client
#   middleware that raises another error than ServerDisconnectedError or ClientOSError ends that; there is no public switch.
# Versions: aiohttp 3.14.5. Source: aiohttp/client.py, `retry_persistent_connection`; observed.
source "$(dirname "$0")/sandbox.sh"
packages aiohttp==3.14.5
in_python <<'PYTHON'
import asyncio, sys
import aiohttp

arrived, connections = [], 0

async def serve(reader, writer):
    global connections
    connections += 1
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    arrived.append(head.split(" ")[0])
    if len(arrived) > 1:  # the second one is answered
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
        await writer.drain()
    writer.close()

async def ask(method):
    arrived.clear()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        try:
            async with session.request(method, url, headers={"Connection": "close"}) as answer:
                told = f"{answer.status} {await answer.text()}"
        except aiohttp.ClientError as error:
            told = type(error).__name__
    print(method, "arrived", len(arrived), "times; the client saw", told)
    return len(arrived), told

async def main():
    global url
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/search"
    seen = [await ask("GET"), await ask("POST")]
    server.close()
    return seen

seen = asyncio.run(main())
sys.exit(seen != [(2, "200 done"), (1, "ServerDisconnectedError")])
PYTHON
