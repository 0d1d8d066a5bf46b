"""Syncing: having the pictures of titles found and fetched, each accounted for."""

from http import HTTPStatus

from pydantic import Field

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.api.tasks import ShownTask, started
from services.enricher.library import Library, MediaType, name_of
from services.enricher.sync import ROLES, SyncMissing, SyncTitle
from services.enricher.tasks import Tasks
from shared.http import Problem
from shared.pictures import Kind, Name, Role

_OF_ITEMS = {media_type.kind for media_type in MediaType}


class TitleParameters(Parameters):
    kind: Kind
    id: str = Field(
        max_length=128, description="tmdb:603, imdb:tt0133093, tvdb:81189, or the number of a library's item"
    )
    role: Role | None = Field(
        None, description="This one only; else all that such a title is expected to have"
    )


class MissingParameters(Parameters):
    content_type: MediaType | None = None
    limit: int = Field(1000, ge=1, le=10_000, description="Pictures that are looked for at the most")
    role: Role = Role.POSTER
    dry_run: bool = Field(default=False, description="Only say which are missing")


def sync_endpoints(tasks: Tasks, library: Library) -> list[Endpoint]:
    async def title(asked: TitleParameters) -> ShownTask:
        """Have the pictures of one title found and fetched: a task, which says of each what became of it."""
        names = await _names(asked, library)
        return await started(tasks, SyncTitle.KIND, {"names": [str(name) for name in names]})

    async def missing(asked: MissingParameters) -> ShownTask:
        """Have what the library's titles lack found and fetched, the newest titles first: a task.

        What failed lately is not tried before it is due. With `dry_run` it only says what is missing.
        """
        arguments = {
            "content_type": asked.content_type,
            "limit": asked.limit,
            "roles": [asked.role],
            "dry_run": asked.dry_run,
        }
        return await started(tasks, SyncMissing.KIND, arguments)

    path, admin, accepted = "/api/v1/admin/sync/images", Access.ADMIN, HTTPStatus.ACCEPTED
    return [
        Endpoint(
            "POST", f"{path}/missing", missing, ShownTask, MissingParameters, access=admin, status=accepted
        ),
        Endpoint(
            "POST",
            f"{path}/{{kind}}/{{id}}",
            title,
            ShownTask,
            TitleParameters,
            access=admin,
            status=accepted,
        ),
    ]


async def _names(asked: TitleParameters, library: Library) -> list[Name]:
    """Raise Problem for what is no title that providers have pictures of."""
    if asked.kind not in ROLES:
        raise Problem(HTTPStatus.BAD_REQUEST, f"No provider has pictures of the kind {asked.kind}.")
    roles = (asked.role,) if asked.role else ROLES[asked.kind]
    if asked.kind in _OF_ITEMS and asked.id.isdecimal():
        return await _names_of_item(asked, roles, library)
    try:
        return [Name(asked.kind, asked.id, role) for role in roles]
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None


async def _names_of_item(asked: TitleParameters, roles: tuple[Role, ...], library: Library) -> list[Name]:
    item = await library.item(min(int(asked.id), 2**63 - 1))
    if item is None or item.media_type.kind is not asked.kind:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such item.")
    names = [name for role in roles if (name := name_of(item, role))]
    if not names:
        raise Problem(HTTPStatus.NOT_FOUND, "No provider's id of the item is known.")
    return names
