"""ListSync's database, read: what it knows of titles, lists and pictures, each row made sense of or told why not.

It is opened to be read only, as another program's, which may run meanwhile. Columns that a version of it has not are none.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from services.enricher.library.item import ItemIds, LibraryEntry, MediaType
from services.enricher.library.lists import OnList, reduced
from shared.pictures import PictureId, SourceUrl

AT_MOST = 1_000_000
"""Rows of one table that are read."""

PATIENCE_S = 5.0
"""While another program writes."""

_OF_THE_MOMENT = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}
)
"""What may be over once nobody else has the file, or may read it."""

_IMDB = re.compile(r"tt[0-9]{5,12}", re.ASCII)
_MEDIA_TYPES = {
    "movie": MediaType.MOVIE,
    "film": MediaType.MOVIE,
    "tv": MediaType.TV,
    "show": MediaType.TV,
    "series": MediaType.TV,
}
_YEARS = range(1800, 2201)
_LARGEST_ID = 2**31 - 1


class NotListSync(Exception):
    """The file cannot be read as ListSync's database; the text is a sentence for whoever named it."""


@dataclass(frozen=True, slots=True)
class ImportedEntry:
    """An entry with when it was made there, and when its poster was found."""

    entry: LibraryEntry
    created_at: datetime | None = None
    updated_at: datetime | None = None
    poster_cached_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ImportedPicture:
    """A picture that was downloaded there. `rowid`: of the row that has its bytes, where those are in the database."""

    source: SourceUrl
    fetched_at: datetime | None = None
    accessed_at: datetime | None = None
    path: str | None = None
    rowid: int | None = None


@dataclass(slots=True)
class ListSyncLibrary:
    entries: list[ImportedEntry] = field(default_factory=list)
    lists: dict[str, OnList] = field(default_factory=dict)
    pictures: dict[PictureId, ImportedPicture] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)
    """What of it is left out: which row, and why."""

    def add_picture(self, picture: ImportedPicture) -> None:
        """What was said first stays: a row of a picture says more than a poster's URL."""
        self.pictures.setdefault(picture.source.picture, picture)


def read_listsync(database: Path) -> ListSyncLibrary:
    """All of it as of one moment. Raise NotListSync."""
    with opened(database) as connection:
        tables = _tables(connection)
        if not {"title", "media_type"} <= tables.get("media_items", tables.get("synced_items", set())):
            raise NotListSync(
                f"{database} is no database of ListSync's: it has neither media_items nor synced_items as ListSync has them."
            )
        library = ListSyncLibrary()
        _read_lists(connection, tables, library)
        _read_pictures(connection, tables, library)
        _read_items(connection, tables, library)
        _read_synced(connection, tables, library)
        library.entries.sort(key=lambda one: one.created_at or datetime.min.replace(tzinfo=UTC))
        return library


def picture_in(database: Path, rowid: int) -> bytes | None:
    """The bytes of a picture that are in the database itself. Raise NotListSync."""
    with opened(database) as connection:
        query = "SELECT image_data FROM cached_images WHERE rowid = ?"
        row = connection.execute(query, (rowid,)).fetchone()
        return bytes(row[0]) if row and isinstance(row[0], bytes) else None


@contextmanager
def opened(database: Path) -> Iterator[sqlite3.Connection]:
    """To be read, in one transaction. Raise NotListSync."""
    if database.is_dir():
        raise NotListSync(f"{database} is a folder: name the file in it, such as {database}/listsync.db.")
    if not database.is_file():
        raise NotListSync(f"There is no file {database}.")
    try:
        with closing(_connected(database)) as connection:
            connection.row_factory = sqlite3.Row
            connection.text_factory = _decoded
            connection.execute("BEGIN")
            yield connection
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_MOMENT:
            why = f"{database} cannot be read now: {error}. Stop ListSync, or try again."
        else:
            why = f"{database} is not as ListSync has it: {error}."
        raise NotListSync(why) from error
    except sqlite3.DatabaseError as error:
        raise NotListSync(f"{database} is no database that can be read: {error}.") from error


