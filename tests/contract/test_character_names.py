"""Characters' names as people write them, against recorded casts: nobody is taken for another."""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from services.enricher.characters.matching import match
from services.enricher.finder.artwork.casts import CastPart

RECORDED = Path(__file__).resolve().parents[2].parent / "shared" / "fixtures" / "tmdb"
CASTS = {
    "Men in Black": ("tmdb-kotlin/tmdb3_movie_movie_details_607.json", "credits"),
    "The Voyage of the Dawn Treader": ("tmdb-kotlin/tmdb3_movie_movie_details_10140.json", "credits"),
    "Lupin": ("tmdb-kotlin/tmdb3_tv_tv_aggregate_credits_96677.json", ""),
    "The Last Kingdom": ("tmdb-kotlin/tmdb3_tv_tv_season_63333_season_1.json", "credits"),
    "Breaking Bad": ("php-tmdb/tv_all.json", "credits"),
    "Riddick": ("php-tmdb/movie_all.json", "credits"),
}
BY_HAND: list[tuple[str, str, str | None]] = [
    ("Men in Black", "Agent J", "James Edwards / Agent J"),
    ("Men in Black", "j", None),
    ("Men in Black", "James Edwards", "James Edwards / Agent J"),
    ("Men in Black", "Edwards", "James Edwards / Agent J"),
    ("Men in Black", "Laurel Weaver", "Dr. Laurel Weaver / Agent L"),
    ("Men in Black", "dr weaver", "Dr. Laurel Weaver / Agent L"),
    ("Men in Black", "The Bug", "Edgar / The Bug"),
    ("Men in Black", "Zed", "Chief Zed"),
    ("Men in Black", "Frank", "Frank the Pug (voice)"),
    ("Men in Black", "Mr Redgick", "Mr. Redgick"),
    ("Men in Black", "Redgick", None),
    ("Men in Black", "Worm Guy", None),
    ("Men in Black", "INS Agent", None),
    ("Men in Black", "Agent", None),
    ("Men in Black", "Agent M", None),
    ("Men in Black", "Alien", None),
    ("The Voyage of the Dawn Treader", "Lucy", "Lucy Pevensie"),
    ("The Voyage of the Dawn Treader", "Pevensie", None),
    ("The Voyage of the Dawn Treader", "Aslan", "Aslan (voice)"),
    ("The Voyage of the Dawn Treader", "Prince Caspian", "Caspian"),
    ("The Voyage of the Dawn Treader", "Edmund Pevensie", "Edmund Prevensie"),
    ("The Voyage of the Dawn Treader", "Dufflepud #1", None),
    ("The Voyage of the Dawn Treader", "Slaver", None),
    ("Lupin", "Assane", "Assane Diop"),
    ("Lupin", "Diop", None),
    ("Lupin", "Leonard", "Léonard"),
    ("Lupin", "Sofia Belkacem", "Lieutenant Sofia Belkacem"),
    ("Lupin", "Mr. Pellegrini", "Mr. Hubert Pellegrini"),
    ("Lupin", "Pellegrini", None),
    ("Lupin", "Claire", "Claire"),
    ("Lupin", "Gabriel Dumont", "Gabriel Dumont"),
    ("Lupin", "Inmate", None),
    ("Lupin", "Arsène Lupin", None),
    ("The Last Kingdom", "Uhtred", "Uhtred of Bebbanburg"),
    ("The Last Kingdom", "Odda", None),
    ("The Last Kingdom", "Alfred", "King Alfred"),
    ("The Last Kingdom", "Æthelwold", "Aethelwold"),
    ("Breaking Bad", "Walter White Junior", "Walter White Jr."),
    ("Breaking Bad", "Walter White", "Walter White"),
    ("Breaking Bad", "Skyler", "Skyler White"),
    ("Breaking Bad", "Schrader", None),
    ("Breaking Bad", "Heisenberg", None),
    ("Riddick", "Vaako", "Lord Vaako"),
    ("Riddick", "Johns", "Boss Johns"),
]
"""Title, what is asked for, whose line is meant; None: nobody's, or nobody can say whose."""

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded replies are not there"),
]


def cast_of(title: str) -> list[CastPart]:
    file, key = CASTS[title]
    said = json.loads((RECORDED / file).read_text())
    return list(_parts((said[key] if key else said)["cast"]))


def _parts(members: Sequence[dict[str, Any]]) -> Iterator[CastPart]:
    for place, member in enumerate(members):
        lines = [role["character"] for role in member.get("roles", ())] or [member.get("character")]
        yield from (
            CastPart(character=line, actor=member["name"], actor_id=member["id"], place=place)
            for line in lines
            if line
        )


def _written(line: str) -> Iterator[str]:
    """A line as people write it."""
    plain = line.partition("(")[0].strip()
    yield plain.lower()
    yield "".join(
        one for one in unicodedata.normalize("NFD", plain) if not unicodedata.combining(one)
    ).upper()
    yield from (alias for alias in plain.split(" / ") if alias != plain)
    yield plain.replace(".", "").replace("#", "")


def _same(part: CastPart, line: str) -> bool:
    return part.character.partition("(")[0].strip().lower() == line.partition("(")[0].strip().lower()


def names() -> Iterator[tuple[str, str, str | None]]:
    yield from BY_HAND
    for title in CASTS:
        for part in cast_of(title):
            yield from ((title, name, part.character) for name in dict.fromkeys(_written(part.character)))


def test_of_three_hundred_names_most_are_matched_and_none_wrongly(capsys: pytest.CaptureFixture[str]) -> None:
    casts = {title: cast_of(title) for title in CASTS}
    by_hand = len(BY_HAND)
    chosen = [*islice(names(), by_hand), *list(islice(names(), by_hand, None))[::2]][:300]
    assert len(chosen) == 300
    told: Counter[str] = Counter()
    wrong = []
    for title, name, line in chosen:
        meant = match(name, casts[title])
        if meant.part is None:
            told["ambiguous" if meant.ambiguous else "missed"] += 1
        elif line is not None and _same(meant.part, line):
            told["matched"] += 1
        else:
            wrong.append((title, name, line, meant.part.character))
    with capsys.disabled():
        print(f"\n{len(chosen)} names: {dict(told)}, wrong {len(wrong)}")
    assert wrong == []
    assert told["matched"] >= 230


@pytest.mark.parametrize(("title", "name", "line"), BY_HAND)
def test_who_is_meant_is_found_and_who_is_not_is_not(title: str, name: str, line: str | None) -> None:
    part = match(name, cast_of(title)).part
    assert (part and part.character) == line
