"""Purging by the path that a page shows a picture under, as it is copied from there, with `/api/v1/admin/images` before it.

A name stands there without `/api/v1/images`. Which size or format of a picture is meant does not matter: all of it goes.
"""

from functools import partial
from http import HTTPStatus

from pydantic import Field

from services.enricher.api.endpoint import Access, Endpoint
from services.enricher.api.images.named import NameParameters, parsed_source
from services.enricher.api.images.purge import (
    DryParameters,
    NameRemoval,
    PictureParameters,
    Purger,
    Purging,
)
from shared.http import Problem
from shared.pictures import Kind, Name, PictureId, Role

_PATH = "/api/v1/admin/images"
_FILES = {
    "profiles/profile_avatar_{id}.{format}": (Kind.STREAMER, Role.PROFILE),
    "categories/{id}.{format}": (Kind.CATEGORY, Role.COVER),
    "artwork/{streamer}/stream_{id}.{format}": (Kind.STREAM, Role.ARTWORK),
}
_deletion = partial(Endpoint, "DELETE", access=Access.ADMIN, status=HTTPStatus.ACCEPTED)


class StoredPathParameters(PictureParameters):
    revision: str
    file: str


class TmdbPathParameters(DryParameters):
    size: str
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.[a-z]{3,4}$")


class SizedNameParameters(NameParameters, DryParameters):
    size: str


class FileParameters(DryParameters):
    id: str
    format: str


class StreamersFileParameters(FileParameters):
    streamer: str


def purge_path_endpoints(purger: Purger, *, tmdb_image_url: str) -> list[Endpoint]:
    async def stored(asked: StoredPathParameters) -> Purging:
        """Purge a picture by its immutable path."""
        return await purger.purge(PictureId(asked.id), dry_run=asked.dry_run)

    async def of_tmdb(asked: TmdbPathParameters) -> Purging:
        """Purge a picture by TMDB's path of it."""
        source = parsed_source(f"{tmdb_image_url}/original/{asked.file}")
        return await purger.purge(source.picture, dry_run=asked.dry_run)

    async def sized(asked: SizedNameParameters) -> NameRemoval:
        """Unpin or purge by a name with a size, as by the name alone."""
        return await purger.remove(asked.name, dry_run=asked.dry_run)

    return [
        _deletion(f"{_PATH}/p/{{id}}/{{revision}}/{{file}}", stored, Purging, StoredPathParameters),
        _deletion(f"{_PATH}/t/p/{{size}}/{{file}}", of_tmdb, Purging, TmdbPathParameters),
        _deletion(f"{_PATH}/{{kind}}/{{id}}/{{role}}/{{size}}", sized, NameRemoval, SizedNameParameters),
        *(_of_file(path, kind, role, purger) for path, (kind, role) in _FILES.items()),
    ]


def _of_file(path: str, kind: Kind, role: Role, purger: Purger) -> Endpoint:
    async def of_file(asked: FileParameters) -> NameRemoval:
        """Unpin or purge by a file of the streamer library."""
        try:
            name = Name(kind, asked.id, role)
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        return await purger.remove(name, dry_run=asked.dry_run)

    parameters = StreamersFileParameters if "{streamer}" in path else FileParameters
    return _deletion(f"{_PATH}/data/images/{path}", of_file, NameRemoval, parameters)
