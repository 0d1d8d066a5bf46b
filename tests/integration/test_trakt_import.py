"""Full imports: what an account has becomes entries, sessions and episodes, each once, whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.enricher.account import tables
from services.enricher.account.account import (
    AGES_AFTER,
    FORGOTTEN_AFTER,
    AccountSettings,
    renew_details,
)
from services.enricher.account.importing import IMPORT, LAST_SYNC
from services.enricher.account.mirror import TitleId
from services.enricher.account.rules import MediaKind, PersonalRating
from services.enricher.finder.providers import ProviderError
from services.enricher.finder.providers.spending import FIRST_PAUSE
from services.enricher.tasks.task import Progress, TaskCancelled
from shared.telemetry import utc_now
from tests.integration.account import FakeItems, Killed, RunningAccount, Steps, running_account
from tests.providers import tmdb as tmdb_stand_in
from tests.providers.behaviour import Behaviour
from tests.providers.metadata_host import Said
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt_account import NOON, TraktAccountHost


@pytest.fixture
async def account(tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost) -> AsyncIterator[RunningAccount]:
    async with running_account(tmp_path, trakt, tmdb) as running:
        await running.signed_in()
        yield running


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """After what Trakt does not say how long to wait for."""
    monkeypatch.setattr("services.enricher.finder.providers.spending.FIRST_PAUSE", FIRST_PAUSE / 100)


def describe(tmdb: TmdbHost, number: int, **seasons: int) -> None:
    """A series with so many episodes of each season (`s1=8`), each aired on a day of its own."""
    cast = [{"id": 101, "name": "Somebody", "character": "A part", "profile_path": "/one.jpg"}]
    cast += [{"id": 102, "name": "Another", "character": "First", "order": 0}]
    crew = [{"id": 102, "name": "Another", "job": "Director", "department": "Directing"}]
    described = {
        **tmdb_stand_in.tv(number),
        "number_of_episodes": sum(seasons.values()),
        "external_ids": {"imdb_id": f"tt50000{number:02}", "tvdb_id": 80_000 + number},
        "credits": {"cast": cast, "crew": crew},
    }
    tmdb.put(f"/3/tv/{number}", Said(described))
    for name, count in seasons.items():
        season = int(name[1:])
        episodes = [
            {
                "episode_number": n,
                "name": f"Episode {n}",
                "air_date": str(date(2020, season + 1, n)),
                "still_path": f"/s{n}.jpg",
            }
            for n in range(1, count + 1)
        ]
        whole = {"season_number": season, "poster_path": f"/season{season}.jpg", "episodes": episodes}
        tmdb.put(f"/3/tv/{number}/season/{season}", Said(whole))


def fill(trakt: TraktAccountHost, tmdb: TmdbHost) -> None:
    """Three movies and two series, one of them a binge; ratings and a watchlist."""
    describe(tmdb, 5, s1=6)
    describe(tmdb, 6, s1=4, s2=2)
    state = trakt.state
    state.play(1, "2024-01-01T20:00:00")
    state.play(1, "2024-01-01T23:00:00")
    state.play(1, "2024-02-01T20:00:00")
    state.play(2, None)
    state.play(3, "2024-03-03T20:00:00")
    state.play(None, "2024-03-04T20:00:00")
    for episode in range(1, 7):
        state.play(5, "2024-04-04T10:00:00", 1, episode)
    for episode in (1, 2, 3):
        state.play(6, "2024-04-05T10:00:00", 1, episode)
    state.play(6, "2024-04-06T10:00:00", 1, 1)
    state.rate("movie", 1, 9)
    state.rate("show", 5, 6)
    state.rate("movie", 77, 10)
    state.want("movie", 4)
    state.want("show", 6)


MOVIES = [
    (1, "2024-01-01", "trakt"),
    (1, "2024-02-01", "trakt"),
    (3, "2024-03-03", "trakt"),
]
EPISODES = [
    *((1, 1, day) for day in ("2020-02-01", "2024-04-05")),
    *((1, 2, day) for day in ("2020-02-02", "2024-04-05")),
    *((1, 3, day) for day in ("2020-02-03", "2024-04-05")),
    *((1, n, f"2020-02-0{n}") for n in (4, 5, 6)),
]


async def entries(account: RunningAccount) -> dict[tuple[str, int], Any]:
    return {(row.media_type, row.tmdb_id): row for row in await account.rows(tables.library_entries)}


async def test_an_account_is_imported_whole_by_the_rules(
    account: RunningAccount, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    fill(trakt, tmdb)
    progress = await account.imported()
    assert (progress.done, progress.total, progress.errors) == (6, 6, [])
    assert await account.sessions() == MOVIES
    assert await account.episodes() == EPISODES
    found = await entries(account)
    status = {key: row.watch_status for key, row in found.items()}
    assert status == {
        ("movie", 1): "watched",
        ("movie", 2): "watched",
        ("movie", 3): "watched",
        ("movie", 4): "not watched",
        ("tv", 5): "watched",
        ("tv", 6): "watching",
    }
    rated = {key: (row.rating, row.trakt_rating) for key, row in found.items() if row.rating}
    assert rated == {("movie", 1): (5, 9), ("tv", 5): (3, 6)}
    assert {key for key, row in found.items() if row.watchlisted_at} == {("movie", 4), ("tv", 6)}
    assert {row.reason for row in found.values()} == {"Trakt Import"}
    names = {row.name for row in await account.rows(tables.movie_watch_sessions)}
    assert names == {"Imported from Trakt"}
    assert account.items.kept == {key: found[key].item_id for key in found}


async def test_a_new_title_comes_with_its_details_people_and_pictures(
    account: RunningAccount, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    fill(trakt, tmdb)
    await account.imported()
    entry = await account.wing.entries.of_title(MediaKind.SERIES, 5)
    assert entry
    assert (entry.title, entry.imdb_id) == ("The show 5", "tt5000005")
    credits_ = await account.wing.entries.credits(entry.id)
    assert [(one.name, one.part, one.job) for one in credits_] == [
        ("Another", "cast", None),
        ("Somebody", "cast", None),
        ("Another", "crew", "Director"),
    ]
    [one] = [row for row in await account.rows(tables.series) if row.tmdb_id == 5]
    assert (one.genres, one.episode_count) == (["Drama"], 6)
    paths = {str(source).rpartition("/")[2] for source in account.pictures}
    assert {"poster5.jpg", "backdrop5.jpg", "season1.jpg", "s6.jpg", "poster1.jpg"} <= paths
    assert all("/original/" in str(source) for source in account.pictures)


async def test_importing_again_changes_nothing(
    account: RunningAccount, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    fill(trakt, tmdb)
    await account.imported("1")
    before = await entries(account)
    progress = await account.imported("2")
    assert progress.counts["movie watches"] == progress.counts["episode watches"] == 0
    assert (await account.sessions(), await account.episodes()) == (MOVIES, EPISODES)
    assert await entries(account) == before


async def test_of_what_is_here_already_nothing_is_doubled_and_what_was_said_here_counts(
    account: RunningAccount, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    describe(tmdb, 5, s1=6)
    wing = account.wing
    for title in ((MediaKind.MOVIE, 1), (MediaKind.SERIES, 5)):
        await wing._applying.add(await wing._fetcher.details(TitleId(*title), ()))
    movie, series = (
        await wing.entries.of_title(MediaKind.MOVIE, 1),
        await wing.entries.of_title(MediaKind.SERIES, 5),
    )
    assert movie
    assert series
    await wing.entries.add_session(movie.id, datetime.fromisoformat("2024-01-01T08:00:00Z"), "At home")
    await wing.entries.rate(movie.id, PersonalRating.MEH)
    fill(trakt, tmdb)
    await account.imported()
    assert [row for row in await account.sessions() if row[0] == 1] == [
        (1, "2024-01-01", "here"),
        (1, "2024-02-01", "trakt"),
    ]
    found = await entries(account)
    assert found["movie", 1].rating == PersonalRating.MEH
    assert found["tv", 5].rating == 3
    # a series that is here is imported without the binge rule
    assert (1, 6, "2024-04-04") in await account.episodes()


async def test_only_what_is_chosen_is_read(
    account: RunningAccount, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    fill(trakt, tmdb)
    await account.imported(series=False, ratings=False, watchlist=False)
    assert set(await entries(account)) == {("movie", 1), ("movie", 2), ("movie", 3)}
    asked = set(trakt.counts)
    assert not asked & {"/sync/history/shows", "/sync/ratings", "/sync/watchlist"}


async def test_a_preview_counts_each_title_once_and_tells_which_are_here(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    fill(trakt, tmdb)
    async with running_account(tmp_path, trakt, tmdb, items=FakeItems({("movie", 3), ("tv", 99)})) as account:
        await account.signed_in()
        importing = account.wing._importing
        assert importing
        preview = await importing.preview()
        assert [one.tmdb_id for one in preview.movies] == [1, 2, 3, 4]
        assert [(one.tmdb_id, one.title) for one in preview.series] == [(5, "The show 5"), (6, "The show 6")]
        assert (preview.total, preview.already_in_library) == (6, 1)
        trakt.behave(Behaviour(status=420), path="/sync/watchlist")
        with pytest.raises(ProviderError, match="limit"):
            await importing.preview()


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (Behaviour(status=420), "account has reached its limit"),
        (Behaviour(status=422), "cannot make sense"),
        (Behaviour(status=423), "locked the account"),
        (Behaviour(status=426), "VIP"),
        (Behaviour(body=b"<html>", content_type="text/html"), "something else than it documents"),
        (Behaviour(status=502), "overloaded"),
    ],
)
@pytest.mark.usefixtures("short_pauses")
async def test_a_list_that_cannot_be_read_is_told_and_the_rest_goes_on(
    account: RunningAccount, trakt: TraktAccountHost, tmdb: TmdbHost, behaviour: Behaviour, said: str
) -> None:
    fill(trakt, tmdb)
    trakt.behave(behaviour, path="/sync/ratings")
    progress = await account.imported()
    [error] = progress.errors
    assert error.startswith("Failed to read ratings from Trakt")
    assert said in error
    assert LAST_SYNC in await account.wing._remembered.get(LAST_SYNC)
    assert (await account.sessions(), await account.episodes()) == (MOVIES, EPISODES)
    trakt.behave(path="/sync/ratings")
    await account.synced()
    assert (await entries(account))["movie", 1].rating == 5


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour.failing(429, retry_after=1, times=1),
        Behaviour.failing(429, times=1),
        Behaviour.failing(502, times=2),
        Behaviour.failing(401, times=1),
        Behaviour(no_answer=True, times=2),
        Behaviour(body=b"<html>", content_type="text/html", times=2),
        Behaviour(cut_after_bytes=20, times=1),
    ],
)
@pytest.mark.usefixtures("short_pauses")
async def test_what_passes_by_itself_costs_nothing_but_time(
    account: RunningAccount, trakt: TraktAccountHost, tmdb: TmdbHost, behaviour: Behaviour
) -> None:
    fill(trakt, tmdb)
    trakt.state.clamp = 4
    trakt.behave(Behaviour(times=1), behaviour, path="/sync/history/shows")
    progress = await account.imported()
    assert progress.errors == []
    assert (await account.sessions(), await account.episodes()) == (MOVIES, EPISODES)


async def test_a_title_that_tmdb_does_not_know_is_told_counted_and_tried_again_another_day(
    account: RunningAccount, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    trakt.state.play(1, "2024-01-01T20:00:00")
    trakt.state.play(1234567, "2024-01-02T20:00:00")
    progress = await account.imported()
    assert progress.errors == ["Failed to fetch movie details for tmdb:1234567: TMDB knows no such movie."]
    assert (progress.done, progress.total) == (2, 2)
    assert await account.sessions() == [(1, "2024-01-01", "trakt")]
    trakt.state.play(1, "2024-01-05T20:00:00")
    assert (await account.synced()).errors == []


async def test_a_cancelled_import_ends_before_the_next_title_and_what_was_done_stays(
    account: RunningAccount, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    for number in range(1, 61):
        trakt.state.play(number, "2024-01-01T20:00:00")
    gate = tmdb.hold()
    progress = Progress()
    importing = asyncio.ensure_future(account.wing.works[IMPORT]({"run": "1"}, progress))
    await gate.arrived(12)
    progress.cancel()
    gate.open()
    with pytest.raises(TaskCancelled):
        await importing
    assert len(await account.sessions()) == progress.done == 12


STEPS = [
    "reading movies",
    "reading shows",
    "reading ratings",
    "read",
    "applying",
    "applying movie/tmdb:1",
    "applied movie/tmdb:1",
    "fetching tv/tmdb:5",
    "applying tv/tmdb:6",
    "applied tv/tmdb:6",
    "imported",
]


async def test_an_import_that_dies_at_any_step_goes_on_and_doubles_nothing(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process after the other, each of which dies one step later."""
    monkeypatch.setattr("services.enricher.account.importing.TITLES_AT_ONCE", 1)
    fill(trakt, tmdb)
    trakt.state.clamp = 3
    for number, step in enumerate(STEPS):
        steps = Steps()
        async with running_account(tmp_path, trakt, tmdb, steps=steps) as account:
            if not number:
                await account.signed_in()
            steps.dies_at = step
            with pytest.raises(Killed):
                await account.imported("1")
    async with running_account(tmp_path, trakt, tmdb) as account:
        await account.imported("1")
        assert (await account.sessions(), await account.episodes()) == (MOVIES, EPISODES)
        assert len(await entries(account)) == 6


