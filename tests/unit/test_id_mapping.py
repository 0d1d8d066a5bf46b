"""Who is asked for another id, and in which order."""

from datetime import UTC, datetime

import pytest

from services.enricher.finder.artwork.source import Asking, IdMapping, Ids, Subject, Whose
from services.enricher.finder.metadata.outcomes import NotFound, Outcome
from shared.pictures import Kind


class Ignorant:
    """Knows nothing, and notes that it was asked."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self.name = name
        self._asked = asked

    async def more(self, title: Subject, asking: Asking) -> Outcome[Ids]:
        self._asked.append(self.name)
        return NotFound()

    async def place(self, part: Subject, asking: Asking) -> Outcome[Subject]:
        return NotFound()


@pytest.mark.parametrize(
    ("id_", "whose", "first"),
    [
        ("tmdb:7", Whose.TRAKT, ["trakt", "tmdb", "tvdb"]),
        ("tvdb:7", Whose.TRAKT, ["trakt", "tvdb", "tmdb"]),
        ("trakt:seven", Whose.TMDB, ["tmdb", "trakt", "tvdb"]),
        ("imdb:tt0000007", Whose.TVDB, ["tvdb", "tmdb", "trakt"]),
    ],
)
async def test_who_is_wanted_is_asked_first_and_then_whose_id_is_known(
    id_: str, whose: Whose, first: list[str]
) -> None:
    asked: list[str] = []
    mapping = IdMapping([Ignorant(name, asked) for name in ("tvdb", "tmdb", "trakt")])
    await mapping.into([whose], Subject.parse(Kind.SERIES, id_), Asking(datetime.now(UTC)))
    assert asked[:3] == first
