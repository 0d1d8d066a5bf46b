"""Statistics: how many pictures there are, of what sort, and what they take; from sums that are kept, without counting."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.catalog.totals import Group, Sums
from shared.pictures import extension_of
from shared.volume import Extent

NOT_KNOWN = "unknown"
_AGES = (("day", 1), ("week", 7), ("month", 30), ("year", 365))
"""Up to so many days old, counted by days of UTC."""

OLDER = "older"
MIB = 1024 * 1024


class Counted(BaseModel):
    """Pictures, and the bytes that they take on the disk with all their renditions."""

    model_config = ConfigDict(frozen=True)

    objects: int
    bytes: int


class DiskUse(BaseModel):
    """As `du` counts: allocated bytes; files, directories and links."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    files: int

    @classmethod
    def of(cls, extent: Extent) -> Self:
        return cls(bytes=extent.bytes, files=extent.files)


class Statistics(BaseModel):
    """Of the pictures that are stored. Failures are counted by class, whether something is stored all the same or not."""

    model_config = ConfigDict(frozen=True)

    total_objects: int
    total_size_mb: float = Field(description="What they take on the disk, in MiB")
    original_bytes: int
    cached: DiskUse
    kept: DiskUse = Field(description="Pins and uploads, which are never evicted")
    by_kind: Mapping[str, Counted] = Field(description="Of the names or items that show them")
    by_provider: Mapping[str, Counted]
    by_format: Mapping[str, Counted] = Field(description="Of their originals")
    by_age: Mapping[str, Counted] = Field(description="Since they were fetched: up to a day, a week …")
    by_failure_class: Mapping[str, int]
    as_of: AwareDatetime


def statistics_of(totals: Mapping[Group, Sums], now: datetime) -> Statistics:
    stored = {group: sums for group, sums in totals.items() if sums.pictures}
    whole = _sum(totals.values())
    today = now.astimezone(UTC).date()
    return Statistics(
        total_objects=whole.pictures,
        total_size_mb=round(whole.disk.bytes / MIB, 1),
        original_bytes=whole.original_bytes,
        cached=DiskUse.of(whole.cached),
        kept=DiskUse.of(whole.kept),
        by_kind=_counted(stored, lambda group: group.kind),
        by_provider=_counted(stored, lambda group: group.source),
        by_format=_counted(stored, lambda group: group.mime_type and extension_of(group.mime_type)),
        by_age=_counted(stored, lambda group: _age(group.cached_on, today)),
        by_failure_class=_failures(totals),
        as_of=now,
    )


def _sum(sums: Iterable[Sums]) -> Sums:
    return sum(sums, Sums())


def _counted(totals: Mapping[Group, Sums], key: Callable[[Group], str]) -> dict[str, Counted]:
    """By what `key` makes of each group, the most first."""
    by_key: dict[str, Sums] = {}
    for group, sums in totals.items():
        name = key(group) or NOT_KNOWN
        by_key[name] = by_key.get(name, Sums()) + sums
    most = sorted(by_key.items(), key=lambda item: (-item[1].pictures, item[0]))
    return {name: Counted(objects=sums.pictures, bytes=sums.disk.bytes) for name, sums in most}


def _age(cached_on: str, today: date) -> str:
    if not cached_on:
        return ""
    age = today - date.fromisoformat(cached_on)
    return next((name for name, days in _AGES if age <= timedelta(days=days)), OLDER)


def _failures(totals: Mapping[Group, Sums]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for group, sums in totals.items():
        if group.failure_class:
            counts[group.failure_class] = counts.get(group.failure_class, 0) + sums.entries
    return counts
