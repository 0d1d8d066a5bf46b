"""Titles from pictures: a vision model reads them, with typing errors, and TMDB's own search finds what is meant, or says how sure it is."""

import random
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from services.enricher.characters.matching import words_of
from services.enricher.finder.metadata.outcomes import Found, Unavailable
from services.enricher.finder.providers.tmdb.models.people import Credits
from services.enricher.finder.providers.tmdb.models.titles import MultiPage
from services.enricher.studio.jobs import StudioKind, StudioState
from services.enricher.studio.titles import ENOUGH, TitleMatcher, likeness_of
from shared.pictures import FailureClass
from tests.integration.studio import RunningStudio, running_studio
from tests.providers.studio import StudioHost

TITLES = """The Matrix; The Matrix Reloaded; Alien; Aliens; Heat; Jaws; Casablanca; The Godfather; The Godfather Part II; Dune; Dune:
Part Two; Blade Runner; Blade Runner 2049; Toy Story; Toy Story 2; Toy Story 3; The Terminator; Terminator 2: Judgment Day; Amélie;
Léon: The Professional; WALL·E; Se7en; Fight Club; Pulp Fiction; Forrest Gump; Inception; Interstellar; The Dark Knight; Gladiator;
Parasite; Spirited Away; The Lion King; Back to the Future; Back to the Future Part II; Rocky; Rocky II; Psycho; Vertigo; Metropolis;
The Seventh Seal; Breaking Bad; Better Call Saul; The Wire; The Sopranos; Twin Peaks; Stranger Things; The Crown; Dark; Chernobyl;
Fargo"""
POSTERS = [" ".join(title.split()) for title in TITLES.split(";")]
RIVALS = [
    "Brake",
    "Brave",
    "Aliens vs. Predator",
    "Dark City",
    "The Matrix Revolutions",
    "Rocky III",
    "Dune Drifter",
    "Heart",
]
SERIES = frozenset(POSTERS[-10:])


def entry(number: int, title: str) -> dict[str, Any]:
    kind = "tv" if title in SERIES else "movie"
    return {
        "id": number,
        "media_type": kind,
        "name" if kind == "tv" else "title": title,
        "poster_path": f"/{number}.jpg",
    }


ALL = [entry(number, title) for number, title in enumerate([*POSTERS, *RIVALS], 1)]


@dataclass
class FakeTmdb:
    """Finds titles that have all words of what is asked for, or begin with them, as TMDB does; no misspelt ones."""

    asked: list[str] = field(default_factory=list)
    away: Unavailable | None = None

    async def get(self, resource: Any) -> Any:
        if self.away:
            return self.away
        if resource.path != "search/multi":
            cast = [{"id": 7, "name": "Somebody", "character": "Neo", "profile_path": "/face.jpg"}]
            return Found(Credits.model_validate({"cast": cast}))
        query = resource.query
        self.asked.append(query)
        words = words_of(query)
        found = [one for one in ALL if _has(words_of(one.get("title") or one["name"]), words)]
        return Found(MultiPage.model_validate({"results": found}))


def _has(title: tuple[str, ...], words: tuple[str, ...]) -> bool:
    return all(any(one.startswith(word) for one in title) for word in words)


def poster(title: str, number: int) -> bytes:
    image = Image.new("RGB", (200, 300), (number * 5 % 256, 40, 90))
    draw = ImageDraw.Draw(image)
    draw.multiline_text((10, 120), title.replace(" ", "\n"), font=ImageFont.load_default(24), fill="white")
    out = BytesIO()
    image.save(out, "jpeg")
    return out.getvalue()


def mistyped(title: str, chance: random.Random) -> str:
    """With one letter that is wrong, missing, doubled or in its neighbour's place, and whatever else models say around it: not of the
    first two of a word, and never what makes another title of it, which nobody could notice.
    """
    places = [
        found.start() + at
        for found in re.finditer(r"[^\W\d_]{4,}", title)
        for at in range(2, len(found.group()))
    ]
    others = {words_of(one) for one in (*POSTERS, *RIVALS)}
    while places:
        place = chance.choice(places)
        letter = title[place]
        wrong = chance.choice(
            [chance.choice("aeiounrst"), "", letter * 2, title[place + 1 : place + 2] + letter]
        )
        skip = 2 if len(wrong) == 2 and wrong != letter * 2 else 1
        read = f"{title[:place]}{wrong}{title[place + skip :]}"
        if words_of(read) not in others:
            return f'"{read}".\n'
    return title


@pytest.fixture
async def host() -> AsyncIterator[StudioHost]:
    async with StudioHost.running() as running:
        yield running


