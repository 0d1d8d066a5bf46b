"""What the studio is asked to make, and what was paid for it."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "studio_jobs",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("picture", sa.LargeBinary),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("looked_at", NUMBER, nullable=False),
        sa.Column("asked_by", sa.Text),
        sa.Column("price", NUMBER, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("not_before", MOMENT),
        sa.Column("sent_at", MOMENT),
        sa.Column("provider_id", sa.Text),
        sa.Column("result_url", sa.Text),
        sa.Column("held", sa.LargeBinary),
        sa.Column("result", sa.JSON),
        sa.Column("reason", sa.Text),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("claimed_by", sa.Text),
        sa.Column("heartbeat_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_studio_jobs"),
    )
    op.create_index("ix_studio_jobs_fingerprint", "studio_jobs", ["fingerprint"])
    op.create_index("ix_studio_jobs_state_created_at", "studio_jobs", ["state", "created_at"])
    op.create_table(
        "studio_payments",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text),
        sa.Column("amount", NUMBER, nullable=False),
        sa.Column("paid_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_studio_payments"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_studio_payments_paid_at", "studio_payments", ["paid_at"])
    op.create_index("ix_studio_payments_job_id", "studio_payments", ["job_id"])
