"""Endpoints that pin, unpin and purge pictures, by name, URL, title or public path, and that explain a choice."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters, Sent
from services.enricher.finder.api import artwork
from services.enricher.finder.api.outcomes import failure_problem
from services.enricher.finder.resolving.explaining import NameExplanation, PictureExplanation
from services.enricher.finder.resolving.opening import OpenResolving
from services.enricher.pictures.shown import PictureUrls
from shared.contracts import PurgePicture
from shared.http import Problem
from shared.pictures import HostRules, Kind, Name, PictureId
from shared.pictures.public_paths import (
    TMDB_FILE,
    FileForm,
    KeyedForm,
    PublicPaths,
    TmdbForm,
    named_by_key,
)
from shared.pictures.source import MAX_LENGTH
from shared.queue import Lane


class DryParameters(Parameters):
    dry_run: bool = Field(default=False, description="Only say what would go")


class SourceParameters(DryParameters):
    url: str = Field(max_length=MAX_LENGTH, description="Of the picture at its source")


class PictureParameters(DryParameters):
    id: str = Field(pattern="^[0-9a-f]{32}$")


class PurgeTitleParameters(DryParameters):
    kind: Kind
    id: str = Field(
        max_length=128, description="tmdb:603, imdb:tt0133093, tvdb:81189 or trakt:the-matrix-1999"
    )


class Purging(BaseModel):
    """The order is safe, and carried out in a moment; with `dry_run` there is none. `bytes`: on the disk, as far as known."""

    model_config = ConfigDict(frozen=True)

    picture_id: str
    bytes: int


class PurgedName(Purging):
    name: str


class TitlePurging(BaseModel):
    """What goes of a title, or with `dry_run` would."""

    model_config = ConfigDict(frozen=True)

    pictures: tuple[PurgedName, ...]
    bytes: int
    dry_run: bool


class NameRemoval(BaseModel):
    """What goes of a name, or with `dry_run` would: its pin, or else its picture and what is remembered of it."""

    model_config = ConfigDict(frozen=True)

    name: str
    unpinned: bool = Field(description="Only the pin goes: others choose again")
    picture_id: str | None = Field(description="Of the picture that goes, if one does")
    bytes: int = Field(description="On the disk, as far as known")
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Purger:
    resolving: OpenResolving
    size_of: Callable[[PictureId], Awaitable[int]]
    """In bytes on the disk, as far as known."""

    async def purge(self, picture: PictureId, *, dry_run: bool) -> Purging:
        """Order that it goes, unless it is only asked what would."""
        if not dry_run:
            await self.resolving.jobs.queue(PurgePicture(picture=picture), Lane.PICTURES_NOW)
        return Purging(picture_id=picture, bytes=await self.size_of(picture))

    async def remove(self, name: Name, *, dry_run: bool) -> NameRemoval:
        """Order that it is unpinned, or else purged, unless it is only asked what would. Raise Problem for nothing."""
        pinning = self.resolving.pinning
        pinned = await pinning.is_pinned(name)
        if not pinned and not await pinning.knows(name):
            raise Problem(HTTPStatus.NOT_FOUND, "Nothing is known by this name.")
        picture = None if pinned else await pinning.shown(name)
        size = await self.size_of(picture) if picture else 0
        if not dry_run and not await pinning.unpin(name):
            await pinning.purge(name)
        return NameRemoval(name=str(name), unpinned=pinned, picture_id=picture, bytes=size, dry_run=dry_run)


def purge_endpoints(purger: Purger) -> list[Endpoint]:
    resolving = purger.resolving

    async def by_url(asked: SourceParameters) -> Purging:
        """Purge a picture by the URL of its source. Asked for again, it is fetched again.

        It is gone from proxies and nginx at once. Browsers and CDNs keep what they were told to keep.
        """
        return await purger.purge(artwork.parsed_source(asked.url).picture, dry_run=asked.dry_run)

    async def by_id(asked: PictureParameters) -> Purging:
        """Purge a picture by its id."""
        return await purger.purge(PictureId(asked.id), dry_run=asked.dry_run)

    async def by_title(asked: PurgeTitleParameters) -> TitlePurging:
        """Purge all pictures of a title, and forget what was found or refused for it.

        Pins of it are undone. With `dry_run` it only says which pictures would go, and what they take.
        """
        names = await _names(asked, resolving)
        shown = [(name, await resolving.pinning.shown(name)) for name in names]
        pictures = [
            PurgedName(name=str(name), picture_id=picture, bytes=await purger.size_of(picture))
            for name, picture in shown
            if picture
        ]
        if not asked.dry_run:
            for name in names:
                await resolving.pinning.unpin(name)
                await resolving.pinning.purge(name)
        each_once = {one.picture_id: one.bytes for one in pictures}
        return TitlePurging(pictures=tuple(pictures), bytes=sum(each_once.values()), dry_run=asked.dry_run)

    path, admin, accepted = "/api/v1/admin/images", Access.ADMIN, HTTPStatus.ACCEPTED
    return [
        Endpoint("DELETE", path, by_url, Purging, SourceParameters, access=admin, status=accepted),
        Endpoint(
            "DELETE", f"{path}/p/{{id}}", by_id, Purging, PictureParameters, access=admin, status=accepted
        ),
        Endpoint(
            "DELETE",
            f"{path}/{{kind}}/{{id}}",
            by_title,
            TitlePurging,
            PurgeTitleParameters,
            access=admin,
            status=accepted,
        ),
    ]


async def _names(asked: PurgeTitleParameters, resolving: OpenResolving) -> list[Name]:
    """All under which something is known or remembered. Raise Problem where there are none."""
    try:
        names = await resolving.pinning.names_of(asked.kind, asked.id)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
    if not names:
        raise Problem(HTTPStatus.NOT_FOUND, "Nothing is known of this title.")
    return names


_PATH = "/api/v1/admin/images"
_deletion = partial(Endpoint, "DELETE", access=Access.ADMIN, status=HTTPStatus.ACCEPTED)


class StoredPathParameters(PictureParameters):
    revision: str
    file: str


class TmdbPathParameters(DryParameters):
    size: str
    file: str = Field(pattern=f"^{TMDB_FILE}$")


class SizedNameParameters(artwork.NameParameters, DryParameters):
    size: str


def purge_path_endpoints(purger: Purger, paths: PublicPaths, *, tmdb_image_url: str) -> list[Endpoint]:
    async def stored(asked: StoredPathParameters) -> Purging:
        """Purge a picture by its immutable path."""
        return await purger.purge(PictureId(asked.id), dry_run=asked.dry_run)

    async def of_tmdb(asked: TmdbPathParameters) -> Purging:
        """Purge a picture by TMDB's path of it."""
        source = artwork.parsed_source(f"{tmdb_image_url}/original/{asked.file}")
        return await purger.purge(source.picture, dry_run=asked.dry_run)

    async def sized(asked: SizedNameParameters) -> NameRemoval:
        """Unpin or purge by a name with a size, as by the name alone."""
        return await purger.remove(asked.name, dry_run=asked.dry_run)

    by_stored = paths.stored.path(picture="{id}", revision="{revision}", file="{file}")
    return [
        _deletion(f"{_PATH}{by_stored}", stored, Purging, StoredPathParameters),
        *(
            _deletion(f"{_PATH}{form.pattern}", of_tmdb, Purging, TmdbPathParameters)
            for form in paths.all(TmdbForm)
        ),
        _deletion(f"{_PATH}/{{kind}}/{{id}}/{{role}}/{{size}}", sized, NameRemoval, SizedNameParameters),
        *(_of_file(form, purger) for form in paths.all(FileForm)),
        *(_of_key(form, purger) for form in paths.all(KeyedForm)),
    ]