@pytest.fixture
async def studio(tmp_path: Path, host: StudioHost) -> AsyncIterator[RunningStudio]:
    async with running_studio(tmp_path, host, tmdb=FakeTmdb(), at_once=8) as running:
        yield running


async def test_of_fifty_posters_the_right_title_is_found_and_a_wrong_one_never_without_saying_how_unsure_it_is(
    studio: RunningStudio, host: StudioHost
) -> None:
    """Every second one is read with a typing error."""
    chance = random.Random(22)
    pictures = {poster(title, number): title for number, title in enumerate(POSTERS)}
    readings = {
        picture: mistyped(title, chance) if place % 2 else title
        for place, (picture, title) in enumerate(pictures.items())
    }
    host.state.read_title = readings.__getitem__
    jobs = {
        title: await studio.wing.studio.ask(StudioKind.TITLE, {}, picture=picture)
        for picture, title in pictures.items()
    }
    right, unsure = 0, 0
    for title, job in jobs.items():
        ended = await studio.ended(job)
        assert ended.state is StudioState.DONE, ended.reason
        told = await studio.wing.studio.title(ended)
        result = told.tmdb_result or told.nearest
        right += result is not None and result.title == title
        unsure += told.tmdb_result is None
        if told.tmdb_result and told.tmdb_result.title != title:
            pytest.fail(
                f"{told.extracted_title!r} was taken for {told.tmdb_result.title!r} ({told.likeness})"
            )
        if told.tmdb_result is None:
            assert told.likeness < ENOUGH
            assert told.reason
    assert right >= 48
    assert unsure <= 25


async def test_a_title_is_told_with_its_cast_and_whole_urls(studio: RunningStudio, host: StudioHost) -> None:
    host.state.read_title = lambda _: "The Matrix"
    job = await studio.ended(
        await studio.wing.studio.ask(StudioKind.TITLE, {}, picture=poster("The Matrix", 1))
    )
    assert await studio.wing.studio.shown(job) == {
        "extracted_title": "The Matrix",
        "tmdb_result": {
            "id": 1,
            "title": "The Matrix",
            "media_type": "movie",
            "cast": [
                {"id": 7, "name": "Somebody", "character": "Neo", "profile_path": "https://t/p/w500/face.jpg"}
            ],
            "poster_path": "https://t/p/w500/1.jpg",
        },
        "likeness": 100.0,
        "nearest": None,
        "reason": None,
    }


SAID = {
    "UNKNOWN": "",
    "../../etc/passwd\x00<script>": "/../etc/passwd <script>",
    "x" * 10_000: "x" * 200,
    "\u202eMatrix\n\n": "Matrix",
}


@pytest.mark.parametrize("said", SAID)
async def test_what_a_model_says_is_one_bounded_line_and_a_query_at_most(
    studio: RunningStudio, host: StudioHost, said: str
) -> None:
    host.state.read_title = lambda _: said
    job = await studio.ended(await studio.wing.studio.ask(StudioKind.TITLE, {}, picture=poster("any", 1)))
    told = await studio.wing.studio.title(job)
    assert told.extracted_title == SAID[said]
    assert told.tmdb_result is None
    assert told.reason


LIKENESS = {
    ("The Matrix", "Matrix"): False,
    ("the  MATRIX", "The Matrix"): True,
    ("Amelie", "Amélie"): True,
    ("Casablanka", "Casablanca"): False,
    ("Casabanca", "Casablanca"): True,
    ("Rocky III", "Rocky II"): False,
    ("Toy Story 2", "Toy Story 3"): False,
    ("Back to the Future Part III", "Back to the Future Part II"): False,
    ("Blade Runner 2049", "Blade Runner"): False,
    ("Jawss", "Jaws"): False,
    ("Alien", "Aliens"): False,
}


@pytest.mark.parametrize(("said", "title"), LIKENESS)
def test_the_same_words_or_a_slip_within_a_long_one_are_enough_and_another_number_never_is(
    said: str, title: str
) -> None:
    assert (likeness_of(said, [title]) >= ENOUGH) is LIKENESS[said, title]


async def test_where_tmdb_does_not_answer_the_title_is_told_and_why_there_is_no_more() -> None:
    away: Any = FakeTmdb(away=Unavailable(FailureClass.OURS, "TMDB_API_KEY is not set."))
    told = await TitleMatcher(away, "https://t/p").match("The Matrix")
    assert (told.extracted_title, told.tmdb_result, told.reason) == (
        "The Matrix",
        None,
        "TMDB_API_KEY is not set.",
    )
