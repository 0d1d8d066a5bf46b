"""Jobs that failed for good."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("letter_id", sa.Text, nullable=False),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("type", sa.Text),
        sa.Column("failure_class", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("about", sa.Text),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("died_at", MOMENT, nullable=False),
        sa.Column("deaths", NUMBER, nullable=False),
        sa.Column("history", sa.JSON, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("redriving_since", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sa.UniqueConstraint("letter_id", name="uq_dead_letters_letter_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dead_letters_lane_failure_class", "dead_letters", ["lane", "failure_class"])
