"""The account's tables on both engines: what Trakt has, what is made of it, and what a person changes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.enricher.account.applying import FULL, SYNC, Applying
from services.enricher.account.entries import Entries, Filter, Unknown
from services.enricher.account.mirror import AccountList, Mirror, PlayRow, ReadingPlace, TitleId
from services.enricher.account.rules import MediaKind, PersonalRating, WatchStatus
from services.enricher.account.titles import Details, SeasonDetails
from services.enricher.account.vault import Cipher, Remembered, Sealed
from services.enricher.account.writing_back import WriteBack
from services.enricher.database.database import Database
from services.enricher.finder.providers.tmdb.models.titles import Movie, Season, Tv
from services.enricher.finder.providers.trakt.account import HistoryKind

NOON = datetime(2024, 5, 5, 12, tzinfo=UTC)
MOVIE, SERIES = TitleId(MediaKind.MOVIE, 603), TitleId(MediaKind.SERIES, 1396)
KINDS, LISTS = tuple(HistoryKind), tuple(AccountList)
CREDITS = {"cast": [{"id": 1, "name": "A"}], "crew": [{"id": 1, "name": "A", "job": "Director"}]}
MATRIX = Movie.model_validate({"id": 603, "title": "The Matrix", "imdb_id": "tt0133093", "credits": CREDITS})
BAD = Tv.model_validate({"id": 1396, "name": "Breaking Bad", "number_of_episodes": 2})
SEASON = Season.model_validate(
    {"season_number": 1, "episodes": [{"episode_number": n, "air_date": f"2008-01-0{n}"} for n in (1, 2)]}
)


class Account:
    """All that is between the tables and whoever reads Trakt."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.mirror = Mirror(database, now=lambda: NOON)
        self.applying = Applying(database, UTC, now=lambda: NOON)
        given: Any = object()
        self.writes = WriteBack(database, given, Remembered(database), UTC, on=True, now=lambda: NOON)
        self.entries = Entries(database, UTC, told=self.writes.told, now=lambda: NOON)

    async def read(self, kind: HistoryKind, *rows: PlayRow) -> ReadingPlace:
        place = await self.mirror.begin(kind, since=None)
        await self.mirror.add(kind, rows, place)
        return place

    async def bring(self) -> list[TitleId]:
        seasons = [SeasonDetails(1, SEASON)]
        details = {
            MOVIE: Details(MOVIE, movie=MATRIX, item_id=1),
            SERIES: Details(SERIES, tv=BAD, item_id=2, seasons=seasons),
        }
        brought = [title async for title in self.mirror.waiting(KINDS, LISTS)]
        for title in brought:
            known = await self.applying.known(title)
            await self.applying.apply(
                title, SYNC if known else FULL, details=None if known else details[title]
            )
        return brought


@pytest.fixture
def account(database: Database) -> Account:
    return Account(database)


def played(id_: int, at: datetime | None, tmdb_id: int = 603) -> PlayRow:
    return PlayRow(2**40 + id_, tmdb_id, None, None, at)


def seen(id_: int, at: datetime | None, episode: int | None) -> PlayRow:
    return PlayRow(2**41 + id_, 1396, 1, episode, at)


async def test_what_trakt_has_becomes_entries_and_goes_again(account: Account) -> None:
    await account.read(HistoryKind.MOVIES, played(1, NOON), played(2, None), played(3, NOON, tmdb_id=0))
    await account.read(
        HistoryKind.SHOWS, seen(1, NOON, 1), seen(2, NOON - timedelta(days=1), 1), seen(3, NOON, None)
    )
    await account.mirror.replace_list(AccountList.RATINGS, {MOVIE: 9, TitleId(MediaKind.MOVIE, 5): 1})
    await account.mirror.replace_list(AccountList.WATCHLIST, {SERIES: None})
    assert await account.mirror.count_waiting(KINDS, LISTS) >= 2
    await account.mirror.put_off(TitleId(MediaKind.MOVIE, 0))
    assert await account.bring() == [MOVIE, SERIES]
    assert [title async for title in account.mirror.waiting(KINDS, LISTS)] == []
    total, found = await account.entries.page(Filter(), limit=10, offset=0)
    assert total == 2
    series, movie = found
    assert (movie.title, movie.rating, movie.trakt_rating, movie.times_watched) == ("The Matrix", 5, 9, 1)
    assert (series.watch_status, series.watchlisted_at) == (WatchStatus.WATCHING, NOON)
    [first, second] = await account.entries.episodes(series.id)
    assert ([str(one.watched_on) for one in first.watched], second.watched) == (["2024-05-04"], ())
    assert len(await account.entries.credits(movie.id)) == 2

    place = await account.read(HistoryKind.MOVIES, played(2, None))
    assert await account.mirror.end(HistoryKind.MOVIES, place) == 2
    await account.mirror.replace_list(AccountList.WATCHLIST, {})
    await account.mirror.replace_list(AccountList.RATINGS, {})
    await account.bring()
    movie, series = await account.entries.entry(movie.id), await account.entries.entry(series.id)
    assert (movie.times_watched, movie.watch_status, movie.rating) == (0, WatchStatus.WATCHED, None)
    assert series.watchlisted_at is None
    assert await account.mirror.latest() == NOON
    await account.mirror.consider_again(KINDS, LISTS)
    await account.mirror.forget_all()
    assert await account.mirror.count(HistoryKind.SHOWS) == 0


