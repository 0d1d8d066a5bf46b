"""The keeper's tables, as the latest migration leaves them."""

from sqlalchemy import JSON, BigInteger, Column, Index, Table, text

from services.enricher.database.schema import Moment, Number, Words, metadata, of_some_rows

cached_images = Table(
    "cached_images",
    metadata,
    Column("picture_id", Words, primary_key=True),
    Column("image_url", Words),
    Column("local_path", Words),
    Column("revision", Words),
    Column("mime_type", Words),
    Column("file_size", BigInteger),
    Column("width", Number),
    Column("height", Number),
    Column("source", Words),
    Column("kind", Words),
    Column("cached_at", Moment),
    Column("last_accessed", Moment, nullable=False, index=True),
    Column("fresh_until", Moment),
    Column("failure_class", Words),
    Column("retry_at", Moment),
    Column("cached_bytes", BigInteger, nullable=False),
    Column("cached_files", Number, nullable=False),
    Column("kept_bytes", BigInteger, nullable=False),
    Column("kept_files", Number, nullable=False),
    Column("mark", BigInteger, nullable=False),
    Column("evicting_since", Moment),
    Index("ix_cached_images_evicting", "evicting_since", **of_some_rows(text("evicting_since IS NOT NULL"))),
    Index("ix_cached_images_fresh", "fresh_until", **of_some_rows(text("fresh_until IS NOT NULL"))),
    Index("ix_cached_images_failed", "retry_at", **of_some_rows(text("revision IS NULL"))),
    sqlite_with_rowid=False,  # so that the pictures of a shelf lie together
)
"""The catalog: an index of what is on the volume, which can be made anew from it at any time. `file_size` is the original's,
in bytes; what the picture takes on the disk, by tree, are the columns of bytes and files.
"""

cached_image_totals = Table(
    "cached_image_totals",
    metadata,
    Column("source", Words, primary_key=True),
    Column("mime_type", Words, primary_key=True),
    Column("kind", Words, primary_key=True),
    Column("failure_class", Words, primary_key=True),
    Column("cached_on", Words, primary_key=True),
    Column("entries", Number, nullable=False),
    Column("pictures", Number, nullable=False),
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
    Column("picture_id", Words, primary_key=True),
    Column("image_url", Words, nullable=False),
    Column("gone_at", Moment, nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""Where pictures came from that were on the volume, so that they can be fetched again by their ids."""

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Number, primary_key=True),
    Column("letter_id", Words, nullable=False, unique=True),
    Column("lane", Words, nullable=False),
    Column("type", Words),
    Column("failure_class", Words),
    Column("reason", Words, nullable=False),
    Column("about", Words),
    Column("trace_id", Words, nullable=False),
    Column("died_at", Moment, nullable=False),
    Column("deaths", Number, nullable=False),
    Column("history", JSON, nullable=False),
    Column("body", Words, nullable=False),
    Column("redriving_since", Moment),
    Index(None, "lane", "failure_class"),
    sqlite_autoincrement=True,
)
"""Jobs that failed for good; `body` is the message as it was."""
