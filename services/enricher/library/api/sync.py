"""Endpoints that fetch ahead, or take over: what titles lack, one title, given URLs, what another program has."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.api.tasks import ShownTask, started
from services.enricher.finder.artwork.source import Subject
from services.enricher.library.item import MediaType, name_of
from services.enricher.library.library import Library
from services.enricher.library.listsync.importing import ImportListSync
from services.enricher.library.parts import PART_ROLES, Parts
from services.enricher.library.sync import ROLES, SyncMissing, SyncTitle, Warm, kind_of
from services.enricher.tasks.tasks import Tasks
from shared.http import Problem
from shared.pictures import HostRules, Kind, Name, Role, SourceUrl
from shared.pictures.source import MAX_LENGTH
from shared.volume import Pictures

_OF_ITEMS = {media_type.kind for media_type in MediaType}


class SyncTitleParameters(Parameters):
    kind: Kind
    id: str = Field(
        max_length=128, description="tmdb:603, imdb:tt0133093, tvdb:81189, or the number of a library's item"
    )
    role: Role | None = Field(
        None, description="This one only; else all that such a title is expected to have"
    )


class MissingParameters(Parameters):
    content_type: Annotated[str, AfterValidator(kind_of)] | None = Field(
        None, description="series (or tv), movie, episode, season, person; absent: all, in this order"
    )
    limit: int = Field(100, ge=1, le=1000, description="Pictures that are looked for at the most")
    role: Role | None = Field(None, description="This one only; else all that each kind is to have")
    dry_run: bool = Field(default=False, description="Only say which are missing")


def sync_endpoints(tasks: Tasks, library: Library, parts: Parts) -> list[Endpoint]:
    async def title(asked: SyncTitleParameters) -> ShownTask:
        """Have the pictures of one title found and fetched: a task, which says of each what became of it."""
        names = await _names(asked, library, parts)
        return await started(tasks, SyncTitle.KIND, {"names": [str(name) for name in names]})

    async def missing(asked: MissingParameters) -> ShownTask:
        """Have what the library's titles lack found and fetched, the newest titles first: a task.

        What failed lately is not tried before it is due. With `dry_run` it only says what is missing.
        """
        arguments = {
            "content_type": asked.content_type,
            "limit": asked.limit,
            "roles": [asked.role] if asked.role else [],
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
            SyncTitleParameters,
            access=admin,
            status=accepted,
        ),
    ]


async def _names(asked: SyncTitleParameters, library: Library, parts: Parts) -> list[Name]:
    """Raise Problem for what is no title that providers have pictures of."""
    if asked.kind not in ROLES:
        raise Problem(HTTPStatus.BAD_REQUEST, f"No provider has pictures of the kind {asked.kind}.")
    roles = (asked.role,) if asked.role else ROLES[asked.kind]
    if asked.kind in _OF_ITEMS and asked.id.isdecimal():
        return await _names_of_item(asked, roles, library)
    if asked.kind in PART_ROLES and asked.id.isdecimal():
        part = await parts.get(min(int(asked.id), 2**63 - 1), asked.kind)
        if part is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such item.")
        return [part.name(role) for role in roles]
    try:
        Subject.parse(asked.kind, asked.id)
        return [Name(asked.kind, asked.id, role) for role in roles]
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None


async def _names_of_item(asked: SyncTitleParameters, roles: tuple[Role, ...], library: Library) -> list[Name]:
    item = await library.item(min(int(asked.id), 2**63 - 1))
    if item is None or item.media_type.kind is not asked.kind:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such item.")
    names = [name for role in roles if (name := name_of(item, role))]
    if not names:
        raise Problem(HTTPStatus.NOT_FOUND, "No provider's id of the item is known.")
    return names


AT_MOST = 1000
TOLD_AT_MOST = 20


class WarmOrder(Body):
    urls: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=MAX_LENGTH)], ...],
        Field(min_length=1, max_length=AT_MOST, description="Of pictures at their sources"),
    ]


class Warming(BaseModel):
    """How many of the URLs are now on their way, were there already, or are none that pictures are fetched from."""

    model_config = ConfigDict(frozen=True)

    task: ShownTask | None = Field(description="That tells of each what became of it")
    queued: int
    stored: int
    refused: int
    problems: tuple[str, ...] = Field(description="Why the first ones were refused")


def warm_endpoints(tasks: Tasks, pictures: Pictures, rules: HostRules) -> list[Endpoint]:
    async def warm(_asked: Parameters, order: WarmOrder) -> Warming:
        """Fetch pictures ahead, with all standard renditions, behind those that somebody waits for: a task."""
        sources, problems = _sorted(order.urls, rules)
        await pictures.ahead(source.picture for source in sources)
        missing = [str(source) for source in sources if not await pictures.current(source.picture)]
        task = await started(tasks, Warm.KIND, {"urls": missing}) if missing else None
        return Warming(
            task=task,
            queued=len(missing),
            stored=len(sources) - len(missing),
            refused=len(problems),
            problems=tuple(problems[:TOLD_AT_MOST]),
        )

    return [
        Endpoint(
            "POST",
            "/api/v1/admin/warm",
            warm,
            Warming,
            body=WarmOrder,
            access=Access.ADMIN,
            status=HTTPStatus.ACCEPTED,
        )
    ]


def _sorted(urls: Sequence[str], rules: HostRules) -> tuple[list[SourceUrl], list[str]]:
    """The sources, each once, and why the others are none."""
    sources: list[SourceUrl] = []
    problems: list[str] = []
    for url in dict.fromkeys(urls):
        try:
            source = rules.source(url)
        except ValueError as error:
            problems.append(f"{url[:200]}: {error}")
            continue
        if rules.allow(source):
            sources.append(source)
        else:
            problems.append(f"{url[:200]}: {source.authority[:100]} is not among ALLOWED_HOSTS.")
    return sources, problems


class DryRunParameters(Parameters):
    dry_run: bool = Field(default=False, description="Only say what would come")


class ListSyncOrder(Body):
    database: str = Field(
        min_length=1, max_length=4096, description="ListSync's database, a file on the server"
    )
    images: str | None = Field(
        None, min_length=1, max_length=4096, description="Its folder data/images; absent: no pictures"
    )
    dry_run: bool = Field(default=False, description="Only say what would come")


def import_endpoints(tasks: Tasks) -> list[Endpoint]:
    async def listsync(asked: DryRunParameters, order: ListSyncOrder) -> ShownTask:
        """Take over ListSync's items, lists, dates and pictures: a task, which may be done again.

        What is here already stays, and is completed. Pictures are adopted as they lie there, without a download, checked and
        rendered as any other.
        """
        dry_run = order.dry_run or asked.dry_run
        arguments = {"database": order.database, "images": order.images, "dry_run": dry_run}
        return await started(tasks, ImportListSync.KIND, arguments)

    return [
        Endpoint(
            "POST",
            "/api/import/listsync",
            listsync,
            ShownTask,
            DryRunParameters,
            body=ListSyncOrder,
            access=Access.ADMIN,
            status=HTTPStatus.ACCEPTED,
        )
    ]
