"""The tables, as the latest migration leaves them."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from services.enricher.database.moment import Moment

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

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

tasks = Table(
    "tasks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("cancelling", Boolean, nullable=False),
    Column("starts", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer),
    Column("counts", JSON, nullable=False),
    Column("errors", JSON, nullable=False),
    Column("reason", Text),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("heartbeat_at", Moment),
    Column("claimed_by", Text),
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
    Index(None, "state", "id"),
    sqlite_autoincrement=True,
)

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

task_items = Table(
    "task_items",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("task_id", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("failure_class", Text),
    Column("reason", Text),
    Column("retry_at", Moment),
    Column("bytes", BigInteger),
    Index(None, "task_id", "outcome", "id"),
)
"""What became of each thing that a task was about; as long as the task is known."""

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

unmatched_items = Table(
    "unmatched_items",
    metadata,
    Column("item_id", Integer, primary_key=True, autoincrement=False),
    Column("candidates", JSON, nullable=False),
    Column("looked_at", Moment, nullable=False),
)
"""Titles without ids that were searched for, and for which no answer was clearly right: what was found."""
