"""Streamers, categories and streams of Twitch; what was exported of them for media servers."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    _create_streamers()
    _create_categories()
    _create_streams()
    op.create_table(
        "eventsub_messages",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_eventsub_messages"),
    )
    op.create_index("ix_eventsub_messages_sent_at", "eventsub_messages", ["sent_at"])
    op.create_table(
        "exported_files",
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("made_of", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("path", "identity", name="pk_exported_files"),
    )
    op.create_index("ix_exported_files_made_of", "exported_files", ["made_of"])


def _create_streamers() -> None:
    op.create_table(
        "streamers",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("twitch_id", sa.Text),
        sa.Column("login", sa.Text),
        sa.Column("display_name", sa.Text),
        sa.Column("description", sa.Text),
        sa.Column("profile_source", sa.Text),
        sa.Column("offline_source", sa.Text),
        sa.Column("is_favorite", sa.Boolean, nullable=False),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("checked_at", MOMENT),
        sa.Column("check_at", MOMENT, nullable=False),
        sa.Column("trouble", sa.Text),
        sa.Column("live_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_streamers"),
        sa.UniqueConstraint("twitch_id", name="uq_streamers_twitch_id"),
        sa.UniqueConstraint("login", name="uq_streamers_login"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_streamers_check_at", "streamers", ["check_at"])


def _create_categories() -> None:
    op.create_table(
        "categories",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("twitch_id", sa.Text),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("cover_id", sa.Text, nullable=False),
        sa.Column("box_art", sa.Text),
        sa.Column("is_favorite", sa.Boolean, nullable=False),
        sa.Column("first_seen", MOMENT, nullable=False),
        sa.Column("last_seen", MOMENT, nullable=False),
        sa.Column("checked_at", MOMENT),
        sa.Column("check_at", MOMENT, nullable=False),
        sa.Column("trouble", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_categories"),
        sa.UniqueConstraint("twitch_id", name="uq_categories_twitch_id"),
        sa.UniqueConstraint("file_name", name="uq_categories_file_name"),
        sa.UniqueConstraint("slug", name="uq_categories_slug"),
        sa.UniqueConstraint("cover_id", name="uq_categories_cover_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_categories_name", "categories", ["name"])
    op.create_index("ix_categories_check_at", "categories", ["check_at"])


def _create_streams() -> None:
    op.create_table(
        "streams",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("twitch_id", sa.Text),
        sa.Column("streamer_id", NUMBER, nullable=False),
        sa.Column("category_id", NUMBER),
        sa.Column("title", sa.Text),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("artwork_source", sa.Text),
        sa.Column("thumbnail", sa.Text),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_streams"),
        sa.UniqueConstraint("twitch_id", name="uq_streams_twitch_id"),
        sa.ForeignKeyConstraint(
            ["streamer_id"], ["streamers.id"], name="fk_streams_streamer_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["category_id"], ["categories.id"], name="fk_streams_category_id", ondelete="SET NULL"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_streams_streamer_id", "streams", ["streamer_id"])
    op.create_index("ix_streams_category_id", "streams", ["category_id"])
    op.create_table(
        "stream_thumbnails",
        sa.Column("stream_id", NUMBER, nullable=False),
        sa.Column("taken_at", MOMENT, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "taken_at", name="pk_stream_thumbnails"),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name="fk_stream_thumbnails_stream_id", ondelete="CASCADE"
        ),
    )
