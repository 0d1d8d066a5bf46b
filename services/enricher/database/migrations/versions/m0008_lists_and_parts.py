"""What lists are called, when a title was last synced, and numbers of episodes, seasons and persons."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
NEVER = datetime(1970, 1, 1)  # noqa: DTZ001 - as the database has moments


def upgrade() -> None:
    op.create_table(
        "lists",
        sa.Column("list_source", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text),
        sa.Column("poster_url", sa.Text),
        sa.PrimaryKeyConstraint("list_source", name="pk_lists"),
    )
    op.create_table(
        "numbered_parts",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("content_id", sa.Text, nullable=False),
        sa.Column("title", sa.Text),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_numbered_parts"),
        sa.UniqueConstraint("kind", "content_id", name="uq_numbered_parts_kind_content_id"),
        sqlite_autoincrement=True,
    )
    _add_title_synced()


def _add_title_synced() -> None:
    """SQLite adds a column that may not be empty only with a default, which then stays."""
    never = sa.text("'1970-01-01 00:00:00.000000'")
    if op.get_bind().dialect.name == "postgresql":
        never = sa.text("'1970-01-01 00:00:00+00'")
    op.add_column("media_items", sa.Column("title_synced", MOMENT, nullable=False, server_default=never))
    rows = sa.table(
        "media_items",
        sa.column("title_key"),
        sa.column("last_synced", MOMENT),
        sa.column("title_synced", MOMENT),
    )
    same = rows.alias("same")
    latest = sa.select(sa.func.max(same.c.last_synced)).where(same.c.title_key == rows.c.title_key)
    aware = NEVER.replace(tzinfo=UTC) if op.get_bind().dialect.name == "postgresql" else NEVER
    op.execute(
        rows.update().values(
            title_synced=sa.func.coalesce(latest.scalar_subquery(), sa.literal(aware, MOMENT))
        )
    )
    for columns in (
        ["first_of_title", "title_synced", "id"],
        ["first_in_list", "list_source", "title_synced", "id"],
    ):
        op.create_index(f"ix_media_items_{'_'.join(columns)}", "media_items", columns)
