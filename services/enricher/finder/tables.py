"""The finder's tables, as the latest migration leaves them."""

from sqlalchemy import Boolean, Column, Float, Index, Select, Table, UniqueConstraint, select

from services.enricher.database.schema import Moment, Number, Words, metadata

artwork = Table(
    "artwork",
    metadata,
    Column("id", Number, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("content_id", Words, nullable=False),
    Column("role", Words, nullable=False),
    Column("picture_id", Words, nullable=False, index=True),
    Column("source_url", Words, nullable=False),
    Column("provider", Words),
    Column("language", Words),
    Column("score", Float),
    Column("width", Number),
    Column("height", Number),
    Column("pinned", Boolean, nullable=False),
    Column("checked_at", Moment, nullable=False),
    Column("refresh_at", Moment, nullable=False),
    # Once the picture was stored: what it is here.
    Column("local_image_url", Words),
    Column("local_thumbnail_url", Words),
    Column("storage_path", Words),
    Column("processed_at", Moment),
    Column("file_size", Number),
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
    Column("cache_key", Words, primary_key=True),
    Column("cache_value", Words),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("fetched_at", Moment, nullable=False),
)
"""What TMDB said, as JSON; no value: it has nothing there. Of other providers nothing is kept."""

provider_budgets = Table(
    "provider_budgets",
    metadata,
    Column("credential", Words, primary_key=True),
    Column("spending", Words, nullable=False),
    Column("kept_at", Moment, nullable=False),
)
"""`credential` is the provider and a hash of its key, `spending` JSON."""

PICTURES_OF_NAMES: Select[tuple[str, str]] = select(
    artwork.c.picture_id.label("picture"), artwork.c.kind.label("kind")
)
"""Each picture that a name shows, with the name's kind."""
