"""What became of each thing that a task was about."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "task_items",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("task_id", NUMBER, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("failure_class", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("retry_at", MOMENT),
        sa.Column("bytes", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_task_items"),
    )
    op.create_index("ix_task_items_task_id_outcome_id", "task_items", ["task_id", "outcome", "id"])
