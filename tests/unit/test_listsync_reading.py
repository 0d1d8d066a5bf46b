"""ListSync's database as it may lie there: what cannot be read is a sentence that says why, and one odd row is only its own loss."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from services.enricher.library.listsync import importing, reading
from tests.providers.listsync import ListSyncFolder

ITEM = {"title": "A film", "media_type": "movie", "year": 2000, "tmdb_id": 1, "full_path": "/films/a.mkv"}


@pytest.fixture
def left(tmp_path: Path) -> ListSyncFolder:
    folder = ListSyncFolder(tmp_path / "listsync")
    folder.add("media_items", [ITEM])
    return folder


def change(left: ListSyncFolder, statement: str) -> None:
    with closing(sqlite3.connect(left.database)) as connection, connection:
        connection.execute(statement)


def half_of_it(left: ListSyncFolder) -> None:
    many = [ITEM | {"full_path": f"/films/{number}.mkv"} for number in range(2000)]
    left.add("media_items", many)
    left.database.write_bytes(left.database.read_bytes()[:40_000])


def without_row_ids(left: ListSyncFolder) -> None:
    change(left, "DROP TABLE media_items")
    change(left, "CREATE TABLE media_items (title TEXT PRIMARY KEY, media_type TEXT) WITHOUT ROWID")


def a_folder(left: ListSyncFolder) -> None:
    left.database.unlink()
    left.database.mkdir()


@pytest.mark.parametrize(
    ("befallen", "why"),
    [
        (half_of_it, "is no database that can be read"),
        (without_row_ids, "is not as ListSync has it: no such column"),
        (a_folder, "is a folder: name the file in it"),
        (lambda left: left.database.write_bytes(b""), "has neither media_items nor synced_items"),
        (lambda left: left.database.write_bytes(b"text" * 500), "is no database that can be read"),
        (lambda left: left.database.unlink(), "There is no file"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence_that_says_why(
    left: ListSyncFolder, befallen: Callable[[ListSyncFolder], object], why: str
) -> None:
    befallen(left)
    with pytest.raises(reading.NotListSync, match=why) as caught:
        reading.read_listsync(left.database)
    assert str(caught.value).endswith(".") or str(caught.value).endswith("listsync.db.")


def test_one_that_somebody_has_locked_may_be_tried_again(
    left: ListSyncFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PATIENCE_S", 0.01)
    with closing(sqlite3.connect(left.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(reading.NotListSync, match=r"Stop ListSync, or try again\."):
            reading.read_listsync(left.database)
    assert len(reading.read_listsync(left.database).entries) == 1


def test_of_odd_rows_each_is_its_own_loss_only(left: ListSyncFolder) -> None:
    left.add(
        "media_items", [ITEM | {"title": b"\xff\xfe"}, dict.fromkeys(ITEM), ITEM | {"media_type": "game"}]
    )
    change(left, "INSERT INTO media_items (title, media_type) VALUES (CAST(x'41ff42' AS TEXT), 'movie')")
    windows = {"full_path": "C:\\Films\\B.mkv", "title": "B", "year": "two", "tmdb_id": "12x"}
    left.add("media_items", [ITEM | windows])
    library = reading.read_listsync(left.database)
    assert [(one.entry.title, one.entry.year, one.entry.ids.tmdb) for one in library.entries] == [
        ("A film", 2000, 1),
        ("A\ufffdB", None, None),
        ("B", None, None),
    ]
    assert [row for row, _ in library.problems] == [f"media_items {number}" for number in (2, 3, 4)]


@pytest.mark.parametrize("named", [".", "data", "data/images"])
def test_the_folder_of_pictures_may_be_named_by_one_that_it_is_in(left: ListSyncFolder, named: str) -> None:
    file = left.put("https://image.tmdb.org/t/p/original/a.jpg", b"a picture")
    assert importing._files_in(left.directory / named) == {file.stem: file}
