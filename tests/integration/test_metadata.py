"""Titles and TMDB's resources through caches and budgets, against stand-ins and the real database."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from aiohttp import web
from pydantic import SecretStr

from services.enricher.finder.metadata import (
    Found,
    Metadata,
    MetadataSettings,
    NotFound,
    Outcome,
    Pending,
    ProviderSettings,
    Title,
    TitleKey,
    TitleKind,
    Unavailable,
    open_metadata,
)
from services.enricher.finder.providers import Condition
from services.enricher.finder.providers.opening import open_providers
from services.enricher.finder.providers.tmdb import TmdbSettings, resources
from services.enricher.finder.providers.trakt.client import TraktSettings
from shared.background import Background
from shared.pictures import FailureClass, Role
from shared.telemetry import Metrics
from tests.integration.onesheet import until
from tests.providers.behaviour import Behaviour
from tests.providers.metadata_host import Said
from tests.providers.tmdb import API_KEY, TmdbHost
from tests.providers.trakt import CLIENT_ID, TraktHost, imdb_id
from tests.servers.databases import opened_database

MOVIE, TV = TitleKind.MOVIE, TitleKind.TV
SECOND = timedelta(seconds=1)
UNKNOWN = "tt9999999"
A_PAGE = [TitleKey(MOVIE, imdb_id=imdb_id(number)) for number in range(1, 51)]


class Clock:
    """Goes with the real one, and further where it is told to."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class World:
    """Two providers, and metadata that has the keys it is opened with."""

    def __init__(self, trakt: TraktHost, tmdb: TmdbHost, state_dir: Path) -> None:
        self.trakt = trakt
        self.tmdb = tmdb
        self.state_dir = state_dir
        self.clock = Clock()

    @asynccontextmanager
    async def open(
        self,
        *,
        trakt: str | None = CLIENT_ID,
        tmdb: str | None = API_KEY,
        languages: tuple[str, ...] = ("en",),
        deadline_s: float = 60,
    ) -> AsyncIterator[Metadata]:
        providers = ProviderSettings.read(
            TraktSettings(client_id=SecretStr(trakt) if trakt else None, base_url=self.trakt.root),
            TmdbSettings(api_key=SecretStr(tmdb) if tmdb else None, base_url=self.tmdb.base_url),
        )
        async with (
            opened_database(self.state_dir) as database,
            open_providers(
                providers,
                database=database,
                metrics=Metrics(),
                background=Background(Metrics()),
                now=self.clock,
            ) as opened,
            open_metadata(
                MetadataSettings(languages=languages, page_deadline_s=deadline_s),
                opened,
                database=database,
                background=Background(Metrics()),
                now=self.clock,
            ) as metadata,
        ):
            yield metadata


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with TraktHost.running() as trakt, TmdbHost.running() as tmdb:
        yield World(trakt, tmdb, tmp_path)


def titles(outcomes: Mapping[TitleKey, Outcome[Title]]) -> list[str]:
    return [outcome.value.title for outcome in outcomes.values() if isinstance(outcome, Found)]


def kinds(outcomes: Mapping[TitleKey, Outcome[Title]]) -> set[type]:
    return {type(outcome) for outcome in outcomes.values()}


async def one(metadata: Metadata, key: TitleKey) -> Outcome[Title]:
    return (await metadata.titles.lookup([key]))[key]


async def provider_of(metadata: Metadata, key: TitleKey) -> str:
    outcome = await one(metadata, key)
    assert isinstance(outcome, Found), outcome
    return outcome.value.provider


class Untranslated(TmdbHost):
    """Has only the original in Korean, and English texts."""

    def has(self, request: web.Request) -> Said:
        said = super().has(request)
        if request.query.get("language") == "de":
            korean = {"title": "기생충", "original_title": "기생충", "overview": ""}
            return Said({**cast(dict[str, object], said.body), **korean})
        return said


async def test_what_lacks_in_the_first_language_is_said_in_the_next(tmp_path: Path) -> None:
    async with (
        TraktHost.running() as trakt,
        Untranslated.running() as tmdb,
        World(trakt, tmdb, tmp_path).open(trakt=None, languages=("de", "en")) as metadata,
    ):
        for _ in range(2):
            outcome = await one(metadata, TitleKey(MOVIE, tmdb_id=7))
            assert isinstance(outcome, Found)
            assert (outcome.value.title, outcome.value.overview) == (
                "The movie 7",
                "What TMDB says of number 7.",
            )
            assert tmdb.total == 2


async def test_a_number_that_tmdb_does_not_know_any_more_is_looked_up_by_the_other_ids(world: World) -> None:
    async with world.open(trakt=None) as metadata:
        for key in (
            TitleKey(MOVIE, tmdb_id=777_001, imdb_id=imdb_id(7)),
            TitleKey(TV, tmdb_id=777_001, imdb_id="tt9999999", tvdb_id=80_007),
        ):
            outcome = await one(metadata, key)
            assert isinstance(outcome, Found)
            assert outcome.value.tmdb_id == 7


