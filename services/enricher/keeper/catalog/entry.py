"""An entry of the catalog, and the sums over entries, changed with them in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from operator import add
from typing import Self

from sqlalchemy import bindparam, case, delete, insert, literal, select, update

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.schema import whole_sum
from services.enricher.database.statements import DatabaseVisit, Statement
from services.enricher.keeper.tables import cached_image_totals
from shared.pictures import DOWNLOAD, Failure, PictureId, RevisionId, State, picture_path
from shared.volume import NOTHING, Extent, Holding, Mark


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """Without a revision: only a failure is remembered. `file_size`: of the original, in bytes; width and height its too."""

    picture: PictureId
    image_url: str | None
    local_path: str | None
    revision: RevisionId | None
    mime_type: str | None
    file_size: int | None
    width: int | None
    height: int | None
    source: str | None
    """The provider."""
    kind: str | None
    """Of a name that shows it: a `Kind`, or one that another version knew."""
    cached_at: datetime | None
    last_accessed: datetime
    fresh_until: datetime | None
    failure_class: str | None
    retry_at: datetime | None
    cached: Extent
    kept: Extent
    mark: Mark

    @classmethod
    def of(
        cls,
        holding: Holding,
        *,
        before: Self | None,
        source_url: str | None,
        kind: str | None,
        now: datetime,
    ) -> Self:
        """`source_url`: as somebody said it who knows, for where nothing is stored the volume does not."""
        manifest, failure = holding.manifest, _failure(holding.state)
        original = manifest.original if manifest else None
        cached_at = manifest.fetched_at if manifest else None
        known_url = source_url or (before.image_url if before else None)
        known_since = cached_at or (failure.at if failure else now)
        return cls(
            picture=holding.picture,
            image_url=manifest.source_url if manifest else known_url,
            local_path=_path(holding),
            revision=holding.revision,
            mime_type=original.mime if original else None,
            file_size=original.bytes if original else None,
            width=original.width if original else None,
            height=original.height if original else None,
            source=manifest.provider if manifest else None,
            kind=kind,
            cached_at=cached_at,
            last_accessed=max(before.last_accessed, known_since) if before else known_since,
            fresh_until=holding.state.fresh_until if manifest else None,
            failure_class=failure.failure_class.value if failure else None,
            retry_at=failure.retry_at if failure else None,
            cached=holding.cached,
            kept=holding.kept,
            mark=holding.mark,
        )

    @property
    def disk(self) -> Extent:
        return self.cached + self.kept

    @property
    def cached_on(self) -> str:
        """The day, in UTC; empty where nothing is stored."""
        return self.cached_at.astimezone(UTC).date().isoformat() if self.cached_at else ""


def _path(holding: Holding) -> str | None:
    if holding.revision is None:
        return None
    return f"{picture_path(holding.tree, holding.picture)}/{holding.revision}"


def _failure(state: State) -> Failure | None:
    """That of the download where there is one, for it may concern all of the picture; else the latest."""
    latest = max(state.failures.values(), key=lambda failure: failure.at, default=None)
    return state.failures.get(DOWNLOAD, latest)


_columns = cached_image_totals.c
_GROUP = ("source", "mime_type", "kind", "failure_class", "cached_on")
_SUMS = ("entries", "pictures", "original_bytes", "cached_bytes", "cached_files", "kept_bytes", "kept_files")


@dataclass(frozen=True, slots=True)
class Group:
    """Empty: not known, or none."""

    source: str
    mime_type: str
    kind: str
    failure_class: str
    cached_on: str

    @classmethod
    def of(cls, entry: CatalogEntry) -> Self:
        return cls(
            entry.source or "",
            entry.mime_type or "",
            entry.kind or "",
            entry.failure_class or "",
            entry.cached_on,
        )


@dataclass(frozen=True, slots=True)
class Sums:
    """`entries`, of which `pictures` are stored, the bytes of their originals, and what all of it takes on the disk."""

    entries: int = 0
    pictures: int = 0
    original_bytes: int = 0
    cached: Extent = NOTHING
    kept: Extent = NOTHING

    @classmethod
    def of(cls, entry: CatalogEntry) -> Self:
        return cls(1, int(entry.revision is not None), entry.file_size or 0, entry.cached, entry.kept)

    @property
    def disk(self) -> Extent:
        return self.cached + self.kept

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.entries + other.entries,
            self.pictures + other.pictures,
            self.original_bytes + other.original_bytes,
            self.cached + other.cached,
            self.kept + other.kept,
        )


@dataclass(frozen=True, slots=True)
class Slice:
    """A group whose day is only told by how long ago it was."""

    source: str
    mime_type: str
    kind: str
    failure_class: str
    age: str


async def read_totals(connection: AsyncConnection, ages: Mapping[str, date]) -> Mapping[Slice, Sums]:
    """`ages`: since when each is, the youngest first; what is older than all of them, or not stored, has none. Added up by
    the database: after some years there are tens of thousands of groups.
    """
    since = [(_columns.cached_on >= day.isoformat(), literal(name)) for name, day in ages.items()]
    groups = [*(_columns[name] for name in _GROUP[:-1]), case(*since, else_="").label("age")]
    sums = [whole_sum(_columns[name]).label(name) for name in _SUMS]
    rows = await connection.execute(select(*groups, *sums).group_by(*groups))
    return {
        Slice(row.source, row.mime_type, row.kind, row.failure_class, row.age): Sums(
            row.entries,
            row.pictures,
            row.original_bytes,
            Extent(row.cached_bytes, row.cached_files),
            Extent(row.kept_bytes, row.kept_files),
        )
        for row in rows
    }


def change_totals(
    visit: DatabaseVisit, *, gone: Iterable[CatalogEntry], come: Iterable[CatalogEntry]
) -> None:
    """In the transaction that changes the entries."""
    changes: dict[Group, tuple[int, ...]] = {}
    for entries, sign in ((gone, -1), (come, 1)):
        for entry in entries:
            group, sums = Group.of(entry), _numbers(Sums.of(entry))
            before = changes.get(group, (0,) * len(_SUMS))
            changes[group] = tuple(map(add, before, (sign * number for number in sums)))
    for group, change in changes.items():
        if any(change):
            _change(visit, group, change)


def _change(visit: DatabaseVisit, group: Group, change: Sequence[int]) -> None:
    of_group = {f"g_{name}": getattr(group, name) for name in _GROUP}
    values = of_group | {f"s_{name}": number for name, number in zip(_SUMS, change, strict=True)}
    if not visit.run(_CHANGE, values):
        visit.run(_BEGIN, values)
    if change[0] < 0:
        visit.run(_END, of_group)


def _numbers(sums: Sums) -> tuple[int, ...]:
    cached, kept = sums.cached, sums.kept
    return (
        sums.entries,
        sums.pictures,
        sums.original_bytes,
        cached.bytes,
        cached.files,
        kept.bytes,
        kept.files,
    )


_OF_GROUP = tuple(_columns[name] == bindparam(f"g_{name}") for name in _GROUP)
_CHANGE = Statement(
    update(cached_image_totals)
    .where(*_OF_GROUP)
    .values({name: _columns[name] + bindparam(f"s_{name}") for name in _SUMS})
)
_BEGIN = Statement(
    insert(cached_image_totals).values(
        {name: bindparam(f"g_{name}") for name in _GROUP} | {name: bindparam(f"s_{name}") for name in _SUMS}
    )
)
_END = Statement(delete(cached_image_totals).where(*_OF_GROUP, _columns.entries == 0))