async def test_where_reading_goes_on_is_kept_with_what_was_read(account: Account) -> None:
    place = await account.mirror.begin(HistoryKind.MOVIES, since=NOON)
    following = ReadingPlace(place.number, NOON, NOON, NOON, page=3, passes=2)
    await account.mirror.add(HistoryKind.MOVIES, [played(1, NOON)], following)
    assert await account.mirror.place(HistoryKind.MOVIES) == following
    assert (await account.mirror.begin(HistoryKind.MOVIES, since=None)).number == place.number + 1


def test_a_place_that_the_version_before_wrote_is_read() -> None:
    text = ReadingPlace(4, NOON, page=3).dumped().replace('"passes": 0', '"items": 7')
    assert ReadingPlace.loaded(text) == ReadingPlace(4, NOON, page=3)


async def test_what_a_person_changes_is_written_with_what_trakt_is_to_be_told(account: Account) -> None:
    await account.applying.add(Details(MOVIE, movie=MATRIX))
    await account.applying.add(Details(SERIES, tv=BAD, seasons=[SeasonDetails(1, SEASON)]))
    movie = await account.entries.of_title(*(MOVIE.kind, MOVIE.tmdb_id))
    series = await account.entries.of_title(SERIES.kind, SERIES.tmdb_id)
    assert movie
    assert series
    entries = account.entries
    assert (await entries.add_session(movie.id, NOON, "x")).watch_status is WatchStatus.WATCHED
    for episode in (1, 2):
        series = await entries.watch_episode(series.id, 1, episode, NOON)
    assert series.watch_status is WatchStatus.WATCHED
    assert (await entries.rate(movie.id, PersonalRating.MEH)).trakt_rating == 4
    assert (await entries.want(series.id, wanted=True)).watchlisted_at == NOON
    total, writes = await account.writes.waiting(limit=10, offset=0)
    assert (total, [one.kind for one in writes]) == (5, ["played"] * 3 + ["rating", "watchlist"])
    for chosen, count in (
        (Filter(watched=True), 2),
        (Filter(watched=False), 0),
        (Filter(rating=2), 1),
        (Filter(watchlist=True), 1),
        (Filter(MediaKind.MOVIE, watchlist=False), 1),
        (Filter(tmdb_id=603), 1),
        (Filter(text="matrix THE"), 1),
        (Filter(text="%"), 0),
    ):
        assert (await entries.page(chosen, limit=10, offset=0))[0] == count
    [session] = await entries.sessions(movie.id)
    assert (await entries.remove_session(session.id)).watch_status is WatchStatus.NOT_WATCHED
    assert (await entries.unwatch_episode(series.id, 1, 1)).watch_status is WatchStatus.WATCHING
    for unknown in (entries.entry(99), entries.remove_session(99), entries.add_session(series.id, NOON, "x")):
        with pytest.raises(Unknown):
            await unknown
    assert await entries.known(MediaKind.MOVIE, [603, 5]) == {603}


async def test_what_is_remembered_is_taken_once_and_old_ones_go(database: Database) -> None:
    remembered = Remembered(database)
    await remembered.put({"a:1": "2024-01-01 x", "a:2": "2024-01-03 y", "b": "z"})
    await remembered.forget_older("a:", "2024-01-02")
    assert await remembered.get("a:1", "a:2", "b") == {"a:2": "2024-01-03 y", "b": "z"}
    assert [await remembered.take("b"), await remembered.take("b")] == ["z", None]


def test_a_cipher_opens_what_an_older_key_sealed_and_nothing_else() -> None:
    sealed = Cipher(["old"]).seal("secret")
    assert "secret" not in sealed
    assert Cipher(["new", "old"]).open(sealed) == "secret"
    with pytest.raises(Sealed, match="SECRET_KEY"):
        Cipher(["new"]).open(sealed)
    with pytest.raises(Sealed):
        Cipher(["old"]).open("nonsense")
