#!/usr/bin/env bash
# About: PostgreSQL, a turn taken by an advisory lock and what it is for read in the same statement, to save a journey.
# Guess: who gets the lock after waiting sees what its last holder has committed: SELECT pg_advisory_xact_lock(1), (SELECT value …),
#   or WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(1)) SELECT value FROM counter, turn.
# Behaviour: both see the value from before the wait, at READ COMMITTED too: a statement sees what was committed when it began, however long
#   its functions wait. A second statement sees the new value; so does SELECT … FOR UPDATE, which looks at the row anew.
# Versions: PostgreSQL 15 (Debian), asyncpg 0.32.0. Source: PostgreSQL's documentation, 13.2.1 (Read Committed: a snapshot as of the instant the
#   query begins) and 13.3.5 (advisory locks, which do not speak of it); that no wait renews it was observed.
source "$(dirname "$0")/sandbox.sh"
packages asyncpg==0.32.0
postgres
in_python "$postgres" <<'PYTHON'
import asyncio, sys
import asyncpg

AT_ONCE = "SELECT pg_advisory_xact_lock(1), (SELECT value FROM counter) AS value"
FIRST_THE_TURN = "WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(1)) SELECT value FROM counter, turn"
IN_TWO = "SELECT pg_advisory_xact_lock(1)"
ROW = "SELECT value FROM counter FOR UPDATE"

async def connect():
    return await asyncpg.connect(host="127.0.0.1", port=int(sys.argv[1]), user="finding", database="postgres")

async def seen(statement, *, then=None):
    """By whoever waits with this statement for a transaction that makes the value 2."""
    holder, waiter, observer = await connect(), await connect(), await connect()
    await holder.execute("UPDATE counter SET value = 1")
    turn = holder.transaction()
    await turn.start()
    await holder.execute("SELECT pg_advisory_xact_lock(1)")
    await holder.execute("UPDATE counter SET value = 2")
    async with waiter.transaction(isolation="read_committed"):
        waiting = asyncio.create_task(waiter.fetchrow(statement))
        while not await observer.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
        await turn.commit()
        row = await waiting
        value = await waiter.fetchval(then) if then else row["value"]
    for connection in (holder, waiter, observer):
        await connection.close()
    return value

async def main():
    database = await connect()
    await database.execute("CREATE TABLE counter (value int); INSERT INTO counter VALUES (1)")
    await database.close()
    at_once, with_first, in_two, row = (
        await seen(AT_ONCE), await seen(FIRST_THE_TURN), await seen(IN_TWO, then="SELECT value FROM counter"), await seen(ROW)
    )
    print("committed while it waited: 2")
    print("lock and value in one SELECT:", at_once)
    print("lock in a CTE before it:", with_first)
    print("lock, then the value:", in_two)
    print("FOR UPDATE of the row:", row)
    sys.exit((at_once, with_first, in_two, row) != (1, 1, 2, 2))

asyncio.run(main())
PYTHON
