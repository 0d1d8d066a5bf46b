"""Titles that were searched for and not found for certain: an operator chooses."""

from http import HTTPStatus

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.library.item import ItemIds, MediaType
from services.enricher.library.matching.matching import Matching
from services.enricher.library.matching.table import MatchCandidate
from services.enricher.library.pages.enrichment import EnrichedItem, Enrichment
from shared.http import Problem

_PATH = "/api/v1/admin/unmatched"


class UnmatchedParameters(Parameters):
    limit: int = Field(50, ge=1, le=500)
    offset: int = Field(0, ge=0, le=10**9)


class ItemParameters(Parameters):
    id: int = Field(ge=1, le=2**63 - 1)


class ShownUnmatched(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    title: str
    media_type: MediaType
    year: int | None
    full_path: str | None
    looked_at: AwareDatetime
    candidates: tuple[MatchCandidate, ...] = Field(description="Of each provider that was asked")


class UnmatchedPage(BaseModel):
    total: int
    items: list[ShownUnmatched]


class Chosen(Body):
    imdb_id: str | None = Field(None, pattern=r"^tt[0-9]{5,12}$")
    tmdb_id: int | None = Field(None, ge=1, le=2**31 - 1)
    tvdb_id: int | None = Field(None, ge=1, le=2**31 - 1)

    @model_validator(mode="after")
    def _says_something(self) -> "Chosen":
        if not self.ids:
            raise ValueError("Say which title it is by one of imdb_id, tmdb_id and tvdb_id.")
        return self

    @property
    def ids(self) -> ItemIds:
        return ItemIds(self.imdb_id, self.tmdb_id, self.tvdb_id)


def unmatched_endpoints(matching: Matching, enrichment: Enrichment) -> list[Endpoint]:
    async def listed(asked: UnmatchedParameters) -> UnmatchedPage:
        """Titles without ids for which no provider's answer was clearly right, with what was found."""
        total, items = await matching.unmatched(asked.limit, asked.offset)
        return UnmatchedPage(total=total, items=[ShownUnmatched.model_validate(item) for item in items])

    async def choose(asked: ItemParameters, chosen: Chosen) -> EnrichedItem:
        """Say which title it is, by the ids of a candidate or any others."""
        item = await matching.choose(asked.id, chosen.ids)
        if item is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such item.")
        return await enrichment.as_it_is(item)

    return [
        Endpoint("GET", _PATH, listed, UnmatchedPage, UnmatchedParameters, access=Access.ADMIN),
        Endpoint(
            "PUT", f"{_PATH}/{{id}}", choose, EnrichedItem, ItemParameters, body=Chosen, access=Access.ADMIN
        ),
    ]
