"""Titles of several sources, each for what those before it lack."""

from datetime import datetime, timedelta

from services.enricher.finder.metadata import Found, NotFound, Outcome, Title, TitleKey, TitleKind, Urgency
from services.enricher.finder.metadata.titles import Titles
from shared.pictures import Role

KEY = TitleKey(TitleKind.MOVIE, imdb_id="tt0000001")


class Says:
    """A source that always says the same."""

    def __init__(self, outcome: Outcome[Title], language: str = "en") -> None:
        self.outcome = outcome
        self.language = language
        self.asked: list[TitleKey] = []

    def at_hand(self, key: TitleKey, until: datetime) -> Outcome[Title] | None:
        return None

    async def look(self, key: TitleKey, until: datetime, urgency: Urgency) -> Outcome[Title]:
        self.asked.append(key)
        return self.outcome


def title(provider: str, **said: object) -> Found[Title]:
    return Found(Title.model_validate({"kind": "movie", "provider": provider, "title": provider, **said}))


async def looked_up(*sources: Says, language: str = "en") -> Title:
    titles = Titles(sources, within=timedelta(seconds=5), language=language)
    outcome = (await titles.lookup([KEY]))[KEY]
    assert isinstance(outcome, Found)
    return outcome.value


async def test_a_poster_that_the_first_lacks_is_the_next_ones() -> None:
    first = Says(title("trakt", tmdb_id=7, overview="x", pictures={Role.FANART: "https://a/f"}))
    second = Says(
        title("tmdb", overview="y", pictures={Role.POSTER: "https://b/p", Role.FANART: "https://b/f"})
    )
    found = await looked_up(first, second)
    assert found.pictures == {Role.POSTER: "https://b/p", Role.FANART: "https://a/f"}
    assert (found.provider, found.overview) == ("trakt", "x")
    assert second.asked == [TitleKey(TitleKind.MOVIE, imdb_id="tt0000001", tmdb_id=7)]


async def test_nobody_else_is_asked_where_nothing_lacks() -> None:
    second = Says(NotFound())
    await looked_up(Says(title("trakt", pictures={Role.POSTER: "https://a/p"})), second)
    assert second.asked == []


async def test_texts_are_those_in_our_language_whoever_is_asked_first() -> None:
    first = Says(title("trakt", overview="x", rating=8, pictures={Role.POSTER: "https://a/p"}))
    german = Says(title("tmdb", overview="Ein Text", rating=7), "de")
    found = await looked_up(first, german, language="de")
    assert (found.title, found.overview, found.rating) == ("tmdb", "Ein Text", 8)
    untranslated = Says(title("tmdb"), "de")
    assert (await looked_up(first, untranslated, language="de")).overview == "x"
