#!/usr/bin/env bash
# About: asyncpg, a URL of two hosts for a PostgreSQL that fails over, of which the first takes connections and says nothing: a machine that hangs.
# Guess: as with PostgreSQL's own programs, timeout=3 is each host's: the first is given up after 3 s, and the second lets us in.
# Behaviour: it is one time for all hosts together: TimeoutError after 3 s, and the second was never asked, however often one tries. A first
#   host that refuses (its process died) is passed over at once, so that a test that kills the server does not show it. ?connect_timeout= in
#   the URL, which psql keeps to, goes to the server as a setting that it does not know.
# Versions: asyncpg 0.32.0, PostgreSQL 15 (Debian). Source: asyncpg's documentation of connect() (timeout: of connecting); PostgreSQL's, 34.1.2
#   (connect_timeout applies to each host separately).
source "$(dirname "$0")/sandbox.sh"
packages asyncpg==0.32.0
postgres
in_python "$postgres" <<'PYTHON'
import asyncio, subprocess, sys, time
import asyncpg

there = int(sys.argv[1])

async def connects(*ports, ask="", timeout=3.0):
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    began = time.monotonic()
    try:
        connection = await asyncpg.connect(f"postgresql://finding@{hosts}/postgres{ask}", timeout=timeout)
    except (Exception, asyncio.CancelledError) as error:
        said = type(error).__name__
    else:
        await connection.close()
        said = "connected"
    print(f"asyncpg, {len(ports)} hosts{ask}, timeout={timeout}: {said} after {time.monotonic() - began:.0f} s")
    return said

async def main():
    listens, closed = [await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0) for _ in range(2)]
    silent, refuses = [one.sockets[0].getsockname()[1] for one in (listens, closed)]
    closed.close()
    seen = [
        await connects(refuses, there),
        await connects(silent, there),
        await connects(there, silent),
        await connects(there, ask="?connect_timeout=3"),
    ]
    url = f"postgresql://finding@127.0.0.1:{silent},127.0.0.1:{there}/postgres?connect_timeout=3"
    psql = await asyncio.create_subprocess_exec(
        "/usr/lib/postgresql/15/bin/psql", "-Atc", "SELECT 1", url, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    answer = (await psql.communicate())[0].decode().strip()
    print("psql, the silent one first, connect_timeout=3:", answer or "nothing")
    sys.exit((seen, answer) != (["connected", "TimeoutError", "connected", "UndefinedObjectError"], "1"))

asyncio.run(main())
PYTHON
