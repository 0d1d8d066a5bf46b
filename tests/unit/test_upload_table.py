"""Which uploads there are, whose, and how much may be, on both engines."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.enricher.database.database import Database
from services.enricher.uploads.tables import LimitReached, UploadedFile, UploadTable
from services.enricher.uploads.uploads import Uploads, UploadSettings, avatar_name, user_in_names
from shared.contracts import Envelope, PicturePurged
from shared.locks import KeyedLock
from shared.pictures import picture_id

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def file(
    id_: str, bytes_: int, user: str | None = None, *, avatar: bool = False, minutes: int = 0
) -> UploadedFile:
    return UploadedFile(id_, user, picture_id(id_), avatar, bytes_, False, NOON + timedelta(minutes=minutes))


async def reserved(table: UploadTable, one: UploadedFile) -> str:
    try:
        await table.reserve(one, limit=100, user_limit=50)
    except LimitReached as reached:
        return "of a user" if reached.of_user else "of all"
    return "yes"


async def test_what_is_uploaded_is_counted_for_each_user_and_for_all(database: Database) -> None:
    table = UploadTable(database)
    assert await reserved(table, file("a", 50, "one")) == "yes"
    assert await reserved(table, file("b", 1, "one")) == "of a user"
    assert await reserved(table, file("c", 49)) == "yes"  # an operator's
    assert await reserved(table, file("d", 2, "two")) == "of all"
    assert await reserved(table, file("e", 1, "two")) == "yes"
    await table.remove("a")
    assert await reserved(table, file("f", 50)) == "yes"


async def test_an_avatar_takes_the_place_of_the_one_before(database: Database) -> None:
    table = UploadTable(database)
    assert await reserved(table, file("a", 50, "one", avatar=True)) == "yes"
    assert await reserved(table, file("b", 50, "one", avatar=True, minutes=1)) == "yes"
    assert await reserved(table, file("c", 1, "one")) == "of a user"
    assert [one.id for one in await table.avatars("one", at_most=9)] == ["b", "a"]
    assert await table.avatars("two", at_most=9) == []


async def test_those_that_are_stored_are_listed_with_what_they_take(database: Database) -> None:
    table = UploadTable(database)
    for number in range(3):
        await reserved(table, file(f"f{number}", 10, minutes=number))
    for id_ in ("f0", "f2"):
        await table.stored(id_, 20)
    listed, total = await table.listed(offset=0, limit=1)
    assert ([(one.id, one.bytes, one.is_stored) for one in listed], total) == ([("f2", 20, True)], 2)
    unsettled = await table.unsettled(NOON + timedelta(hours=1), at_most=9)
    assert [one.id for one in unsettled] == ["f1"]
    assert await table.unsettled(NOON, at_most=9) == []
    assert await table.get("f1") == unsettled[0]
    assert await table.get("f9") is None
    assert await table.of_picture(picture_id("f1")) == unsettled[0]
    assert await table.of_picture(picture_id("f9")) is None


class StoredOriginals:
    """Of the port of pictures: what is stored, by its bytes."""

    def __init__(self) -> None:
        self.bytes_of: dict[str, int] = {}

    async def current(self, picture: str) -> Any:
        original = SimpleNamespace(bytes=self.bytes_of.get(picture))
        return SimpleNamespace(manifest=SimpleNamespace(original=original)) if original.bytes else None


async def test_what_became_of_uploads_that_took_long_is_looked_for_and_the_lost_count_no_longer(
    database: Database,
) -> None:
    table, pictures, volume = UploadTable(database), StoredOriginals(), cast(Any, SimpleNamespace())
    volume.pictures = pictures
    later = NOON + timedelta(days=1, minutes=30)
    uploads = Uploads(table, cast(Any, None), volume, UploadSettings(), KeyedLock(), lambda: later)
    for id_, minutes in (("lost", 0), ("late", 0), ("on its way", 60), ("just sent", 24 * 60 + 25)):
        await reserved(table, file(id_, 10, minutes=minutes))
    pictures.bytes_of = {picture_id("late"): 30, picture_id("just sent"): 30}
    await uploads.settle()
    listed, total = await table.listed(offset=0, limit=9)
    assert ([(one.id, one.bytes) for one in listed], total) == ([("late", 30)], 1)
    assert [one.id for one in await table.unsettled(later, at_most=9)] == ["on its way", "just sent"]


async def test_what_somebody_purged_counts_no_longer(database: Database) -> None:
    table = UploadTable(database)
    uploads = Uploads(table, cast(Any, None), cast(Any, None), UploadSettings(), KeyedLock())
    await reserved(table, file("a", 100))
    for picture in (picture_id("another"), picture_id("a")):
        assert await reserved(table, file("b", 1)) == "of all"
        await uploads.hear(Envelope.of(PicturePurged(picture=picture), trace_id="test"))
    assert await reserved(table, file("b", 100)) == "yes"


@pytest.mark.parametrize(
    ("user", "in_names"),
    [
        ("5f0c3a7e-9b1d-4c2f-8a6e-0b3d7c9f1a2b", "5f0c3a7e-9b1d-4c2f-8a6e-0b3d7c9f1a2b"),
        ("auth0|7", "sha256.bc3ae7f7f7d3f1d5"),
        ("../../etc", "sha256."),
        ("x" * 65, "sha256."),
        ("sha256.abc", "sha256."),
        ("a_b", "sha256."),
        ("ü", "sha256."),
    ],
)
def test_a_user_stands_in_names_as_called_or_by_a_hash(user: str, in_names: str) -> None:
    said = user_in_names(user)
    assert said == in_names or (in_names.startswith("sha256.") and len(said) == 39 and said != user)
    assert avatar_name(user).id == said