async def test_the_titles_of_a_cold_page_are_asked_for_side_by_side(world: World) -> None:
    """How long a page takes is measured by `make bench`."""
    gate = world.trakt.hold()
    async with world.open() as metadata:
        page = asyncio.create_task(metadata.titles.lookup(A_PAGE, within=60 * SECOND))
        await until(lambda: world.trakt.total == 50)  # and none has been answered
        gate.open()
        outcomes = await page
        assert titles(outcomes) == [f"The movie {number}" for number in range(1, 51)]
        assert (world.trakt.total, world.tmdb.total) == (50, 0)


async def test_twenty_pages_at_once_ask_for_each_title_once(world: World) -> None:
    gate = world.trakt.hold()
    async with world.open() as metadata:
        waiting = [asyncio.create_task(metadata.titles.lookup(A_PAGE, within=60 * SECOND)) for _ in range(20)]
        await until(lambda: world.trakt.total == 50)
        gate.open()
        pages = await asyncio.gather(*waiting)
        assert all(len(titles(page)) == 50 for page in pages)
        await metadata.titles.lookup(A_PAGE)
        assert world.trakt.total == 50
        assert max(world.trakt.counts.values()) == 1


async def test_a_title_that_items_name_by_different_ids_beside_is_asked_for_once(world: World) -> None:
    keys = [TitleKey(MOVIE, imdb_id=imdb_id(7)), TitleKey(MOVIE, imdb_id=imdb_id(7), tmdb_id=7)]
    async with world.open() as metadata:
        assert len(titles(await metadata.titles.lookup(keys))) == 2
        assert world.trakt.total == 1


async def test_trakt_describes_a_title_with_its_pictures(world: World) -> None:
    async with world.open() as metadata:
        outcome = await one(metadata, TitleKey(MOVIE, imdb_id=imdb_id(7)))
        assert isinstance(outcome, Found)
        title = outcome.value
        assert (title.provider, title.year, title.tmdb_id, title.rating) == ("trakt", 1957, 7, 7.5)
        assert title.genres == ("Science Fiction", "Drama")
        assert set(title.pictures) == {Role.POSTER, Role.FANART}
        assert all(url.startswith("https://walter-r2.trakt.tv/") for url in title.pictures.values())


async def test_tmdb_describes_what_trakt_does_not_know(world: World) -> None:
    world.trakt.behave(Behaviour(status=404))
    async with world.open() as metadata:
        for key in (TitleKey(MOVIE, imdb_id=imdb_id(7)), TitleKey(TV, tmdb_id=8)):
            outcome = await one(metadata, key)
            assert isinstance(outcome, Found)
            assert outcome.value.provider == "tmdb"
            assert outcome.value.pictures[Role.POSTER].startswith(
                "https://image.tmdb.org/t/p/original/poster"
            )
        assert world.tmdb.counts["/3/find/tt0000007"] == 1


async def test_a_title_that_nobody_knows_is_not_found_and_not_asked_for_again(world: World) -> None:
    keys = [TitleKey(MOVIE, imdb_id=UNKNOWN), TitleKey(TV, tmdb_id=5000), TitleKey(MOVIE, trakt_id="no-5000")]
    async with world.open() as metadata:
        assert kinds(await metadata.titles.lookup(keys)) == {NotFound}
        asked = (world.trakt.total, world.tmdb.total)
        assert kinds(await metadata.titles.lookup(keys)) == {NotFound}
        assert (world.trakt.total, world.tmdb.total) == asked


async def test_an_id_that_cannot_be_one_is_left_out_of_what_tmdb_finds(world: World) -> None:
    found = b'{"movie_results": [{"id": 0, "title": "None"}, {"id": 7, "title": "The movie 7"}]}'
    world.tmdb.behave(Behaviour(body=found), path=f"/3/find/{imdb_id(7)}")
    async with world.open(trakt=None) as metadata:
        outcome = await one(metadata, TitleKey(MOVIE, imdb_id=imdb_id(7)))
    assert isinstance(outcome, Found)
    assert outcome.value.tmdb_id == 7


async def test_an_item_without_ids_comes_back_as_it_is(world: World) -> None:
    async with world.open() as metadata:
        assert await one(metadata, TitleKey(MOVIE)) == NotFound()
        assert (world.trakt.total, world.tmdb.total) == (0, 0)


