#!/usr/bin/env bash
# About: asyncpg with PostgreSQL's age() and intervals of months ("added 1 month 3 days ago", "refresh every month").
# Guess: what comes back is the time between the two, or refuses to be a timedelta, which knows no months.
# Behaviour: each month becomes 30 days and each year 365, without a word: age() of 28 February and 31 March 2027, 31 days
#   apart, arrives as 33 days; a column of '1 month' that is read and written again has become '30 days'. Subtract
#   timestamps (or dates), or send months as make_interval(months => $1).
# Versions: asyncpg 0.32.0, PostgreSQL 15 (Debian). Source: asyncpg's documentation, type conversion (interval: offset of
#   timedelta); that months are counted as 30 days was observed.
source "$(dirname "$0")/sandbox.sh"
packages asyncpg==0.32.0
postgres
in_python "$postgres" <<'PYTHON'
import asyncio, sys
from datetime import date, timedelta
import asyncpg

async def main():
    database = await asyncpg.connect(host="127.0.0.1", port=int(sys.argv[1]), user="finding", database="postgres")
    added, today = date(2027, 2, 28), date(2027, 3, 31)
    aged = await database.fetchval("SELECT age($1::date, $2::date)", today, added)
    month = await database.fetchval("SELECT '1 month'::interval")
    back = await database.fetchval("SELECT ($1::interval)::text", month)
    next_check = await database.fetchval("SELECT ('2027-01-31'::date + '1 month'::interval)::date")
    next_by_client = await database.fetchval("SELECT ('2027-01-31'::date + $1::interval)::date", month)
    await database.close()
    print(f"{added} to {today}: {(today - added).days} days, by age(): {aged.days}")
    print(f"'1 month' read: {month}; written again: {back!r}")
    print(f"a month after 31 January: {next_check} in the database, {next_by_client} with what was read")
    sys.exit((aged, month, back) != (timedelta(days=33), timedelta(days=30), "30 days"))

asyncio.run(main())
PYTHON
