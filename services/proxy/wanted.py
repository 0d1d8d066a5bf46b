"""What a request wants: parsed once, at the edge; refused with a sentence the user can act on."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from multidict import MultiMapping

from services.proxy.clients import accepts
from shared.http import Problem
from shared.pictures import Format, HostRules, PictureId, Rendition, SourceUrl
from shared.pictures.formats import parse_format


@dataclass(frozen=True, slots=True)
class Wanted:
    """A picture, and the renditions that would do, the preferred first. The last is made where none is there."""

    source: SourceUrl
    renditions: tuple[Rendition, ...]
    negotiated: bool
    """Another `Accept` would have been answered differently."""

    @property
    def picture(self) -> PictureId:
        return self.source.picture

    @property
    def to_make(self) -> Rendition:
        return self.renditions[-1]

    @classmethod
    def from_query(cls, query: MultiMapping[str], accept: str, rules: HostRules) -> Self:
        """`url`, and perhaps `size` and `format`, each once. Raise Problem for anything else."""
        text = _only(query, "url")
        if text is None:
            raise Problem(HTTPStatus.BAD_REQUEST, "Say which picture: ?url=, percent-encoded.")
        size, format_ = _only(query, "size") or "original", _only(query, "format")
        try:
            source = SourceUrl.parse(text)
            renditions = _renditions(size, format_, accept)
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        if not rules.allow(source):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                f"Pictures of {source.authority[:100]} are not served here (see ALLOWED_HOSTS).",
            )
        return cls(source, renditions, negotiated=format_ is None and size != "original")


def _renditions(size: str, format_: str | None, accept: str) -> tuple[Rendition, ...]:
    """AVIF only where it is there already, for it is slow to make; else WebP, else JPEG."""
    if format_ is not None:
        return (Rendition(size, parse_format(format_)),)
    if size == "original":
        return (Rendition(size, None),)
    made = Format.WEBP if accepts(accept, "image/webp") else Format.JPG
    preferred = (Format.AVIF,) if accepts(accept, "image/avif") else ()
    return tuple(Rendition(size, choice) for choice in (*preferred, made))


def _only(query: MultiMapping[str], name: str) -> str | None:
    values = query.getall(name, [])
    if len(values) > 1:
        raise Problem(HTTPStatus.BAD_REQUEST, f"Give {name} once.")
    return values[0] if values else None