async def test_with_a_key_for_trakt_alone_trakt_answers(world: World) -> None:
    async with world.open(tmdb=None) as metadata:
        assert await provider_of(metadata, TitleKey(MOVIE, tmdb_id=7)) == "trakt"
        assert isinstance(await metadata.tmdb.get(resources.movie(7)), Unavailable)
        assert metadata.providers["trakt"].condition is Condition.READY
        assert metadata.providers["tmdb"].condition is Condition.OFF
        assert metadata.providers["tmdb"].detail == "TMDB_API_KEY is not set."


async def test_with_a_key_for_tmdb_alone_tmdb_answers(world: World) -> None:
    async with world.open(trakt=None) as metadata:
        assert await provider_of(metadata, TitleKey(MOVIE, imdb_id=imdb_id(7))) == "tmdb"
        assert metadata.providers["trakt"].condition is Condition.OFF
        assert world.trakt.total == 0


async def test_without_any_key_everything_says_so_at_once(world: World) -> None:
    async with world.open(trakt=None, tmdb=None) as metadata:
        outcome = await one(metadata, A_PAGE[0])
        assert isinstance(outcome, Unavailable)
        assert outcome.reason == "No provider of metadata has a key."
        assert {status.condition for status in metadata.providers.values()} == {Condition.OFF}


async def test_a_bad_key_is_never_taken_for_nothing_there(world: World) -> None:
    async with world.open(trakt="wrong", tmdb=None) as metadata:
        outcome = await one(metadata, TitleKey(MOVIE, imdb_id=UNKNOWN))
        assert isinstance(outcome, Unavailable)
        assert outcome.failure_class is FailureClass.REFUSED
        assert metadata.providers["trakt"].condition is Condition.MISCONFIGURED
    async with world.open(trakt="wrong") as metadata:
        assert await provider_of(metadata, A_PAGE[0]) == "tmdb"


@pytest.mark.parametrize(
    "behaviour",
    [Behaviour(delay_s=60), Behaviour(status=500), Behaviour(reset=True), Behaviour(body=b"garbage")],
    ids=repr,
)
async def test_a_page_answers_by_its_deadline_with_tmdb_while_trakt_is_slow_or_broken(
    world: World, behaviour: Behaviour
) -> None:
    world.trakt.behave(behaviour)
    async with world.open(deadline_s=8) as metadata:
        outcomes = await metadata.titles.lookup([TitleKey(MOVIE, tmdb_id=number) for number in range(1, 21)])
        assert len(titles(outcomes)) == 20
        assert {o.value.provider for o in outcomes.values() if isinstance(o, Found)} == {"tmdb"}


async def test_what_a_slow_provider_says_late_is_there_for_the_next_page(world: World) -> None:
    gate = world.trakt.hold()
    async with world.open(tmdb=None) as metadata:
        assert kinds(await metadata.titles.lookup(A_PAGE, within=0.1 * SECOND)) == {Pending}
        gate.open()
        assert len(titles(await metadata.titles.lookup(A_PAGE))) == 50
        assert world.trakt.total == 50


async def test_what_came_in_time_is_given_and_what_did_not_is_pending(world: World) -> None:
    slow = world.trakt.hold(f"/movies/{imdb_id(3)}")
    async with world.open(tmdb=None) as metadata:
        outcomes = await metadata.titles.lookup(A_PAGE[:5], within=2 * SECOND)
        assert [type(outcome) for outcome in outcomes.values()] == [Found, Found, Pending, Found, Found]
        slow.open()


@pytest.mark.parametrize("behaviour", [Behaviour(delay_s=10), Behaviour(status=503)], ids=repr)
async def test_with_its_provider_slow_or_down_a_page_has_what_was_known_before(
    world: World, behaviour: Behaviour
) -> None:
    async with world.open(tmdb=None) as metadata:
        await metadata.titles.lookup(A_PAGE)
        world.clock.ahead += timedelta(hours=2)
        world.trakt.behave(behaviour)
        outcomes = await metadata.titles.lookup(A_PAGE, within=SECOND)
        assert {outcome.stale for outcome in outcomes.values() if isinstance(outcome, Found)} == {True}
        assert len(titles(outcomes)) == 50


@pytest.mark.parametrize("told", [True, False])
async def test_after_429_nobody_asks_before_the_time_and_pages_still_answer_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, told: bool
) -> None:
    monkeypatch.setattr("services.enricher.finder.providers.spending.FIRST_PAUSE", timedelta(minutes=10))
    async with (
        TraktHost.running(requests=10, period_s=300, told=told) as trakt,
        TmdbHost.running() as tmdb,
        World(trakt, tmdb, tmp_path).open(tmdb=None) as metadata,
    ):
        first = await metadata.titles.lookup(A_PAGE)
        assert kinds(first) == {Found, Unavailable}
        asked = trakt.total
        for _ in range(20):
            again = await metadata.titles.lookup(A_PAGE)
        assert len(titles(again)) == 10
        assert trakt.total == asked
        assert metadata.providers["trakt"].condition is Condition.BUSY


