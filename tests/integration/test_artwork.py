"""Pictures of titles from all providers: in their order, ids translated, each question asked once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.enricher.finder.artwork.artwork import Answered, Artwork, Finding, open_artwork
from services.enricher.finder.artwork.choice import ArtworkSettings, Reason, Textless
from services.enricher.finder.artwork.source import Subject
from services.enricher.finder.metadata import MetadataSettings, ProviderSettings, open_metadata
from services.enricher.finder.providers.fanart.client import FanartSettings
from services.enricher.finder.providers.opening import open_providers
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.finder.providers.trakt.client import TraktSettings
from services.enricher.finder.providers.tvdb.client import TvdbSettings
from shared.background import Background
from shared.pictures import FailureClass, Kind, Role
from shared.telemetry import Metrics
from tests.integration.test_metadata import Clock
from tests.providers import fanart, tmdb, trakt, tvdb
from tests.providers.behaviour import Behaviour
from tests.providers.fanart import FanartHost
from tests.providers.metadata_host import MetadataHost, Said
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt import TraktHost
from tests.providers.tvdb import TvdbHost
from tests.servers.databases import opened_database

ALL = ("tvdb", "tmdb", "trakt", "fanart")
KEYS = {
    "tvdb": tvdb.API_KEY,
    "tmdb": tmdb.API_KEY,
    "trakt": trakt.CLIENT_ID,
    "fanart": fanart.API_KEY,
}
SECOND = timedelta(seconds=1)
TVDB_POSTER = "https://artworks.thetvdb.com/banners/v4/100700.jpg"
TMDB_POSTER = "https://image.tmdb.org/t/p/original/poster7en.jpg"


class World:
    """Four providers."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.clock = Clock()
        self.hosts: dict[str, MetadataHost] = {}
        self.tvdb: TvdbHost
        self.tmdb: TmdbHost

    @asynccontextmanager
    async def open(
        self,
        *on: str,
        keys: Mapping[str, str] = KEYS,
        languages: tuple[str, ...] = ("en",),
        order: tuple[str, ...] = (),
        textless: Textless = Textless.LAST,
    ) -> AsyncIterator[Artwork]:
        """With these providers; all of them in this order for movies and series."""
        key = {name: SecretStr(keys[name]) if name in (on or ALL) else None for name in ALL}
        root = {name: host.root for name, host in self.hosts.items()}
        settings = ProviderSettings.read(
            TraktSettings(client_id=key["trakt"], base_url=root["trakt"]),
            TmdbSettings(api_key=key["tmdb"], base_url=f"{root['tmdb']}/3"),
            TvdbSettings(api_key=key["tvdb"], base_url=f"{root['tvdb']}/v4"),
            FanartSettings(api_key=key["fanart"], base_url=f"{root['fanart']}/v3"),
        )
        chosen = ArtworkSettings(movie=order, series=order, season=order, textless=textless)
        described = MetadataSettings(languages=languages, page_deadline_s=60)
        async with (
            opened_database(self.state_dir) as database,
            open_providers(
                settings,
                database=database,
                metrics=Metrics(),
                background=Background(Metrics()),
                now=self.clock,
            ) as providers,
            open_metadata(
                described, providers, database=database, background=Background(Metrics()), now=self.clock
            ) as metadata,
            open_artwork(chosen, described, providers, metadata, now=self.clock) as artwork,
        ):
            yield artwork

    @property
    def asked(self) -> dict[str, int]:
        """Requests by provider, without logins."""
        counts = {name: host.total - host.counts["/v4/login"] for name, host in self.hosts.items()}
        return {name: count for name, count in counts.items() if count}

    def break_down(self, *names: str) -> None:
        for name in names:
            self.hosts[name].behave(Behaviour(status=500))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        world = World(tmp_path)
        world.tvdb = await stack.enter_async_context(TvdbHost.running())
        world.tmdb = await stack.enter_async_context(TmdbHost.running(requests=1000))
        world.hosts = {
            "tvdb": world.tvdb,
            "tmdb": world.tmdb,
            "trakt": await stack.enter_async_context(TraktHost.running()),
            "fanart": await stack.enter_async_context(FanartHost.running()),
        }
        yield world