def _decoded(text: bytes) -> str:
    """Of a letter that was broken, one stands in."""
    return text.decode(errors="replace")


def _connected(database: Path) -> sqlite3.Connection:
    """Where the folder may not be written to, a database with a write-ahead log is read as it lies there."""
    uri = f"file:{quote(str(database.absolute()))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE_S, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if "unable to open" not in str(error) or Path(f"{database}-wal").exists():
            raise
        return sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None)
    return connection


def _tables(connection: sqlite3.Connection) -> Mapping[str, set[str]]:
    """The columns of each."""
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    wanted = {"media_items", "synced_items", "item_lists", "lists", "cached_images"}.intersection(names)
    return {
        name: {row[1] for row in connection.execute(f"PRAGMA table_info({name})")} for name in sorted(wanted)
    }


def _rows(
    connection: sqlite3.Connection, tables: Mapping[str, set[str]], table: str, *wanted: str
) -> Iterator[dict[str, Any]]:
    """What there is of these columns, in the order in which rows came; the others are None."""
    if table not in tables:
        return
    there = [column for column in wanted if column in tables[table]]
    columns = ", ".join(["rowid AS rowid_", *there])
    query = f"SELECT {columns} FROM {table} ORDER BY rowid LIMIT {AT_MOST}"  # noqa: S608 - names of ours
    for row in connection.execute(query):
        yield dict.fromkeys(wanted) | dict(row)


def _read_lists(
    connection: sqlite3.Connection, tables: Mapping[str, set[str]], library: ListSyncLibrary
) -> None:
    for row in _rows(connection, tables, "lists", "list_type", "list_id", "display_name", "poster_url"):
        if source := _list_source(row["list_type"], row["list_id"]):
            list_type, _, list_id = source.partition(":")
            poster = source_in(row["poster_url"])
            named = OnList(list_type, list_id, _text(row["display_name"]), str(poster) if poster else None)
            if named.display_name or named.poster_url:
                library.lists[source] = named


def _read_pictures(
    connection: sqlite3.Connection, tables: Mapping[str, set[str]], library: ListSyncLibrary
) -> None:
    columns = ("image_url", "local_path", "file_path", "cached_at", "created_at", "last_accessed")
    has_bytes = set()
    if "image_data" in tables.get("cached_images", ()):
        query = "SELECT rowid FROM cached_images WHERE length(image_data) > 0"
        has_bytes = {row[0] for row in connection.execute(query)}
    for row in _rows(connection, tables, "cached_images", *columns):
        source = source_in(row["image_url"])
        if source is None:
            library.problems.append((f"cached_images {row['rowid_']}", "The row has no URL of a picture."))
            continue
        library.add_picture(
            ImportedPicture(
                source,
                moment(row["cached_at"]) or moment(row["created_at"]),
                moment(row["last_accessed"]),
                _text(row["local_path"]) or _text(row["file_path"]),
                row["rowid_"] if row["rowid_"] in has_bytes else None,
            )
        )


def _read_items(
    connection: sqlite3.Connection, tables: Mapping[str, set[str]], library: ListSyncLibrary
) -> None:
    columns = ("full_path", "title", "media_type", "year", "imdb_id", "tmdb_id", "tvdb_id", "created_at")
    more = ("updated_at", "poster_url", "poster_cached_at", "overseerr_id", "status", "last_synced")
    for row in _rows(connection, tables, "media_items", *columns, *more):
        if entry := _entry(row, "media_items", library, full_path=_text(row["full_path"])):
            if source := source_in(row["poster_url"]):
                library.add_picture(ImportedPicture(source, moment(row["poster_cached_at"])))
            library.entries.append(
                ImportedEntry(
                    entry,
                    moment(row["created_at"]),
                    moment(row["updated_at"]),
                    moment(row["poster_cached_at"]),
                )
            )


