"""Why a picture is here, or is not."""

from http import HTTPStatus

from services.enricher.api.endpoint import Access, Endpoint
from services.enricher.api.images.named import NameParameters, parsed_source
from services.enricher.api.images.purge import SourceParameters
from services.enricher.resolving import OpenResolving
from services.enricher.resolving.explaining import NameExplanation, PictureExplanation
from shared.http import Problem


def explain_endpoints(resolving: OpenResolving) -> list[Endpoint]:
    explaining = resolving.explaining

    async def name(asked: NameParameters) -> NameExplanation:
        """Why a name shows what it shows: every provider's candidates and why each lost, what is stored, what failed.

        Each provider is asked, where its last answer does not count any more.
        """
        try:
            return await explaining.name(asked.name)
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None

    async def picture(asked: SourceParameters) -> PictureExplanation:
        """What is stored of a picture, what failed the last time, and when it may be tried again."""
        return await explaining.picture(parsed_source(asked.url).picture)

    return [
        Endpoint(
            "GET",
            "/api/v1/admin/explain/{kind}/{id}/{role}",
            name,
            NameExplanation,
            NameParameters,
            access=Access.ADMIN,
        ),
        Endpoint(
            "GET",
            "/api/v1/admin/explain",
            picture,
            PictureExplanation,
            SourceParameters,
            access=Access.ADMIN,
        ),
    ]
