#!/usr/bin/env bash
# About: asyncpg, a timestamptz column in which 'infinity' says "for ever" (a pin, a refusal without an end).
# Guess: every timestamptz arrives aware, so that `until > datetime.now(UTC)` can be asked of each row.
# Behaviour: infinity arrives as datetime.max without a zone, in the one row that has it: TypeError in the comparison, on the
#   day when somebody pins for ever. Written back it is refused nowhere: datetime.max, with or without a zone,
#   becomes infinity, so that the last microsecond of 9999 cannot be stored; one second earlier is an ordinary time.
# Versions: asyncpg 0.32.0, PostgreSQL 15 (Debian). Source: psycopg's issue 1368 (names asyncpg's mapping, which its own
#   documentation leaves out); that the zone is lost was observed.
source "$(dirname "$0")/sandbox.sh"
packages asyncpg==0.32.0
postgres
in_python "$postgres" <<'PYTHON'
import asyncio, sys
from datetime import UTC, datetime
import asyncpg

async def main():
    database = await asyncpg.connect(host="127.0.0.1", port=int(sys.argv[1]), user="finding", database="postgres")
    await database.execute("CREATE TABLE pins (until timestamptz)")
    for until in ("2027-01-01 00:00Z", "infinity"):
        await database.execute(f"INSERT INTO pins VALUES ('{until}')")
    ordinary, for_ever = [row["until"] for row in await database.fetch("SELECT until FROM pins ORDER BY until")]
    try:
        compared = str(for_ever > datetime.now(UTC))
    except TypeError as error:
        compared = f"TypeError: {error}"
    is_infinity = "SELECT $1::timestamptz = 'infinity'"
    written = [await database.fetchval(is_infinity, at)
               for at in (datetime.max.replace(tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 58, tzinfo=UTC))]
    await database.close()
    print("ordinary:", ordinary, "| infinity:", for_ever, "| compared with now:", compared)
    print("datetime.max is written as infinity:", written[0], "| a second earlier:", written[1])
    sys.exit((ordinary.tzinfo is None, for_ever, compared[:9], written)
             != (False, datetime.max, "TypeError", [True, False]))

asyncio.run(main())
PYTHON
