"""Endpoints of episodes, seasons and persons that the library numbers."""

from http import HTTPStatus

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.library.parts import PART_ROLES, NumberedPart, Parts
from services.enricher.library.sync import Syncing
from services.enricher.pictures.shown import PictureUrls
from shared.http import Problem
from shared.pictures import Kind

_PATH = "/api/library/parts"


class NewPart(Body):
    kind: Kind = Field(description="episode, season or person")
    id: str = Field(max_length=128, description="tvdb:3254641, tmdb:1399-s1e2, imdb:nm0186505 …")
    title: str | None = Field(None, min_length=1, max_length=500)


class PartListParameters(Parameters):
    kind: Kind | None = None
    limit: int = Field(50, ge=1, le=100)
    offset: int = Field(0, ge=0, le=10_000_000)


class PartParameters(Parameters):
    id: int = Field(ge=1, le=2**63 - 1)


class ShownPart(BaseModel):
    """What is ours of it is absent until it was stored."""

    model_config = ConfigDict(frozen=True)

    id: int
    kind: Kind
    content_id: str
    title: str | None
    added_at: AwareDatetime
    local_image_url: str | None = None
    local_thumbnail_url: str | None = Field(None, description="Of an episode")
    local_poster_url: str | None = Field(None, description="Of a season")


class ShownParts(BaseModel):
    model_config = ConfigDict(frozen=True)

    items: tuple[ShownPart, ...]
    total: int


def part_endpoints(parts: Parts, syncing: Syncing, urls: PictureUrls) -> list[Endpoint]:
    async def listed(asked: PartListParameters) -> ShownParts:
        """Episodes, seasons and persons with a number, the newest first."""
        total, found = await parts.page(asked.kind, limit=asked.limit, offset=asked.offset)
        return ShownParts(items=tuple([await shown(part) for part in found]), total=total)

    async def add(_asked: Parameters, said: NewPart) -> ShownPart:
        """Give an episode, a season or a person a number, or find out which it has."""
        try:
            return await shown(await parts.add(said.kind, said.id, said.title))
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None

    async def one(asked: PartParameters) -> ShownPart:
        """An episode, a season or a person by its number."""
        part = await parts.get(asked.id)
        if part is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such item.")
        return await shown(part)

    async def remove(asked: PartParameters) -> None:
        """Forget the number; it is never given to something else. Pictures stay."""
        if not await parts.remove(asked.id):
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such item.")

    async def shown(part: NumberedPart) -> ShownPart:
        local = {
            f"local_{role}_url": urls.by_name(part.name(role), "original")
            for role in PART_ROLES[part.kind]
            if await syncing.shows_something(part.name(role))
        }
        return ShownPart.model_validate(
            {
                "id": part.id,
                "kind": part.kind,
                "content_id": part.content_id,
                "title": part.title,
                "added_at": part.added_at,
                **local,
            }
        )

    lists, admin = Access.LISTS, Access.ADMIN
    return [
        Endpoint("GET", _PATH, listed, ShownParts, PartListParameters, access=lists),
        Endpoint("POST", _PATH, add, ShownPart, body=NewPart, access=admin, status=HTTPStatus.CREATED),
        Endpoint("GET", f"{_PATH}/{{id}}", one, ShownPart, PartParameters, access=lists),
        Endpoint("DELETE", f"{_PATH}/{{id}}", remove, None, PartParameters, access=admin),
    ]
