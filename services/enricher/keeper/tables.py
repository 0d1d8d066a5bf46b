"""The keeper's tables, as the latest migration leaves them."""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, Table, Text, text

from services.enricher.database.schema import Moment, metadata

cached_images = Table(
    "cached_images",
    metadata,
    Column("picture_id", Text, primary_key=True),
    Column("image_url", Text),
    Column("local_path", Text),
    Column("revision", Text),
    Column("mime_type", Text),
    Column("file_size", BigInteger),
    Column("width", Integer),
    Column("height", Integer),
    Column("source", Text),
    Column("kind", Text),
    Column("cached_at", Moment),
    Column("last_accessed", Moment, nullable=False, index=True),
    Column("fresh_until", Moment),
    Column("failure_class", Text),
    Column("retry_at", Moment),
    Column("cached_bytes", BigInteger, nullable=False),
    Column("cached_files", Integer, nullable=False),
    Column("kept_bytes", BigInteger, nullable=False),
    Column("kept_files", Integer, nullable=False),
    Column("mark", BigInteger, nullable=False),
    Column("evicting_since", Moment),
    Index("ix_cached_images_evicting", "evicting_since", sqlite_where=text("evicting_since IS NOT NULL")),
    Index("ix_cached_images_fresh", "fresh_until", sqlite_where=text("fresh_until IS NOT NULL")),
    Index("ix_cached_images_failed", "retry_at", sqlite_where=text("revision IS NULL")),
    sqlite_with_rowid=False,  # so that the pictures of a shelf lie together
)
"""The catalog: an index of what is on the volume, which can be made anew from it at any time. `file_size` is the original's,
in bytes; what the picture takes on the disk, by tree, are the columns of bytes and files.
"""

cached_image_totals = Table(
    "cached_image_totals",
    metadata,
    Column("source", Text, primary_key=True),
    Column("mime_type", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("failure_class", Text, primary_key=True),
    Column("cached_on", Text, primary_key=True),
    Column("entries", Integer, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("original_bytes", BigInteger, nullable=False),
    Column("cached_bytes", BigInteger, nullable=False),
    Column("cached_files", BigInteger, nullable=False),
    Column("kept_bytes", BigInteger, nullable=False),
    Column("kept_files", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Sums over `cached_images`, changed with it in one transaction. Empty: not known. `cached_on` is a day, in UTC."""

evicted_images = Table(
    "evicted_images",
    metadata,
    Column("picture_id", Text, primary_key=True),
    Column("image_url", Text, nullable=False),
    Column("gone_at", Moment, nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""Where pictures came from that were on the volume, so that they can be fetched again by their ids."""

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("letter_id", Text, nullable=False, unique=True),
    Column("lane", Text, nullable=False),
    Column("type", Text),
    Column("failure_class", Text),
    Column("reason", Text, nullable=False),
    Column("about", Text),
    Column("trace_id", Text, nullable=False),
    Column("died_at", Moment, nullable=False),
    Column("deaths", Integer, nullable=False),
    Column("history", JSON, nullable=False),
    Column("body", Text, nullable=False),
    Column("redriving_since", Moment),
    Index(None, "lane", "failure_class"),
    sqlite_autoincrement=True,
)
"""Jobs that failed for good; `body` is the message as it was."""
