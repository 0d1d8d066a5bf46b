"""A catalog over a volume that only remembers, with a clock that is set."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.enricher.database.database import Database
from services.enricher.keeper.catalog.table import CatalogTable
from services.enricher.wings import SHOWN_BY
from shared.pictures import (
    Failure,
    FailureClass,
    Manifest,
    Original,
    PictureId,
    Placeholder,
    SourceUrl,
    State,
    Tree,
    revision_id,
)
from shared.volume import NOTHING, Extent, Holding, Mark
from shared.volume.inventory import PARTS, Space
from tests.servers.databases import opened_database

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SIZE = Extent(1000, 10)
REVISION = revision_id("0123456789abcdef")


def source(number: int) -> SourceUrl:
    return SourceUrl.parse(f"https://image.tmdb.org/t/p/original/{number}.jpg")


def picture(number: int) -> PictureId:
    return source(number).picture


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)


def holding(
    number: int,
    *,
    at: datetime = NOON,
    cached: Extent = SIZE,
    kept: Extent = NOTHING,
    mime: str = "image/jpeg",
    fresh_until: datetime | None = None,
    failure: Failure | None = None,
    mark: int = 1,
) -> Holding:
    manifest = Manifest(
        source_url=str(source(number)),
        provider="tmdb",
        original=Original(mime=mime, bytes=500, width=20, height=30),
        placeholder=Placeholder(color="#102030"),
        fetched_at=at,
    )
    tree = Tree.KEEP if kept.files else Tree.CACHE
    failures = {"download": failure} if failure else {}
    state = State(revision=REVISION, fresh_until=fresh_until, failures=failures)
    return Holding(picture(number), REVISION, tree, manifest, state, cached, kept, Mark(mark))


def failed(number: int, *, at: datetime = NOON, retry_at: datetime | None = None) -> Holding:
    """Only a failure is remembered."""
    failure = gone(at=at, retry_at=retry_at)
    state = State(failures={"download": failure})
    return Holding(picture(number), None, Tree.CACHE, None, state, Extent(100, 2), NOTHING, Mark(1))


def gone(*, at: datetime = NOON, retry_at: datetime | None = None) -> Failure:
    return Failure(
        failure_class=FailureClass.GONE, reason="404", at=at, retry_at=retry_at or at + timedelta(hours=1)
    )


PLENTY = Space(10**12, 10**9)


@dataclass
class RememberedInventory:
    """What it holds is set by the test."""

    held: dict[PictureId, Holding] = field(default_factory=dict)
    left: Space = PLENTY
    away: bool = False
    away_for_marks: bool = False
    looked_at: list[PictureId] = field(default_factory=list)
    asked_for_marks: list[str] = field(default_factory=list)
    marked: dict[str, list[Mark]] = field(default_factory=dict)

    shelves: Sequence[str] = tuple(f"{number:02x}" for number in range(256))

    def put(self, *holdings: Holding) -> None:
        self.held.update({one.picture: one for one in holdings})

    def mark_part(self, part: str, mark: Mark) -> None:
        shelf, number = part[:2], part[2:4]
        self.marked.setdefault(shelf, [Mark(1)] * PARTS)[int(number, 16)] = mark

    async def parts(self, shelf: str) -> Sequence[Mark]:
        self._check()
        return list(self.marked.get(shelf, [Mark(1)] * PARTS))

    async def marks(self, shelf: str) -> Mapping[PictureId, Mark]:
        self._check()
        if self.away_for_marks:
            raise FileNotFoundError("the volume was unmounted just now")
        self.asked_for_marks.append(shelf)
        return {known: one.mark for known, one in self.held.items() if known.startswith(shelf)}

    async def holdings(self, pictures: Sequence[PictureId]) -> Mapping[PictureId, Holding]:
        self._check()
        self.looked_at += pictures
        return {known: self.held[known] for known in pictures if known in self.held}

    async def shelving(self, pictures: int) -> Extent:
        return NOTHING

    async def space(self) -> Space:
        self._check()
        return self.left

    def _check(self) -> None:
        if self.away:
            raise FileNotFoundError("the volume is not mounted")


@asynccontextmanager
async def opened_table(directory: Path) -> AsyncIterator[tuple[CatalogTable, Database]]:
    async with opened_database(directory) as database:
        yield CatalogTable(database, SHOWN_BY), database
