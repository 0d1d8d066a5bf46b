#!/usr/bin/env bash
# About: taskiq's scheduler, a nightly or weekly job by a cron line, as one would write it in a crontab: "0 3 * * 7", "0 3 * * fri-sun".
# Guess: cron's language: 7 is Sunday, ranges may end there, months have names. What it does not know it refuses.
# Behaviour: it asks pycron each minute, which takes what it does not know for "not now". 7 never comes, `6-7` and `fri-sun` leave the Sunday
#   out, `sat-mon` is Saturday alone, `jan` and `5/15` are never: no error, no line in the log, and nothing runs. "0 3 * * 0" is right.
# Versions: taskiq 0.13.0, pycron 3.3.0; croniter 7.0.0 to compare. Source: crontab(5) of Debian's cron (0 or 7 is Sunday, names); observed.
source "$(dirname "$0")/sandbox.sh"
packages taskiq==0.13.0 pycron==3.3.0 croniter==7.0.0
in_python <<'PYTHON'
import sys
from datetime import UTC, datetime, timedelta
from croniter import croniter
from taskiq.cli.scheduler.run import is_cron_task_now

monday = datetime(2027, 1, 4, 3, tzinfo=UTC)
week = [monday + timedelta(days=day) for day in range(7)]
quarters = [monday + timedelta(minutes=minute) for minute in range(60)]
january = [datetime(2027, 1, 1, 3, tzinfo=UTC), datetime(2027, 2, 1, 3, tzinfo=UTC)]
asked = {
    "0 3 * * 0": (week, "%a"), "0 3 * * 7": (week, "%a"), "0 3 * * 6-7": (week, "%a"), "0 3 * * fri-sun": (week, "%a"),
    "0 3 * * sat-mon": (week, "%a"), "0 3 1 jan *": (january, "%b"), "5/15 3 * * *": (quarters, "%M"),
}
seen = {}
for line, (times, shown) in asked.items():
    runs = [time.strftime(shown) for time in times if is_cron_task_now(line, time)]
    cron = [time.strftime(shown) for time in times if croniter.match(line, time)]
    seen[line] = (runs, cron)
    print(f"{line}: taskiq {runs}, croniter {cron}")
lost = {line: runs for line, (runs, cron) in seen.items() if runs != cron}
sys.exit(lost != {"0 3 * * 7": [], "0 3 * * 6-7": ["Sat"], "0 3 * * fri-sun": ["Fri", "Sat"], "0 3 * * sat-mon": ["Sat"],
                  "0 3 1 jan *": [], "5/15 3 * * *": []})
PYTHON
