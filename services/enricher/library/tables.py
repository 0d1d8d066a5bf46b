"""The library's table, as the latest migration leaves it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Select,
    Table,
    Text,
    case,
    select,
)

from services.enricher.database.schema import Moment, metadata

media_items = Table(
    "media_items",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("full_path", Text, unique=True),
    Column("title", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("year", Integer),
    Column("imdb_id", Text),
    Column("tmdb_id", Integer),
    Column("tvdb_id", Integer),
    Column("poster_url", Text),
    Column("poster_picture", Text, index=True),
    Column("poster_cached_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("list_source", Text),
    Column("status", Text),
    Column("overseerr_id", Integer),
    Column("last_synced", Moment),
    # What is derived from the above, for this row and those that are the same title.
    Column("plain_title", Text, nullable=False),
    Column("title_key", Text, nullable=False, index=True),
    Column("first_of_title", Boolean, nullable=False),
    Column("first_in_list", Boolean, nullable=False),
    # What a scan remembers of the file or folder: how it was, and the device it lay on.
    Column("scan_state", Text),
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
    sqlite_autoincrement=True,  # the id of what was removed is never given to something else
)
"""One row for each place that a title was found at, or list that it is on. Rows of one title share `title_key`.
What providers say of a title (overview, rating, genres) is not kept here."""

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
