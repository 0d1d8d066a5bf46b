"""Reading a history that changes while it is read: nothing that was there all the time is lost, and nothing is there twice.

`N=500 pytest …` for more examples.
"""

import asyncio
import os
import random
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.enricher.account import tables
from services.enricher.account.mirror import Mirror
from services.enricher.account.reading import Reader
from services.enricher.account.vault import Remembered
from services.enricher.database.database import Database
from services.enricher.finder.providers import Broken
from services.enricher.finder.providers.trakt.account import HistoryEntry, HistoryKind, milliseconds
from services.enricher.finder.providers.trakt.client import ListPage
from tests.providers.trakt_account import NOON, TraktState
from tests.servers.databases import opened_database

EXAMPLES = int(os.environ.get("N", "12"))


class Died(BaseException):
    """The process, between two requests."""


class FakeAccount:
    """Trakt's history of an account, that changes after pages, and is away, or kills who reads, now and then."""

    def __init__(self, state: TraktState, chance: random.Random, *, mean: float) -> None:
        self.state = state
        self.chance = chance
        self.mean = mean
        self.gone: set[int] = set()
        self.requests = 0

    async def history(
        self,
        kind: HistoryKind,
        _turn: object,
        *,
        start_at: datetime | None = None,
        end_at: datetime | None = None,
        page: int = 1,
        limit: int = 250,
    ) -> ListPage[HistoryEntry]:
        self.requests += 1
        if self.chance.random() < self.mean:
            if self.chance.random() < 0.5:
                raise Died
            raise Broken("Trakt is overloaded (502).")
        query = {"page": str(page), "limit": str(limit)}
        times = {"start_at": start_at, "end_at": end_at}
        query |= {name: milliseconds(moment) for name, moment in times.items() if moment}
        entries, headers = self.state.history(kind, query)
        self._change()
        return ListPage(
            tuple(map(HistoryEntry.model_validate, entries)),
            int(headers["X-Pagination-Page-Count"]),
            int(headers["X-Pagination-Limit"]),
            int(headers["X-Pagination-Item-Count"]),
        )

    def _change(self) -> None:
        """Something is watched now, or said to have been long ago, or taken back."""
        if self.chance.random() < self.mean * 2:
            for _ in range(self.chance.randint(1, 4)):
                self.state.play(1, NOON - timedelta(seconds=self.chance.choice([0, 1, 5, 3000, 90_000])))
        if self.state.plays and self.chance.random() < self.mean * 2:
            taken = self.chance.sample(sorted(self.state.plays), min(len(self.state.plays), 3))
            self.gone.update(taken)
            self.state.unplay(taken)


async def nothing(_seconds: float) -> None:
    await asyncio.sleep(0)


def reader_of(database: Database, account: FakeAccount) -> Reader:
    given: Any = account
    return Reader(given, Mirror(database), Remembered(database), UTC, sleep=nothing)


async def read_on(database: Database, account: FakeAccount, since: datetime | None) -> None:
    """However often the process dies, or Trakt is away for longer."""
    reader, kind = reader_of(database, account), HistoryKind.MOVIES
    place = await reader.mirror.begin(kind, since=since) if since is None else None
    for _ in range(200):
        try:
            if since is None:
                await reader.whole(kind, lambda: None, await reader.mirror.place(kind) or place)
            else:
                await reader.since(kind, since, lambda: None)
        except (Died, Broken):
            continue
        return
    pytest.fail("It never came to an end.")


async def mirrored(database: Database) -> Mapping[int, str]:
    async def reading(connection: Any) -> Mapping[int, str]:
        rows = await connection.execute(tables.trakt_history.select())
        return {row.id: milliseconds(row.watched_at) for row in rows}

    return await database.read(reading)


async def whole_story(state: TraktState, seed: int, mean: float) -> None:
    account = FakeAccount(state, random.Random(seed), mean=mean)
    with tempfile.TemporaryDirectory() as directory:
        async with opened_database(Path(directory)) as database:
            before = set(state.plays)
            await read_on(database, account, None)
            found = await mirrored(database)
            assert before - account.gone <= set(found)  # nothing lost that was there all the time
            account.mean = 0
            await read_on(database, account, None)
            quiet = {one.id: one.watched_at for one in state.plays.values()}
            assert await mirrored(database) == quiet  # nothing that is gone, nothing twice
            late = state.play(1, NOON + timedelta(hours=1))
            long_ago = state.play(1, NOON - timedelta(days=900))
            await read_on(database, account, NOON)
            assert {late, long_ago} <= set(await mirrored(database))
            assert set(await mirrored(database)) == set(state.plays)


@settings(max_examples=EXAMPLES)
@given(
    moments=st.lists(st.sampled_from([0, 1, 2, 2, 2, 60, 3600, 90_000]), max_size=40),
    clamp=st.integers(1, 7),
    inclusive=st.booleans(),
    mean=st.sampled_from([0.0, 0.1, 0.25]),
    seed=st.integers(0, 10**6),
)
def test_however_a_history_moves_and_reading_is_broken_off_nothing_is_lost_or_doubled(
    moments: list[int], clamp: int, mean: float, seed: int, *, inclusive: bool
) -> None:
    """Many at one second, and pages smaller than that."""
    state = TraktState(clamp=clamp, inclusive=inclusive)
    for number, before in enumerate(moments):
        state.play(1 + number % 3, NOON - timedelta(seconds=before * (1 + number // 8)))
    asyncio.run(whole_story(state, seed, mean))


async def test_what_goes_while_as_much_comes_hides_nothing_of_a_second_that_fills_pages(
    tmp_path: Path,
) -> None:
    state = TraktState(clamp=2, inclusive=True)
    watched = [state.play(1 + number, NOON) for number in range(6)]

    class Moving(FakeAccount):
        def _change(self) -> None:
            if self.requests == 2:  # the first of the pages that are counted
                state.unplay([watched[-1]])
                state.play(9, NOON - timedelta(days=1))

    async with opened_database(tmp_path) as database:
        await read_on(database, Moving(state, random.Random(1), mean=0), None)
        assert set(watched[:-1]) <= set(await mirrored(database))


async def test_a_large_history_is_read_page_by_page_without_asking_twice(tmp_path: Path) -> None:
    state = TraktState()
    for number in range(2000):
        state.play(1 + number % 900, NOON - timedelta(minutes=number))
    account = FakeAccount(state, random.Random(1), mean=0)
    async with opened_database(tmp_path) as database:
        await read_on(database, account, None)
        assert len(await mirrored(database)) == 2000
    assert account.requests <= 2000 / 250 + 3
