"""A stand-in for what ListSync leaves behind: its database, in its schema, and its folder of pictures."""

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

_SCHEMA = """
CREATE TABLE media_items (id INTEGER PRIMARY KEY, full_path TEXT, title TEXT, media_type TEXT, year INTEGER, imdb_id TEXT,
    tmdb_id INTEGER, created_at TEXT, updated_at TEXT, poster_url TEXT, poster_cached_at TEXT);
CREATE TABLE synced_items (id INTEGER PRIMARY KEY, title TEXT, media_type TEXT, year INTEGER, imdb_id TEXT, tmdb_id TEXT,
    overseerr_id INTEGER, status TEXT, last_synced TEXT, source_list_type TEXT, source_list_id TEXT);
CREATE TABLE item_lists (item_id INTEGER, list_type TEXT, list_id TEXT, synced_at TEXT);
CREATE TABLE lists (id INTEGER PRIMARY KEY, list_type TEXT, list_id TEXT, display_name TEXT, poster_url TEXT);
CREATE TABLE cached_images (id INTEGER PRIMARY KEY, image_url TEXT, local_path TEXT, source TEXT, content_type TEXT,
    file_size INTEGER, cached_at TEXT, last_accessed TEXT, image_data BLOB);
"""

Row = Mapping[str, object]


def proxied(url: str) -> str:
    """As ListSync writes the URL of a poster."""
    return f"/api/images/proxy?url={quote(url, safe='')}"


def file_name(url: str, extension: str = "jpg") -> str:
    return f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.{extension}"


@dataclass
class ListSyncFolder:
    """`listsync.db` and `data/images` below a directory."""

    directory: Path
    database: Path = field(init=False)
    images: Path = field(init=False)

    def __post_init__(self) -> None:
        self.database, self.images = self.directory / "listsync.db", self.directory / "data" / "images"
        self.images.mkdir(parents=True)
        with closing(sqlite3.connect(self.database)) as connection:
            connection.executescript(_SCHEMA)

    def add(self, table: str, rows: Iterable[Row]) -> None:
        listed: Sequence[Row] = list(rows)
        if not listed:
            return
        columns = list(listed[0])
        marks = ", ".join("?" * len(columns))
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
                [tuple(row[column] for column in columns) for row in listed],
            )

    def put(self, url: str, body: bytes, extension: str = "jpg") -> Path:
        """A picture's file, as it is called there."""
        file = self.images / file_name(url, extension)
        file.write_bytes(body)
        return file
