"""Pictures by the library's own numbers, which no stored name depends on: led to the name they have everywhere."""

import time
from http import HTTPStatus
from typing import Annotated

from pydantic import AfterValidator, Field

from services.enricher.api.endpoint import Access, Endpoint, Moved, Parameters
from services.enricher.library import Library, name_of
from services.enricher.pictures import PictureUrls
from shared.http import Problem
from shared.http.signatures import EXPIRY, SIGNATURE, BadSignature
from shared.pictures import Format, Kind, Rendition, Role
from shared.pictures.formats import parse_format

MOVED_FOR_S = 300


def _known_size(text: str) -> str:
    """Raise ValueError for what names no rendition, with or without its format."""
    size, dot, extension = text.partition(".")
    if dot:
        Rendition(size, parse_format(extension))
    elif size != "original":
        Rendition(size, Format.WEBP)
    return text


class NumberedParameters(Parameters):
    kind: Kind
    id: int = Field(le=2**63 - 1, description="Of an item of the library")
    role: Role
    size: Annotated[str, AfterValidator(_known_size)] = Field(description="w342, medium.webp, original")
    sig: str | None = Field(None, description="Where SIGNING_KEYS are set, as for any picture")
    exp: str | None = Field(None, description="Until when the signature counts, in seconds since 1970")


def library_name_endpoints(library: Library, urls: PictureUrls) -> list[Endpoint]:
    async def picture(asked: NumberedParameters) -> Moved:
        """A picture of an item of the library: where it is by a provider's id."""
        _check_signature(asked, urls)
        item = await library.item(asked.id)
        name = name_of(item, asked.role) if item and item.media_type.kind is asked.kind else None
        if name is None:
            what = "There is no such item." if item is None else "No provider's id of the item is known."
            raise Problem(HTTPStatus.NOT_FOUND, what)
        return Moved(urls.by_name(name, asked.size, asked.exp), MOVED_FOR_S)

    path = "/api/v1/images/{kind:series|movie}/{id:[0-9]+}/{role}/{size:[a-z0-9.]+}"
    return [
        Endpoint(
            "GET",
            path,
            picture,
            parameters=NumberedParameters,
            access=Access.ANYBODY,
            status=HTTPStatus.FOUND,
        )
    ]


def _check_signature(asked: NumberedParameters, urls: PictureUrls) -> None:
    """What is answered is signed: so nobody gets it who could not have asked for it. Raise Problem."""
    path = f"/api/v1/images/{asked.kind}/{asked.id}/{asked.role}/{asked.size}"
    given = {name: value for name, value in ((SIGNATURE, asked.sig), (EXPIRY, asked.exp)) if value}
    try:
        urls.check(path, given, now_s=time.time())
    except BadSignature as error:
        raise Problem(HTTPStatus.FORBIDDEN, str(error)) from None
