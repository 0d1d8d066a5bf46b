"""Asking TVDB: its login, its envelopes, its records, and what was merged."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from services.enricher.finder.providers import (
    Broken,
    Busy,
    Condition,
    Misconfigured,
    NothingThere,
    Refused,
    Unreadable,
)
from services.enricher.finder.providers.asking import Address
from services.enricher.finder.providers.tvdb.client import Tvdb, TvdbEntity, TvdbSettings, tvdb_address
from shared.telemetry import utc_now
from tests.integration.test_metadata import Clock
from tests.integration.test_providers import asked, soon
from tests.providers.behaviour import Behaviour
from tests.providers.metadata_host import Said
from tests.providers.tvdb import API_KEY, PIN, SERIES_FROM, TvdbHost, series

SERIES, MOVIES = TvdbEntity.SERIES, TvdbEntity.MOVIES
AT_ONCE = 100


def tvdb_at(host: TvdbHost, *, key: str = API_KEY, pin: str | None = None) -> Address:
    return tvdb_address(
        TvdbSettings(api_key=SecretStr(key), pin=SecretStr(pin) if pin else None, base_url=host.base_url)
    )


@pytest.fixture
async def host() -> AsyncIterator[TvdbHost]:
    async with TvdbHost.running(requests=1000) as host:
        yield host


@pytest.fixture
async def tvdb(host: TvdbHost) -> AsyncIterator[Tvdb]:
    async with asked("TVDB", tvdb_at(host)) as provider:
        yield Tvdb(provider)


async def test_a_series_comes_with_its_artwork_and_its_ids_elsewhere(tvdb: Tvdb) -> None:
    found = await tvdb.title(SERIES, SERIES_FROM + 7, soon())
    poster, german, background, banner, of_season = found.artworks
    assert (poster.language, poster.score, poster.width, poster.height) == ("eng", 100_000, 680, 1000)
    assert (german.language, background.language, background.includes_text) == ("deu", None, False)
    assert banner.image == "https://artworks.thetvdb.com/banners/v4/100703.jpg"
    assert of_season.season_id == 71
    assert [(one.source, one.id) for one in found.remote_ids[:2]] == [
        ("IMDB", "tt5000007"),
        ("TheMovieDB.com", "7"),
    ]


async def test_movies_seasons_episodes_and_persons_are_read(tvdb: Tvdb) -> None:
    assert (await tvdb.title(MOVIES, 7, soon())).artworks[0].type == 14
    season = await tvdb.season(71, soon())
    assert (season.series_id, season.number, len(season.artwork)) == (SERIES_FROM + 7, 1, 1)
    episode = await tvdb.episode(712, soon())
    assert episode.image == "https://artworks.thetvdb.com/banners/episodes/712.jpg"
    assert await tvdb.episode_of(SERIES_FROM + 7, 1, 2, soon()) == episode
    assert (await tvdb.person(9, soon())).image == "https://artworks.thetvdb.com/banners/person/9/face.jpg"
    with pytest.raises(NothingThere):
        await tvdb.episode_of(SERIES_FROM + 7, 1, 3, soon())


async def test_one_unreadable_picture_costs_no_other(host: TvdbHost, tvdb: Tvdb) -> None:
    data = series(7)
    data["artworks"][0] = {"id": 1, "image": "ftp://nowhere/x.jpg", "type": 2}
    host.put(f"/v4/series/{SERIES_FROM + 7}/extended", Said({"status": "success", "data": data}))
    assert len((await tvdb.title(SERIES, SERIES_FROM + 7, soon())).artworks) == 4


async def test_ids_of_other_providers_are_found_and_no_result_is_nothing_there(tvdb: Tvdb) -> None:
    found = await tvdb.find("tt5000007", soon())
    assert [one.series.id for one in found.results if one.series] == [SERIES_FROM + 7]
    with pytest.raises(NothingThere):
        await tvdb.find("tt9999999", soon())


async def test_the_token_is_used_for_as_long_as_it_counts(host: TvdbHost, tvdb: Tvdb) -> None:
    for number in range(1, 6):
        await tvdb.title(MOVIES, number, soon())
    assert host.logins == {True: 1}


async def test_a_pin_is_part_of_the_login() -> None:
    async with TvdbHost.running(pin=PIN) as host, asked("TVDB", tvdb_at(host, pin=PIN)) as provider:
        assert (await Tvdb(provider).title(MOVIES, 7, soon())).id == 7


async def test_a_token_may_expire_again_and_again_and_is_no_trouble(host: TvdbHost) -> None:
    async with asked("TVDB", tvdb_at(host)) as provider:
        with capture_logs() as logs:
            for number in range(1, 6):
                await Tvdb(provider).title(MOVIES, number, soon())
                host.expire()
    assert logs == []
    assert host.logins == {True: 5}


async def test_an_episode_is_the_one_that_was_asked_for(host: TvdbHost, tvdb: Tvdb) -> None:
    listed = [{"id": 721, "number": 1, "seasonNumber": 2}, {"id": 712, "number": 2, "seasonNumber": 1}]
    host.put("/v4/series/80007/episodes/official", Said({"status": "success", "data": {"episodes": listed}}))
    assert (await tvdb.episode_of(SERIES_FROM + 7, 1, 2, soon())).id == 712


@pytest.mark.parametrize("known", [False, True], ids=["cold", "with a token"])
async def test_a_hundred_at_once_log_in_once(host: TvdbHost, tvdb: Tvdb, *, known: bool) -> None:
    if known:
        await tvdb.title(MOVIES, 1, soon())
    before = host.logins[True]
    host.expire()
    found = await asyncio.gather(*(tvdb.title(MOVIES, n, soon(5)) for n in range(1, AT_ONCE + 1)))
    assert len(found) == AT_ONCE
    assert host.logins == {True: before + 1}


async def test_a_token_that_expires_in_the_middle_of_a_hundred_costs_one_login(host: TvdbHost) -> None:
    async with asked("TVDB", tvdb_at(host)) as provider:
        tvdb = Tvdb(provider)
        await tvdb.title(MOVIES, 999, soon())
        half = asyncio.gather(*(tvdb.title(MOVIES, n, soon(5)) for n in range(1, 51)))
        gate = host.hold("/v4/movies/51/extended")
        held = asyncio.create_task(tvdb.title(MOVIES, 51, soon(5)))
        await gate.arrived()
        host.expire()
        rest = asyncio.gather(*(tvdb.title(MOVIES, n, soon(5)) for n in range(52, 101)))
        gate.open()
        found = [*await half, await held, *await rest]
        assert [one.id for one in found] == list(range(1, 101))
        assert host.logins == {True: 2}
        assert provider.status.condition is Condition.READY


async def test_a_key_that_is_refused_is_misconfigured_and_not_tried_again_for_a_minute(
    host: TvdbHost,
) -> None:
    clock = Clock()
    async with asked("TVDB", tvdb_at(host, key="wrong"), now=clock) as provider:
        tvdb = Tvdb(provider)
        ended = await asyncio.gather(
            *(tvdb.title(MOVIES, n, soon()) for n in range(1, AT_ONCE + 1)), return_exceptions=True
        )
        assert {type(error) for error in ended} == {Misconfigured}
        assert (host.logins, host.total) == ({False: 1}, 1)
        assert provider.status.condition is Condition.MISCONFIGURED
        clock.ahead = timedelta(seconds=61)
        with pytest.raises(Misconfigured):
            await tvdb.title(MOVIES, 1, soon(100))
        assert host.logins == {False: 2}


async def test_a_provider_that_never_accepts_its_own_tokens_is_asked_for_two(host: TvdbHost) -> None:
    host.behave(Behaviour(status=401), path="/v4/movies/7/extended")
    async with asked("TVDB", tvdb_at(host)) as provider:
        for _ in range(3):
            with pytest.raises(Misconfigured):
                await Tvdb(provider).title(MOVIES, 7, soon())
        assert provider.status.condition is Condition.MISCONFIGURED
    assert host.logins == {True: 2}
    assert host.counts["/v4/movies/7/extended"] == 2


async def test_a_first_token_that_is_refused_once_is_renewed(host: TvdbHost, tvdb: Tvdb) -> None:
    host.behave(Behaviour(status=401, times=1), path="/v4/movies/7/extended")
    assert (await tvdb.title(MOVIES, 7, soon())).id == 7
    assert host.logins == {True: 2}


@pytest.mark.parametrize(
    ("status", "error"), [(404, Misconfigured), (400, Misconfigured), (500, Broken), (429, Busy)]
)
async def test_a_login_that_fails_says_nothing_about_the_thing(
    host: TvdbHost, tvdb: Tvdb, status: int, error: type[Exception]
) -> None:
    host.behave(Behaviour(status=status), path="/v4/login")
    with pytest.raises(error):
        await tvdb.title(MOVIES, 7, soon())
    assert host.counts["/v4/movies/7/extended"] == 0


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (Behaviour(status=404), NothingThere),
        (Behaviour(status=400), Refused),
        (Behaviour(status=403), Misconfigured),
        (Behaviour(status=500), Broken),
        (Behaviour(status=429), Busy),
        (Behaviour(body=b'{"status": "success", "data": null}'), NothingThere),
        (Behaviour(body=b'{"status": "success", "data": "sorry"}'), Unreadable),
        (Behaviour(body=b"<html>"), Unreadable),
        (Behaviour(no_answer=True), Broken),
    ],
)
async def test_each_answer_is_a_failure_of_its_class(
    host: TvdbHost, tvdb: Tvdb, behaviour: Behaviour, error: type[Exception]
) -> None:
    host.behave(behaviour, path="/v4/movies/7/extended")
    with pytest.raises(error) as raised:
        await tvdb.title(MOVIES, 7, soon())
    assert raised.type is error


async def test_merges_are_followed_over_pages_and_chains(host: TvdbHost, tvdb: Tvdb) -> None:
    host.merged = {80_001: 80_002, 80_002: 80_003, 80_010: 80_011, 80_011: 80_010}
    merges = await tvdb.merges(SERIES, utc_now(), soon())
    assert merges.follow(80_001) == 80_003
    assert merges.follow(80_003) is None
    assert merges.follow(80_010) == 80_011  # in a circle, once around
    assert host.counts["/v4/updates"] == 4
    assert (await tvdb.merges(MOVIES, utc_now(), soon())).into == {}
