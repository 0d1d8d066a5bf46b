"""The streamer library's tables, as the latest migration leaves them."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, PrimaryKeyConstraint, Table

from services.enricher.database.schema import Moment, Number, Words, metadata

streamers = Table(
    "streamers",
    metadata,
    Column("id", Number, primary_key=True),
    Column("twitch_id", Words, unique=True),
    Column("login", Words, unique=True),
    Column("display_name", Words),
    Column("description", Words),
    Column("profile_source", Words),
    Column("offline_source", Words),
    Column("is_favorite", Boolean, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("checked_at", Moment),
    Column("check_at", Moment, nullable=False, index=True),
    Column("trouble", Words),
    Column("live_at", Moment),
    sqlite_autoincrement=True,
)
"""`twitch_id` or `login` may be unknown until Twitch was asked: `checked_at`. `check_at`: when it is asked next, `trouble`: what it
last said instead of an answer. The sources are Twitch's URLs, always. `live_at`: when the streamer was last seen live, while live.
"""

categories = Table(
    "categories",
    metadata,
    Column("id", Number, primary_key=True),
    Column("twitch_id", Words, unique=True),
    Column("name", Words, nullable=False, index=True),
    Column("file_name", Words, nullable=False, unique=True),
    Column("slug", Words, nullable=False, unique=True),
    Column("cover_id", Words, nullable=False, unique=True),
    Column("box_art", Words),
    Column("is_favorite", Boolean, nullable=False),
    Column("first_seen", Moment, nullable=False),
    Column("last_seen", Moment, nullable=False),
    Column("checked_at", Moment),
    Column("check_at", Moment, nullable=False, index=True),
    Column("trouble", Words),
    sqlite_autoincrement=True,
)
"""`file_name` and `slug` stay what they were when the category came here, whatever it is called later. `cover_id` is the id that the
file name makes in names of pictures; `box_art` Twitch's URL, with a place for the size.
"""

streams = Table(
    "streams",
    metadata,
    Column("id", Number, primary_key=True),
    Column("twitch_id", Words, unique=True),
    Column("streamer_id", Number, ForeignKey(streamers.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("category_id", Number, ForeignKey(categories.c.id, ondelete="SET NULL"), index=True),
    Column("title", Words),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("artwork_source", Words),
    Column("thumbnail", Words),
    Column("added_at", Moment, nullable=False),
    sqlite_autoincrement=True,
)
"""`artwork_source`: what it shows; `thumbnail`: while it is live, Twitch's URL of its thumbnail, with a place for the size."""

stream_thumbnails = Table(
    "stream_thumbnails",
    metadata,
    Column("stream_id", Number, ForeignKey(streams.c.id, ondelete="CASCADE"), nullable=False),
    Column("taken_at", Moment, nullable=False),
    Column("source", Words, nullable=False),
    PrimaryKeyConstraint("stream_id", "taken_at"),
)
"""What a stream looked like, the artwork that it had one after the other."""

eventsub_messages = Table(
    "eventsub_messages",
    metadata,
    Column("id", Words, primary_key=True),
    Column("sent_at", Moment, nullable=False, index=True),
)
"""What Twitch told lately: the same message counts once."""

exported_files = Table(
    "exported_files",
    metadata,
    Column("path", Words, nullable=False),
    Column("identity", Words, nullable=False),
    Column("made_of", Words, nullable=False),
    PrimaryKeyConstraint("path", "identity"),
    Index(None, "made_of"),
)
"""Files that we put into the export folder, `path` below it: noted before they are there. `identity` is how the file system tells them
from what somebody else puts in their place, `made_of` the revision or the text that is in them.
"""
