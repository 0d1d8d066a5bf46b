"""Asking Trakt and TMDB, as they are and as they can be."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from services.enricher.finder.providers import (
    Broken,
    Busy,
    Condition,
    Limit,
    Misconfigured,
    NotAsked,
    NothingThere,
    ProviderError,
    RateBudget,
    Refused,
    Turn,
    Unreadable,
    Urgency,
)
from services.enricher.finder.providers.asking import Address, Provider, open_sessions
from services.enricher.finder.providers.models import Lenient, TitleKind
from services.enricher.finder.providers.registry import AskingSettings
from services.enricher.finder.providers.tmdb import Resource, Tmdb, TmdbSettings, resources, tmdb_address
from services.enricher.finder.providers.trakt.client import Trakt, TraktSettings, TraktTitle, trakt_address
from shared.pictures import FailureClass
from shared.telemetry import Metrics, utc_now
from tests.providers.behaviour import Behaviour
from tests.providers.metadata_host import Said
from tests.providers.tmdb import API_KEY, TOKEN, TmdbHost
from tests.providers.trakt import CLIENT_ID, TraktHost, title

PLENTY = Limit(10_000, timedelta(seconds=1))
MOVIE = TitleKind.MOVIE
TV = TitleKind.TV


@asynccontextmanager
async def asked(
    name: str, address: Address, *, timeout_s: float = 5, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[Provider]:
    settings = AskingSettings(timeout_s=timeout_s, max_body_mb=1)
    async with open_sessions(settings) as outbound:
        budget = RateBudget(name, PLENTY, now=now)
        yield Provider(
            name, address, outbound, budget=budget, max_bytes=settings.max_bytes, metrics=Metrics(), now=now
        )


def trakt_at(host: TraktHost, client_id: str = CLIENT_ID) -> Address:
    return trakt_address(TraktSettings(client_id=SecretStr(client_id), base_url=host.root))


def tmdb_at(host: TmdbHost, key: str = API_KEY) -> Address:
    return tmdb_address(TmdbSettings(api_key=SecretStr(key), base_url=host.base_url))


def soon(seconds: float = 1) -> Turn:
    return Turn(Urgency.NOW, datetime.now(UTC) + timedelta(seconds=seconds))


@pytest.fixture
async def trakt_host() -> AsyncIterator[TraktHost]:
    async with TraktHost.running() as host:
        yield host


@pytest.fixture
async def tmdb_host() -> AsyncIterator[TmdbHost]:
    async with TmdbHost.running() as host:
        yield host


async def test_trakt_is_asked_with_all_that_it_requires(trakt_host: TraktHost) -> None:
    async with asked("Trakt", trakt_at(trakt_host)) as provider:
        found = await Trakt(provider).title(MOVIE, "tt0000007", soon())
    assert (found.title, found.ids.tmdb, found.tagline) == ("The movie 7", 7, None)
    assert found.images.poster[0].startswith("https://walter-r2.trakt.tv/images/movies/")
    assert trakt_host.counts["/movies/tt0000007?extended=full,images"] == 1


async def test_a_tmdb_id_goes_through_trakts_search(trakt_host: TraktHost) -> None:
    async with asked("Trakt", trakt_at(trakt_host)) as provider:
        trakt = Trakt(provider)
        found = await trakt.title_by("tmdb", TV, 7, soon())
        assert (found.ids.slug, found.first_aired and found.first_aired.year) == ("show-7", 1999)
        assert trakt_host.counts["/search/tmdb/7"] == 1
        with pytest.raises(NothingThere):
            await trakt.title_by("tmdb", TV, 5000, soon())


@pytest.mark.parametrize(
    ("status", "error", "failure_class"),
    [
        (204, NothingThere, FailureClass.GONE),
        (301, Broken, FailureClass.UPSTREAM),
        (400, Refused, FailureClass.REFUSED),
        (401, Misconfigured, FailureClass.REFUSED),
        (403, Misconfigured, FailureClass.REFUSED),
        (404, NothingThere, FailureClass.GONE),
        (405, Refused, FailureClass.REFUSED),
        (408, Broken, FailureClass.UPSTREAM),
        (409, Refused, FailureClass.REFUSED),
        (412, Misconfigured, FailureClass.REFUSED),
        (420, Refused, FailureClass.REFUSED),
        (422, Refused, FailureClass.REFUSED),
        (423, Misconfigured, FailureClass.REFUSED),
        (426, Refused, FailureClass.REFUSED),
        (429, Busy, FailureClass.BUSY),
        (500, Broken, FailureClass.UPSTREAM),
        (502, Broken, FailureClass.UPSTREAM),
        (503, Broken, FailureClass.UPSTREAM),
        (504, Broken, FailureClass.UPSTREAM),
        (520, Broken, FailureClass.UPSTREAM),
        (521, Broken, FailureClass.UPSTREAM),
        (522, Broken, FailureClass.UPSTREAM),
    ],
)
async def test_each_status_is_a_failure_of_its_class(
    trakt_host: TraktHost, status: int, error: type[ProviderError], failure_class: FailureClass
) -> None:
    trakt_host.behave(Behaviour(status=status, headers={"Location": "/movies/tt0000001"}))
    async with asked("Trakt", trakt_at(trakt_host)) as provider:
        with pytest.raises(error) as raised:
            await Trakt(provider).title(MOVIE, "tt0000001", soon())
        assert (provider.status.condition is Condition.READY) == (error in {NothingThere, Refused})
    assert type(raised.value) is error
    assert (raised.value.failure_class, raised.value.status) == (failure_class, status)
    assert (raised.value.retry_after == timedelta(seconds=30)) == (status in {502, 503, 504})
    assert trakt_host.total == 1


async def test_an_overloaded_provider_that_says_when_is_left_alone_until_then(trakt_host: TraktHost) -> None:
    trakt_host.behave(Behaviour.failing(503, retry_after=20))
    async with asked("Trakt", trakt_at(trakt_host)) as provider:
        with pytest.raises(Busy):
            await Trakt(provider).title(MOVIE, "tt0000001", soon())
        with pytest.raises(NotAsked):
            await Trakt(provider).title(MOVIE, "tt0000002", soon())
    assert trakt_host.total == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(body=b"<!doctype html><title>Oops</title>"),
        Behaviour(body=b""),
        Behaviour(body=b'{"title": "cut'),
        Behaviour(body=b"[]"),
        Behaviour(body=b"null"),
        Behaviour(body=b'{"title": "\xff"}'),
        Behaviour(body=b'{"overview": "no title"}'),
        Behaviour(body=b'{"title": "x", "ids": {}, "overview": "' + b"x" * 2**20 + b'"}'),
        Behaviour(body=b"[" * 100_000),
    ],
    ids=lambda behaviour: repr(behaviour.body[:20]),
)
async def test_what_is_not_as_documented_is_unreadable(trakt_host: TraktHost, behaviour: Behaviour) -> None:
    trakt_host.behave(behaviour)
    async with asked("Trakt", trakt_at(trakt_host)) as provider:
        with pytest.raises(Unreadable):
            await Trakt(provider).title(MOVIE, "tt0000001", soon())
        assert provider.status.condition is Condition.FAILING


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(cut_after_bytes=30),
        Behaviour(no_answer=True),
        Behaviour(reset=True),
        Behaviour(delay_s=3),
        Behaviour(drip_bytes_per_s=20),
        Behaviour(headers={"Content-Encoding": "gzip"}),
    ],
    ids=repr,
)
async def test_an_answer_that_breaks_off_or_never_comes_is_broken(
    trakt_host: TraktHost, behaviour: Behaviour
) -> None:
    trakt_host.behave(behaviour)
    async with asked("Trakt", trakt_at(trakt_host), timeout_s=0.3) as provider:
        with pytest.raises(Broken):
            await Trakt(provider).title(MOVIE, "tt0000001", soon())


async def test_a_provider_that_is_down_is_broken() -> None:
    nobody = Address("http://127.0.0.1:9", {})
    async with asked("Trakt", nobody) as provider:
        with pytest.raises(Broken):
            await Trakt(provider).title(MOVIE, "tt0000001", soon())


async def test_a_provider_that_keeps_failing_is_left_alone_for_longer_and_longer(
    trakt_host: TraktHost,
) -> None:
    trakt_host.behave(Behaviour(status=500, times=10))
    ahead = timedelta(0)
    async with asked("Trakt", trakt_at(trakt_host), now=lambda: datetime.now(UTC) + ahead) as provider:
        trakt = Trakt(provider)

        async def ask(error: type[ProviderError]) -> None:
            with pytest.raises(error) as raised:
                await trakt.title(MOVIE, "tt0000001", Turn(Urgency.NOW, soon().until + ahead))
            assert type(raised.value) is error

        for _ in range(5):
            await ask(Broken)
        await ask(NotAsked)
        assert (provider.status.condition, provider.status.detail) == (
            Condition.FAILING,
            "Trakt answered 500.",
        )
        ahead += timedelta(seconds=5.1)
        await ask(Broken)
        ahead += timedelta(seconds=5.1)
        await ask(NotAsked)
        assert trakt_host.total == 6


async def test_a_bad_key_is_misconfigured_and_said_so(trakt_host: TraktHost, tmdb_host: TmdbHost) -> None:
    with capture_logs() as lines:
        async with asked("Trakt", trakt_at(trakt_host, "another")) as provider:
            for _ in range(3):
                with pytest.raises(Misconfigured, match="does not accept our key"):
                    await Trakt(provider).title(MOVIE, "tt0000001", soon())
            assert provider.status.condition is Condition.MISCONFIGURED
        async with asked("TMDB", tmdb_at(tmdb_host, "secretsecret")) as provider:
            with pytest.raises(Misconfigured):
                await Tmdb(provider).get(resources.movie(1), soon())
    assert [line["provider"] for line in lines] == ["Trakt", "TMDB"]
    assert "secretsecret" not in str(lines)


@pytest.mark.parametrize("key", [API_KEY, TOKEN])
async def test_tmdb_takes_a_v3_key_or_a_v4_token(tmdb_host: TmdbHost, key: str) -> None:
    async with asked("TMDB", tmdb_at(tmdb_host, key)) as provider:
        assert (await Tmdb(provider).get(resources.movie(7), soon())).title == "The movie 7"
    assert any("api_key" in path for path in tmdb_host.counts) == (key == API_KEY)


async def test_no_error_tells_the_key() -> None:
    address = tmdb_address(TmdbSettings(api_key=SecretStr(API_KEY), base_url="http://127.0.0.1:9"))
    async with asked("TMDB", address) as provider:
        with pytest.raises(Broken) as raised:
            await Tmdb(provider).get(resources.movie(7), soon())
    assert API_KEY not in repr(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


async def test_after_429_nobody_asks_before_the_time_it_says() -> None:
    async with TraktHost.running(requests=2, period_s=1) as host, asked("Trakt", trakt_at(host)) as provider:
        trakt = Trakt(provider)
        for number in (1, 2):
            await trakt.title(MOVIE, f"tt000000{number}", soon())
        with pytest.raises(Busy):
            await trakt.title(MOVIE, "tt0000003", soon())
        with pytest.raises(NotAsked):
            await trakt.title(MOVIE, "tt0000004", soon(0.2))
        assert provider.status.condition is Condition.BUSY
        assert (await trakt.title(MOVIE, "tt0000005", soon(5))).title == "The movie 5"
        assert (host.total, host.over_limit) == (4, 1)
        assert host.asked_at[3] - host.asked_at[2] >= 1


async def test_after_429_that_says_only_when_the_window_ends_nobody_asks_until_then(
    trakt_host: TraktHost,
) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
    told = f'{{"name":"GET","period":300,"limit":500,"remaining":0,"until":"{until}"}}'
    trakt_host.behave(Behaviour(status=429, headers={"X-Ratelimit": told}, times=1))
    async with asked("Trakt", trakt_at(trakt_host)) as provider:
        trakt = Trakt(provider)
        with pytest.raises(Busy):
            await trakt.title(MOVIE, "tt0000001", soon())
        await trakt.title(MOVIE, "tt0000002", soon())
    assert 0.4 < trakt_host.asked_at[1] - trakt_host.asked_at[0] < 1


async def test_after_429_that_says_nothing_there_is_a_pause_all_the_same() -> None:
    async with (
        TraktHost.running(requests=1, period_s=1, told=False) as host,
        asked("Trakt", trakt_at(host)) as provider,
    ):
        trakt = Trakt(provider)
        await trakt.title(MOVIE, "tt0000001", soon())
        with pytest.raises(Busy):
            await trakt.title(MOVIE, "tt0000002", soon())
        with pytest.raises(NotAsked) as refused:
            await trakt.title(MOVIE, "tt0000003", soon())
        assert refused.value.busy_until - datetime.now(UTC) > timedelta(seconds=4)
        assert host.total == 2


async def test_a_page_that_says_less_is_left_is_believed(trakt_host: TraktHost) -> None:
    until = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    told = f'{{"name":"GET","period":300,"limit":500,"remaining":1,"until":"{until}"}}'
    trakt_host.put("/movies/tt0000001", Said(title(1), headers={"X-Ratelimit": told}))
    async with asked("Trakt", trakt_at(trakt_host)) as provider:
        trakt = Trakt(provider)
        for name in ("tt0000001", "tt0000002"):
            await trakt.title(MOVIE, name, soon())
        with pytest.raises(NotAsked):
            await trakt.title(MOVIE, "tt0000003", soon())


async def test_pages_are_followed_by_what_the_answers_say(trakt_host: TraktHost) -> None:
    paging = {"X-Pagination-Page-Count": "3", "X-Pagination-Limit": "100"}
    trakt_host.put("/list?page=1&limit=250", Said([title(1), {"no": "title"}], headers=paging))
    trakt_host.put("/list?page=2&limit=100", Said([title(2)], headers=paging))
    trakt_host.put("/list?page=3&limit=100", Said([title(3)], headers=paging))
    async with asked("Trakt", trakt_at(trakt_host)) as provider:
        pages = [page async for page in Trakt(provider).pages("list", {}, TraktTitle, soon())]
    assert [[found.ids.tmdb for found in page] for page in pages] == [[1], [2], [3]]


async def test_a_list_without_paging_headers_is_one_page(trakt_host: TraktHost) -> None:
    trakt_host.put("/list", Said([title(1)], headers={"X-Pagination-Page-Count": "many"}))
    async with asked("Trakt", trakt_at(trakt_host)) as provider:
        assert len([page async for page in Trakt(provider).pages("list", {}, TraktTitle, soon())]) == 1


EVERY_RESOURCE = [
    resources.movie(7),
    resources.tv(7),
    resources.title_credits(MOVIE, 7),
    resources.title_credits(TV, 7),
    resources.season(7, 0),
    resources.person(7),
    resources.combined_credits(7),
    resources.collection(7),
    resources.search_movie("The  Matrix", page=2, language="de", year=1999),
    resources.search_tv("x", year=1999),
    resources.search_multi("x"),
    resources.trending_movie(),
    resources.trending_tv(page=3),
    resources.find_imdb("tt0000007"),
]


@pytest.mark.parametrize("resource", EVERY_RESOURCE, ids=lambda resource: resource.cache_key)
async def test_every_resource_of_tmdb_has_a_path_and_a_model(
    tmdb_host: TmdbHost, resource: Resource[Lenient]
) -> None:
    async with asked("TMDB", tmdb_at(tmdb_host, TOKEN)) as provider:
        found = await Tmdb(provider).get(resource, soon())
    assert found.model_fields_set
    assert tmdb_host.total == 1


async def test_a_search_passes_on_what_was_asked(tmdb_host: TmdbHost) -> None:
    async with asked("TMDB", tmdb_at(tmdb_host, TOKEN)) as provider:
        search = resources.search_movie("The  Matrix", page=2, language="de", year=1999)
        found = await Tmdb(provider).get(search, soon())
    assert (found.page, found.total_pages, found.results[1].release_date) == (2, 3, None)
    assert tmdb_host.counts["/3/search/movie?language=de&page=2&year=1999&query=the+matrix"] == 1
