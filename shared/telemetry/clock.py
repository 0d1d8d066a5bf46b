"""The clock that everything is dated by: UTC, aware."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)