async def found(
    artwork: Artwork, kind: str, id_: str, role: Role = Role.POSTER, *, within: timedelta = 60 * SECOND
) -> Finding:
    return await artwork.find(Subject.parse(Kind(kind), id_), role, within=within)


async def url(artwork: Artwork, kind: str, id_: str, role: Role = Role.POSTER) -> str:
    finding = await found(artwork, kind, id_, role)
    assert finding.chosen, finding
    assert finding.lack is None
    return finding.chosen.source_url


async def test_the_first_provider_that_knows_the_id_answers_with_one_request(world: World) -> None:
    async with world.open() as artwork:
        assert await url(artwork, "movie", "tmdb:7") == TMDB_POSTER
        assert world.asked == {"tmdb": 1}
        assert await url(artwork, "series", "tvdb:80007") == TVDB_POSTER
        assert world.asked == {"tmdb": 1, "tvdb": 1}
        assert await url(artwork, "movie", "trakt:movie-7") == (
            "https://walter-r2.trakt.tv/images/movies/000/000/007/posters/thumb/0000000007.jpg.webp"
        )
        assert world.asked == {"tmdb": 1, "tvdb": 1, "trakt": 1}


async def test_all_roles_of_a_title_come_with_one_request(world: World) -> None:
    async with world.open() as artwork:
        for role in (Role.POSTER, Role.FANART, Role.LOGO, Role.IMAGE):
            await url(artwork, "movie", "tmdb:7", role)
        for role in (Role.POSTER, Role.FANART, Role.BANNER):
            await url(artwork, "series", "tvdb:80007", role)
        assert world.asked == {"tmdb": 1, "tvdb": 1}


async def test_an_order_that_is_set_is_kept_to_whatever_it_costs(world: World) -> None:
    async with world.open(order=("tvdb", "tmdb")) as artwork:
        assert await url(artwork, "series", "tmdb:7") == TVDB_POSTER
        assert world.asked["tvdb"] >= 2
        assert "tmdb" not in world.asked
    async with world.open(order=("fanart", "tvdb")) as artwork:
        assert await url(artwork, "series", "tvdb:80007") == "https://assets.fanart.tv/fanart/tv/7/poster.jpg"


async def test_a_number_that_is_anothers_at_tvdb_is_not_taken_for_ours(world: World) -> None:
    """The search for TMDB's 7 finds first the series that has the number 7 somewhere else."""
    async with world.open("tvdb") as artwork:
        assert await url(artwork, "series", "tmdb:7") == TVDB_POSTER
        assert world.tvdb.counts["/v4/series/80008/extended"] == 1
        world.tvdb.put(
            "/v4/search/remoteid/9", Said({"status": "success", "data": [{"series": {"id": 80_010}}]})
        )
        lack = (await found(artwork, "series", "tmdb:9")).lack
        assert lack
        assert lack.failure_class is FailureClass.GONE


TRANSLATED = [
    ("tvdb", "movie", "imdb:tt0000007"),
    ("tvdb", "movie", "tmdb:7"),
    ("tvdb", "series", "imdb:tt5000007"),
    ("tvdb", "person", "imdb:nm0000007"),
    ("tvdb", "season", "imdb:tt5000007-s1"),
    ("tvdb", "season", "tvdb:71"),
    ("tvdb", "episode", "tvdb:712"),
    ("tvdb", "episode", "tmdb:7-s1e2"),
    ("tmdb", "movie", "imdb:tt0000007"),
    ("tmdb", "series", "tvdb:80007"),
    ("tmdb", "person", "imdb:nm0000007"),
    ("tmdb", "season", "tvdb:80007-s1"),
    ("tmdb", "season", "tvdb:71"),
    ("tmdb", "episode", "tvdb:712"),
    ("tmdb", "episode", "imdb:tt5000007-s1e2"),
    ("tmdb", "collection", "tmdb:7"),
    ("trakt", "movie", "tmdb:7"),
    ("trakt", "series", "tvdb:80007"),
    ("trakt", "season", "tmdb:7-s1"),
    ("trakt", "episode", "tmdb:7-s1e2"),
    ("trakt", "person", "tmdb:7"),
    ("fanart", "movie", "imdb:tt0000007"),
]


