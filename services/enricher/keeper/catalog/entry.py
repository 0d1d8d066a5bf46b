"""An entry: what the catalog knows of one picture, made from what the volume holds of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from shared.pictures import DOWNLOAD, Failure, PictureId, RevisionId, State, picture_path
from shared.volume import Extent, Holding, Mark


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
