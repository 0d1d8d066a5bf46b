"""The catalog's table: what is known of pictures, sums that never drift, and who is asked to leave first."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.enricher.database.database import Database
from services.enricher.finder.resolving.table import ArtworkTable, Shown
from services.enricher.keeper.catalog.entry import CatalogEntry, Group, Slice, Sums
from services.enricher.keeper.catalog.statistics import statistics
from services.enricher.keeper.catalog.table import CatalogFilter, CatalogTable
from services.enricher.wings import SHOWN_BY
from shared.pictures import FailureClass, Kind, Name, PictureId
from shared.volume import NOTHING, Extent, Holding
from tests.unit.catalogs import NOON, SIZE, failed, gone, holding, picture, source

EARLIER, LATER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)


@pytest.fixture
def table(database: Database) -> CatalogTable:
    return CatalogTable(database, SHOWN_BY)


async def note(table: CatalogTable, *holdings: Holding, at: datetime = NOON) -> None:
    held = {one.picture: one for one in holdings}
    await table.note(held, held, now=at, source_urls={})


async def lose(table: CatalogTable, *pictures: PictureId, at: datetime = NOON) -> None:
    await table.note(pictures, {}, now=at, source_urls={})


async def unused(table: CatalogTable, *, at: datetime = LATER, limit: int = 100) -> list[PictureId]:
    found = await table.least_recently_used(
        ordered_before=EARLIER, used_before=at, cached_before=at, limit=limit
    )
    return [entry.picture for entry in found]


async def test_what_the_volume_holds_is_known(table: CatalogTable) -> None:
    await note(table, holding(1))
    entry = await table.of_picture(picture(1))
    assert entry
    assert (entry.image_url, entry.source, entry.mime_type) == (str(source(1)), "tmdb", "image/jpeg")
    assert (entry.file_size, entry.width, entry.height) == (500, 20, 30)
    assert entry.local_path == f"cache/{picture(1)[:2]}/{picture(1)[2:4]}/{picture(1)}/{entry.revision}"
    assert (entry.cached_at, entry.last_accessed, entry.disk) == (NOON, NOON, SIZE)
    assert await table.of_picture(picture(2)) is None


async def test_what_went_is_not_known_but_where_it_came_from(table: CatalogTable) -> None:
    await note(table, holding(1))
    await lose(table, picture(1))
    assert await table.of_picture(picture(1)) is None
    assert await table.source_url_of(picture(1)) == str(source(1))
    await note(table, holding(1))
    await lose(table, picture(1))
    assert await table.source_url_of(picture(1)) == str(source(1))
    assert await table.source_url_of(picture(2)) is None


async def test_sources_of_what_went_are_forgotten_by_age_and_number(table: CatalogTable) -> None:
    for number in range(4):
        await note(table, holding(number))
        await lose(table, picture(number), at=NOON + timedelta(minutes=number))
    await table.forget_evicted(gone_before=NOON + timedelta(minutes=1), at_most=10)
    assert await table.source_url_of(picture(0)) is None
    await table.forget_evicted(gone_before=NOON, at_most=2)
    assert [await table.source_url_of(picture(number)) is not None for number in range(4)] == [
        False,
        False,
        True,
        True,
    ]


async def test_a_failure_is_known_by_the_url_that_was_said_with_it(table: CatalogTable) -> None:
    one = failed(1)
    await table.note([one.picture], {one.picture: one}, now=NOON, source_urls={one.picture: str(source(1))})
    entry = await table.of_picture(one.picture)
    assert entry
    assert (entry.image_url, entry.failure_class, entry.local_path) == (str(source(1)), "gone", None)
    assert entry.retry_at == NOON + timedelta(hours=1)
    await note(table, one)
    assert await table.source_url_of(one.picture) == str(source(1))


async def test_use_moves_on_and_never_back(table: CatalogTable) -> None:
    await note(table, holding(1))
    for at in (LATER, EARLIER):
        await table.used([picture(1), picture(2)], at)
        entry = await table.of_picture(picture(1))
        assert entry
        assert entry.last_accessed == LATER
    await note(table, holding(1, mark=2))
    entry = await table.of_picture(picture(1))
    assert entry
    assert entry.last_accessed == LATER


async def test_the_longest_unused_leaves_first(table: CatalogTable) -> None:
    await note(table, *(holding(number) for number in range(4)))
    for number, minute in ((2, 1), (0, 2), (3, 3), (1, 4)):
        await table.used([picture(number)], NOON + timedelta(minutes=minute))
    assert await unused(table) == [picture(number) for number in (2, 0, 3, 1)]
    assert await unused(table, at=NOON + timedelta(minutes=3)) == [picture(2), picture(0)]


async def test_what_is_kept_or_young_or_leaving_does_not_leave(table: CatalogTable) -> None:
    await note(table, holding(1), holding(2, cached=NOTHING, kept=SIZE), holding(3, at=LATER), holding(4))
    await table.order_eviction([picture(4)], NOON)
    assert await unused(table) == [picture(1)]


async def test_the_cached_copy_of_what_is_kept_may_leave(table: CatalogTable) -> None:
    await note(table, holding(1, kept=SIZE))
    assert await unused(table) == [picture(1)]


async def test_what_was_ordered_to_leave_and_did_not_may_be_ordered_again(table: CatalogTable) -> None:
    await note(table, holding(1), holding(2))
    await table.order_eviction([picture(1), picture(2)], EARLIER - timedelta(minutes=1))
    usage = await table.usage(EARLIER)
    assert (usage.leaving, usage.staying) == (NOTHING, SIZE + SIZE)
    assert len(await unused(table)) == 2


async def test_what_is_leaving_is_not_counted_as_staying(table: CatalogTable) -> None:
    await note(table, holding(1), holding(2), holding(3, kept=Extent(7, 1)))
    await table.order_eviction([picture(1)], NOON)
    usage = await table.usage(EARLIER)
    assert (usage.disk, usage.leaving, usage.pictures_leaving) == (Extent(3007, 31), SIZE, 1)
    assert usage.staying == Extent(2007, 21)
    await table.order_eviction([picture(1)], None)
    assert (await table.usage(EARLIER)).pictures_leaving == 0


async def test_what_is_looked_at_again_is_not_leaving_any_more(table: CatalogTable) -> None:
    await note(table, holding(1))
    await table.order_eviction([picture(1)], NOON)
    await note(table, holding(1, at=LATER))
    assert (await table.usage(EARLIER)).pictures_leaving == 0


async def test_failures_that_were_over_long_ago(table: CatalogTable) -> None:
    await note(table, failed(1), failed(2, retry_at=LATER + timedelta(days=1)), holding(3, failure=gone()))
    over = await table.failures_over(LATER + timedelta(minutes=1), ordered_before=EARLIER, limit=10)
    assert [entry.picture for entry in over] == [picture(1)]


async def test_what_is_due_and_somebody_looks_at_is_to_be_refreshed(table: CatalogTable) -> None:
    await note(
        table,
        holding(1, fresh_until=EARLIER),
        holding(2, fresh_until=LATER),
        holding(3),
        holding(4, fresh_until=EARLIER, failure=gone()),
        holding(5, fresh_until=EARLIER, at=NOON - timedelta(days=3)),
    )
    due = await table.due(NOON, used_since=NOON - timedelta(days=1), limit=10)
    assert [entry.picture for entry in due] == [picture(1)]


async def test_orphans_are_what_nothing_shows_and_nobody_uses(
    table: CatalogTable,
    database: Database,
) -> None:
    await note(table, *(holding(number) for number in range(1, 4)), holding(4, cached=NOTHING, kept=SIZE))
    name = Name.parse("movie/tmdb:603/poster")
    await ArtworkTable(database).put(name, Shown(source(1)), now=NOON, refresh_at=LATER)
    await table.used([picture(2)], LATER)
    orphans = await table.orphans(
        unused_since=NOON + timedelta(minutes=1), cached_before=LATER, after=PictureId(""), limit=10
    )
    assert [entry.picture for entry in orphans] == [picture(3)]


async def test_a_pictures_kind_is_that_of_a_name_that_shows_it(
    table: CatalogTable,
    database: Database,
) -> None:
    name = Name.parse("person/tmdb:603/portrait")
    await ArtworkTable(database).put(name, Shown(source(1)), now=NOON, refresh_at=LATER)
    await note(table, holding(1), holding(2))
    assert [
        entry.picture for entry in await table.list(CatalogFilter(kind=Kind.PERSON), limit=9, offset=0)
    ] == [picture(1)]
    found = await statistics(table, NOON)
    assert {kind: counted.objects for kind, counted in found.by_kind.items()} == {
        "person": 1,
        "unknown": 1,
    }


async def test_the_list_is_filtered_and_paged_the_last_used_first(table: CatalogTable) -> None:
    await note(table, holding(1), holding(2), failed(3))
    await table.used([picture(1)], LATER)
    everything = await table.list(CatalogFilter(), limit=2, offset=0)
    assert len(everything) == 2
    assert everything[0].picture == picture(1)
    assert len(await table.list(CatalogFilter(), limit=2, offset=2)) == 1
    broken = await table.list(CatalogFilter(failure_class=FailureClass.GONE), limit=9, offset=0)
    assert [entry.picture for entry in broken] == [picture(3)]
    assert len(await table.list(CatalogFilter(source="tmdb"), limit=9, offset=0)) == 2


DAYS = {str(days): NOON.date() - timedelta(days=days) for days in range(10)}
"""Each day is an age of its own."""


def slice_of(entry: CatalogEntry) -> Slice:
    group = Group.of(entry)
    age = str((NOON.date() - entry.cached_at.date()).days) if entry.cached_at else ""
    return Slice(group.source, group.mime_type, group.kind, group.failure_class, age)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["jpeg", "png", "failed", "kept", "removed", "used"]),
        st.integers(0, 3),
    ),
    max_size=30,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
async def test_sums_are_those_of_the_entries_whatever_happened(
    table: CatalogTable, changes: list[tuple[int, str, int]]
) -> None:
    await table.clear()
    for number, what, days in changes:
        at = NOON - timedelta(days=days)
        match what:
            case "removed":
                await lose(table, picture(number))
            case "used":
                await table.used([picture(number)], at)
            case "failed":
                await note(table, failed(number, at=at))
            case "kept":
                await note(table, holding(number, at=at, kept=Extent(days, 1)))
            case _:
                await note(table, holding(number, at=at, mime=f"image/{what}"))
    expected: dict[Slice, Sums] = {}
    for entry in await table.list(CatalogFilter(), limit=100, offset=0):
        part = slice_of(entry)
        expected[part] = expected.get(part, Sums()) + Sums.of(entry)
    totals = await table.totals(DAYS)
    assert totals == expected
    assert json.dumps([asdict(sums) for sums in totals.values()])  # whole numbers on both engines


async def test_statistics_count_what_is_stored_by_all_it_has_in_common(table: CatalogTable) -> None:
    await note(
        table,
        holding(1),
        holding(2, mime="image/png", at=NOON - timedelta(days=5)),
        holding(3, at=NOON - timedelta(days=1000), kept=SIZE, cached=NOTHING, failure=gone()),
        failed(4),
    )
    found = await statistics(table, NOON)
    assert (found.total_objects, found.original_bytes) == (3, 1500)
    assert found.cached.bytes == 2100
    assert (found.kept.bytes, found.kept.files) == (1000, 10)
    assert {name: one.objects for name, one in found.by_format.items()} == {"jpg": 2, "png": 1}
    assert {name: one.objects for name, one in found.by_age.items()} == {"day": 1, "week": 1, "older": 1}
    assert {name: one.objects for name, one in found.by_provider.items()} == {"tmdb": 3}
    assert found.by_failure_class == {"gone": 2}


async def test_a_catalog_that_is_cleared_knows_and_counts_nothing(table: CatalogTable) -> None:
    await note(table, holding(1))
    await table.clear()
    assert await table.totals(DAYS) == {}
    assert await table.of_picture(picture(1)) is None