async def test_days_are_the_users(tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost) -> None:
    trakt.state.play(1, "2024-01-01T23:30:00")
    settings = AccountSettings(time_zone="Europe/Berlin")
    async with running_account(tmp_path, trakt, tmdb, settings=settings) as account:
        await account.signed_in()
        await account.imported()
        assert await account.sessions() == [(1, "2024-01-02", "trakt")]


async def test_entries_that_nothing_can_be_made_of_are_passed_over(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    trakt.state.play(1, NOON)
    entries_, headers = trakt.state.history("movies", {"limit": "250"})
    odd = [
        {**entries_[0], "id": 2, "movie": None},
        {**entries_[0], "id": 3, "movie": {"title": None, "ids": {"tmdb": None}}},
        {**entries_[0], "id": "no number"},
        "nonsense",
        {**entries_[0], "id": 5, "watched_at": "nonsense"},
    ]
    headers["X-Pagination-Item-Count"] = "6"
    trakt.put("/sync/history/movies", Said([*odd, *entries_], headers=headers))
    movie = {"rating": 9, "movie": entries_[0]["movie"]}
    trakt.put(
        "/sync/ratings", Said([movie | {"type": "season"}, movie | {"type": "episode"}, {"type": "movie"}])
    )
    progress = await account.imported()
    assert [row.rating for row in await account.rows(tables.library_entries)] == [None]
    assert progress.errors == []
    assert await account.sessions() == [(1, "2024-05-05", "trakt")]
    assert {row.id for row in await account.rows(tables.trakt_history)} == {2, 3, 5, entries_[0]["id"]}


async def test_what_tmdb_said_is_asked_again_in_time_and_goes_where_that_cannot_be(
    account: RunningAccount, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    fill(trakt, tmdb)
    await account.imported()
    wing, later = account.wing, utc_now() + AGES_AFTER + timedelta(days=1)
    assert await wing._applying.aging(utc_now() - AGES_AFTER, 10) == []
    assert len(await wing._applying.aging(later - AGES_AFTER, 10)) == 6
    wing._applying._now = lambda: later
    await wing._fetcher._tmdb.clear()
    tmdb.put("/3/movie/1", Said({}, 404))
    await renew_details(wing._fetcher, wing._applying, lambda: later)
    assert await wing._applying.aging(later - AGES_AFTER, 10) == [TitleId(MediaKind.MOVIE, 1)]
    wing._applying._now = lambda: later + FORGOTTEN_AFTER
    await renew_details(wing._fetcher, wing._applying, lambda: later + FORGOTTEN_AFTER)
    movies = {row.tmdb_id: row for row in await account.rows(tables.movies)}
    assert (movies[1].title, movies[1].poster_path, movies[1].genres) == ("The movie 1", None, [])
    assert movies[3].poster_path == "/poster3.jpg"
    assert (await account.sessions(), await account.episodes()) == (MOVIES, EPISODES)
