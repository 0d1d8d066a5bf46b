"""Pictures asked for by what they show: in our own form, and as a library of streamers has them in its pages."""

import re
from functools import lru_cache
from http import HTTPStatus

from yarl import URL

from services.proxy.wanted import PARSED_AT_MOST, Named, renditions_of
from shared.http import Problem
from shared.pictures import Format, Kind, Name, Rendition, Role
from shared.pictures.formats import parse_format
from shared.pictures.rendition import ORIGINAL

_BARE_NUMBER = re.compile(r"[0-9]+", re.ASCII)

NAMED = r"/api/v1/images/{kind:(?!(?:series|movie)/[0-9]+/)[^/]+}/{id:[^/]+}/{role:[^/]+}/{file:[^/]+}"
"""The route of a name, but for bare numbers of series and movies: whoever has the library says what those are."""


@lru_cache(PARSED_AT_MOST)
def by_name(kind: str, id_: str, role: str, file: str, welcome: tuple[Format, ...]) -> Named:
    """`series`, `tvdb:81189`, `poster`, `w342` or `w342.webp`. Raise Problem for anything else."""
    size, dot, extension = file.partition(".")
    format_ = extension if dot else None
    try:
        name = Name.parse(f"{kind}/{id_}/{role}")
        renditions = renditions_of(size, format_, welcome)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
    if _BARE_NUMBER.fullmatch(id_):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "A bare number is the id of a series or a movie in this library: say whose id it is, as in tmdb:603.",
        )
    return Named(name, renditions, negotiated=format_ is None and size != "original")


def by_file(kind: Kind, id_: str, role: Role, extension: str, url: URL) -> Named:
    """A file of the streamer library, and `?size=` at most once. Raise Problem for anything else.

    The extension is the format of a rendition; an original is what it is, whatever it is called.
    """
    sizes = url.query.getall("size", [])
    if len(sizes) > 1:
        raise Problem(HTTPStatus.BAD_REQUEST, "Give size once.")
    size = (sizes[0] if sizes else "") or "original"
    try:
        format_ = parse_format(extension)
        rendition = ORIGINAL if size == "original" else Rendition(size, format_)
        return Named(Name(kind, id_, role), (rendition,))
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None


def by_streamers_file(streamer: str, id_: str, extension: str, url: URL) -> Named:
    """The artwork of a stream, in its streamer's folder, which is no part of the name."""
    by_file(Kind.STREAMER, streamer, Role.ARTWORK, extension, url)
    return by_file(Kind.STREAM, id_, Role.ARTWORK, extension, url)
