"""The library and the tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    _create_media_items()
    _create_tasks()


def _create_media_items() -> None:
    op.create_table(
        "media_items",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("full_path", sa.Text),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("year", NUMBER),
        sa.Column("imdb_id", sa.Text),
        sa.Column("tmdb_id", NUMBER),
        sa.Column("tvdb_id", NUMBER),
        sa.Column("poster_url", sa.Text),
        sa.Column("poster_cached_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("list_source", sa.Text),
        sa.Column("status", sa.Text),
        sa.Column("overseerr_id", NUMBER),
        sa.Column("last_synced", MOMENT),
        sa.Column("plain_title", sa.Text, nullable=False),
        sa.Column("title_key", sa.Text, nullable=False),
        sa.Column("first_of_title", sa.Boolean, nullable=False),
        sa.Column("first_in_list", sa.Boolean, nullable=False),
        sa.Column("scan_state", sa.Text),
        sa.Column("scan_device", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_media_items"),
        sa.UniqueConstraint("full_path", name="uq_media_items_full_path"),
        sa.CheckConstraint("media_type IN ('movie', 'tv')", name="media_type"),
        sqlite_autoincrement=True,
    )
    for columns in (
        ["title_key"],
        ["imdb_id", "media_type"],
        ["tmdb_id", "media_type"],
        ["tvdb_id", "media_type"],
        ["plain_title", "year", "media_type"],
        ["first_of_title", "id"],
        ["first_of_title", "media_type", "id"],
        ["first_in_list", "list_source", "id"],
        ["first_in_list", "list_source", "media_type", "id"],
    ):
        op.create_index(f"ix_media_items_{'_'.join(columns)}", "media_items", columns)


def _create_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("starts", NUMBER, nullable=False),
        sa.Column("done", NUMBER, nullable=False),
        sa.Column("total", NUMBER),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("errors", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("heartbeat_at", MOMENT),
        sa.Column("claimed_by", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tasks_state_id", "tasks", ["state", "id"])
