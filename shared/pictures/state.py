"""The state of a picture: what changes without its bytes changing. Replaced whole, never edited in place."""

from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.pictures.failure import Failure
from shared.pictures.identity import RevisionId
from shared.pictures.rendition import Rendition

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
    validators: Validators = Validators()
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
