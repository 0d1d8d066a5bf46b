"""The catalog of what is on the volume, and its sums. It fills itself from the volume."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    _create_cached_images()
    op.create_table(
        "cached_image_totals",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("mime_type", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("failure_class", sa.Text, nullable=False),
        sa.Column("cached_on", sa.Text, nullable=False),
        sa.Column("entries", NUMBER, nullable=False),
        sa.Column("pictures", NUMBER, nullable=False),
        sa.Column("original_bytes", sa.BigInteger, nullable=False),
        sa.Column("cached_bytes", sa.BigInteger, nullable=False),
        sa.Column("cached_files", sa.BigInteger, nullable=False),
        sa.Column("kept_bytes", sa.BigInteger, nullable=False),
        sa.Column("kept_files", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "source", "mime_type", "kind", "failure_class", "cached_on", name="pk_cached_image_totals"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evicted_images",
        sa.Column("picture_id", sa.Text, nullable=False),
        sa.Column("image_url", sa.Text, nullable=False),
        sa.Column("gone_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("picture_id", name="pk_evicted_images"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_evicted_images_gone_at", "evicted_images", ["gone_at"])


def _create_cached_images() -> None:
    op.create_table(
        "cached_images",
        sa.Column("picture_id", sa.Text, nullable=False),
        sa.Column("image_url", sa.Text),
        sa.Column("local_path", sa.Text),
        sa.Column("revision", sa.Text),
        sa.Column("mime_type", sa.Text),
        sa.Column("file_size", sa.BigInteger),
        sa.Column("width", NUMBER),
        sa.Column("height", NUMBER),
        sa.Column("source", sa.Text),
        sa.Column("kind", sa.Text),
        sa.Column("cached_at", MOMENT),
        sa.Column("last_accessed", MOMENT, nullable=False),
        sa.Column("fresh_until", MOMENT),
        sa.Column("failure_class", sa.Text),
        sa.Column("retry_at", MOMENT),
        sa.Column("cached_bytes", sa.BigInteger, nullable=False),
        sa.Column("cached_files", NUMBER, nullable=False),
        sa.Column("kept_bytes", sa.BigInteger, nullable=False),
        sa.Column("kept_files", NUMBER, nullable=False),
        sa.Column("mark", sa.BigInteger, nullable=False),
        sa.Column("evicting_since", MOMENT),
        sa.PrimaryKeyConstraint("picture_id", name="pk_cached_images"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_cached_images_last_accessed", "cached_images", ["last_accessed"])
    for name, column, only in (
        ("ix_cached_images_evicting", "evicting_since", "evicting_since IS NOT NULL"),
        ("ix_cached_images_fresh", "fresh_until", "fresh_until IS NOT NULL"),
        ("ix_cached_images_failed", "retry_at", "revision IS NULL"),
    ):
        some = sa.text(only)
        op.create_index(name, "cached_images", [column], sqlite_where=some, postgresql_where=some)
