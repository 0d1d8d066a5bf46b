"""What lies beside the bytes of a picture: a revision's manifest, which never changes, and the picture's state."""

from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.pictures.failure import Failure
from shared.pictures.rendition import Rendition, extension_of
from shared.pictures.source import RevisionId

MANIFEST = "manifest.json"


class Original(BaseModel):
    """What the downloaded bytes are. Width and height in pixels, upright; frames: 1 for a still."""

    model_config = ConfigDict(frozen=True)

    mime: str
    bytes: int = Field(gt=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frames: int = Field(default=1, gt=0)

    @property
    def extension(self) -> str:
        return extension_of(self.mime)

    @property
    def file_name(self) -> str:
        return f"original.{self.extension}"


class Placeholder(BaseModel):
    """What a page can show before the picture is there."""

    model_config = ConfigDict(frozen=True)

    color: str = Field(pattern=r"^#[0-9a-f]{6}$")
    """The average colour, sRGB."""
    thumbhash: str | None = None
    """https://evanw.github.io/thumbhash/, base64; absent in revisions made before there was one."""


class Measure(BaseModel):
    """How good a portrait it would be. `sharpness`: the variance of its Laplacian, at 256 pixels to a side at most; below 50 it
    is blurred, above 150 it is not. `faces`: that were found, None: nobody looked.
    """

    model_config = ConfigDict(frozen=True)

    sharpness: float = Field(ge=0)
    faces: int | None = Field(None, ge=0)


class Manifest(BaseModel):
    model_config = ConfigDict(frozen=True)

    source_url: str
    provider: str | None
    original: Original
    placeholder: Placeholder
    fetched_at: AwareDatetime
    notes: tuple[str, ...] = ()
    """What of the original is not shown, a sentence each; none in revisions made before there were any."""
    measure: Measure | None = None
    """Absent in revisions made before there was one."""


STATE = "state.json"

DOWNLOAD = "download"
"""The key of a failed download among the failures; every other key is a rendition."""


class Validators(BaseModel):
    """What the source gave us to ask later whether the picture has changed (RFC 9110, section 8.8)."""

    model_config = ConfigDict(frozen=True)

    etag: str | None = None
    last_modified: str | None = None


class State(BaseModel):
    model_config = ConfigDict(frozen=True)

    revision: RevisionId | None = None
    """The revision that freshness and validators speak of. Not the current one (a crash came between
    the two writes): they say nothing, and the picture counts as stale."""
    checked_at: AwareDatetime | None = None
    fresh_until: AwareDatetime | None = None
    """None where the picture never changes under its URL."""
    validators: Validators = Field(default_factory=Validators)
    failures: dict[str, Failure] = {}
    redelivered_starts: int = 0
    """How often a job that had already been delivered once came to rendering: see the fetcher's backstop."""

    def is_stale(self, current: RevisionId, now: datetime) -> bool:
        """Whether the source should be asked again. Only for pictures that can change under their URL."""
        return self.revision != current or self.fresh_until is None or now >= self.fresh_until

    def failed_lately(self, now: datetime) -> bool:
        """Whether asking the source failed, and the time for asking again has not come."""
        failure = self.failures.get(DOWNLOAD)
        return failure is not None and not failure.is_over(now)

    def blocking(self, rendition: Rendition, *, stored: bool, now: datetime) -> Failure | None:
        """The failure for which a request is answered without trying again, if there is one.

        `stored`: there is a revision. A failed download then blocks nothing, a failed rendition only itself.
        """
        keys = (str(rendition),) if stored else (DOWNLOAD, str(rendition))
        for key in keys:
            failure = self.failures.get(key)
            if failure and not failure.is_over(now):
                return failure
        return None

    def failed(self, key: str, failure: Failure) -> Self:
        return self.model_copy(update={"failures": {**self.failures, key: failure}, "redelivered_starts": 0})

    def recovered(self, *keys: str) -> Self:
        left = {key: failure for key, failure in self.failures.items() if key not in keys}
        return self.model_copy(update={"failures": left, "redelivered_starts": 0})
