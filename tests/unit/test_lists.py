"""Lists: how they are written, whose status counts, and in which order titles come that were synced."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.enricher.database.database import Database
from services.enricher.library import ItemIds, Library, LibraryEntry, MediaType, Page, Selection
from services.enricher.library.item import ItemOrder
from services.enricher.library.lists import STATUSES, OnList, reduced

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MOVIE = MediaType.MOVIE
DUNE = LibraryEntry("Dune", MOVIE, 2021, ItemIds(imdb="tt1160419"))


@pytest.fixture
def library(in_a_file: Database) -> Library:
    return Library(in_a_file, now=lambda: NOON)


def hours(number: int) -> datetime:
    return NOON + timedelta(hours=number)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("trakt:watchlist", "trakt:watchlist"),
        ("mdblist:https://mdblist.com/lists/somebody/best-of", "mdblist:somebody"),
        ("trakt:https://trakt.tv/users/somebody/lists/best-of?sort=rank", "trakt:best-of"),
        ("trakt:https://trakt.tv/lists/26885014", "trakt:26885014"),
        ("trakt_special:https://trakt.tv/movies/trending", "trakt_special:trending"),
        ("letterboxd:https://letterboxd.com/somebody/watchlist/", "letterboxd:watchlist"),
        ("imdb:https://www.imdb.com/list/ls012345678/", "imdb:ls012345678"),
        ("a:b:c", "a:b:c"),
        ("watchlist", "watchlist"),
        ("odd:http://[::1", "odd:http://[::1"),
        ("odd:https://host.example", "odd:https://host.example"),
    ],
)
def test_a_lists_id_is_reduced_to_what_lists_are_stored_by(written: str, stored: str) -> None:
    assert reduced(written) == stored


async def test_an_item_knows_all_its_lists_the_newest_first_and_is_found_on_each(library: Library) -> None:
    for source, at in (("trakt:watchlist", 1), ("mdblist:somebody", 3), ("imdb:top", 2)):
        await library.add(replace(DUNE, list_source=source, last_synced=hours(at)))
    await library.lists.name(OnList("imdb", "top", "The top"))
    [item] = (await library.page()).items
    assert [(one.list_source, one.display_name) for one in item.list_sources] == [
        ("mdblist:somebody", None),
        ("imdb:top", "The top"),
        ("trakt:watchlist", None),
    ]
    assert item.last_synced == hours(3)
    for one in item.list_sources:
        assert (await library.page(Selection(list_source=one.list_source))).items == (item,)
    assert [one.list_source for one in await library.lists.all()] == [
        "imdb:top",
        "mdblist:somebody",
        "trakt:watchlist",
    ]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (("skipped", "requested"), "requested"),
        (("available", "already_requested", "not_found"), "already_requested"),
        (("whatever", "skipped"), "skipped"),
        (("whatever", "else"), "whatever"),
    ],
)
async def test_of_several_lists_the_most_telling_status_counts(
    library: Library, statuses: Sequence[str], expected: str
) -> None:
    for number, status in enumerate(statuses):
        await library.add(replace(DUNE, list_source=f"list:{number}", status=status))
    [item] = (await library.page()).items
    assert item.status == expected
    assert expected in STATUSES or expected == "whatever"


async def test_of_one_status_that_counts_which_overseerr_has_and_then_the_later(library: Library) -> None:
    await library.add(replace(DUNE, list_source="a:1", status="requested", last_synced=hours(9)))
    await library.add(
        replace(DUNE, list_source="a:2", status="requested", overseerr_id=2, last_synced=hours(1))
    )
    await library.add(
        replace(DUNE, list_source="a:3", status="requested", overseerr_id=3, last_synced=hours(2))
    )
    [item] = (await library.page()).items
    assert (item.overseerr_id, item.last_synced) == (3, hours(9))


async def test_a_status_said_of_no_list_is_the_titles_and_the_last_word(library: Library) -> None:
    await library.add(replace(DUNE, list_source="a:1", status="requested"))
    await library.add(replace(DUNE, full_path="/films/dune.mkv"))
    item = await library.add(replace(DUNE, status="skipped"))
    assert item.status == "skipped"
    changed = await library.change(item.id, {"status": "available"})
    assert changed
    assert changed.status == "available"


async def test_what_was_synced_last_comes_first_and_what_never_was_last(library: Library) -> None:
    def titles(page: Page) -> list[str]:
        return [item.title for item in page.items]

    for number, at in ((1, 5), (2, None), (3, 7), (4, None), (5, 6)):
        entry = LibraryEntry(
            f"Film {number}", MOVIE, list_source="a:1", last_synced=hours(at) if at else None
        )
        await library.add(entry)
    by_sync = Selection(order=ItemOrder.LAST_SYNCED)
    assert titles(await library.page(by_sync)) == ["Film 3", "Film 5", "Film 1", "Film 4", "Film 2"]
    await library.add(LibraryEntry("Film 2", MOVIE, list_source="b:1", last_synced=hours(8)))
    for selection in (by_sync, replace(by_sync, list_source="a:1")):
        assert titles(await library.page(selection))[0] == "Film 2"


async def test_a_change_is_of_all_that_a_title_was_found_as_and_null_forgets(library: Library) -> None:
    await library.add(
        replace(DUNE, full_path="/a", status="requested", poster_url="https://host.example/1.jpg")
    )
    item = await library.add(replace(DUNE, full_path="/b"))
    changed = await library.change(item.id, {"title": "Dune: Part One", "year": None, "poster_url": None})
    assert changed
    assert (changed.title, changed.year, changed.poster_url) == ("Dune: Part One", None, None)
    assert (changed.paths, changed.status) == (("/a", "/b"), "requested")
    joined = await library.add(LibraryEntry("Another", MOVIE, ids=ItemIds(tmdb=5)))
    whole = await library.change(joined.id, {"imdb_id": "tt1160419"})
    assert whole
    assert (whole.id, whole.tmdb_id) == (item.id, 5) or whole.paths == ("/a", "/b")
    assert await library.change(99, {"status": "x"}) is None
