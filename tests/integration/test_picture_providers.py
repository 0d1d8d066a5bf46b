"""Pictures and ids as fanart.tv, TMDB and Trakt send them, and the one spelling of their URLs."""

import pytest
from pydantic import SecretStr

from services.enricher.finder.providers import Misconfigured, NothingThere
from services.enricher.finder.providers.asking import Address
from services.enricher.finder.providers.fanart.client import Fanart, FanartSettings, fanart_address
from services.enricher.finder.providers.models import TitleKind, picture_url
from services.enricher.finder.providers.tmdb import Tmdb, resources
from services.enricher.finder.providers.trakt.client import Trakt
from shared.pictures import SourceUrl
from tests.integration.test_providers import asked, soon, tmdb_at, trakt_at
from tests.providers.fanart import API_KEY, FanartHost
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt import TraktHost

ASSETS = "https://assets.fanart.tv/fanart"


def fanart_at(host: FanartHost, key: str = API_KEY) -> Address:
    return fanart_address(FanartSettings(api_key=SecretStr(key), base_url=host.base_url))


@pytest.mark.parametrize("id_", ["7", "tt0000007"])
async def test_fanart_has_movies_by_tmdb_and_imdb_id(id_: str) -> None:
    async with FanartHost.running() as host, asked("fanart.tv", fanart_at(host)) as provider:
        found = await Fanart(provider).movie(id_, soon())
    assert (found.movieposter[0].url, found.movieposter[0].likes) == (
        f"{ASSETS}/movies/7/D_7%20(3).jpg",
        3,
    )
    assert found.hdmovielogo[0].url == f"{ASSETS}/movies/7/logo%20%5Bde%5D.png"
    assert found.moviebackground[0].lang == "00"


async def test_fanart_has_series_by_tvdb_id_with_their_seasons() -> None:
    async with FanartHost.running() as host, asked("fanart.tv", fanart_at(host)) as provider:
        found = await Fanart(provider).series(80_007, soon())
        with pytest.raises(NothingThere):
            await Fanart(provider).series(1, soon())
    assert [one.season for one in found.seasonposter] == ["1", "2", "all"]


async def test_fanart_refuses_another_key() -> None:
    async with FanartHost.running() as host, asked("fanart.tv", fanart_at(host, "wrong")) as provider:
        with pytest.raises(Misconfigured):
            await Fanart(provider).movie("7", soon())


@pytest.mark.parametrize(
    "spelled",
    [
        "http://assets.fanart.tv/fanart/tv/1/D 1 [2].png",
        "https://assets.fanart.tv/fanart/tv/1/D 1 [2].png",
        "https://assets.fanart.tv/fanart/tv/1/D%201%20%5B2%5D.png",
        "https://assets.fanart.tv/fanart/tv/1/D%201%20%5b2%5d.png#top",
        " https://ASSETS.fanart.tv:443/fanart/tv/1/D%201 [2].png",
    ],
)
def test_one_picture_has_one_id_however_its_url_is_spelled(spelled: str) -> None:
    url = picture_url(spelled)
    assert url == "https://assets.fanart.tv/fanart/tv/1/D%201%20%5B2%5D.png"
    assert str(SourceUrl.parse(url)) == url


@pytest.mark.parametrize("spelled", ["", "ftp://assets.fanart.tv/x", "/banners/x.jpg", "http://[x/y.jpg"])
def test_what_is_no_url_is_no_picture(spelled: str) -> None:
    with pytest.raises(ValueError):
        picture_url(spelled)


def test_the_scheme_of_an_unknown_host_stays() -> None:
    assert picture_url("http://127.0.0.1:8000/a b.jpg") == "http://127.0.0.1:8000/a%20b.jpg"


async def test_tmdb_has_pictures_of_each_kind_in_the_languages_asked_for() -> None:
    async with TmdbHost.running() as host, asked("TMDB", tmdb_at(host)) as provider:
        tmdb = Tmdb(provider)
        movie = await tmdb.get(resources.pictures("movie/7", ["de", "en-US"]), soon())
        assert [one.iso_639_1 for one in movie.posters] == ["en", "de", None]
        assert host.counts["/3/movie/7/images"] == 1
        everything = await tmdb.get(resources.pictures("movie/7"), soon())
        assert "ko" in [one.iso_639_1 for one in everything.posters]
        still = await tmdb.get(resources.pictures(resources.episode_path(7, 1, 2)), soon())
        assert (still.stills[0].width, still.posters) == (1920, ())
        season = await tmdb.get(resources.pictures(resources.season_path(7, 0)), soon())
        person = await tmdb.get(resources.pictures(resources.person_path(7)), soon())
        collection = await tmdb.get(resources.pictures(resources.collection_path(7)), soon())
        assert all((season.posters, person.profiles, collection.posters, collection.backdrops))


async def test_tmdb_finds_by_tvdb_id_and_says_what_a_series_is_called_elsewhere() -> None:
    async with TmdbHost.running() as host, asked("TMDB", tmdb_at(host)) as provider:
        tmdb = Tmdb(provider)
        found = await tmdb.get(resources.find_tvdb(80_007), soon())
        assert [one.id for one in found.tv_results] == [7]
        episodes = await tmdb.get(resources.find_tvdb(712), soon())
        assert episodes.tv_episode_results[0].model_dump() == {
            "show_id": 7,
            "season_number": 1,
            "episode_number": 2,
        }
        elsewhere = await tmdb.get(resources.external_ids(TitleKind.TV, 7), soon())
        assert (elsewhere.imdb_id, elsewhere.tvdb_id) == ("tt5000007", 80_007)
        persons = await tmdb.get(resources.find_imdb("nm0000007"), soon())
        assert persons.person_results[0].id == 7


async def test_trakt_has_pictures_of_seasons_episodes_and_persons() -> None:
    async with TraktHost.running() as host, asked("Trakt", trakt_at(host)) as provider:
        trakt = Trakt(provider)
        seasons = await trakt.seasons("show-7", soon())
        assert [(one.number, bool(one.images.poster)) for one in seasons.seasons] == [(1, True), (2, True)]
        episode = await trakt.episode("show-7", 1, 2, soon())
        assert episode.images.screenshot[0].startswith("https://walter-r2.trakt.tv/")
        person = await trakt.person("nm0000007", soon())
        assert person.images.headshot
        assert await trakt.person_by_tmdb(7, soon()) == person
        assert (await trakt.title_by("tvdb", TitleKind.TV, 80_007, soon())).ids.tmdb == 7
        with pytest.raises(NothingThere):
            await trakt.person_by_tmdb(5000, soon())
