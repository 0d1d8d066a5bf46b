#!/usr/bin/env bash
# About: rapidfuzz with its own default_process, by which names are compared without case and punctuation.
# Guess: a name of another letter is another name, in every script: below 100.
# Behaviour: 100 where the scripts write vowels as marks. The processor keeps what isalnum() keeps, and the vowel signs of Devanagari,
#   Bengali, Tamil and Thai are marks: it turns each into a space. मीना (Meena) and मोना (Mona), কাকা and কিকি, คิม and คุม
#   become the same letters; ratio, WRatio and extractOne all call them equal. Stripping combining() marks first does
#   not help, and makes ハハ (mother) of パパ (father). Accents are marks too, so that é as two code points is told from é as one.
# Version: rapidfuzz 3.14.6. Source: documented as "removing all non alphanumeric characters"; observed.
source "$(dirname "$0")/sandbox.sh"
packages rapidfuzz==3.14.6
in_python <<'PYTHON'
import sys
from rapidfuzz import fuzz, process, utils

PAIRS = (("मीना", "मोना"), ("কাকা", "কিকি"), ("คิม", "คุม"), ("Mina", "Mona"))
seen = [fuzz.ratio(one, other, processor=utils.default_process) for one, other in PAIRS]
for (one, other), score in zip(PAIRS, seen):
    print(f"{one} and {other}: {utils.default_process(one)!r}, {utils.default_process(other)!r}: {score:.0f}")
found = process.extractOne("मीना", ["मोना", "मीनाक्षी"], processor=utils.default_process)
print("the best of मोना and मीनाक्षी for मीना:", found)
sys.exit(seen[:3] != [100.0] * 3 or seen[3] >= 100 or found[:2] != ("मोना", 100.0))
PYTHON
