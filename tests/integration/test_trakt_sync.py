"""Syncs: what changed at Trakt changes here, what was said here stays, and nothing is asked that did not change."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.enricher.account import tables
from services.enricher.account.importing import AUTO_SYNC, IMPORT_FIRST, SYNCING
from services.enricher.account.reading import THOROUGH_EVERY
from services.enricher.account.rules import MediaKind
from services.enricher.tasks.task import TaskFailed
from shared.background import Background
from shared.telemetry import Metrics, utc_now
from tests.integration.account import RunningAccount, running_account
from tests.integration.onesheet import until
from tests.integration.test_trakt_import import describe, entries
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt_account import TraktAccountHost


@pytest.fixture
async def account(tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost) -> AsyncIterator[RunningAccount]:
    """With a movie and a series imported."""
    describe(tmdb, 5, s1=8)
    trakt.state.play(1, "2024-01-01T20:00:00")
    trakt.state.play(5, "2024-01-02T20:00:00", 1, 1)
    async with running_account(tmp_path, trakt, tmdb) as running:
        await running.signed_in()
        await running.imported()
        yield running


def now() -> datetime:
    return utc_now().replace(microsecond=0)


async def test_an_unchanged_account_costs_one_request(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    before = trakt.total
    progress = await account.synced()
    assert trakt.total - before == 1
    assert (progress.total, progress.errors) == (0, [])


async def test_what_was_watched_since_comes_once_and_every_time_it_was(
    account: RunningAccount, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    state = trakt.state
    for at in (now(), now() - timedelta(minutes=1), now() + timedelta(days=1)):
        state.play(1, at)
        for episode in (1, 2, 3, 4, 5, 6):
            state.play(5, at, 1, episode)
    state.play(2, now())
    progress = await account.synced()
    today, tomorrow = str(now().date()), str((now() + timedelta(days=1)).date())
    assert (progress.counts["movie watches"], progress.counts["episode watches"]) == (3, 18)
    mine = [row for row in await account.sessions() if row[1] in (today, tomorrow)]
    assert mine == [(1, today, "trakt"), (1, tomorrow, "trakt"), (2, today, "trakt")]
    watched = [row for row in await account.episodes() if row[2] in (today, tomorrow)]
    assert len(watched) == 18  # no binge rule
    reasons = {key: row.reason for key, row in (await entries(account)).items()}
    assert reasons["movie", 2] == "Trakt Sync"
    names = {row.name for row in await account.rows(tables.movie_watch_sessions)}
    assert names == {"Imported from Trakt", "Synced from Trakt"}
    again = await account.synced(since=str(now().date()))
    assert again.counts["movie watches"] == again.counts["episode watches"] == 0


async def test_what_is_gone_at_trakt_goes_here_and_what_was_made_here_stays(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    movie = await account.wing.entries.of_title(MediaKind.MOVIE, 1)
    assert movie
    await account.wing.entries.add_session(movie.id, now() - timedelta(days=3), "At home")
    trakt.state.unplay(list(trakt.state.plays))
    await account.synced()
    assert [row[2] for row in await account.sessions()] == ["here"]
    assert await account.episodes() == []
    found = await entries(account)
    assert (found["movie", 1].watch_status, found["tv", 5].watch_status) == ("watched", "not watched")


async def test_of_two_plays_of_a_day_the_other_takes_the_place_of_the_one_that_is_gone(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    first = trakt.state.play(3, "2024-01-01T20:00:00")
    second = trakt.state.play(3, "2024-01-01T23:00:00")
    episode = trakt.state.play(5, "2023-01-01T10:00:00", 1, 1)
    await account.imported("2")
    trakt.state.unplay([first, episode])
    await account.synced()
    rows = {row.trakt_id for row in await account.rows(tables.movie_watch_sessions)}
    assert (first in rows, second in rows) == (False, True)
    assert await account.episodes() == [(1, 1, "2024-01-02")]


async def test_a_play_of_long_ago_that_was_added_later_is_found_by_counting(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    trakt.state.play(2, "1999-01-01T20:00:00")
    await account.synced()
    assert (2, "1999-01-01", "trakt") in await account.sessions()


async def test_what_no_count_shows_is_found_within_a_week(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    later = timedelta(0)
    old = trakt.state.play(1, "2001-01-01T20:00:00")
    async with running_account(tmp_path, trakt, tmdb, now=lambda: utc_now() + later) as account:
        await account.signed_in()
        await account.imported()
        trakt.state.unplay([old])
        trakt.state.play(2, "1999-01-01T20:00:00")
        later = THOROUGH_EVERY + timedelta(minutes=1)
        await account.synced()
        assert await account.sessions() == [(2, "1999-01-01", "trakt")]


async def test_the_watchlist_follows_trakts_but_for_what_was_put_there_here(
    account: RunningAccount, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    trakt.state.want("movie", 4)
    trakt.state.want("show", 5)
    movie = await account.wing.entries.of_title(MediaKind.MOVIE, 1)
    assert movie
    await account.wing.entries.want(movie.id, wanted=True)
    await account.synced()
    found = await entries(account)
    assert {key for key, row in found.items() if row.watchlisted_at} == {
        ("movie", 1),
        ("movie", 4),
        ("tv", 5),
    }
    assert (found["movie", 4].reason, found["movie", 4].watch_status) == ("Trakt Watchlist", "not watched")
    for kind, number in (("movie", 4), ("show", 5)):
        trakt.state.want(kind, number, wanted=False)
    await account.synced()
    assert {key for key, row in (await entries(account)).items() if row.watchlisted_at} == {("movie", 1)}


async def test_what_somebody_takes_off_or_unrates_here_does_not_bounce_back(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    trakt.state.want("movie", 1)
    trakt.state.rate("movie", 1, 8)
    await account.synced()
    movie = await account.wing.entries.of_title(MediaKind.MOVIE, 1)
    assert movie
    assert (movie.rating, bool(movie.watchlisted_at)) == (4, True)
    await account.wing.entries.want(movie.id, wanted=False)
    await account.wing.entries.rate(movie.id, None)
    [session] = await account.wing.entries.sessions(movie.id)
    await account.wing.entries.remove_session(session.id)
    trakt.state.want("movie", 4)
    trakt.state.rate("movie", 4, 8)
    trakt.state.play(3, now())
    await account.synced()
    movie = await account.wing.entries.of_title(MediaKind.MOVIE, 1)
    assert movie
    assert (movie.rating, movie.watchlisted_at, movie.times_watched) == (None, None, 0)


async def test_a_rating_that_changes_or_goes_at_trakt_follows_unless_it_was_given_here(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    trakt.state.rate("movie", 1, 8)
    trakt.state.rate("show", 5, 2)
    await account.synced()
    trakt.state.rate("movie", 1, 3)
    trakt.state.rate("show", 5, None)
    await account.synced()
    found = await entries(account)
    assert (found["movie", 1].rating, found["movie", 1].trakt_rating) == (2, 3)
    assert found["tv", 5].rating is None


async def test_without_anything_imported_a_sync_says_what_to_do(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    trakt.state.play(1, now())
    async with running_account(tmp_path, trakt, tmdb) as account:
        await account.signed_in()
        with pytest.raises(TaskFailed, match=IMPORT_FIRST):
            await account.synced()


async def test_the_account_of_somebody_else_takes_nothing_away(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    await account.wing.sign_in.end()
    trakt.user = "somebody else"
    trakt.state.plays.clear()
    trakt.state.play(2, "2024-02-02T20:00:00")
    await account.signed_in()
    await account.imported("2")
    await account.synced()
    assert await account.sessions() == [(1, "2024-01-01", "trakt"), (2, "2024-02-02", "trakt")]
    assert await account.episodes() == [(1, 1, "2024-01-02")]


async def test_who_signs_in_again_has_nothing_twice(account: RunningAccount, trakt: TraktAccountHost) -> None:
    before = await account.sessions(), await account.episodes()
    await account.wing.sign_in.end()
    await account.signed_in()
    await account.imported("2")
    await account.synced()
    assert (await account.sessions(), await account.episodes()) == before


async def test_only_what_changed_is_asked_for(account: RunningAccount, trakt: TraktAccountHost) -> None:
    trakt.state.rate("movie", 1, 8)
    before = dict(trakt.counts)
    await account.synced()
    asked = {path for path, count in trakt.counts.items() if count > before.get(path, 0) and "?" not in path}
    assert asked == {"/sync/last_activities", "/sync/ratings"}


async def test_it_is_synced_every_so_often_while_somebody_is_signed_in_and_wants_it(
    account: RunningAccount,
) -> None:
    """Around every hour, as it is set."""
    waits, started = list[float | None](), list[str]()
    go_on: asyncio.Queue[None] = asyncio.Queue()

    async def wait(seconds: float | None, _wake: asyncio.Event | None) -> None:
        waits.append(seconds)
        await go_on.get()
        go_on.task_done()

    class StartedTasks:
        async def start(self, kind: str, _arguments: object) -> None:
            started.append(kind)

    async def round_of() -> None:
        before = len(waits)
        go_on.put_nowait(None)
        await until(lambda: async_(len(waits) > before))

    tasks: Any = StartedTasks()
    wing = replace(account.wing, _background=Background(Metrics(), wait=wait))
    async with wing.syncing(tasks):
        await until(lambda: async_(bool(waits)))
        assert started == []
        await round_of()
        assert started == [SYNCING]
        await wing._remembered.put({AUTO_SYNC: "false"})
        await round_of()
        await wing._remembered.put({AUTO_SYNC: "true"})
        await wing.sign_in.end()
        await round_of()
        assert started == [SYNCING]
    assert all(seconds is not None and 3240 <= seconds <= 3960 for seconds in waits)


async def async_(value: object) -> bool:
    return bool(value)
