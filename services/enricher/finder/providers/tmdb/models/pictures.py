"""TMDB's picture paths, `/pP27zlm9yeKrCeDZLFLP2HKELot.jpg`, which say nothing about what they show: the type does."""

from typing import Annotated, Protocol

from pydantic import PlainSerializer, SerializationInfo, StringConstraints

from services.enricher.finder.providers.models import Lenient
from shared.pictures import Role


class PictureUrls(Protocol):
    """The context to serialise a model with: makes of a picture's path what is handed out for it."""

    def __call__(self, path: str, role: Role) -> object: ...


def _handed_out(role: Role) -> PlainSerializer:
    def hand_out(path: str, info: SerializationInfo) -> object:
        return info.context(path, role) if info.context else path

    return PlainSerializer(hand_out)


_PATH = StringConstraints(pattern=r"^/[A-Za-z0-9_-]{1,100}\.(?:jpg|jpeg|png|svg|webp)$")

PosterPath = Annotated[str, _PATH, _handed_out(Role.POSTER)]
BackdropPath = Annotated[str, _PATH, _handed_out(Role.FANART)]
LogoPath = Annotated[str, _PATH, _handed_out(Role.LOGO)]
ProfilePath = Annotated[str, _PATH, _handed_out(Role.PROFILE)]
StillPath = Annotated[str, _PATH, _handed_out(Role.STILL)]


class Picture(Lenient):
    """`iso_639_1` null or `xx`: no language, which is to say no text. The vote is of 10, weighted by TMDB."""

    file_path: Annotated[str, _PATH]
    iso_639_1: str | None = None
    iso_3166_1: str | None = None
    width: float | None = None
    height: float | None = None
    vote_average: float = 0


class Pictures(Lenient):
    """All that TMDB has of one thing, by what it is called there; each thing has some of them."""

    posters: tuple[Picture, ...] = ()
    backdrops: tuple[Picture, ...] = ()
    logos: tuple[Picture, ...] = ()
    profiles: tuple[Picture, ...] = ()
    stills: tuple[Picture, ...] = ()
