"""Writing back: what a person changes here reaches Trakt once, and does not come back as something new."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.enricher.account import tables
from services.enricher.account.account import AccountSettings
from services.enricher.account.entries import Entry
from services.enricher.account.rules import MediaKind, PersonalRating
from shared.telemetry import utc_now
from tests.integration.account import Killed, RunningAccount, Steps, running_account
from tests.integration.test_trakt_import import describe
from tests.providers.behaviour import Behaviour
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt_account import TraktAccountHost

ON = AccountSettings(write_back=True)
NOW = utc_now().replace(microsecond=0)


@pytest.fixture
def trakt(trakt: TraktAccountHost) -> TraktAccountHost:
    trakt.state.play(1, "2024-01-01T20:00:00")
    trakt.state.play(5, "2024-01-02T20:00:00", 1, 1)
    return trakt


@pytest.fixture
def tmdb(tmdb: TmdbHost) -> TmdbHost:
    describe(tmdb, 5, s1=8)
    return tmdb


async def both(account: RunningAccount) -> tuple[Entry, Entry]:
    movie = await account.wing.entries.of_title(MediaKind.MOVIE, 1)
    series = await account.wing.entries.of_title(MediaKind.SERIES, 5)
    assert movie
    assert series
    return movie, series


async def change_everything(account: RunningAccount) -> None:
    movie, series = await both(account)
    entries = account.wing.entries
    await entries.add_session(movie.id, NOW, "At home")
    await entries.watch_episode(series.id, 1, 2, NOW)
    await entries.rate(movie.id, PersonalRating.OUTSTANDING)
    await entries.want(series.id, wanted=True)


async def sent(account: RunningAccount) -> None:
    while await account.wing.writes.send_one():
        pass


async def left(account: RunningAccount) -> list[tuple[str, str, str | None]]:
    _, writes = await account.wing.writes.waiting(limit=100, offset=0)
    return [(one.kind, one.state, one.reason) for one in writes]


async def test_switched_off_nothing_is_posted_but_for_signing_in(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    async with running_account(tmp_path, trakt, tmdb) as account:
        await account.signed_in()
        await account.imported()
        await change_everything(account)
        await account.synced()
        await sent(account)
        assert await left(account) == []
    assert trakt.posts == []


@pytest.fixture
async def account(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RunningAccount]:
    """Imported, with writing back on, and sent only when a test says so."""
    monkeypatch.setattr("services.enricher.account.writing_back.DELAYS", (timedelta(0),))
    async with running_account(tmp_path, trakt, tmdb) as before:
        await before.signed_in()
        await before.imported()
    async with running_account(tmp_path, trakt, tmdb, settings=ON, sending=False) as running:
        yield running


async def test_a_persons_changes_reach_trakt_once_and_do_not_bounce(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    await change_everything(account)
    assert [kind for kind, _, _ in await left(account)] == ["played", "played", "rating", "watchlist"]
    await sent(account)
    assert [path for path, _ in trakt.posts] == [
        "/sync/history",
        "/sync/history",
        "/sync/ratings",
        "/sync/watchlist",
    ]
    assert await left(account) == []
    assert trakt.state.rated == {("movie", 1): 10}
    before = await account.sessions(), await account.episodes()
    await account.synced()
    assert (await account.sessions(), await account.episodes()) == before
    rows = await account.rows(tables.movie_watch_sessions)
    assert [(row.origin, row.trakt_id is None) for row in rows] == [("trakt", False), ("here", False)]
    await sent(account)
    assert len(trakt.posts) == 4


async def test_what_an_import_or_a_sync_brought_is_not_written_back(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    trakt.state.play(2, NOW)
    trakt.state.rate("movie", 1, 4)
    await account.synced()
    assert await left(account) == []


@pytest.mark.parametrize(
    "lost",
    [Behaviour(no_answer=True, times=1), Behaviour.failing(502, times=1), Behaviour(body=b"<html>", times=1)],
)
async def test_after_a_lost_answer_the_history_is_read_before_anything_is_sent_again(
    account: RunningAccount, trakt: TraktAccountHost, lost: Behaviour
) -> None:
    """The stand-in has taken the play before its answer is lost."""
    movie, series = await both(account)
    await account.wing.entries.add_session(movie.id, NOW, "At home")
    await account.wing.entries.watch_episode(series.id, 1, 3, NOW)
    trakt.behave(lost, path="/sync/history")
    assert await account.wing.writes.send_one()
    [(_, state, reason), _] = await left(account)
    assert (state, bool(reason)) == ("sending", True)
    writes = account.wing.writes
    writes._now = lambda: utc_now() + timedelta(minutes=1)  # past what Trakt asks for after a 502
    await sent(account)
    assert len(trakt.posts) == 2
    assert len(trakt.state.plays) == 4
    assert await left(account) == []


async def test_a_process_that_dies_after_sending_does_not_send_twice(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    async with running_account(tmp_path, trakt, tmdb) as before:
        await before.signed_in()
        await before.imported()
    for step in ("sending", "sent"):
        steps = Steps()
        async with running_account(tmp_path, trakt, tmdb, settings=ON, steps=steps, sending=False) as account:
            if step == "sending":
                movie, _ = await both(account)
                await account.wing.entries.add_session(movie.id, NOW, "At home")
            steps.dies_at = step
            with pytest.raises(Killed):
                await account.wing.writes.send_one()
    async with running_account(tmp_path, trakt, tmdb, settings=ON, sending=False) as account:
        await sent(account)
        assert await left(account) == []
    assert len(trakt.state.plays) == 3
    assert len(trakt.posts) == 1


async def test_what_trakt_refuses_for_good_is_shown_and_can_be_dropped(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    movie, _ = await both(account)
    await account.wing.entries.want(movie.id, wanted=True)
    trakt.behave(Behaviour(status=420), path="/sync/watchlist")
    await sent(account)
    [(_, state, reason)] = await left(account)
    assert state == "failed"
    assert "limit" in str(reason)
    _, [write] = await account.wing.writes.waiting(limit=1, offset=0)
    assert await account.wing.writes.drop(write.id)
    assert not await account.wing.writes.drop(write.id)


async def test_a_change_of_mind_is_told_once(account: RunningAccount, trakt: TraktAccountHost) -> None:
    movie, series = await both(account)
    entries = account.wing.entries
    await entries.rate(movie.id, PersonalRating.MEH)
    await entries.rate(movie.id, PersonalRating.DECENT)
    await entries.want(movie.id, wanted=True)
    await entries.want(movie.id, wanted=False)
    await entries.watch_episode(series.id, 1, 4, NOW)
    await entries.unwatch_episode(series.id, 1, 4)
    await sent(account)
    assert [path for path, _ in trakt.posts] == ["/sync/ratings", "/sync/watchlist/remove"]
    assert trakt.state.rated == {("movie", 1): 6}


async def test_what_was_not_watched_after_all_goes_from_trakts_history(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    movie, _ = await both(account)
    [session] = await account.wing.entries.sessions(movie.id)
    await account.wing.entries.remove_session(session.id)
    await account.wing.entries.add_session(movie.id, NOW, "At home")
    await sent(account)
    [added] = await account.wing.entries.sessions(movie.id)
    await account.wing.entries.remove_session(added.id)
    await sent(account)
    assert [one for one in trakt.state.plays.values() if one.tmdb_id == 1] == []
    await account.synced()
    assert await account.sessions() == []


async def test_a_watchlist_that_was_written_is_trakts_to_take_off(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    movie, _ = await both(account)
    await account.wing.entries.want(movie.id, wanted=True)
    await account.synced()
    await sent(account)
    await account.synced()
    trakt.state.want("movie", 1, wanted=False)
    await account.synced()
    movie, _ = await both(account)
    assert movie.watchlisted_at is None
