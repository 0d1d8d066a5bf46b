#!/usr/bin/env bash
# About: range-parser, which send, serve-static and Express answer ranges with; a client that reads the last 64 KiB of each file first, where
#   MP4, Matroska and ZIP have their index.
# Guess: of a file that is shorter it gets the whole file, as with bytes=0-65535: 206, or 200.
# Behaviour: 416. A range from the end that is longer than the file is refused, so that short trailers, extras and archives cannot be read
#   where long films can. aiohttp answers 206 with the whole.
# Versions: range-parser 1.3.0 (1.2.1 as well; 2.0.0 is right, which send and Express do not take), send 1.2.1, Node 20; aiohttp 3.14.5. Source:
#   RFC 9110, 14.1.2 (a representation shorter than the suffix is sent whole); range-parser's pull request 66.
source "$(dirname "$0")/sandbox.sh"
packages aiohttp==3.14.5
node_packages send@1.2.1 range-parser@1.3.0
echo -n 0123456789 >"$work/subtitle.srt"
in_python "$work" <<'PYTHON' || exit
import asyncio, sys
from aiohttp import ClientSession, web

async def main():
    app = web.Application()
    app.router.add_static("/", sys.argv[1])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
        answer = await client.get("/subtitle.srt", headers={"Range": "bytes=-65536"})
        print("aiohttp bytes=-65536:", answer.status, answer.headers.get("Content-Range"))
    await runner.cleanup()
    return answer.status != 206

sys.exit(asyncio.run(main()))
PYTHON
in_node "$work" <<'NODE'
import http from "node:http";
import send from "send";
import parse from "range-parser";

const server = http.createServer((request, response) => send(request, "subtitle.srt", { root: process.argv[2] }).pipe(response));
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const seen = {};
for (const range of ["bytes=0-65535", "bytes=-10", "bytes=-11", "bytes=-65536"]) {
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/`, { headers: { range } });
  seen[range] = answer.status;
  console.log(`send ${range}: ${answer.status} ${answer.headers.get("content-range")}; range-parser: ${JSON.stringify(parse(10, range))}`);
  await answer.text();
}
server.close();
server.closeAllConnections();
process.exit(JSON.stringify(Object.values(seen)) === "[206,206,416,416]" ? 0 : 1);
NODE
