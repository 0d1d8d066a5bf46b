"""A candidate: a picture that a provider has of a subject, in a role."""

from typing import Self

from pydantic import BaseModel, ConfigDict

from shared.pictures import Kind, Role

ROLES = {
    Kind.SERIES: {Role.IMAGE: Role.POSTER, Role.COVER: Role.POSTER},
    Kind.MOVIE: {Role.IMAGE: Role.POSTER, Role.COVER: Role.POSTER},
    Kind.SEASON: {Role.IMAGE: Role.POSTER, Role.COVER: Role.POSTER},
    Kind.COLLECTION: {Role.IMAGE: Role.POSTER, Role.COVER: Role.POSTER},
    Kind.EPISODE: {Role.IMAGE: Role.STILL, Role.THUMBNAIL: Role.STILL, Role.FANART: Role.STILL},
    Kind.PERSON: {
        Role.IMAGE: Role.PROFILE,
        Role.PORTRAIT: Role.PROFILE,
        Role.AVATAR: Role.PROFILE,
        Role.THUMBNAIL: Role.PROFILE,
    },
}
"""What providers have of each kind under another word."""


def role_of(kind: Kind, role: Role) -> Role:
    """The role that providers' pictures of this kind are in, for the one that was asked for."""
    return ROLES.get(kind, {}).get(role, role)


class Candidate(BaseModel):
    """`language`: ISO 639-1; None: it is not said, or there is no text in it (`textless`). `country`: ISO 3166-1, whose
    variant of the language it is, where that is said.

    `score` compares only with others of its provider; `width` and `height` are in pixels, 0 where they are not
    said; `id` is what the provider calls it.
    """

    model_config = ConfigDict(frozen=True)

    source_url: str
    provider: str
    role: Role
    id: str
    language: str | None = None
    country: str | None = None
    textless: bool = False
    score: float = 0
    width: int = 0
    height: int = 0


class Gallery(BaseModel):
    """A provider's pictures of one subject, in all roles."""

    model_config = ConfigDict(frozen=True)

    candidates: tuple[Candidate, ...] = ()

    def of(self, role: Role) -> Self:
        return self.model_copy(update={"candidates": tuple(c for c in self.candidates if c.role is role)})
