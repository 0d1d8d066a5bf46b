"""The library's items, enriched: a page, a list, one title."""

from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.api.outcomes import found_or_problem
from services.enricher.library import MediaType, Selection, Window
from services.enricher.metadata import Metadata, TitleKey, TitleKind
from services.enricher.pages import EnrichedList, EnrichedPage, Enrichment, KeptPages, Pages, TitleMetadata
from shared.http import Problem, Rendered

MAX_OFFSET = 10_000_000
MAX_PAGE = MAX_OFFSET // 100


class PageParameters(Parameters):
    page: int = Field(1, ge=1, le=MAX_PAGE)
    limit: int = Field(50, ge=1, le=100)
    list_source: str | None = Field(None, max_length=200)


class ListParameters(Parameters):
    limit: int = Field(50, ge=1, le=100)
    offset: int = Field(0, ge=0, le=MAX_OFFSET)
    type: MediaType | None = None


class TitleParameters(Parameters):
    media_type: TitleKind
    id: str = Field(max_length=150, description="tt0133093, tmdb:603, or what Trakt calls it")


class Cleared(BaseModel):
    model_config = ConfigDict(frozen=True)

    cleared: int = Field(description="Entries that were forgotten")


def item_endpoints(
    pages: Pages, enrichment: Enrichment, metadata: Metadata, kept: KeptPages
) -> list[Endpoint]:
    async def page(asked: PageParameters) -> Rendered:
        """A page of the library, newest first, with metadata and pictures.

        Answered by the deadline with what there is; what came too late is there the next time.
        """
        return await pages.page(Selection(list_source=asked.list_source), asked.page, asked.limit)

    async def some(asked: ListParameters) -> Rendered:
        """The same items, by offset and type."""
        return await pages.list(Selection(media_type=asked.type), Window(asked.limit, asked.offset))

    async def title(asked: TitleParameters) -> TitleMetadata:
        """What the providers say of one title, whether the library has it or not."""
        try:
            key = TitleKey.parse(asked.media_type, asked.id)
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        outcomes = await metadata.titles.lookup([key])
        return await enrichment.title(found_or_problem(outcomes[key]))

    async def clear(_asked: Parameters) -> Cleared:
        """Forget what the providers said of titles, and the pages made of it."""
        count = await metadata.clear()
        kept.clear()
        return Cleared(cleared=count)

    return [
        Endpoint("GET", "/api/items/enriched", page, EnrichedPage, PageParameters),
        Endpoint("GET", "/api/library/items", some, EnrichedList, ListParameters),
        Endpoint("GET", "/api/metadata/{media_type}/{id}", title, TitleMetadata, TitleParameters),
        Endpoint("POST", "/api/items/enriched/clear-cache", clear, Cleared, access=Access.ADMIN),
    ]