def _read_synced(
    connection: sqlite3.Connection, tables: Mapping[str, set[str]], library: ListSyncLibrary
) -> None:
    """Each title once for each list that it is on."""
    on_lists: dict[Any, dict[str, datetime | None]] = {}
    for row in _rows(connection, tables, "item_lists", "item_id", "list_type", "list_id", "synced_at"):
        if source := _list_source(row["list_type"], row["list_id"]):
            on_lists.setdefault(row["item_id"], {})[source] = moment(row["synced_at"])
    columns = ("id", "title", "media_type", "year", "imdb_id", "tmdb_id", "overseerr_id", "status")
    more = ("last_synced", "source_list_type", "source_list_id", "created_at", "poster_url")
    for row in _rows(connection, tables, "synced_items", *columns, *more):
        synced, lists = moment(row["last_synced"]), dict(on_lists.get(row["id"] or row["rowid_"], {}))
        if source := _list_source(row["source_list_type"], row["source_list_id"]):
            lists.setdefault(source, synced)
        for source, synced_at in lists.items() or [(None, synced)]:
            entry = _entry(row, "synced_items", library, list_source=source, last_synced=synced_at or synced)
            if entry is None:
                break
            library.entries.append(ImportedEntry(entry, moment(row["created_at"]) or synced_at or synced))


def _entry(
    row: Mapping[str, Any],
    table: str,
    library: ListSyncLibrary,
    *,
    full_path: str | None = None,
    list_source: str | None = None,
    last_synced: datetime | None = None,
) -> LibraryEntry | None:
    """None, and a problem told, for a row that names no title."""
    title, media_type = _text(row["title"]), _MEDIA_TYPES.get(str(row["media_type"]).strip().lower())
    if title is None or media_type is None:
        why = (
            "The row has no title."
            if title is None
            else f"It is of the type {str(row['media_type'])[:40]!r}."
        )
        library.problems.append((f"{table} {row['rowid_']}", why))
        return None
    imdb, year, poster = str(row["imdb_id"] or "").strip(), _number(row["year"]), source_in(row["poster_url"])
    return LibraryEntry(
        title,
        media_type,
        year if year in _YEARS else None,
        ItemIds(
            imdb if _IMDB.fullmatch(imdb) else None, _number(row["tmdb_id"]), _number(row.get("tvdb_id"))
        ),
        full_path=full_path,
        list_source=list_source,
        status=_text(row["status"]),
        overseerr_id=_number(row["overseerr_id"]),
        last_synced=last_synced or moment(row["last_synced"]),
        poster_url=str(poster) if poster else None,
    )


def source_in(url: object) -> SourceUrl | None:
    """The source of a picture, which ListSync writes bare, or as its own proxy's path with `?url=`."""
    text = str(url or "").strip()
    try:
        split = urlsplit(text)
        inner = parse_qs(split.query).get("url", [])
        if split.path.rstrip("/").endswith("/images/proxy") and len(inner) == 1:
            text = inner[0]
        return SourceUrl.parse(text)
    except ValueError:
        return None


def moment(value: object) -> datetime | None:
    """Of text as SQLite and Python write it, in UTC where it names no zone, or of seconds since 1970; None for anything else."""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        read = datetime.fromisoformat(str(value or "").strip())
    except (ValueError, OverflowError, OSError):
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _list_source(list_type: object, list_id: object) -> str | None:
    kind, id_ = _text(list_type), _text(list_id)
    if kind is None or id_ is None:
        return None
    return reduced(f"{kind}:{id_}")[:200]


def _text(value: object) -> str | None:
    return str(value).strip()[:4096] or None if isinstance(value, str | int | float) else None


def _number(value: object) -> int | None:
    """Of a number, or of one as text: a positive id."""
    try:
        number = int(str(value).strip())
    except ValueError:
        return None
    return number if 0 < number <= _LARGEST_ID else None
