"""Questions: what is asked for on behalf of those who wait, and which events speak of it."""

from dataclasses import dataclass
from typing import Self

from services.proxy.lookup import About
from services.proxy.wanted import WantedPicture
from shared.contracts import FetchPicture, Message, NameRefused, PictureFailed, ResolvePicture
from shared.pictures import Failure, Name, PictureId, Rendition, SourceUrl
from shared.queue import Lane

Key = tuple[About, Rendition, Lane]
"""Who asks the same waits for the same answer."""


@dataclass(frozen=True, slots=True)
class FetchRequest:
    about: About
    rendition: Rendition
    job: FetchPicture | ResolvePicture

    @classmethod
    def for_source(cls, wanted: WantedPicture) -> Self:
        job = FetchPicture(
            source_url=wanted.source, rendition=wanted.to_make, authorised_host=wanted.authorised_host
        )
        return cls(wanted.picture, wanted.to_make, job)

    @classmethod
    def for_name(cls, name: Name, rendition: Rendition) -> Self:
        return cls(name, rendition, ResolvePicture(name=name, rendition=rendition))

    @classmethod
    def for_evicted(cls, picture: PictureId, rendition: Rendition) -> Self:
        return cls(picture, rendition, ResolvePicture(picture=picture, rendition=rendition))

    @property
    def lane(self) -> Lane:
        return Lane.PICTURES_NOW if isinstance(self.job, FetchPicture) else Lane.RESOLVE_NOW

    @property
    def key(self) -> Key:
        return self.about, self.rendition, self.lane

    @property
    def host(self) -> str | None:
        """That is asked for it, where that is known."""
        source = self.job.source_url if isinstance(self.job, FetchPicture) else None
        return source.authority if isinstance(source, SourceUrl) else None

    @property
    def is_guess(self) -> bool:
        """Whether it may be about nothing at all: anybody can make up a picture's id."""
        return self.lane is Lane.RESOLVE_NOW and not isinstance(self.about, Name)

    def refused_by(self, event: Message) -> Failure | None:
        """The failure, where the event says that there is nothing to wait for."""
        match event:
            case PictureFailed(picture=picture, failure=failure, unknown=True):
                ours = self.is_guess and self.about == picture
            case PictureFailed(picture=picture, name=name, rendition=rendition, failure=failure):
                ours = self.about in (picture, name) and rendition in (None, self.rendition)
            case NameRefused(name=name, failure=failure):
                ours = self.about == name
            case _:
                return None
        return failure if ours else None