def _of_file(form: FileForm, purger: Purger) -> Endpoint:
    async def of_file(asked: DryParameters) -> NameRemoval:
        """Unpin or purge by a file of the streamer library."""
        try:
            name = form.name(asked.model_dump()[form.id_placeholder])
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        return await purger.remove(name, dry_run=asked.dry_run)

    fields: dict[str, Any] = dict.fromkeys(form.placeholders, (str, ...))
    parameters = create_model("FileParameters", __base__=DryParameters, **fields)
    return _deletion(f"{_PATH}{form.pattern}", of_file, NameRemoval, parameters)


class KeyedPathParameters(DryParameters):
    whose: Literal["imdb", "tmdb", "tvdb"]
    shown: Literal["poster", "backdrop", "logo"]
    id: str = Field(max_length=40)
    key: str
    format: str


def _of_key(form: KeyedForm, purger: Purger) -> Endpoint:
    async def of_key(asked: KeyedPathParameters) -> NameRemoval:
        """Unpin or purge by a path with a key, whichever it is."""
        names = named_by_key(asked.whose, asked.shown, asked.id)
        if not names:
            raise Problem(HTTPStatus.BAD_REQUEST, "An id is written tt0133093, movie-603 or series-1399.")
        known = [name for name in names if await purger.resolving.pinning.knows(name)]
        return await purger.remove((known or list(names))[0], dry_run=asked.dry_run)

    return _deletion(f"{_PATH}{form.pattern}", of_key, NameRemoval, KeyedPathParameters)


