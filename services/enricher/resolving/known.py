"""What is known of a name: the picture that was found or pinned for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from services.enricher.artwork import Candidate
from shared.pictures import Name, PictureId, Source, picture_host
from shared.pictures.source import SourceUrl


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that a name shows. `provider` None: an upload, or of a host that nobody knows."""

    source: Source
    provider: str | None = None
    language: str | None = None
    score: float | None = None
    width: int | None = None
    height: int | None = None

    @classmethod
    def of(cls, candidate: Candidate) -> Self:
        """Raise ValueError where the provider's URL is none."""
        return cls(
            SourceUrl.parse(candidate.source_url),
            candidate.provider,
            candidate.language,
            candidate.score,
            candidate.width or None,
            candidate.height or None,
        )

    @classmethod
    def pinned(cls, source: Source) -> Self:
        host = picture_host(source.host) if isinstance(source, SourceUrl) else None
        return cls(source, host.provider if host else None)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a picture here: the original's width and height in pixels, and its bytes."""

    local_image_url: str
    local_thumbnail_url: str
    storage_path: str
    processed_at: datetime
    file_size: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Known:
    """`id` is the artwork's. A pin is never due."""

    id: int
    name: Name
    shown: Shown
    pinned: bool
    checked_at: datetime
    refresh_at: datetime
    stored: Stored | None

    @property
    def picture(self) -> PictureId:
        return self.shown.source.picture

    def is_due(self, now: datetime) -> bool:
        return not self.pinned and self.refresh_at <= now