@pytest.mark.parametrize(("provider", "kind", "id_"), TRANSLATED)
async def test_each_provider_alone_understands(world: World, provider: str, kind: str, id_: str) -> None:
    role = Role.IMAGE if kind != "episode" else Role.STILL
    async with world.open(provider) as artwork:
        finding = await found(artwork, kind, id_, role)
    assert finding.chosen, finding
    assert finding.chosen.provider == provider


@pytest.mark.parametrize(
    ("provider", "helper", "kind", "id_"),
    [
        ("fanart", "tmdb", "series", "tmdb:7"),
        ("fanart", "tmdb", "series", "imdb:tt5000007"),
        ("fanart", "tvdb", "series", "tmdb:7"),
        ("fanart", "trakt", "series", "trakt:show-7"),
        ("fanart", "tvdb", "movie", "tvdb:7"),
        ("fanart", "tmdb", "season", "tmdb:7-s1"),
        ("tmdb", "tvdb", "movie", "tvdb:7"),
        ("tmdb", "trakt", "movie", "trakt:movie-7"),
        ("tvdb", "tmdb", "series", "tmdb:7"),
        ("trakt", "tmdb", "episode", "tvdb:712"),
        ("trakt", "tvdb", "episode", "tvdb:712"),
    ],
)
async def test_one_provider_translates_for_another(
    world: World, provider: str, helper: str, kind: str, id_: str
) -> None:
    async with world.open(provider, helper) as artwork:
        role = Role.STILL if kind == "episode" else Role.POSTER
        finding = await artwork.explain(Subject.parse(Kind(kind), id_), role, within=60 * SECOND)
    given = [verdict.candidate.provider for verdict in finding.choice.verdicts]
    assert provider in given, finding


@pytest.mark.parametrize(
    ("provider", "id_", "ending"),
    [
        ("tvdb", "tvdb:80007-s1", "/v4/100704.jpg"),
        ("tvdb", "tvdb:80007-s2", "/v4/700072.jpg"),
        ("tvdb", "tvdb:72", "/v4/700072.jpg"),
        ("tmdb", "tmdb:7-s2", "/season7-2.jpg"),
        ("trakt", "trakt:show-7-s2", "/seasons/7/posters/thumb/2.jpg.webp"),
        ("fanart", "tvdb:80007-s2", "/tv/7/season2.jpg"),
    ],
)
async def test_a_season_has_its_own_poster(world: World, provider: str, id_: str, ending: str) -> None:
    async with world.open(provider) as artwork:
        assert (await url(artwork, "season", id_)).endswith(ending)


async def test_a_season_that_there_is_not_is_gone(world: World) -> None:
    async with world.open("tvdb", "trakt", "fanart") as artwork:
        lack = (await found(artwork, "season", "tvdb:80007-s9")).lack
    assert lack
    assert lack.failure_class is FailureClass.GONE


async def test_a_provider_that_is_down_is_passed_over(world: World) -> None:
    world.break_down("tvdb")
    async with world.open(order=("tvdb", "tmdb")) as artwork:
        finding = await found(artwork, "series", "tvdb:80007")
    assert finding.chosen
    assert finding.chosen.source_url == TMDB_POSTER
    assert [(one.provider, one.answered) for one in finding.answers] == [
        ("tvdb", Answered.FAILED),
        ("tmdb", Answered.PICTURES),
    ]


