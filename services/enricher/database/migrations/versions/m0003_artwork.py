"""Which pictures names show, and the library's posters by the ids of their pictures."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    _create_artwork()
    op.add_column("media_items", sa.Column("poster_picture", sa.Text))
    _fill_in_poster_pictures()
    op.create_index("ix_media_items_poster_picture", "media_items", ["poster_picture"])


def _create_artwork() -> None:
    op.create_table(
        "artwork",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("content_id", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("picture_id", sa.Text, nullable=False),
        sa.Column("source_url", sa.Text, nullable=False),
        sa.Column("provider", sa.Text),
        sa.Column("language", sa.Text),
        sa.Column("score", sa.Float),
        sa.Column("width", NUMBER),
        sa.Column("height", NUMBER),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("checked_at", MOMENT, nullable=False),
        sa.Column("refresh_at", MOMENT, nullable=False),
        sa.Column("local_image_url", sa.Text),
        sa.Column("local_thumbnail_url", sa.Text),
        sa.Column("storage_path", sa.Text),
        sa.Column("processed_at", MOMENT),
        sa.Column("file_size", NUMBER),
        sa.PrimaryKeyConstraint("id", name="pk_artwork"),
        sa.UniqueConstraint("kind", "content_id", "role", name="uq_artwork_kind_content_id_role"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_artwork_picture_id", "artwork", ["picture_id"])
    op.create_index("ix_artwork_pinned_refresh_at", "artwork", ["pinned", "refresh_at"])


def _fill_in_poster_pictures() -> None:
    """The id that a picture had when this was written: the beginning of a hash of its URL."""
    items = sa.table("media_items", sa.column("id"), sa.column("poster_url"), sa.column("poster_picture"))
    connection = op.get_bind()
    known = connection.execute(
        sa.select(items.c.id, items.c.poster_url).where(items.c.poster_url.is_not(None))
    )
    rows = [
        {"item": item, "picture": hashlib.sha256(url.encode()).hexdigest()[:32]} for item, url in known.all()
    ]
    if rows:
        statement = items.update().where(items.c.id == sa.bindparam("item"))
        connection.execute(statement.values(poster_picture=sa.bindparam("picture")), rows)