def explain_endpoints(resolving: OpenResolving) -> list[Endpoint]:
    explaining = resolving.explaining

    async def name(asked: artwork.NameParameters) -> NameExplanation:
        """Why a name shows what it shows: every provider's candidates and why each lost, what is stored, what failed.

        Each provider is asked, where its last answer does not count any more.
        """
        try:
            return await explaining.name(asked.name)
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None

    async def picture(asked: SourceParameters) -> PictureExplanation:
        """What is stored of a picture, what failed the last time, and when it may be tried again."""
        return await explaining.picture(artwork.parsed_source(asked.url).picture)

    return [
        Endpoint(
            "GET",
            "/api/v1/admin/explain/{kind}/{id}/{role}",
            name,
            NameExplanation,
            artwork.NameParameters,
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


MAX_UPLOAD_BYTES = 10 * 1024 * 1024
_PIN_PATH = r"/api/v1/admin/images/{kind}/{id}/{role:[\w-]+}"
"""A role has no dot: with one it is a file of another form."""


class PinOrder(Body):
    url: str = Field(max_length=MAX_LENGTH, description="Of the picture at its source")


class RemovedNameParameters(artwork.NameParameters, DryParameters):
    pass


class ShownPin(artwork.ShownArtwork):
    stored: bool = Field(description="The name shows it already; else as soon as it could be fetched")


def pin_endpoints(purger: Purger, urls: PictureUrls, rules: HostRules) -> list[Endpoint]:
    resolving = purger.resolving
    pinning = resolving.pinning

    async def pin(asked: artwork.NameParameters, sent: PinOrder | Sent) -> ShownPin:
        """Pin a picture: it is shown under the name whatever anybody finds for it later, and never evicted.

        Send its URL as JSON, or its bytes under any other Content-Type. Waits until it is stored, 15 s at most.
        """
        if isinstance(sent, PinOrder):
            pinned = await pinning.pin(asked.name, artwork.allowed_source(sent.url, rules))
        else:
            pinned = await pinning.upload(asked.name, sent.body)
        if not isinstance(pinned, tuple):
            raise failure_problem(pinned)
        known, there = pinned
        shown = artwork.shown_artwork(known, urls, await resolving.stored.as_stored(known))
        return ShownPin(**dict(shown), stored=there)

    async def remove(asked: RemovedNameParameters) -> NameRemoval:
        """Unpin what is pinned: others choose again. Where nothing is: purge the picture, and forget the name.

        With `dry_run` it only says which of the two, and what that takes.
        """
        return await purger.remove(asked.name, dry_run=asked.dry_run)

    return [
        Endpoint(
            "PUT",
            _PIN_PATH,
            pin,
            ShownPin,
            artwork.NameParameters,
            PinOrder,
            access=Access.ADMIN,
            max_sent_bytes=MAX_UPLOAD_BYTES,
        ),
        Endpoint(
            "DELETE",
            _PIN_PATH,
            remove,
            NameRemoval,
            RemovedNameParameters,
            access=Access.ADMIN,
            status=HTTPStatus.ACCEPTED,
        ),
    ]
