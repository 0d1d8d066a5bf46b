"""`Retry-After`, in both of its forms (RFC 9110, section 10.2.3)."""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

_LONGEST_S = 10**9


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Seconds or a date, as time from `now` and never below zero; None for neither."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return timedelta(seconds=min(int(value.strip()[:10]), _LONGEST_S))
    try:
        return max(timedelta(0), parsedate_to_datetime(value) - now)
    except (ValueError, TypeError, OverflowError):
        return None
