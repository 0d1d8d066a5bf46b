"""Statistics: how many pictures there are, of what sort, and what they take; from sums that are kept, without counting."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.keeper.catalog.entry import Slice, Sums
from services.enricher.keeper.catalog.table import CatalogTable
from shared.pictures import extension_of
from shared.volume import Extent

NOT_KNOWN = "unknown"
_AGES = (("day", 1), ("week", 7), ("month", 30), ("year", 365))
"""Up to so many days old, counted by days of UTC."""

OLDER = "older"
MIB = 1024 * 1024


class PictureCount(BaseModel):
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


class SourceCount(BaseModel):
    model_config = ConfigDict(frozen=True)

    count: int
    size_bytes: int


class CatalogStatistics(BaseModel):
    """Of the pictures that are stored. Failures are counted by class, whether something is stored all the same or not."""

    model_config = ConfigDict(frozen=True)

    total_objects: int
    total_size_mb: float = Field(description="What they take on the disk, in MiB")
    original_bytes: int
    cached: DiskUse
    kept: DiskUse = Field(description="Pins and uploads, which are never evicted")
    by_kind: Mapping[str, PictureCount] = Field(description="Of the names or items that show them")
    by_provider: Mapping[str, PictureCount]
    by_format: Mapping[str, PictureCount] = Field(description="Of their originals")
    by_age: Mapping[str, PictureCount] = Field(description="Since they were fetched: up to a day, a week …")
    by_failure_class: Mapping[str, int]
    as_of: AwareDatetime

    total_images: int = Field(description="With those of which only a failure is remembered")
    valid_images: int = Field(description="That are stored")
    total_size_bytes: int
    source_breakdown: Mapping[str, SourceCount]
    oldest_image: date | None = Field(description="The day, in UTC, on which it was fetched")
    newest_image: date | None


async def statistics(table: CatalogTable, now: datetime) -> CatalogStatistics:
    """Raises DatabaseUnavailable."""
    today = now.astimezone(UTC).date()
    totals = await table.totals({name: today - timedelta(days=days) for name, days in _AGES})
    stored = {part: sums for part, sums in totals.items() if sums.pictures}
    whole = _sum(totals.values())
    oldest, newest = await table.days()
    by_provider = _counted(stored, lambda part: part.source or NOT_KNOWN)
    return CatalogStatistics(
        total_objects=whole.pictures,
        total_size_mb=round(whole.disk.bytes / MIB, 1),
        original_bytes=whole.original_bytes,
        cached=DiskUse.of(whole.cached),
        kept=DiskUse.of(whole.kept),
        by_kind=_counted(stored, lambda part: part.kind or NOT_KNOWN),
        by_provider=by_provider,
        by_format=_counted(stored, lambda part: extension_of(part.mime_type)),
        by_age=_counted(stored, lambda part: part.age or OLDER),
        by_failure_class=_failures(totals),
        as_of=now,
        total_images=whole.entries,
        valid_images=whole.pictures,
        total_size_bytes=whole.disk.bytes,
        source_breakdown={
            name: SourceCount(count=one.objects, size_bytes=one.bytes) for name, one in by_provider.items()
        },
        oldest_image=oldest,
        newest_image=newest,
    )


def _sum(sums: Iterable[Sums]) -> Sums:
    return sum(sums, Sums())


def _counted(totals: Mapping[Slice, Sums], key: Callable[[Slice], str]) -> dict[str, PictureCount]:
    """By what `key` makes of each part, the most first."""
    by_key: dict[str, Sums] = {}
    for part, sums in totals.items():
        by_key[key(part)] = by_key.get(key(part), Sums()) + sums
    most = sorted(by_key.items(), key=lambda item: (-item[1].pictures, item[0]))
    return {name: PictureCount(objects=sums.pictures, bytes=sums.disk.bytes) for name, sums in most}


def _failures(totals: Mapping[Slice, Sums]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part, sums in totals.items():
        if part.failure_class:
            counts[part.failure_class] = counts.get(part.failure_class, 0) + sums.entries
    return counts