async def test_a_page_within_the_budget_is_never_refused(world: World) -> None:
    async with world.open(trakt=None) as metadata:
        keys = [TitleKey(MOVIE, tmdb_id=number) for number in range(1, 51)]
        assert len(titles(await metadata.titles.lookup(keys))) == 50
        assert (world.tmdb.total, world.tmdb.over_limit) == (50, 0)


async def test_after_a_restart_tmdb_is_not_asked_again(world: World) -> None:
    asked_for = [resources.movie(7), resources.movie(5000), resources.movie(7, language="de")]
    for _ in range(2):
        async with world.open() as metadata:
            outcomes = [await metadata.tmdb.get(resource) for resource in asked_for]
            assert [type(outcome) for outcome in outcomes] == [Found, NotFound, Found]
            assert world.tmdb.total == 3


@pytest.mark.parametrize("behaviour", [Behaviour(delay_s=10), Behaviour(status=500)], ids=repr)
async def test_after_a_restart_what_expired_is_given_while_tmdb_is_slow_or_down(
    world: World, behaviour: Behaviour
) -> None:
    async with world.open() as metadata:
        await metadata.tmdb.get(resources.movie(7))
    world.clock.ahead += timedelta(days=2)
    world.tmdb.behave(behaviour)
    async with world.open() as metadata:
        outcome = await metadata.tmdb.get(resources.movie(7), within=0.5 * SECOND)
        assert isinstance(outcome, Found)
        assert (outcome.stale, outcome.value.title) == (True, "The movie 7")


async def test_a_restart_does_not_allow_a_second_burst(tmp_path: Path) -> None:
    async with TraktHost.running() as trakt, TmdbHost.running() as tmdb:
        world = World(trakt, tmdb, tmp_path)
        keys = [TitleKey(MOVIE, imdb_id=imdb_id(number)) for number in range(1, 900)]
        async with world.open(tmdb=None) as metadata:
            assert len(titles(await metadata.titles.lookup(keys[:300], within=60 * SECOND))) == 300
        async with world.open(tmdb=None) as metadata:
            assert len(titles(await metadata.titles.lookup(keys[300:], within=60 * SECOND))) == 200
            assert metadata.providers["trakt"].condition is Condition.BUSY
        assert (trakt.total, trakt.over_limit) == (500, 0)


async def test_what_trakt_says_is_never_on_disk(world: World) -> None:
    async with world.open() as metadata:
        assert len(titles(await metadata.titles.lookup(A_PAGE))) == 50
        await metadata.tmdb.get(resources.movie(7))
    stored = b"".join(path.read_bytes() for path in world.state_dir.rglob("*") if path.is_file())
    assert b"What TMDB says of number 7" in stored
    assert b"What Trakt says" not in stored
    assert b"The movie 8" not in stored
    assert CLIENT_ID.encode() not in stored
    assert API_KEY.encode() not in stored


async def test_whatever_changes_the_answer_is_part_of_the_key(world: World) -> None:
    async with world.open() as metadata:
        for resource in (
            resources.search_movie("Matrix"),
            resources.search_movie("Matrix", page=2),
            resources.search_movie("Matrix", language="de"),
            resources.search_movie("Matrix", year=1999),
            resources.search_movie("Matrix?page=2"),
            resources.search_tv("Matrix"),
            resources.movie(7, append=("credits",)),
            resources.movie(7),
        ):
            await metadata.tmdb.get(resource)
        assert world.tmdb.total == 8
        for same in (resources.search_movie(" MATRIX "), resources.movie(7, language="en-US")):
            await metadata.tmdb.get(same)
        assert world.tmdb.total == 8
        assert (await metadata.tmdb.statistics()).stored.rows == 8


async def test_tmdbs_cache_is_counted_and_cleared(world: World) -> None:
    async with world.open() as metadata:
        await metadata.tmdb.get(resources.movie(7))
        await metadata.tmdb.get(resources.movie(7))
        await metadata.tmdb.get(resources.person(7))
        statistics = await metadata.tmdb.statistics()
        assert (statistics.stored.rows, statistics.memory.hits, statistics.memory.misses) == (2, 1, 2)
        assert statistics.stored.bytes > 0
        world.clock.ahead += timedelta(days=2)
        assert (await metadata.tmdb.statistics()).stored.expired == 1
        assert await metadata.tmdb.clear_expired() == 1
        assert await metadata.tmdb.clear() == 1
        await metadata.tmdb.get(resources.person(7))
        assert world.tmdb.total == 3


async def test_all_that_providers_said_is_forgotten_when_told_to(world: World) -> None:
    async with world.open() as metadata:
        await metadata.titles.lookup(A_PAGE[:3])
        await metadata.clear()
        await metadata.titles.lookup(A_PAGE[:3])
        assert world.trakt.total == 6
