#!/usr/bin/env bash
# About: langcodes, which text or poster of those at hand a reader of some language gets.
# Guess: closest_supported_match finds a bare `zh` for a reader of zh-TW, and finds nothing where only other languages are at hand.
# Behaviour: the other way round. zh-TW and yue get None from [zh, en]: `zh` means simplified script, too far within Chinese for
#   the default distance, so that the page falls back to English. A reader of uk gets ru, one of ca gets es, from lists with
#   en: other languages count as near enough (24 and 20 of 25). max_distance below 20 refuses the strangers, and
#   a further step by the bare language finds the Chinese.
# Version: langcodes 3.5.1. Source: CLDR's language matching, whose distances it takes; observed.
source "$(dirname "$0")/sandbox.sh"
packages langcodes==3.5.1
in_python <<'PYTHON'
import sys
from langcodes import closest_supported_match

ASKED = (("zh-TW", ["zh", "en"]), ("yue", ["zh", "en"]), ("uk", ["ru", "en"]), ("ca", ["es", "en"]), ("pt-PT", ["pt-BR", "en"]))
seen = [closest_supported_match(wanted, at_hand) for wanted, at_hand in ASKED]
nearer = [closest_supported_match(wanted, at_hand, max_distance=19) for wanted, at_hand in ASKED]
for (wanted, at_hand), found, near in zip(ASKED, seen, nearer):
    print(f"{wanted} of {at_hand}: {found}; with max_distance=19: {near}")
sys.exit(seen != [None, None, "ru", "es", "pt-BR"] or nearer != [None, None, None, None, "pt-BR"])
PYTHON
