"""Names and URLs in requests."""

from http import HTTPStatus
from typing import Self

from pydantic import Field, model_validator

from services.enricher.api.endpoint import Parameters
from shared.http import Problem
from shared.pictures import HostRules, Kind, Name, Role, SourceUrl

_NUMBERED = {Kind.SERIES, Kind.MOVIE}
"""Kinds of which a bare number is the library's."""


class NameParameters(Parameters):
    kind: Kind
    id: str = Field(description="tmdb:603, imdb:tt0133093, tvdb:81189 or trakt:the-matrix-1999")
    role: Role

    @model_validator(mode="after")
    def _is_name(self) -> Self:
        if self.kind in _NUMBERED and self.id.isdecimal():
            raise ValueError("Give a provider's id, such as tmdb:603, for a library's number may change.")
        Name(self.kind, self.id, self.role)
        return self

    @property
    def name(self) -> Name:
        return Name(self.kind, self.id, self.role)


def allowed_source(text: str, rules: HostRules) -> SourceUrl:
    """Raise Problem for a URL that pictures are not fetched from."""
    source = parsed_source(text)
    if not rules.allow(source):
        host = source.authority[:100]
        raise Problem(HTTPStatus.FORBIDDEN, f"Pictures of {host} are not fetched here (see ALLOWED_HOSTS).")
    return source


def parsed_source(text: str) -> SourceUrl:
    """Raise Problem for what is no URL."""
    try:
        return SourceUrl.parse(text)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
