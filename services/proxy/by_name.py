"""Pictures asked for by what they show: in our own form, and as a library of streamers has them in its pages."""

import re
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus

from yarl import URL

from services.proxy.wanted import PARSED_AT_MOST, Named, renditions_of
from shared.http import Problem
from shared.pictures import Format, Name, Rendition
from shared.pictures.formats import parse_format
from shared.pictures.name import check_id
from shared.pictures.public_paths import FileForm
from shared.pictures.rendition import ORIGINAL

_BARE_NUMBER = re.compile(r"[0-9]+", re.ASCII)


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


def by_file(form: FileForm, given: Sequence[str], url: URL) -> Named:
    """A file of somebody's library, by what its path has in the place of the form's placeholders, and `?size=` at most
    once. Raise Problem for anything else.

    The extension is the format of a rendition; an original is what it is, whatever it is called.
    """
    *others, id_, extension = given
    sizes = url.query.getall("size", [])
    if len(sizes) > 1:
        raise Problem(HTTPStatus.BAD_REQUEST, "Give size once.")
    size = (sizes[0] if sizes else "") or "original"
    try:
        for other in others:
            check_id(other)
        format_ = parse_format(extension)
        rendition = ORIGINAL if size == "original" else Rendition(size, format_)
        return Named(Name(form.kind, id_, form.role), (rendition,))
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
