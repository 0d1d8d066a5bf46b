"""Managing the library: items added, removed, and found by scanning."""

from http import HTTPStatus
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.api.tasks import ShownTask
from services.enricher.library import Entry, Ids, Library, MediaType, ScanRefused, Scans
from services.enricher.pages import EnrichedItem, Enrichment
from services.enricher.tasks import TaskRefused
from shared.http import Problem
from shared.pictures import SourceUrl

_Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


def _is_source_url(text: str) -> str:
    return str(SourceUrl.parse(text))


class NewItem(Body):
    title: _Title
    media_type: MediaType
    year: int | None = Field(None, ge=1800, le=2200)
    imdb_id: str | None = Field(None, pattern=r"^tt[0-9]{5,12}$")
    tmdb_id: int | None = Field(None, ge=1, le=2**31 - 1)
    tvdb_id: int | None = Field(None, ge=1, le=2**31 - 1)
    full_path: str | None = Field(None, min_length=1, max_length=4096)
    list_source: _Short | None = None
    status: _Short | None = None
    overseerr_id: int | None = Field(None, ge=1, le=2**31 - 1)
    poster_url: Annotated[str, AfterValidator(_is_source_url)] | None = None

    @property
    def entry(self) -> Entry:
        values = self.model_dump(exclude={"imdb_id", "tmdb_id", "tvdb_id"})
        return Entry(**values, ids=Ids(imdb=self.imdb_id, tmdb=self.tmdb_id, tvdb=self.tvdb_id))


class ItemParameters(Parameters):
    id: int = Field(ge=1, le=2**63 - 1)


class ScanOrder(Body):
    path: str = Field(
        min_length=1, max_length=4096, description="A folder on the server, below LIBRARY_ROOTS"
    )


def library_endpoints(library: Library, scans: Scans, enrichment: Enrichment) -> list[Endpoint]:
    async def add(_asked: Parameters, item: NewItem) -> EnrichedItem:
        """Add an item, or say more of one: the item that it is now part of.

        The same title found at another path, or on another list, is the same item.
        """
        return await enrichment.as_it_is(await library.add(item.entry))

    async def remove(asked: ItemParameters) -> None:
        """Remove an item, with every path it was found at. Files stay, and so do pictures."""
        if await library.remove(asked.id) is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such item.")

    async def scan(_asked: Parameters, order: ScanOrder) -> ShownTask:
        """Scan a folder for films and series: a task, or the one that is at it already."""
        try:
            return ShownTask.model_validate(await scans.start(order.path))
        except ScanRefused as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        except TaskRefused as error:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None

    return [
        Endpoint(
            "POST",
            "/api/library/items",
            add,
            EnrichedItem,
            body=NewItem,
            access=Access.ADMIN,
            status=HTTPStatus.CREATED,
        ),
        Endpoint("DELETE", "/api/library/items/{id}", remove, None, ItemParameters, access=Access.ADMIN),
        Endpoint(
            "POST",
            "/api/library/scan",
            scan,
            ShownTask,
            body=ScanOrder,
            access=Access.ADMIN,
            status=HTTPStatus.ACCEPTED,
        ),
    ]
