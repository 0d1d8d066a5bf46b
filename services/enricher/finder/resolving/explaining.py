"""Explaining: why a picture is here, or not; everything that led to it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.enricher.finder.artwork.artwork import Artwork, Finding
from services.enricher.finder.artwork.choice import Choice
from services.enricher.finder.artwork.source import Subject
from services.enricher.finder.resolving.resolver import nobody_to_ask
from services.enricher.finder.resolving.table import ArtworkTable
from shared.pictures import DOWNLOAD, Failure, Manifest, Name, PictureId
from shared.telemetry import utc_now
from shared.volume import Names, Pictures

WITHIN = timedelta(seconds=10)


class PictureExplanation(BaseModel):
    """`next_try`: before then nobody asks for it again, where that failed the last time."""

    model_config = ConfigDict(frozen=True)

    picture_id: str
    revision: str | None
    manifest: Manifest | None
    renditions: tuple[str, ...]
    checked_at: AwareDatetime | None
    fresh_until: AwareDatetime | None
    failures: dict[str, Failure]
    next_try: AwareDatetime | None


class NameExplanation(BaseModel):
    """`pinned`: by an operator, and then nothing else counts. `finding`: what the providers have, each asked."""

    model_config = ConfigDict(frozen=True)

    name: str
    source_url: str | None
    pinned: bool
    checked_at: AwareDatetime | None
    refresh_at: AwareDatetime | None
    failure: Failure | None
    next_try: AwareDatetime | None
    picture: PictureExplanation | None
    finding: Finding

    @classmethod
    def unknown(cls, name: Name, finding: Finding, failure: Failure | None) -> Self:
        return cls(
            name=str(name),
            source_url=None,
            pinned=False,
            checked_at=None,
            refresh_at=None,
            failure=failure,
            next_try=failure.retry_at if failure else None,
            picture=None,
            finding=finding,
        )


class Explaining:
    def __init__(
        self,
        table: ArtworkTable,
        artwork: Artwork,
        names: Names,
        pictures: Pictures,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._table = table
        self._artwork = artwork
        self._names = names
        self._pictures = pictures
        self._now = now

    async def name(self, name: Name) -> NameExplanation:
        """Raise ValueError, with a sentence for the user, for a name of which nothing is known, nor can be asked."""
        known, failure = await self._table.of_name(name), await self._names.failure(name)
        shown = await self._names.picture(name) or (known and known.picture)
        finding = await self._finding(name, anything_known=bool(shown or failure))
        explained = NameExplanation.unknown(name, finding, failure)
        picture = await self.picture(shown) if shown else None
        said: dict[str, object] = {"picture": picture}
        if picture and picture.next_try and not picture.revision:
            said["next_try"] = picture.next_try
        if known:
            said |= {
                "source_url": str(known.shown.source),
                "pinned": known.pinned,
                "checked_at": known.checked_at,
                "refresh_at": None if known.pinned else known.refresh_at,
            }
        return explained.model_copy(update=said)

    async def _finding(self, name: Name, *, anything_known: bool) -> Finding:
        """Raise ValueError where no provider can be asked with it, unless there is something else to tell."""
        try:
            subject = Subject.parse(name.kind, name.id)
        except ValueError as error:
            if not anything_known:
                raise
            return Finding(choice=Choice(), answers=(), lack=nobody_to_ask(error, self._now()))
        return await self._artwork.explain(subject, name.role, within=WITHIN)

    async def picture(self, picture: PictureId) -> PictureExplanation:
        revision, state = await self._pictures.current(picture), await self._pictures.state(picture)
        return PictureExplanation(
            picture_id=picture,
            revision=revision.id if revision else None,
            manifest=revision.manifest if revision else None,
            renditions=tuple(str(rendition) for rendition in revision.renditions) if revision else (),
            checked_at=state.checked_at,
            fresh_until=state.fresh_until,
            failures=state.failures,
            next_try=_next_try(state.failures),
        )


def _next_try(failures: dict[str, Failure]) -> datetime | None:
    failure = failures.get(DOWNLOAD)
    return failure.retry_at if failure else None
