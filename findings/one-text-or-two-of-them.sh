#!/usr/bin/env bash
# About: diskcache, answers kept by their arguments over restarts: memoize(), or a tuple as the key, (title, original_title).
# Guess: equal arguments find the answer, as with functools.lru_cache; or at least arguments that are equal and of equal types.
# Behaviour: the key is the pickle of the tuple, and a pickle tells one text that stands there twice from two equal texts. ("Dune", "Dune") out of one
#   variable, or of the source, is another key than out of an answer's two fields: the same film is asked for twice, and what is
#   deleted by the one is found by the other. Two titles that differ are always found, so that tests are. A text of both joined is safe.
# Version: diskcache 5.6.3. Source: its tutorial, "Caveats" (the serialisation is compared, not equality; its examples are numbers and the order of
#   dictionaries), and its issue 54 (closed); observed.
source "$(dirname "$0")/sandbox.sh"
packages diskcache==5.6.3
in_python "$work/cache" <<'PYTHON'
import json, sys
import diskcache

cache = diskcache.Cache(sys.argv[1])
asked = []

@cache.memoize()
def poster(title, original):
    asked.append((title, original))
    return f"{title}.jpg"

def told(text):
    film = json.loads(text)
    return poster(film["title"], film["original"])

same = '{"title": "Dune", "original": "Dune"}'
other = '{"title": "Spirited Away", "original": "Sen to Chihiro"}'
name = "Dune"
poster(name, name)
told(same)
poster("Spirited Away", "Sen to Chihiro")
told(other)
print("asked for:", asked)
cache["Dune", "Dune"] = 1
film = json.loads(same)
found = (film["title"], film["original"]) in cache, ("Dune", "Dune") in cache
print("key of two texts, of one:", found)
sys.exit(not (asked.count(("Dune", "Dune")) == 2 and len(asked) == 3 and found == (False, True)))
PYTHON
