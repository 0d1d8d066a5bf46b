"""The finder's tables, as the latest migration leaves them."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, Select, Table, Text, UniqueConstraint, select

from services.enricher.database.schema import Moment, metadata

artwork = Table(
    "artwork",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("content_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("picture_id", Text, nullable=False, index=True),
    Column("source_url", Text, nullable=False),
    Column("provider", Text),
    Column("language", Text),
    Column("score", Float),
    Column("width", Integer),
    Column("height", Integer),
    Column("pinned", Boolean, nullable=False),
    Column("checked_at", Moment, nullable=False),
    Column("refresh_at", Moment, nullable=False),
    # Once the picture was stored: what it is here.
    Column("local_image_url", Text),
    Column("local_thumbnail_url", Text),
    Column("storage_path", Text),
    Column("processed_at", Moment),
    Column("file_size", Integer),
    UniqueConstraint("kind", "content_id", "role"),
    Index(None, "pinned", "refresh_at"),
    sqlite_autoincrement=True,
)
"""Which picture each name was found to show, or was pinned to. `source_url` is where it comes from, always; the other
columns of URLs and paths are ours. Width, height and file_size (in bytes) are the original's.
"""

tmdb_cache = Table(
    "tmdb_cache",
    metadata,
    Column("cache_key", Text, primary_key=True),
    Column("cache_value", Text),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("fetched_at", Moment, nullable=False),
)
"""What TMDB said, as JSON; no value: it has nothing there. Of other providers nothing is kept."""

provider_budgets = Table(
    "provider_budgets",
    metadata,
    Column("credential", Text, primary_key=True),
    Column("spending", Text, nullable=False),
    Column("kept_at", Moment, nullable=False),
)
"""`credential` is the provider and a hash of its key, `spending` JSON."""

PICTURES_OF_NAMES: Select[tuple[str, str]] = select(
    artwork.c.picture_id.label("picture"), artwork.c.kind.label("kind")
)
"""Each picture that a name shows, with the name's kind."""
