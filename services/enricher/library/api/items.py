"""Endpoints of the library: its items with metadata, adding and removing, scans, its pictures by number."""

import time
from http import HTTPStatus
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters, SeeOther
from services.enricher.api.tasks import ShownTask
from services.enricher.finder.api.outcomes import askers_urgency, found_or_problem
from services.enricher.finder.metadata import Metadata, TitleKey, TitleKind
from services.enricher.library.item import (
    Item,
    ItemIds,
    ItemOrder,
    LibraryEntry,
    MediaType,
    Selection,
    Window,
    name_of,
)
from services.enricher.library.library import Library
from services.enricher.library.lists import OnList, reduced
from services.enricher.library.pages.enrichment import (
    EnrichedItem,
    EnrichedList,
    EnrichedPage,
    Enrichment,
    ShownList,
    TitleMetadata,
)
from services.enricher.library.pages.kept import KeptPages
from services.enricher.library.pages.pages import Pages
from services.enricher.library.parts import PART_ROLES, Parts
from services.enricher.library.scan.places import ScanRefused, Scans
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
    list_source: str | None = Field(
        None,
        max_length=2000,
        description="type:id of a list that an item is on, be it one of several; an id may be the list's URL",
    )
    order: ItemOrder = ItemOrder.LAST_SYNCED


class ItemListParameters(Parameters):
    limit: int = Field(50, ge=1, le=100)
    offset: int = Field(0, ge=0, le=MAX_OFFSET)
    type: MediaType | None = None
    q: str | None = Field(None, max_length=200, description="Words that its title has")
    sort: ItemOrder = ItemOrder.NEWEST


class MetadataTitleParameters(Parameters):
    media_type: TitleKind
    id: str = Field(max_length=150, description="tt0133093, tmdb:603, or what Trakt calls it")


class PagesCleared(BaseModel):
    model_config = ConfigDict(frozen=True)

    cleared: int = Field(description="Entries that were forgotten")


def item_endpoints(
    pages: Pages,
    enrichment: Enrichment,
    metadata: Metadata,
    kept: KeptPages[RenderedBody],
    library: Library,
) -> list[Endpoint]:
    async def page(asked: PageParameters) -> RenderedBody:
        """A page of the library with metadata and pictures: what was synced last first, then the newest.

        Answered by the deadline with what there is; what came too late is there the next time.
        """
        return await pages.page(await _selection(asked), asked.page, asked.limit)

    async def plain(asked: PageParameters) -> EnrichedPage:
        """The same items as they are, without anybody being asked for metadata."""
        selection = await _selection(asked)
        found = await library.page(selection, Window.of_page(asked.page, asked.limit))
        return EnrichedPage(
            items=tuple(await enrichment.as_they_are(found.items)),
            total=found.total,
            page=asked.page,
            limit=asked.limit,
            total_pages=found.pages,
            providers={},
        )

    async def _selection(asked: PageParameters) -> Selection:
        """A text without a colon that no list is called by chooses nothing: all items are given."""
        source = asked.list_source and reduced(asked.list_source)
        if source and ":" not in source and not await library.lists.has(source):
            source = None
        return Selection(list_source=source, order=asked.order)

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
        outcomes = await metadata.titles.lookup([key], within=metadata.title_wait, urgency=askers_urgency())
        return await enrichment.title(found_or_problem(outcomes[key]))

    async def clear(_asked: Parameters) -> PagesCleared:
        """Forget what the providers said of titles, and the pages made of it."""
        count = await metadata.clear()
        kept.clear()
        return PagesCleared(cleared=count)

    return [
        Endpoint("GET", "/api/items/enriched", page, EnrichedPage, PageParameters, access=Access.LISTS),
        Endpoint("GET", "/api/items", plain, EnrichedPage, PageParameters, access=Access.LISTS),
        Endpoint("GET", "/api/library/items", some, EnrichedList, ItemListParameters, access=Access.LISTS),
        Endpoint("GET", "/api/metadata/{media_type}/{id}", title, TitleMetadata, MetadataTitleParameters),
        Endpoint("POST", "/api/items/enriched/clear-cache", clear, PagesCleared, access=Access.ADMIN),
    ]


_Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_ListSource = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), AfterValidator(reduced)
]
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
    list_source: _ListSource | None = Field(None, description="type:id; an id may be the list's URL")
    status: _Short | None = None
    overseerr_id: int | None = Field(None, ge=1, le=2**31 - 1)
    last_synced: AwareDatetime | None = None
    poster_url: Annotated[str, AfterValidator(_is_source_url)] | None = None

    @property
    def entry(self) -> LibraryEntry:
        values = self.model_dump(exclude={"imdb_id", "tmdb_id", "tvdb_id"})
        return LibraryEntry(**values, ids=ItemIds(imdb=self.imdb_id, tmdb=self.tmdb_id, tvdb=self.tvdb_id))


class ItemChange(Body):
    """What is left out stays; null forgets, but for the title."""

    title: _Title = ""
    year: int | None = Field(None, ge=1800, le=2200)
    imdb_id: str | None = Field(None, pattern=r"^tt[0-9]{5,12}$")
    tmdb_id: int | None = Field(None, ge=1, le=2**31 - 1)
    tvdb_id: int | None = Field(None, ge=1, le=2**31 - 1)
    status: _Short | None = None
    overseerr_id: int | None = Field(None, ge=1, le=2**31 - 1)
    last_synced: AwareDatetime | None = None
    poster_url: Annotated[str, AfterValidator(_is_source_url)] | None = None


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

    async def one(asked: LibraryItemParameters) -> RenderedBody:
        """One item, with metadata and pictures."""
        made = await enrichment.of([_there(await library.item(asked.id))])
        return RenderedBody.of(made.items[0].body)

    async def change(asked: LibraryItemParameters, said: ItemChange) -> EnrichedItem:
        """Change what is said of an item, wherever it was found."""
        values = said.model_dump(exclude_unset=True)
        return await enrichment.as_it_is(_there(await library.change(asked.id, values)))

    async def remove(asked: LibraryItemParameters) -> None:
        """Remove an item, with every path it was found at. Files stay, and so do pictures."""
        _there(await library.remove(asked.id))

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
        *(
            endpoint
            for path in ("/api/library/items/{id}", "/api/items/{id:[0-9]+}")
            for endpoint in (
                Endpoint("GET", path, one, EnrichedItem, LibraryItemParameters, access=Access.LISTS),
                Endpoint(
                    "PATCH",
                    path,
                    change,
                    EnrichedItem,
                    LibraryItemParameters,
                    ItemChange,
                    access=Access.ADMIN,
                ),
            )
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


def _there(item: Item | None) -> Item:
    if item is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such item.")
    return item


class ListParameters(Parameters):
    list_source: str = Field(max_length=200, description="type:id")


class ListName(Body):
    display_name: _Short | None = None
    poster_url: Annotated[str, AfterValidator(_is_source_url)] | None = None


class ShownLists(BaseModel):
    model_config = ConfigDict(frozen=True)

    lists: tuple[ShownList, ...]


def list_endpoints(library: Library) -> list[Endpoint]:
    async def every(_asked: Parameters) -> ShownLists:
        """Lists that items are on, with what they are called."""
        found = await library.lists.all()
        return ShownLists(lists=tuple(map(ShownList.model_validate, found)))

    async def name(asked: ListParameters, said: ListName) -> ShownList:
        """Say what a list is called."""
        list_type, _, list_id = reduced(asked.list_source).partition(":")
        named = OnList(list_type, list_id, said.display_name, said.poster_url)
        await library.lists.name(named)
        return ShownList.model_validate(named)

    path = "/api/library/lists"
    return [
        Endpoint("GET", path, every, ShownLists, access=Access.LISTS),
        Endpoint(
            "PUT",
            f"{path}/{{list_source}}",
            name,
            ShownList,
            ListParameters,
            ListName,
            access=Access.ADMIN,
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


def library_name_endpoints(
    library: Library, parts: Parts, urls: PictureUrls, paths: PublicPaths
) -> list[Endpoint]:
    async def picture(asked: NumberedParameters) -> SeeOther:
        """A picture of an item, an episode, a season or a person of the library: where it is by a provider's id."""
        _check_signature(asked, urls, paths)
        if asked.kind in PART_ROLES:
            part = await parts.get(asked.id, asked.kind)
            if part is None:
                raise Problem(HTTPStatus.NOT_FOUND, "There is no such item.")
            return SeeOther(urls.by_name(part.name(asked.role), asked.size, asked.exp), MOVED_FOR_S)
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
