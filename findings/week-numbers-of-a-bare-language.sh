#!/usr/bin/env bash
# About: Babel, the week number on a page of air dates, where the browser asks for `de` rather than `de-DE`.
# Guess: a language without a country is its main country's: `de` numbers weeks as `de_DE` does, which is ISO 8601.
# Behaviour: it is nobody's country: the world's default, where 1 January is always in week 1. In `de`, `fr`, `sv`, `pl`
#   the week is one too high on each day of every year that begins between Friday and Sunday, and year and week are wrong
#   around most new years: 4 of 10 days altogether. With the country all are right. Week and year in ISO come from isocalendar().
# Version: Babel 2.19.0. Source: CLDR's weekData knows countries only; Babel's issue 485 (another locale).
source "$(dirname "$0")/sandbox.sh"
packages babel==2.19.0
in_python <<'PYTHON'
import sys
from datetime import date, timedelta
from babel.dates import format_date

DAYS = [date(2000, 1, 1) + timedelta(days=n) for n in range(10958)]

def differs_from_iso(locale):
    def iso(day):
        return "{0.year}-{0.week:02}".format(day.isocalendar())
    return sum(format_date(day, "YYYY-ww", locale=locale) != iso(day) for day in DAYS)

bare = {locale: differs_from_iso(locale) for locale in ("de", "fr", "sv", "pl")}
whole = {locale: differs_from_iso(locale) for locale in ("de_DE", "fr_FR", "sv_SE", "pl_PL")}
print(f"of {len(DAYS)} days with another week than ISO's:", bare, whole)
print("1 January 2027:", format_date(date(2027, 1, 1), "YYYY-ww", locale="de"), "in de,",
      format_date(date(2027, 1, 1), "YYYY-ww", locale="de_DE"), "in de_DE")
sys.exit(not all(count > 4000 for count in bare.values()) or any(whole.values()))
PYTHON
