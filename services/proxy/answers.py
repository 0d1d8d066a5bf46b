"""What a browser's image shows while the picture is on its way: small, and never kept as the picture."""

from base64 import b64decode
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO

from aiohttp import web

from services.proxy.delivery import Delivered, Delivery, MovedRevision, NotYet
from services.proxy.negotiation import is_browser_image
from services.proxy.response import Responder
from services.proxy.wanted import Asked, StoredPath, WantedPicture
from shared.http import NO_STORE
from shared.http.signatures import EXPIRY, Signatures
from shared.pictures import Manifest, SourceUrl
from shared.pictures.public_paths import DAY, YEAR, PublicPaths
from shared.pictures.rendition import Box

_BOX = Box(32, 32)
_KEPT = 1024


@dataclass(frozen=True, slots=True)
class PlaceholderImage:
    media_type: str
    body: bytes


UNKNOWN = PlaceholderImage(
    "image/gif", b64decode("R0lGODlhAQABAIAAAM7OzgAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==")
)
"""One grey pixel, which fills whatever box the page gives it."""


def placeholder_of(manifest: Manifest) -> PlaceholderImage:
    """The picture itself, as blurred as its thumbhash remembers it, in its own shape."""
    thumbhash, original = manifest.placeholder.thumbhash, manifest.original
    if thumbhash is None:
        return UNKNOWN
    return _drawn(thumbhash, _BOX.fit(original.width, original.height))


@lru_cache(_KEPT)
def _drawn(thumbhash: str, size: tuple[int, int]) -> PlaceholderImage:
    """A few milliseconds. What draws is loaded with the first one: most proxies draw none, and stay small."""
    from PIL import Image  # noqa: PLC0415 - see above
    from thash import thumb_hash_to_rgba  # noqa: PLC0415 - see above

    width, height, pixels = thumb_hash_to_rgba(b64decode(thumbhash))
    body = BytesIO()
    picture = Image.frombytes("RGBA", (width, height), pixels).resize(size)
    opaque = picture.getchannel("A").getextrema() == (255, 255)
    (picture.convert("RGB") if opaque else picture).save(body, "PNG", optimize=True)
    return PlaceholderImage("image/png", body.getvalue())


@dataclass(frozen=True, slots=True)
class Answers:
    responder: Responder
    delivery: Delivery
    signatures: Signatures
    paths: PublicPaths
    redirects: bool
    """Whether who waited in vain is sent to the source, where its provider lets us."""

    async def picture(self, asked: Asked, delivered: Delivered, request: web.Request) -> web.StreamResponse:
        """The file. Raise FileNotFoundError when it vanished, or became another, since it was found."""
        return await self.responder.respond(delivered.file, request, picture_headers(asked, delivered), asked)

    def moved(self, there: MovedRevision, request: web.Request) -> web.Response:
        """The way to it. Whoever had a valid signature gets one for there, until the same time."""
        path = self.paths.of_stored(there.picture, there.revision, there.file_name)
        if self.signatures.required:
            path = self.signatures.sign(path, [(EXPIRY, end) for end in request.query.getall(EXPIRY, [])])
        return self._redirect(path)

    async def instead(self, asked: Asked, not_yet: NotYet, request: web.Request) -> web.Response:
        """What is answered past the bound: nothing that anybody could keep as the picture. Raise the Problem."""
        if self.redirects and (source := _open_source(asked)):
            return self._redirect(str(source.url))
        if is_browser_image(request.headers):
            return await self._placeholder(asked, not_yet)
        raise not_yet

    async def _placeholder(self, asked: Asked, not_yet: NotYet) -> web.Response:
        manifest = await self.delivery.known(asked.about)
        placeholder = placeholder_of(manifest) if manifest else UNKNOWN
        headers = {
            **self.responder.shareable,
            "Content-Type": placeholder.media_type,
            "Cache-Control": NO_STORE,
            "X-Image-Pending": "1",
            "Retry-After": str(not_yet.retry_after_s),
        }
        return web.Response(body=placeholder.body, headers=headers)

    def _redirect(self, location: str) -> web.Response:
        headers = {**self.responder.shareable, "Location": location, "Cache-Control": NO_STORE}
        return web.Response(status=HTTPStatus.FOUND, headers=headers)


def picture_headers(asked: Asked, delivered: Delivered) -> dict[str, str]:
    """The headers that depend on how the picture was asked for; `Responder` knows those of the file."""
    headers = {"X-Image-Cached": "false" if delivered.first else "true"}
    if isinstance(asked, StoredPath):
        return {**headers, "Cache-Control": YEAR}
    headers["Cache-Control"] = DAY
    if isinstance(asked, WantedPicture) and asked.host:
        headers["X-Image-Source"] = asked.host.provider
        headers["Cache-Control"] = DAY if asked.can_change else YEAR
    if asked.negotiated:
        headers["Vary"] = "Accept"
    return headers


def _open_source(asked: Asked) -> SourceUrl | None:
    """The source that is asked for, where its provider lets us send people there."""
    if isinstance(asked, WantedPicture) and asked.host and asked.host.may_redirect:
        return asked.source if isinstance(asked.source, SourceUrl) else None
    return None