async def test_a_provider_that_hangs_leaves_time_for_the_next(world: World) -> None:
    world.tvdb.hold()
    async with world.open(order=("tvdb", "tmdb")) as artwork:
        finding = await found(artwork, "series", "tvdb:80007", within=SECOND)
    assert finding.chosen
    assert finding.chosen.provider == "tmdb"


async def test_all_down_is_a_failure_that_ends(world: World) -> None:
    world.break_down(*ALL)
    async with world.open() as artwork:
        lack = (await found(artwork, "series", "tvdb:80007")).lack
    assert lack
    assert (lack.failure_class, lack.misconfigured) == (FailureClass.UPSTREAM, False)
    assert timedelta(0) < lack.retry_at - world.clock() <= timedelta(minutes=15)


async def test_one_down_and_nothing_elsewhere_is_not_gone(world: World) -> None:
    world.break_down("tvdb")
    async with world.open("tvdb", "tmdb") as artwork:
        lack = (await found(artwork, "movie", "tmdb:5000")).lack
    assert lack
    assert lack.failure_class is FailureClass.UPSTREAM


async def test_a_failure_that_ends_counts_for_more_than_a_key(world: World) -> None:
    world.break_down("tmdb")
    async with world.open("tvdb", "tmdb", keys={**KEYS, "tvdb": "wrong"}) as artwork:
        lack = (await found(artwork, "series", "tvdb:80007")).lack
    assert lack
    assert (lack.failure_class, lack.misconfigured) == (FailureClass.UPSTREAM, False)


async def test_nothing_anywhere_is_gone_for_an_hour(world: World) -> None:
    async with world.open() as artwork:
        finding = await found(artwork, "movie", "tmdb:5000")
    assert finding.lack
    assert (finding.lack.failure_class, finding.lack.misconfigured) == (FailureClass.GONE, False)
    assert finding.lack.retry_at - world.clock() > timedelta(minutes=59)
    assert {one.answered for one in finding.answers} == {Answered.NOTHING}


async def test_a_key_that_is_refused_is_misconfigured(world: World) -> None:
    async with world.open("tvdb", "tmdb", keys=dict.fromkeys(ALL, "wrong")) as artwork:
        lack = (await found(artwork, "series", "tvdb:80007")).lack
    assert lack
    assert lack.misconfigured
    assert lack.failure_class is FailureClass.REFUSED
    assert world.tvdb.logins == {False: 1}


async def test_without_any_key_it_is_misconfigured_too(world: World) -> None:
    async with world.open("fanart") as artwork:
        finding = await found(artwork, "person", "tmdb:7")
    assert finding.lack
    assert finding.lack.misconfigured
    assert {one.reason for one in finding.answers if one.answered is Answered.OFF} == {
        "TVDB_API_KEY is not set.",
        "TMDB_API_KEY is not set.",
        "TRAKT_CLIENT_ID is not set.",
    }


async def test_a_series_that_was_merged_is_followed(world: World) -> None:
    world.tvdb.merged = {80_001: 80_007}
    async with world.open("tvdb") as artwork:
        assert await url(artwork, "series", "tvdb:80001") == TVDB_POSTER
        assert (await found(artwork, "series", "tvdb:81500")).lack
    assert world.tvdb.counts["/v4/updates"] == 1


async def test_the_languages_decide_among_pictures_and_among_providers(world: World) -> None:
    async with world.open(languages=("de", "en")) as artwork:
        assert (await url(artwork, "series", "tvdb:80007")).endswith("100701.jpg")
        assert (await url(artwork, "movie", "tmdb:7")).endswith("poster7de.jpg")
    async with world.open(languages=("ko",), textless=Textless.NEVER, order=("tvdb", "tmdb")) as artwork:
        assert (await url(artwork, "series", "tvdb:80007")).endswith("poster7ko.jpg")


