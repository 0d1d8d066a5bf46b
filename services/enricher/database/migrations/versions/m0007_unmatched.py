"""Titles that no provider's answer was clearly right for, with what was found."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "unmatched_items",
        sa.Column("item_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("candidates", sa.JSON, nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("item_id", name="pk_unmatched_items"),
    )
