"""The providers' recorded replies, where they are at hand, are read by our models."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from services.enricher.finder.providers.errors import allowance_in, error_for
from services.enricher.finder.providers.fanart.client import FanartMovie, FanartSeries
from services.enricher.finder.providers.hardcover import client as hardcover
from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.tmdb.models.people import (
    CombinedCredits,
    Credits,
    Person,
    TmdbPictures,
)
from services.enricher.finder.providers.tmdb.models.titles import (
    Collection,
    Episode,
    FoundByOtherId,
    Movie,
    MoviePage,
    MultiPage,
    Season,
    Tv,
    TvPage,
)
from services.enricher.finder.providers.trakt.client import (
    TraktEpisode,
    TraktFound,
    TraktPerson,
    TraktSeason,
    TraktTitle,
)
from services.enricher.finder.providers.tvdb.client import (
    TvdbEpisode,
    TvdbFound,
    TvdbPerson,
    TvdbSeason,
    TvdbTitle,
    TvdbUpdate,
)
from services.enricher.finder.providers.twitch.client import (
    TwitchGame,
    TwitchStream,
    TwitchUser,
    read_list,
    sized,
)

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
RECORDED = Path(__file__).parents[3] / "shared" / "fixtures"
KOTLIN = "tmdb/tmdb-kotlin/tmdb3_"
PHP = "tmdb/php-tmdb/"

TMDB = [
    (f"{KOTLIN}movie_movie_details_607.json", Movie, "credits"),
    (f"{KOTLIN}movie_movie_details_10140.json", Movie, "belongs_to_collection"),
    (f"{PHP}movie_all.json", Movie, "poster_path"),
    (f"{KOTLIN}tv_tv_details_96677.json", Tv, "seasons"),
    (f"{KOTLIN}tv_tv_details_96677_with_images.json", Tv, "networks"),
    (f"{PHP}tv_all.json", Tv, "created_by"),
    (f"{KOTLIN}tv_tv_season_19849_season_1.json", Season, "episodes"),
    (f"{KOTLIN}tv_tv_season_63333_season_1.json", Season, "episodes"),
    (f"{PHP}tv_season_all.json", Season, "episodes"),
    (f"{PHP}tv_season_episode_all.json", Episode, "still_path"),
    (f"{KOTLIN}tv_tv_aggregate_credits_96677.json", Credits, "cast"),
    (f"{KOTLIN}person_person_movie_credits_19292.json", CombinedCredits, "cast"),
    (f"{KOTLIN}person_person_details_11701_all_responses.json", Person, "birthday"),
    (f"{KOTLIN}person_person_details_287.json", Person, "profile_path"),
    (f"{PHP}person_get.json", Person, "biography"),
    (f"{PHP}collection_get.json", Collection, "parts"),
    (f"{KOTLIN}find_find_movie_tt10919380.json", FoundByOtherId, "movie_results"),
    (f"{KOTLIN}find_find_person_nm0424060.json", FoundByOtherId, "person_results"),
    (f"{KOTLIN}tv_tv_images_96677.json", TmdbPictures, "logos"),
    (f"{KOTLIN}movie_movie_images_10140.json", TmdbPictures, "backdrops"),
    (f"{PHP}images_movie.json", TmdbPictures, "posters"),
    (f"{PHP}images_tv.json", TmdbPictures, "backdrops"),
    (f"{PHP}images_tv_season.json", TmdbPictures, "posters"),
    (f"{PHP}images_tv_episode.json", TmdbPictures, "stills"),
    (f"{PHP}images_person.json", TmdbPictures, "profiles"),
    (f"{KOTLIN}movie_movie_popular.json", MoviePage, "results"),
    (f"{KOTLIN}discover_discover_movie.json", MoviePage, "results"),
    (f"{KOTLIN}trending_trending_movie.json", MoviePage, "results"),
    (f"{KOTLIN}search_search_movie_star_wars.json", MoviePage, "results"),
    (f"{KOTLIN}tv_tv_popular.json", TvPage, "results"),
    (f"{KOTLIN}trending_trending_tv.json", TvPage, "results"),
    (f"{KOTLIN}search_search_tv_lupin.json", TvPage, "results"),
    (f"{KOTLIN}search_search_tv_SWAT.json", TvPage, "results"),
    (f"{KOTLIN}search_search_multi_brad.json", MultiPage, "results"),
]


def recorded(name: str) -> bytes:
    path = RECORDED / name
    if not path.is_file():
        pytest.skip(
            "The recorded replies are not here: they belong beside the project, at ../shared/fixtures."
        )
    return path.read_bytes()


@pytest.mark.parametrize(("name", "model", "field"), TMDB, ids=[name for name, _, _ in TMDB])
def test_every_recorded_reply_of_tmdb_is_read(name: str, model: type[Lenient], field: str) -> None:
    body = recorded(name)
    read = model.read(body, "TMDB")
    assert getattr(read, field)
    results = json.loads(body).get("results")
    assert results is None or len(results) == len(getattr(read, "results", ()))


def described(reply: Any) -> list[Any]:
    """The full descriptions of movies and shows in a reply."""
    if isinstance(reply, list):
        return [title for element in reply for title in described(element)]
    if not isinstance(reply, dict):
        return []
    if "title" in reply and "ids" in reply:
        return [reply]
    return [title for kind in ("movie", "show") for title in described(reply.get(kind))]


@pytest.mark.parametrize("name", ["movies", "shows", "search", "sync", "users", "calendars"])
def test_every_title_in_trakts_recorded_replies_is_read(name: str) -> None:
    replies = json.loads(recorded(f"trakt/pytrakt/{name}.json"))
    titles = [title for reply in replies.values() for title in described(reply.get("GET"))]
    assert titles
    for title in titles:
        assert TraktTitle.model_validate(title).title == title["title"]


def said_by_twitch(name: str) -> list[Any]:
    """The answers of Helix that are none of its errors, whole."""
    replies = json.loads(recorded(f"twitch/{name}.json"))["interactions"]
    helix = [one for one in replies if "/helix/" in one["request"]["url"]]
    return [one["response"]["json"] for one in helix if one["response"]["status"] == HTTPStatus.OK]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        (
            "get_users_when_token_type_is_application_with_correct_client_credentials_with_tokens_1_4_1",
            TwitchUser,
        ),
        ("get_games_data_length_1_6_1_1", TwitchGame),
        ("get_top_games_data_length_1_7_1_1", TwitchGame),
        (
            "search_categories_with_options_when_token_type_is_application_data_1_15_2_1_1_1",
            TwitchGame,
        ),
        ("get_streams_with_username_1_3_2_1", TwitchStream),
        ("get_streams_with_empty_kwargs_data_length_1_3_1_1_1", TwitchStream),
    ],
    ids=lambda one: one if isinstance(one, str) else one.__name__,
)
def test_twitchs_recorded_replies_are_read_with_a_place_for_the_size(
    name: str, model: type[TwitchUser | TwitchGame | TwitchStream]
) -> None:
    replies = said_by_twitch(name)
    assert replies
    for reply in replies:
        read = read_list(json.dumps(reply).encode(), model)
        assert len(read) == len(reply["data"]) > 0
        for one in read:
            match one:
                case TwitchUser():
                    assert one.profile_image_url
                case TwitchGame():
                    assert str(one.cover(285, 380)).endswith("-285x380.jpg")
                case TwitchStream():
                    assert one.thumbnail_url
                    assert "1920x1080" in sized(one.thumbnail_url, 1920, 1080)


def test_the_searches_of_trakt_are_read() -> None:
    replies = json.loads(recorded("trakt/pytrakt/search.json"))
    found = [TraktFound.model_validate(element) for element in replies["search/tmdb/28585"]["GET"]]
    assert any(element.movie or element.show for element in found)


@pytest.mark.parametrize("name", ["movie", "show"])
def test_trakts_documented_titles_are_read_whole(name: str) -> None:
    title = TraktTitle.read(recorded(f"trakt/trakt.net/{name}.json"), "Trakt")
    assert title.rating
    assert title.overview
    assert title.genres
    assert title.ids.imdb
    assert title.released or title.first_aired


def test_trakts_documented_pictures_get_their_scheme() -> None:
    documented = json.loads(recorded("trakt/docs-examples.json"))["images_example"]
    images = TraktTitle.model_validate(documented).images
    for urls in (images.poster, images.fanart, images.logo, images.clearart, images.banner, images.thumb):
        assert urls[0].startswith("https://walter-r2.trakt.tv/images/")


def test_every_picture_of_tmdb_is_read() -> None:
    for name in (f"{KOTLIN}tv_tv_images_96677.json", f"{PHP}images_tv.json"):
        body = recorded(name)
        read, said = TmdbPictures.read(body, "TMDB"), json.loads(body)
        for what in ("posters", "backdrops", "logos"):
            assert len(getattr(read, what)) == len(said.get(what, []))
        assert all(one.width and one.height for one in read.posters)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("person", TraktPerson),
        ("episode_with_translations", TraktEpisode),
        ("season_with_episodes", TraktSeason),
    ],
)
def test_trakts_documented_persons_and_parts_are_read(name: str, model: type[Lenient]) -> None:
    assert model.read(recorded(f"trakt/trakt.net/{name}.json"), "Trakt").model_fields_set


@pytest.mark.parametrize(
    ("name", "model", "field"),
    [
        ("series_extended", TvdbTitle, "artworks"),
        ("movie_extended", TvdbTitle, "artworks"),
        ("season_extended", TvdbSeason, "artwork"),
        ("episode_extended", TvdbEpisode, "image"),
        ("people_extended", TvdbPerson, "remote_ids"),
    ],
)
def test_every_record_of_tvdb_is_read(name: str, model: type[Lenient], field: str) -> None:
    """Their values stand for the types alone: a picture's is `Image1`, which TVDB's host would have to have."""
    said = json.loads(recorded(f"tvdb/{name}.json"))["data"]
    read = model.model_validate(said)
    value = getattr(read, field)
    assert value
    alias = model.model_fields[field].alias or field
    assert isinstance(value, str) or len(value) == len(said[alias])


def test_tvdbs_deletions_and_its_search_are_read() -> None:
    updates = json.loads(recorded("tvdb/update_overview.json"))["data"]
    assert [TvdbUpdate.model_validate(one).merged_into for one in updates] == [3487, 3488]
    described = json.loads(recorded("tvdb/swagger-v4.7.10.json"))["components"]["schemas"]
    found = {"series": {"id": 1}, "movie": {"id": 2}, "people": {"id": 3}}
    assert set(found) <= set(described["SearchByRemoteIdResult"]["properties"])
    assert TvdbFound.model_validate({"results": [found]}).results[0].series


@pytest.mark.parametrize(
    ("name", "model"),
    [("movie_thg", FanartMovie), ("tv_239761", FanartSeries), ("tv_79349", FanartSeries)],
)
def test_every_picture_of_fanart_that_has_a_role_is_read(name: str, model: type[Lenient]) -> None:
    body = recorded(f"fanart/v3shape_{name}.json")
    read, said = model.read(body, "fanart.tv"), json.loads(body)
    assert read.model_fields_set
    for what in model.model_fields:
        pictures = getattr(read, what)
        assert len(pictures) == len(said.get(what, []))
        assert all(one.url.startswith("https://assets.fanart.tv/") and " " not in one.url for one in pictures)


def fields_asked(query: str) -> Iterator[tuple[tuple[str, ...], frozenset[str]]]:
    """Each field by the way that leads to it, with its arguments."""
    way: list[str] = []
    last = ""
    for word in re.findall(r"\((?:[^()]|\([^()]*\))*\)|[{}]|\w+", query.partition("{")[2]):
        if word == "{":
            way.append(last)
        elif word == "}":
            way = way[:-1]
        elif word.startswith("("):
            while (
                plain := re.sub(r"\{[^{}]*\}", "", word)
            ) != word:  # what is within others is of other types
                word = plain  # noqa: PLW2901 - see above
            yield (*way, last), frozenset(re.findall(r"(\w+):", plain))
        else:
            last = word
            yield (*way, last), frozenset()


@pytest.mark.parametrize(
    "query",
    [
        hardcover.SEARCH,
        hardcover.CHARACTERS,
        hardcover.CHARACTER,
        hardcover.BOOKS,
        hardcover.BOOK,
        hardcover.IMAGES,
        hardcover.EDITIONS,
    ],
)
def test_what_hardcover_is_asked_for_is_in_its_schema(query: str) -> None:
    schema = json.loads(recorded("hardcover/introspection-subset.json"))["data"]["__schema"]
    types = {one["name"]: {f["name"]: f for f in one["fields"]} for one in schema["types"] if one["fields"]}

    def named(of: dict[str, Any]) -> str:
        return named(of["ofType"]) if of["ofType"] else of["name"]

    top: set[str] = set()
    for way, arguments in fields_asked(query):
        place = schema["queryType"]["name"]
        for name in way[:-1]:
            place = named(types[place][name]["type"])
        field = types[place][way[-1]]
        assert arguments <= {one["name"] for one in field["args"]}
        top.add(way[0])
    assert 0 < len(top) <= 5


@pytest.mark.parametrize(
    ("case", "status", "error"),
    [
        ("400", 400, "Refused"),
        ("401", 401, "Misconfigured"),
        ("403_scope", 403, "Misconfigured"),
        ("403_toplevel", 403, "Misconfigured"),
        ("408", 408, "Broken"),
        ("503", 503, "Broken"),
        ("429", 429, "Busy"),
    ],
)
def test_each_of_hardcovers_errors_is_told_apart(case: str, status: int, error: str) -> None:
    """Behind status 200 there is none of these; and their limits are read, the tightest first."""
    said = json.loads(recorded("hardcover/errors.json"))[case]
    headers = said.get("headers", {})
    failure = error_for("Hardcover", status, headers, NOW)
    assert type(failure).__name__ == error
    if headers:
        allowance = allowance_in(headers, NOW)
        assert allowance
        assert (allowance.left, allowance.until - NOW) == (0, timedelta(seconds=10))