async def test_the_poster_of_the_originals_language_comes_first_where_it_is_asked_for(world: World) -> None:
    world.tmdb.put("/3/movie/7", Said({**tmdb.movie(7), "original_language": "ko"}))
    world.clock.ahead = timedelta(hours=-3)
    async with world.open("tmdb", languages=("original", "en")) as artwork:
        assert (await url(artwork, "movie", "tmdb:7")).endswith("poster7ko.jpg")
        assert (await url(artwork, "movie", "tmdb:8")).endswith("poster8en.jpg")
    async with world.open("tvdb", "tmdb", languages=("original", "en")) as artwork:
        assert await url(artwork, "movie", "tvdb:7")
    assert not [path for path in world.tmdb.counts if "tvdb_id" in path], "of a film it would be a series'"


async def test_a_picture_of_no_language_is_one_without_text_whatever_tmdb_calls_that(world: World) -> None:
    said = tmdb.title_pictures(7)
    without, german = dict(said["posters"][2], iso_639_1="xx"), dict(said["posters"][1], vote_average=5.9)
    world.tmdb.put("/3/movie/7/images", Said({**said, "posters": [german, without]}))
    async with world.open("tmdb", languages=("en",)) as artwork:
        finding = await found(artwork, "movie", "tmdb:7")
    assert finding.chosen
    assert (finding.chosen.id, finding.chosen.textless, finding.chosen.language) == ("poster7", True, None)
    assert any("include_image_language=en,null,xx" in path for path in world.tmdb.counts)


async def test_a_picture_in_a_foreign_language_is_better_than_none(world: World) -> None:
    async with world.open("tmdb", languages=("fr",)) as artwork:
        assert (await url(artwork, "movie", "tmdb:7", Role.LOGO)).endswith("logo7.png")
    assert world.asked == {"tmdb": 2}


async def test_five_hundred_at_once_are_one_request(world: World) -> None:
    world.tmdb.latency_s = 0.1
    async with world.open() as artwork:
        findings = await asyncio.gather(*(found(artwork, "movie", "tmdb:7") for _ in range(500)))
    assert {finding.chosen and finding.chosen.source_url for finding in findings} == {TMDB_POSTER}
    assert world.asked == {"tmdb": 1}


@pytest.mark.parametrize(
    ("provider", "kind", "id_"), [("tmdb", "movie", "tmdb:{}"), ("tvdb", "series", "tvdb:80{:03}")]
)
async def test_sixty_cold_titles_are_one_request_each(
    world: World, provider: str, kind: str, id_: str
) -> None:
    """Of 40 requests a second the last twenty wait for the next."""
    world.hosts[provider].latency_s = 0.1
    async with world.open() as artwork:
        findings = await asyncio.gather(*(found(artwork, kind, id_.format(n)) for n in range(1, 61)))
    assert all(finding.chosen for finding in findings)
    assert world.asked == {provider: 60}


async def test_nobody_is_asked_for_what_they_never_have(world: World) -> None:
    async with world.open("tmdb") as artwork:
        lack = (await found(artwork, "movie", "tmdb:7", Role.BANNER)).lack
    assert lack
    assert lack.failure_class is FailureClass.GONE
    assert world.asked == {}


async def test_the_explanation_has_all_candidates_of_all_providers(world: World) -> None:
    async with world.open() as artwork:
        subject = Subject.parse(Kind.SERIES, "tvdb:80007")
        finding = await artwork.explain(subject, Role.POSTER, within=60 * SECOND)
    lost = {
        (verdict.candidate.provider, verdict.candidate.language): verdict.lost
        for verdict in finding.choice.verdicts
    }
    assert lost[("tvdb", "en")] is None
    assert lost[("tvdb", "de")] is Reason.FOREIGN
    assert lost[("tmdb", "en")] is lost[("trakt", None)] is lost[("fanart", None)] is Reason.PROVIDER
    assert {one.answered for one in finding.answers} == {Answered.PICTURES}
    assert finding.model_dump_json()
