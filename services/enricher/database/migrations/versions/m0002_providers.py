"""What TMDB said, and what of the providers' budgets is spent."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "tmdb_cache",
        sa.Column("cache_key", sa.Text, nullable=False),
        sa.Column("cache_value", sa.Text),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("cache_key", name="pk_tmdb_cache"),
    )
    op.create_index("ix_tmdb_cache_expires_at", "tmdb_cache", ["expires_at"])
    op.create_table(
        "provider_budgets",
        sa.Column("credential", sa.Text, nullable=False),
        sa.Column("spending", sa.Text, nullable=False),
        sa.Column("kept_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("credential", name="pk_provider_budgets"),
    )
