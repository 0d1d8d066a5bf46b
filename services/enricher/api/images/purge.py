"""Purging: a picture, all its revisions and what is remembered of it go out of sight."""

from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.api.images.named import parsed_source
from services.enricher.resolving import OpenResolving
from shared.contracts import PurgePicture
from shared.pictures import PictureId
from shared.queue import Lane


class SourceParameters(Parameters):
    url: str = Field(max_length=2048, description="Of the picture at its source")


class PictureParameters(Parameters):
    id: str = Field(pattern="^[0-9a-f]{32}$")


class Purging(BaseModel):
    """The order is safe: it is carried out in a moment."""

    model_config = ConfigDict(frozen=True)

    picture_id: str


def purge_endpoints(resolving: OpenResolving) -> list[Endpoint]:
    async def by_url(asked: SourceParameters) -> Purging:
        """Purge a picture by the URL of its source. Asked for again, it is fetched again."""
        return await purge(parsed_source(asked.url).picture)

    async def by_id(asked: PictureParameters) -> Purging:
        """Purge a picture by its id."""
        return await purge(PictureId(asked.id))

    async def purge(picture: PictureId) -> Purging:
        await resolving.jobs.queue(PurgePicture(picture=picture), Lane.PICTURES_NOW)
        return Purging(picture_id=picture)

    return [
        Endpoint(
            "DELETE",
            "/api/v1/admin/images",
            by_url,
            Purging,
            SourceParameters,
            access=Access.ADMIN,
            status=HTTPStatus.ACCEPTED,
        ),
        Endpoint(
            "DELETE",
            "/api/v1/admin/images/p/{id}",
            by_id,
            Purging,
            PictureParameters,
            access=Access.ADMIN,
            status=HTTPStatus.ACCEPTED,
        ),
    ]
