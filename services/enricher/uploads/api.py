"""Endpoints of uploads: as SceneXtras has them, what is listed and deleted, and who is signed in."""

import base64
import binascii
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from services.enricher.api.access import caller
from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters, Sent
from services.enricher.finder.api.outcomes import failure_problem
from services.enricher.pictures.shown import PictureUrls
from services.enricher.uploads.tables import LimitReached, UploadedFile
from services.enricher.uploads.uploads import Purpose, Uploads, avatar_name, upload_name, user_in_names
from shared.http import Problem
from shared.pictures import Failure

MAX_BYTES = 10 * 1024 * 1024
"""Of a picture."""

MAX_JSON_BYTES = MAX_BYTES * 4 // 3 + 4096
"""With a picture of that size in base64."""

LINK_LASTS_S = 24 * 3600
"""Of a private upload, by its signature."""

LISTED_AT_MOST = 1000
SEARCH_IS_OFF = "Pictures are not searched for here: SERPAPI_KEY names nobody who does."


class DataUrl(Body):
    image: str = Field(
        description="`data:image/jpeg;base64,…`; the bytes alone say what it is",
        examples=["data:image/png;base64,iVBO…"],
    )
    private: bool = Field(default=False, description="Served by signed URLs only")

    @property
    def bytes(self) -> bytes:
        """Raise Problem for what is no picture in base64."""
        return bytes_of_data_url(self.image)


class ImageDataUrl(DataUrl):
    avatar: bool = Field(default=False, description="Calls the file avatar_…")


class UploadParameters(Parameters):
    private: bool = Field(default=False, description="Served by signed URLs only")


class UploadImageParameters(UploadParameters):
    avatar: bool = Field(default=False, description="Calls the file avatar_…")


class ShownUpload(BaseModel):
    model_config = ConfigDict(frozen=True)

    filename: str
    message: str
    url: str = Field(description="Of a private one signed for a day: GET /api/images has others")
    stored: bool = Field(description="False: it is still on its way, and is there in a moment")


class UploadedAndSearched(ShownUpload):
    results: list[dict[str, str]] | None = Field(
        None, description="What a search by the picture found; null: there is nothing, or not yet"
    )
    results_reason: str = Field(SEARCH_IS_OFF, description="Why there are none")


class UploadedAvatar(BaseModel):
    model_config = ConfigDict(frozen=True)

    success: bool
    imageUrl: str  # noqa: N815 - as SceneXtras has it
    filename: str
    stored: bool = Field(description="False: it is still on its way, and the one before is shown meanwhile")


class SignedInUser(BaseModel):
    model_config = ConfigDict(frozen=True)

    user_id: str = Field(description="As the token has it (sub)")
    avatar_url: str | None
    avatar_name: str = Field(
        description="By which every size of it is asked for, /api/v1/images/{this}/medium"
    )


class OwnPicture(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    link: str
    user_id: str | None
    bytes: int


class OwnPictures(BaseModel):
    model_config = ConfigDict(frozen=True)

    images: list[OwnPicture]
    total: int


class UploadListParameters(Parameters):
    limit: int = Field(LISTED_AT_MOST, ge=1, le=LISTED_AT_MOST)
    offset: int = Field(0, ge=0, le=10**9)


class FileParameters(Parameters):
    file: str = Field(
        max_length=140, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.jpg$", description="As its sender was told"
    )


Search = Callable[[UploadedFile], Awaitable[tuple[list[dict[str, str]] | None, str]]]
"""What a search by an upload found; or None, and why."""


async def _nobody_searches(_file: UploadedFile) -> tuple[None, str]:
    return None, SEARCH_IS_OFF


class UploadApi:
    def __init__(self, uploads: Uploads, urls: PictureUrls, search: Search = _nobody_searches) -> None:
        self._uploads = uploads
        self._urls = urls
        self._search = search

    async def character(self, asked: UploadParameters, sent: DataUrl | Sent) -> ShownUpload:
        """Upload the picture of a character: as a data URL in JSON, as a form's file, or as it is.

        It is kept as a JPEG without metadata, under a name that nobody guesses. Counted: 429 where it is too much for
        who uploads, 507 for all.
        """
        return self._told(
            await self._stored(sent, Purpose.CHARACTER, private=asked.private or _wants("private", sent))
        )

    async def image(self, asked: UploadImageParameters, sent: ImageDataUrl | Sent) -> UploadedAndSearched:
        """Upload a picture, and search for pictures like it (Google Lens). Where there are none, `results_reason` says why."""
        purpose = Purpose.AVATAR if asked.avatar or _wants("avatar", sent) else Purpose.IMAGE
        file = await self._stored(sent, purpose, private=asked.private or _wants("private", sent))
        results, reason = await self._search(file)
        return UploadedAndSearched(**dict(self._told(file)), results=results, results_reason=reason)

    async def avatar(self, _: Parameters, sent: DataUrl | Sent) -> UploadedAvatar:
        """Upload the avatar of who is signed in. The one before is let go. Avatars are never private."""
        if _wants("private", sent):
            raise Problem(HTTPStatus.BAD_REQUEST, "An avatar is shown to everybody: leave out private.")
        user = _user()
        file = _kept(await self._limited(self._uploads.store_avatar(_bytes_of(sent), user)))
        return UploadedAvatar(
            success=True, imageUrl=self._link(file), filename=file.file_name, stored=file.is_stored
        )

    async def me(self, _: Parameters) -> SignedInUser:
        """Who is signed in, and their avatar."""
        user = _user()
        avatars = await self._uploads.table.avatars(user, at_most=1)
        shown = [file for file in avatars if file.is_stored]
        name = avatar_name(user)
        return SignedInUser(
            user_id=user,
            avatar_url=self._link(shown[0]) if shown else None,
            avatar_name=f"{name.kind}/{user_in_names(user)}/{name.role}",
        )

    async def listed(self, asked: UploadListParameters) -> OwnPictures:
        """All uploads, the newest first. Links of private ones count for a day."""
        files, total = await self._uploads.table.listed(offset=asked.offset, limit=asked.limit)
        return OwnPictures(
            images=[
                OwnPicture(name=file.file_name, link=self._link(file), user_id=file.user, bytes=file.bytes)
                for file in files
            ],
            total=total,
        )

    async def delete(self, asked: FileParameters) -> None:
        """Let an upload go: one's own, or as admin anybody's."""
        file = await self._uploads.table.get(asked.file.removesuffix(".jpg"))
        who = caller()
        own = file is not None and file.user is not None and file.user == who.user
        if file is None or not (own or who.is_admin):
            raise Problem(HTTPStatus.NOT_FOUND, "You have no such upload.")
        await self._uploads.let_go(file)

    async def _stored(self, sent: DataUrl | Sent, purpose: Purpose, *, private: bool) -> UploadedFile:
        if private and not self._urls.signs_uploads:
            detail = "Private uploads need keys to sign their URLs: set UPLOAD_SIGNING_KEYS, or SIGNING_KEYS."
            raise Problem(HTTPStatus.NOT_IMPLEMENTED, detail)
        storing = self._uploads.store(_bytes_of(sent), purpose, user=caller().user, private=private)
        return _kept(await self._limited(storing))

    async def _limited(self, storing: Awaitable[UploadedFile | Failure]) -> UploadedFile | Failure:
        try:
            return await storing
        except LimitReached as reached:
            if reached.of_user:
                detail = (
                    "You have uploaded as much as you may (UPLOAD_USER_LIMIT_MB): delete something first."
                )
                raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail) from None
            detail = "There is no room for further uploads (UPLOAD_LIMIT_GB)."
            raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, detail) from None

    def _told(self, file: UploadedFile) -> ShownUpload:
        return ShownUpload(
            filename=file.file_name,
            message="Image uploaded successfully",
            url=self._link(file),
            stored=file.is_stored,
        )

    def _link(self, file: UploadedFile) -> str:
        until = int(time.time()) + LINK_LASTS_S if upload_name(file.id).is_private else None
        return self._urls.of_upload(file.id, until)


