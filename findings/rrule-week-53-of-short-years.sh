#!/usr/bin/env bash
# About: python-dateutil's recurrence rules by ISO week, for a guide or calendar of air dates.
# Guess: BYWEEKNO=52 and 53 hit exactly the days whose date.isocalendar() says week 52 and 53.
# Behaviour: in some years 1 and 2 January, which are the end of week 52 of the year before, count as week 53, which
#   that year does not have, and are missing from week 52: 1994, 2011, 2022, 2039 and others. All other weeks are right.
# Version: python-dateutil 4.0.0 (2.9.0 as well). Source: its pull request 1537 (open).
source "$(dirname "$0")/sandbox.sh"
packages python-dateutil==4.0.0
in_python <<'PYTHON'
import sys
from datetime import date, datetime, timedelta
from dateutil.rrule import YEARLY, rrule

days = [date(1990, 1, 1) + timedelta(days=n) for n in range((date(2061, 1, 1) - date(1990, 1, 1)).days)]
wrong = {}
for week in (1, 2, 10, 51, 52, 53):
    rule = rrule(YEARLY, byweekno=week, byweekday=range(7), dtstart=datetime(1990, 1, 1), until=datetime(2060, 12, 31))
    by_rule = {found.date() for found in rule}
    by_calendar = {day for day in days if day.isocalendar().week == week}
    wrong[week] = sorted(by_rule - by_calendar), sorted(by_calendar - by_rule)
for week, (extra, missing) in wrong.items():
    print(f"week {week}: extra {[str(day) for day in extra]} missing {[str(day) for day in missing]}")
expected = {date(2022, 1, 1), date(2011, 1, 1), date(2011, 1, 2)}
as_told = expected <= set(wrong[53][0]) and wrong[53][0] == wrong[52][1] and not any(
    extra or missing for week, (extra, missing) in wrong.items() if week < 52)
sys.exit(not as_told)
PYTHON
