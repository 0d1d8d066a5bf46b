"""What providers send otherwise than they document, read as it is meant."""

from datetime import UTC, date, datetime, timedelta
from typing import cast

import pytest

from services.enricher.finder.artwork.choice import country_in, country_of_tvdb
from services.enricher.finder.artwork.source import Asking, Ids, Records, Subject
from services.enricher.finder.metadata import Found, Outcome, Title, TitleKey, TitleKind, Urgency
from services.enricher.finder.metadata.cache import Cache
from services.enricher.finder.metadata.title_sources import TmdbTitles, TraktTitles, title_of
from services.enricher.finder.metadata.tmdb_cache import TmdbMetadata
from services.enricher.finder.providers import Broken, Misconfigured
from services.enricher.finder.providers.errors import allowance_in, error_for
from services.enricher.finder.providers.tmdb.models.titles import Movie
from services.enricher.finder.providers.trakt.artwork import TraktSource
from services.enricher.finder.providers.trakt.client import Trakt, TraktImages, TraktTitle
from services.enricher.finder.providers.tvdb.client import TvdbTitle
from shared.pictures import Kind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
USED_UP = {"Ratelimit-Remaining": "0", "Ratelimit-Reset": "240"}


@pytest.mark.parametrize(
    "posters",
    ["example.org/a.jpg", "//example.org/a.jpg", ["//example.org/a.jpg"], [None, "", "example.org/a.jpg"]],
)
def test_traks_pictures_come_as_a_list_or_one_with_a_scheme_or_without(posters: object) -> None:
    assert TraktImages.model_validate({"poster": posters}).poster == ("https://example.org/a.jpg",)


@pytest.mark.parametrize("posters", [None, "", [], [None], [""], {}])
def test_trakt_may_have_no_picture_in_many_ways(posters: object) -> None:
    assert TraktImages.model_validate({"poster": posters}).poster == ()


def test_an_artwork_of_tvdb_without_a_picture_is_left_out() -> None:
    artworks = [{"id": 1, "image": "", "type": 2, "score": 300}, {"id": 2, "image": "/a.jpg", "type": 2}]
    said = TvdbTitle.model_validate({"id": 1, "name": "x", "artworks": artworks})
    assert [one.image for one in said.artworks] == ["https://artworks.thetvdb.com/a.jpg"]


def test_a_day_may_have_a_time_behind_it() -> None:
    said = {"id": 1, "title": "x", "release_date": "2015-06-18 10:56:14 UTC"}
    assert Movie.model_validate(said).release_date == date(2015, 6, 18)


def test_a_challenge_to_browsers_says_nothing_about_our_key() -> None:
    for headers in ({"cf-mitigated": "challenge"}, {"Content-Type": "text/html; charset=UTF-8"}):
        assert isinstance(error_for("Trakt", 403, headers, NOW), Broken)
    assert isinstance(error_for("Trakt", 403, {"Content-Type": "application/json"}, NOW), Misconfigured)


def test_an_allowance_out_of_a_cache_is_somebody_elses() -> None:
    assert allowance_in(USED_UP, NOW)
    assert allowance_in(USED_UP | {"Age": "0", "CF-Cache-Status": "MISS"}, NOW)
    for cached in ({"CF-Cache-Status": "HIT"}, {"Age": "11310"}):
        assert allowance_in(USED_UP | cached, NOW) is None


def test_a_variant_of_a_language_is_that_of_a_country() -> None:
    assert [country_in(code) for code in ("pt-BR", "zh-TW", "pt", "es-419")] == ["BR", "TW", None, None]
    assert [country_of_tvdb(code) for code in ("pt", "por", "zhtw", "eng")] == ["BR", "PT", "TW", None]


async def test_a_show_that_is_called_by_a_number_is_not_named_by_it_to_trakt() -> None:
    class Says:
        async def look(self, key: TitleKey, until: datetime, urgency: Urgency) -> Outcome[Title]:
            said = {
                "kind": TitleKind.TV,
                "provider": "trakt",
                "title": "24",
                "trakt_id": 1972,
                "trakt_slug": "24",
            }
            return Found(Title.model_validate(said))

    records = Records(Cache(max_entries=1, max_bytes=1000), timedelta(hours=1))
    source = TraktSource(cast(Trakt, None), cast(TraktTitles, Says()), records)
    ids = await source.more(Subject(kind=Kind.SERIES, ids=Ids(tmdb=1973)), Asking(NOW))
    assert isinstance(ids, Found)
    assert ids.value.trakt == "1972"


class TmdbSays:
    """The same, whatever it is asked."""

    def __init__(self, said: Movie) -> None:
        self.said = said

    async def look(self, _asked: object, _until: datetime, _urgency: Urgency) -> Outcome[Movie]:
        return Found(self.said)


@pytest.mark.parametrize(
    ("votes", "rating", "shown"),
    [(0, 0.0, None), (None, 0.0, None), (0, 7.5, None), (3, 7.5, 7.5), (None, 7.5, 7.5)],
)
async def test_what_nobody_has_voted_on_has_no_rating(
    votes: int | None, rating: float, shown: float | None
) -> None:
    said = {"id": 1, "title": "x", "overview": "y", "ids": {}, "runtime": 0}
    by_trakt = TraktTitle.model_validate({**said, "rating": rating, "votes": votes})
    movie = Movie.model_validate({**said, "vote_average": rating, "vote_count": votes})
    tmdb = TmdbTitles(cast(TmdbMetadata, TmdbSays(movie)), image_url="http://x", languages=("en",))
    by_tmdb = await tmdb.look(TitleKey(TitleKind.MOVIE, tmdb_id=1), NOW, Urgency.NOW)
    assert isinstance(by_tmdb, Found)
    for title in (title_of(by_trakt, TitleKind.MOVIE), by_tmdb.value):
        assert (title.rating, title.runtime) == (shown, None)
