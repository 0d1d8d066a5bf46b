"""The tables of tasks, as the latest migration leaves them."""

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, Column, Index, Table

from services.enricher.database.schema import Moment, Number, Words, metadata

tasks = Table(
    "tasks",
    metadata,
    Column("id", Number, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("state", Words, nullable=False),
    Column("cancelling", Boolean, nullable=False),
    Column("starts", Number, nullable=False),
    Column("done", Number, nullable=False),
    Column("total", Number),
    Column("counts", JSON, nullable=False),
    Column("errors", JSON, nullable=False),
    Column("reason", Words),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("heartbeat_at", Moment),
    Column("claimed_by", Words),
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
    Index(None, "state", "id"),
    sqlite_autoincrement=True,
)

task_items = Table(
    "task_items",
    metadata,
    Column("id", Number, primary_key=True),
    Column("task_id", Number, nullable=False),
    Column("name", Words, nullable=False),
    Column("outcome", Words, nullable=False),
    Column("failure_class", Words),
    Column("reason", Words),
    Column("retry_at", Moment),
    Column("bytes", BigInteger),
    Index(None, "task_id", "outcome", "id"),
)
"""What became of each thing that a task was about; as long as the task is known."""
