"""The library's table, as the latest migration leaves it."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Select,
    Table,
    UniqueConstraint,
    case,
    select,
    text,
)

from services.enricher.database.schema import Moment, Number, Words, metadata

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When a title was last synced that never was: it comes behind all others."""

media_items = Table(
    "media_items",
    metadata,
    Column("id", Number, primary_key=True),
    Column("full_path", Words, unique=True),
    Column("title", Words, nullable=False),
    Column("media_type", Words, nullable=False),
    Column("year", Number),
    Column("imdb_id", Words),
    Column("tmdb_id", Number),
    Column("tvdb_id", Number),
    Column("poster_url", Words),
    Column("poster_picture", Words, index=True),
    Column("poster_cached_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("list_source", Words),
    Column("status", Words),
    Column("overseerr_id", Number),
    Column("last_synced", Moment),
    # What is derived from the above, for this row and those that are the same title.
    Column("plain_title", Words, nullable=False),
    Column("title_key", Words, nullable=False, index=True),
    Column("first_of_title", Boolean, nullable=False),
    Column("first_in_list", Boolean, nullable=False),
    Column("title_synced", Moment, nullable=False, server_default=text("'1970-01-01 00:00:00.000000'")),
    # What a scan remembers of the file or folder: how it was, and the device it lay on.
    Column("scan_state", Words),
    Column("scan_device", BigInteger),
    CheckConstraint("media_type IN ('movie', 'tv')", name="media_type"),
    # Who may be the same title.
    Index(None, "imdb_id", "media_type"),
    Index(None, "tmdb_id", "media_type"),
    Index(None, "tvdb_id", "media_type"),
    Index(None, "plain_title", "year", "media_type"),
    # Pages, newest first.
    Index(None, "first_of_title", "id"),
    Index(None, "first_of_title", "media_type", "id"),
    Index(None, "first_in_list", "list_source", "id"),
    Index(None, "first_in_list", "list_source", "media_type", "id"),
    # And those that were synced last.
    Index("ix_media_items_first_of_title_title_synced_id", "first_of_title", "title_synced", "id"),
    Index(
        "ix_media_items_first_in_list_list_source_title_synced_id",
        "first_in_list",
        "list_source",
        "title_synced",
        "id",
    ),
    sqlite_autoincrement=True,  # the id of what was removed is never given to something else
)
"""One row for each place that a title was found at, or list that it is on. Rows of one title share `title_key`.
What providers say of a title (overview, rating, genres) is not kept here."""

lists = Table(
    "lists",
    metadata,
    Column("list_source", Words, primary_key=True),
    Column("display_name", Words),
    Column("poster_url", Words),
)
"""What lists are called, by their type and id, `trakt:watchlist`."""

numbered_parts = Table(
    "numbered_parts",
    metadata,
    Column("id", Number, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("content_id", Words, nullable=False),
    Column("title", Words),
    Column("added_at", Moment, nullable=False),
    UniqueConstraint("kind", "content_id"),
    sqlite_autoincrement=True,
)
"""Episodes, seasons and persons that the library has numbers for: `content_id` is a provider's, `tvdb:3254641`."""

unmatched_items = Table(
    "unmatched_items",
    metadata,
    Column("item_id", Number, primary_key=True, autoincrement=False),
    Column("candidates", JSON, nullable=False),
    Column("looked_at", Moment, nullable=False),
)
"""Titles without ids that were searched for, and for which no answer was clearly right: what was found."""

PICTURES_OF_ITEMS: Select[tuple[str, str]] = select(
    media_items.c.poster_picture.label("picture"),
    case(
        {"movie": "movie", "tv": "series"}, value=media_items.c.media_type, else_=media_items.c.media_type
    ).label("kind"),
)
"""The poster of each item, with the kind of what it shows."""

SOURCES_OF_ITEMS: Select[tuple[str, str]] = select(
    media_items.c.poster_picture.label("picture"), media_items.c.poster_url.label("url")
)
"""The poster of each item, with the URL it comes from."""
