"""Endpoints of the library: its items with metadata, adding and removing, scans, its pictures by number."""

import time
from http import HTTPStatus
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters, SeeOther
from services.enricher.api.tasks import ShownTask
from services.enricher.finder.api.outcomes import found_or_problem
from services.enricher.finder.metadata import Metadata, TitleKey, TitleKind
from services.enricher.library.item import (
    ItemIds,
    LibraryEntry,
    MediaType,
    Selection,
    Sorting,
    Window,
    name_of,
)
from services.enricher.library.library import Library
from services.enricher.library.pages.enrichment import (
    EnrichedItem,
    EnrichedList,
    EnrichedPage,
    Enrichment,
    TitleMetadata,
)
from services.enricher.library.pages.pages import KeptPages, Pages
from services.enricher.library.scan.scan import ScanRefused, Scans
from services.enricher.pictures.shown import PictureUrls
from services.enricher.tasks.task import TaskRefused
from shared.http import Problem, RenderedBody
from shared.http.signatures import EXPIRY, SIGNATURE, BadSignature
from shared.pictures import Format, Kind, Rendition, Role, SourceUrl
from shared.pictures.public_paths import NUMBERED_KINDS, PublicPaths
from shared.pictures.rendition import parse_format

MAX_OFFSET = 10_000_000
MAX_PAGE = MAX_OFFSET // 100


class PageParameters(Parameters):
    page: int = Field(1, ge=1, le=MAX_PAGE)
    limit: int = Field(50, ge=1, le=100)
    list_source: str | None = Field(None, max_length=200)


class ItemListParameters(Parameters):
    limit: int = Field(50, ge=1, le=100)
    offset: int = Field(0, ge=0, le=MAX_OFFSET)
    type: MediaType | None = None
    q: str | None = Field(None, max_length=200, description="Words that its title has")
    sort: Sorting = Sorting.NEWEST


class MetadataTitleParameters(Parameters):
    media_type: TitleKind
    id: str = Field(max_length=150, description="tt0133093, tmdb:603, or what Trakt calls it")


class PagesCleared(BaseModel):
    model_config = ConfigDict(frozen=True)

    cleared: int = Field(description="Entries that were forgotten")


def item_endpoints(
    pages: Pages, enrichment: Enrichment, metadata: Metadata, kept: KeptPages
) -> list[Endpoint]:
    async def page(asked: PageParameters) -> RenderedBody:
        """A page of the library, newest first, with metadata and pictures.

        Answered by the deadline with what there is; what came too late is there the next time.
        """
        return await pages.page(Selection(list_source=asked.list_source), asked.page, asked.limit)

    async def some(asked: ItemListParameters) -> RenderedBody:
        """The same items, by offset, type and words of their titles, and in other orders."""
        selection = Selection(media_type=asked.type, text=asked.q or "", order=asked.sort)
        return await pages.list(selection, Window(asked.limit, asked.offset))

    async def title(asked: MetadataTitleParameters) -> TitleMetadata:
        """What the providers say of one title, whether the library has it or not."""
        try:
            key = TitleKey.parse(asked.media_type, asked.id)
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        outcomes = await metadata.titles.lookup([key])
        return await enrichment.title(found_or_problem(outcomes[key]))

    async def clear(_asked: Parameters) -> PagesCleared:
        """Forget what the providers said of titles, and the pages made of it."""
        count = await metadata.clear()
        kept.clear()
        return PagesCleared(cleared=count)

    return [
        Endpoint("GET", "/api/items/enriched", page, EnrichedPage, PageParameters, access=Access.LISTS),
        Endpoint("GET", "/api/library/items", some, EnrichedList, ItemListParameters, access=Access.LISTS),
        Endpoint("GET", "/api/metadata/{media_type}/{id}", title, TitleMetadata, MetadataTitleParameters),
        Endpoint("POST", "/api/items/enriched/clear-cache", clear, PagesCleared, access=Access.ADMIN),
    ]


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
    def entry(self) -> LibraryEntry:
        values = self.model_dump(exclude={"imdb_id", "tmdb_id", "tvdb_id"})
        return LibraryEntry(**values, ids=ItemIds(imdb=self.imdb_id, tmdb=self.tmdb_id, tvdb=self.tvdb_id))


class LibraryItemParameters(Parameters):
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

    async def one(asked: LibraryItemParameters) -> EnrichedItem:
        """One item, with metadata and pictures."""
        item = await library.item(asked.id)
        if item is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such item.")
        return (await enrichment.of([item])).items[0]

    async def remove(asked: LibraryItemParameters) -> None:
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
        Endpoint(
            "GET", "/api/library/items/{id}", one, EnrichedItem, LibraryItemParameters, access=Access.LISTS
        ),
        Endpoint(
            "DELETE", "/api/library/items/{id}", remove, None, LibraryItemParameters, access=Access.ADMIN
        ),
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


def library_name_endpoints(library: Library, urls: PictureUrls, paths: PublicPaths) -> list[Endpoint]:
    async def picture(asked: NumberedParameters) -> SeeOther:
        """A picture of an item of the library: where it is by a provider's id."""
        _check_signature(asked, urls, paths)
        item = await library.item(asked.id)
        name = name_of(item, asked.role) if item and item.media_type.kind is asked.kind else None
        if name is None:
            what = "There is no such item." if item is None else "No provider's id of the item is known."
            raise Problem(HTTPStatus.NOT_FOUND, what)
        return SeeOther(urls.by_name(name, asked.size, asked.exp), MOVED_FOR_S)

    kind = f"{{kind:{'|'.join(NUMBERED_KINDS)}}}"
    path = paths.name.path(kind=kind, id="{id:[0-9]+}", role="{role}", file="{size:[a-z0-9.]+}")
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


def _check_signature(asked: NumberedParameters, urls: PictureUrls, paths: PublicPaths) -> None:
    """What is answered is signed: so nobody gets it who could not have asked for it. Raise Problem."""
    path = paths.name.path(kind=asked.kind, id=str(asked.id), role=asked.role, file=asked.size)
    given = {name: value for name, value in ((SIGNATURE, asked.sig), (EXPIRY, asked.exp)) if value}
    try:
        urls.check(path, given, now_s=time.time())
    except BadSignature as error:
        raise Problem(HTTPStatus.FORBIDDEN, str(error)) from None
