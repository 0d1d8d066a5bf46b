"""The tables of tasks, as the latest migration leaves them."""

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, Column, Index, Integer, Table, Text

from services.enricher.database.schema import Moment, metadata

tasks = Table(
    "tasks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("cancelling", Boolean, nullable=False),
    Column("starts", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer),
    Column("counts", JSON, nullable=False),
    Column("errors", JSON, nullable=False),
    Column("reason", Text),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("heartbeat_at", Moment),
    Column("claimed_by", Text),
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
    Index(None, "state", "id"),
    sqlite_autoincrement=True,
)

task_items = Table(
    "task_items",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("task_id", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("failure_class", Text),
    Column("reason", Text),
    Column("retry_at", Moment),
    Column("bytes", BigInteger),
    Index(None, "task_id", "outcome", "id"),
)
"""What became of each thing that a task was about; as long as the task is known."""
