"""Pictures by the library's own numbers, which no stored name depends on: led to the name they have everywhere."""

from http import HTTPStatus

from pydantic import Field

from services.enricher.api.endpoint import Access, Endpoint, Moved, Parameters
from services.enricher.library import Library, MediaType, name_of
from services.enricher.pictures import PictureUrls
from shared.http import Problem
from shared.pictures import Kind, Role

MOVED_FOR_S = 300
_TYPES = {Kind.SERIES: MediaType.TV, Kind.MOVIE: MediaType.MOVIE}


class NumberedParameters(Parameters):
    kind: Kind
    id: int = Field(le=2**63 - 1, description="Of an item of the library")
    role: Role
    size: str


def library_name_endpoints(library: Library, urls: PictureUrls) -> list[Endpoint]:
    async def picture(asked: NumberedParameters) -> Moved:
        """A picture of an item of the library: where it is by a provider's id."""
        item = await library.item(asked.id)
        name = name_of(item, asked.role) if item and item.media_type is _TYPES[asked.kind] else None
        if name is None:
            what = "There is no such item." if item is None else "No provider's id of the item is known."
            raise Problem(HTTPStatus.NOT_FOUND, what)
        return Moved(urls.by_name(name, asked.size), MOVED_FOR_S)

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
