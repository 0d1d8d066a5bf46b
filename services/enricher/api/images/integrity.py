"""Integrity: whether what is stored is still what was stored."""

from http import HTTPStatus

from pydantic import Field

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.api.tasks import ShownTask, started
from services.enricher.integrity import Scrub
from services.enricher.tasks import Tasks


class ScrubParameters(Parameters):
    dry_run: bool = Field(default=False, description="Only say what is damaged")


def integrity_endpoints(tasks: Tasks) -> list[Endpoint]:
    async def scrub(asked: ScrubParameters) -> ShownTask:
        """Read every picture that is stored, and compare it with what it should be: a task.

        What is empty, truncated, altered, or has lost its pointer or manifest is made or fetched again. With `dry_run` it is
        only told.
        """
        return await started(tasks, Scrub.KIND, {"dry_run": asked.dry_run})

    return [
        Endpoint(
            "POST",
            "/api/v1/admin/scrub",
            scrub,
            ShownTask,
            ScrubParameters,
            access=Access.ADMIN,
            status=HTTPStatus.ACCEPTED,
        )
    ]
