"""Titles as guessit reads them, whatever is left out to be faster."""

import os

import pytest
from guessit import guessit

from services.enricher.guessing.guesser import guessed

TITLES = [
    "Some Film",
    "The French Connection",
    "The Office US",
    "Blade Runner 2049",
    "2012",
    "Se7en",
    "Am I OK",
    "Kill Bill Vol 1",
    "Alien 3",
    "Mission Impossible - Fallout",
    "Ocean's 11",
    "English Patient",
    "1917",
    "Amélie",
]
RELEASES = [
    "1080p.BluRay.x264-GRP",
    "FRENCH.720p.WEB-DL.AAC2.0.H264-X",
    "2160p.AMZN.WEB-DL.DDP5.1.HDR-Y",
    "DVDRip.XviD",
    "MULTi.1080p.NF",
    "",
]


@pytest.mark.parametrize("title", TITLES)
def test_the_title_is_the_one_that_all_of_guessit_finds(title: str) -> None:
    """With every third release; with all where N is set."""
    releases = RELEASES if "N" in os.environ else RELEASES[TITLES.index(title) % 3 :: 3]
    dotted = title.replace(" ", ".")
    movies = [f"{dotted}.1971.{release}.mkv" for release in releases]
    movies += [
        f"{title} (1971) [1080p].mkv",
        f"films/{dotted}.1971/x.mkv",
        f"{dotted}.1080p.AMZN.WEB-DL-X.mkv",
    ]
    episodes = [f"{dotted}.S01E02.{release}.mkv" for release in releases] + [f"{title} - 1x02 - y.mkv", title]
    for kind, names in {"movie": movies, "episode": episodes}.items():
        for name in names:
            whole = guessit(name, {"type": kind, "no_user_config": True})
            expected = (str(whole["title"]), whole.get("year")) if "title" in whole else None
            assert guessed(name, kind) == expected, name
