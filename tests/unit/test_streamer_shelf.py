"""Streamers, categories and streams in the database, on both engines."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.enricher.database.database import Database
from services.enricher.finder.providers.errors import Broken, Busy, NotAsked, ProviderError
from services.enricher.streamers import naming
from services.enricher.streamers.export import FALLBACK, ExportNotes
from services.enricher.streamers.live import ToldMessages
from services.enricher.streamers.placing import Noted
from services.enricher.streamers.refreshing import pause_s
from services.enricher.streamers.rows import Category, NewCategory, Thumbnail
from services.enricher.streamers.shelf import StreamShelf
from services.enricher.streamers.tables import categories, streamers
from shared.pictures import Name

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://static-cdn.jtvnw.net/a-300x300.png"
BOX_ART = "https://static-cdn.jtvnw.net/ttv-boxart/7-{width}x{height}.jpg"


def shelf_of(database: Database) -> StreamShelf:
    return StreamShelf(database, now=lambda: NOW)


def file_names(found: Sequence[Category]) -> list[str]:
    return [one.file_name for one in found]


async def test_a_streamer_is_here_once_and_due_until_it_was_asked_about(database: Database) -> None:
    shelf = shelf_of(database)
    first, second = await shelf.add_streamers(logins=["a"], twitch_ids=["5"])
    assert await shelf.add_streamers(logins=["a", "a"]) == [first]
    assert [one.id for one in await shelf.due(shelf.streamers, limit=9)] == [first.id, second.id]
    later = {"checked_at": NOW, "check_at": NOW + timedelta(days=1), "profile_source": URL, "twitch_id": "9"}
    await shelf.streamers.change_each({first.id: later})
    assert [one.id for one in await shelf.due(shelf.streamers, limit=9)] == [second.id]
    assert not await shelf.mark_seen(streamers, first.id, NOW)
    assert await shelf.mark_seen(streamers, first.id, NOW + timedelta(hours=1))
    assert {one.id for one in await shelf.due(shelf.streamers, limit=9)} == {first.id, second.id}
    for name in (f"streamer/{first.id}/profile", "streamer/tw:9/profile", "streamer/9/profile"):
        assert str(await shelf.source_of(Name.parse(name))) == URL
    for name in (
        "streamer/77/profile",
        f"streamer/{first.id}/banner",
        "streamer/tw:x/profile",
        "streamer/1/logo",
    ):
        assert await shelf.source_of(Name.parse(name)) is None


async def test_of_categories_that_would_be_called_the_same_each_has_a_name_of_its_own(
    database: Database,
) -> None:
    shelf = shelf_of(database)
    names = ["Foo: Bar", "Foo Bar", "foo/bar", "Foo Bar 2", "100%", "100_", "原神"]
    added = await shelf.add_categories([NewCategory(name) for name in names])
    assert file_names(added) == ["foo_bar", "foo_bar_2", "foo_bar_3", "foo_bar_2_2", "100%", "100_2", "原神"]
    taken = [one for category in added for one in {category.file_name, category.slug}]
    assert len(set(taken)) == len(taken)
    alike = await shelf.called_alike(added)
    assert [alike[one.id] for one in added] == [
        *(["Foo Bar", "foo/bar"], ["Foo: Bar", "foo/bar"], ["Foo: Bar", "Foo Bar"], []),
        *(["100_"], ["100%"], []),
    ]
    assert file_names(await shelf.add_categories([NewCategory("Foo Bar")])) == ["foo_bar_2"]
    for text in ("Foo Bar", "foo_bar_2", "FOO_BAR_2"):
        found = await shelf.category_called(text)
        assert found == await shelf.categories.get(added[1].id)
    assert await shelf.category_called("nobody") is None


async def test_a_category_that_came_by_its_id_or_its_file_is_named_once_that_is_known(
    database: Database,
) -> None:
    shelf = shelf_of(database)
    by_id, by_file = await shelf.add_categories([NewCategory(twitch_id="7"), NewCategory("just_chatting")])
    assert by_id.name == "tw:7"
    await shelf.name_category(by_id.id, NewCategory("Tom's Game", "7"), box_art=BOX_ART)
    named = await shelf.categories.get(by_id.id)
    assert named
    assert (named.name, named.file_name, named.slug) == ("Tom's Game", "tom's_game", "toms_game")
    for id_ in (named.cover_id, "toms_game", "Toms_Game", "tw:7"):
        assert str(await shelf.source_of(naming.cover_of(id_))).endswith("-1200x1600.jpg")
    [chatting] = await shelf.add_categories([NewCategory("Just Chatting", "509658")])
    renamed = await shelf.categories.get(by_file.id)
    assert renamed
    assert (chatting.id, renamed.name, renamed.twitch_id) == (by_file.id, "Just Chatting", "509658")
    [signs] = await shelf.add_categories([NewCategory(twitch_id="8")])
    await shelf.name_category(signs.id, NewCategory("???", "8"))
    assert file_names([await shelf.categories.get(signs.id) or signs]) == ["category_8"]


async def test_a_streams_history_keeps_the_newest_and_goes_with_it(database: Database) -> None:
    shelf = shelf_of(database)
    [streamer] = await shelf.add_streamers(logins=["a"])
    stream = await shelf.put_stream(streamer.id, "99", started_at=NOW, title="First")
    again = await shelf.put_stream(streamer.id, "99", started_at=NOW, title="Second", category_id=None)
    assert (again.id, again.title) == (stream.id, "Second")
    for minute in range(4):
        taken = Thumbnail(stream.id, NOW + timedelta(minutes=minute), f"{URL}?{minute}")
        leaving = await shelf.keep_thumbnail(taken, at_most=3)
    assert [one.source for one in leaving] == [f"{URL}?0"]
    newest, *_ = await shelf.thumbnails(stream.id)
    assert str(await shelf.source_of(newest.name)) == f"{URL}?3"
    assert str(await shelf.source_of(naming.artwork_of("tw:99"))) == f"{URL}?3"
    await shelf.streamers.remove(streamer.id)
    assert (await shelf.streams.count(), await shelf.thumbnails(stream.id)) == (0, [])


async def test_a_message_is_new_once(database: Database) -> None:
    messages = ToldMessages(database)
    assert [await messages.is_new("a", NOW, NOW) for _ in range(2)] == [True, False]
    assert await messages.is_new("a", NOW, NOW + timedelta(hours=1))


async def test_what_was_exported_to_one_folder_is_not_taken_for_another(database: Database) -> None:
    notes = ExportNotes(database)
    other = notes.elsewhere(FALLBACK)
    for one in (notes, other):
        await one.add(Noted("a_b.jpg", "1", "x"))
        await one.add(Noted("a_b.jpg", "2", "y"))
    await notes.keep_only("a_b.jpg", "2")
    await other.keep_only("a_b.jpg", None)
    assert await notes.all() == {"a_b.jpg": [Noted("a_b.jpg", "2", "y")]}
    assert await other.all() == {}


async def test_rows_are_counted_and_chosen(database: Database) -> None:
    shelf = shelf_of(database)
    [one] = await shelf.add_categories([NewCategory("A")])
    await shelf.categories.change(one.id, is_favorite=True)
    assert await shelf.categories.count(categories.c.is_favorite.is_(True)) == 1
    assert (await shelf.categories.remove(one.id), await shelf.categories.remove(one.id)) == (True, False)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Busy("Wait.", retry_after=timedelta(seconds=15)), 15),
        (Busy("Wait.", retry_after=timedelta(hours=1)), 60),
        (Busy("Wait."), 1),
        (NotAsked("Twitch", busy_until=NOW, now=NOW), 1),
        (Broken("It broke."), 60),
    ],
)
def test_who_asks_us_to_wait_is_asked_again_as_soon_as_our_budget_lets_us(
    error: ProviderError, seconds: float
) -> None:
    assert pause_s(error) == seconds
