#!/usr/bin/env bash
# About: feedgen, an Atom feed of new posters: a page and a picture for each entry, link(href=…) and link(href=…, rel="enclosure", type=…).
# Guess: each link has the rel, type and length that it was given, in Atom as in RSS.
# Behaviour: the links of an entry in Atom have their href and nothing else, and a link without rel is a page (alternate). Readers find no
#   picture, and take it for a second page; feedparser's entry.link is the picture's address where the picture was added last. The
#   feed's own links, and the same entry as RSS, are right, so that one checks out and the other does not.
# Versions: feedgen 1.0.0, feedparser 6.0.14. Source: feedgen's issue 135 (open since 2024); RFC 4287, 4.2.7.2 (no rel is alternate).
source "$(dirname "$0")/sandbox.sh"
packages feedgen==1.0.0 feedparser==6.0.14
in_python <<'PYTHON'
import sys
import feedparser
from feedgen.feed import FeedGenerator

feed = FeedGenerator()
feed.id("urn:posters")
feed.title("New posters")
feed.description("New posters")
feed.link(href="https://library.example/feed", rel="self", type="application/atom+xml")
entry = feed.add_entry()
entry.id("urn:poster:1")
entry.title("A film")
entry.link(href="https://library.example/film/1", rel="alternate", type="text/html")
entry.link(href="https://library.example/film/1.jpg", rel="enclosure", type="image/jpeg", length="12345")
seen = {}
for name, written in (("RSS", feed.rss_str()), ("Atom", feed.atom_str())):
    read = feedparser.parse(written)
    (item,) = read.entries
    seen[name] = item
    print(f"{name}: enclosures {[dict(found) for found in item.enclosures]}")
    print(f"{name}: links {[dict(found) for found in item.links]}, entry.link {item.link}")
    print(f"{name}: the feed's own {[(found.rel, found.get('type')) for found in read.feed.links]}")
pages = [link.href for link in seen["Atom"].links if link.rel == "alternate"]
sys.exit(not (seen["RSS"].enclosures[0].type == "image/jpeg" and seen["Atom"].enclosures == [] and len(pages) == 2))
PYTHON