def upload_endpoints(
    uploads: Uploads, urls: PictureUrls, search: Search = _nobody_searches
) -> list[Endpoint]:
    its = UploadApi(uploads, urls, search)
    uploading = partial(Endpoint, "POST", max_sent_bytes=MAX_BYTES, max_json_bytes=MAX_JSON_BYTES)
    return [
        uploading(
            "/upload-character-image",
            its.character,
            ShownUpload,
            UploadParameters,
            DataUrl,
            access=Access.UPLOADING,
        ),
        uploading(
            "/upload-image",
            its.image,
            UploadedAndSearched,
            UploadImageParameters,
            ImageDataUrl,
            access=Access.UPLOADING,
        ),
        uploading("/upload-avatar", its.avatar, UploadedAvatar, body=DataUrl, access=Access.USER),
        Endpoint("GET", "/api/users/me", its.me, SignedInUser, access=Access.USER),
        Endpoint("GET", "/api/images", its.listed, OwnPictures, UploadListParameters, access=Access.ADMIN),
        Endpoint(
            "DELETE",
            "/api/images/uploads/{file}",
            its.delete,
            parameters=FileParameters,
            access=Access.UPLOADING,
        ),
    ]


def _wants(what: str, sent: DataUrl | Sent) -> bool:
    """As it says itself, in JSON or in a form."""
    if isinstance(sent, DataUrl):
        return bool(getattr(sent, what, False))
    return sent.fields.get(what, "").strip().lower() in ("true", "1", "yes", "on")


_BREAKS = re.compile(r"[ \t\r\n\f]")
"""As many libraries break base64 into lines; browsers pass over them in data URLs, too."""


def bytes_of_data_url(url: str) -> bytes:
    """Raise Problem for what is no picture in base64."""
    head, comma, text = url.partition(",")
    if not (comma and head.lower().startswith("data:image/") and head.lower().endswith(";base64")):
        raise Problem(HTTPStatus.BAD_REQUEST, "image is written data:image/jpeg;base64,….")
    try:
        return base64.b64decode(_BREAKS.sub("", text), validate=True)
    except (binascii.Error, ValueError):
        raise Problem(HTTPStatus.BAD_REQUEST, "What follows the comma in image is no base64.") from None


def _bytes_of(sent: DataUrl | Sent) -> bytes:
    """Raise Problem for none, or too many."""
    body = sent.bytes if isinstance(sent, DataUrl) else sent.body
    if not body:
        raise Problem(HTTPStatus.BAD_REQUEST, "Send a picture.")
    if len(body) > MAX_BYTES:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send {MAX_BYTES} bytes at most.")
    return body


def _kept(stored: UploadedFile | Failure) -> UploadedFile:
    if isinstance(stored, Failure):
        raise failure_problem(stored)
    return stored


def _user() -> str:
    user = caller().user
    assert user is not None  # the gate lets nobody else in
    return user
