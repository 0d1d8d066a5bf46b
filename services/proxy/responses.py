"""The proxy's answers: a picture with its headers, tag and range; a redirect, a fallback or a placeholder in its place."""

import asyncio
from base64 import b64decode
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from math import inf
from typing import BinaryIO

from aiohttp import hdrs, web

from services.proxy.delivery import Delivered, Delivery, MovedRevision, NotYet
from services.proxy.hot_answers import HOT_BYTES, ROUTE, VALID_UNTIL_S, HotAnswer, HotAnswers, ReadyBytes
from services.proxy.negotiation import (
    Precondition,
    Span,
    Unsatisfiable,
    asked_span,
    evaluate,
    is_browser_image,
)
from services.proxy.wanted import Asked, Named, StoredPath, WantedPicture, is_private
from shared.http import NO_STORE, Problem
from shared.http.signatures import EXPIRY, Signatures
from shared.pictures import Manifest, SourceUrl, media_type_of
from shared.pictures.cache_control import DAY, PRIVATE, YEAR
from shared.pictures.public_paths import PublicPaths
from shared.pictures.rendition import Box
from shared.volume import StoredFile

SVG = "svg"
SANDBOXED = "default-src 'none'; sandbox"

ACCEL_PREFIX = "/stored/"
"""Where the delivered nginx maps the volume for files that it shall send in our name."""

GIVEN_BACK = "X-Send-Files"
"""With this header, nginx comes back for a file that it was told to send, and could not open."""

DECIDED = frozenset(
    {hdrs.RANGE, hdrs.IF_MATCH, hdrs.IF_NONE_MATCH, hdrs.IF_MODIFIED_SINCE, hdrs.IF_UNMODIFIED_SINCE}
)
"""What nginx would decide again of a file that it sends in our name, and not quite as we did."""


class Responder:
    """Sends stored files: small ones from memory, larger ones by the kernel, or by nginx."""

    def __init__(self, hot: HotAnswers, *, cors_origin: str, accel: bool, allow_svg: bool) -> None:
        self._hot = hot
        self._allow_svg = allow_svg
        self.shareable = {
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "cross-origin",
            **({"Access-Control-Allow-Origin": cors_origin} if cors_origin != "none" else {}),
        }
        """What lets pages of other origins show an answer: a redirect or a placeholder as much as a picture."""
        self._accel = accel

    async def respond(
        self, file: StoredFile, request: web.Request, special: dict[str, str], asked: Asked
    ) -> web.StreamResponse:
        """`special`: the headers that depend on how the picture was asked for.

        Raise FileNotFoundError when the file vanished, or became another, since it was found.
        """
        if file.extension == SVG:
            special = {**special, **self._as_document()}
        etag = f'"{file.version}"'
        headers = {"ETag": etag, "Last-Modified": http_date(file.modified_s), **self.shareable, **special}
        if file.is_spooled:
            headers["Cache-Control"] = NO_STORE
        verdict = evaluate(request.headers, etag, file.modified_s, may_go_back=isinstance(asked, Named))
        if verdict is Precondition.NOT_MODIFIED:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        if verdict is Precondition.PRECONDITION_FAILED:
            raise Problem(HTTPStatus.PRECONDITION_FAILED, "The picture is not the one the request is about.")
        headers["Content-Type"] = media_type_of(file.extension)
        if file.bytes > HOT_BYTES:
            return await self._send_large(file, request, headers, _span(request, file, etag), asked)
        body = await file.content.whole()
        if span := _span(request, file, etag):
            headers["Content-Range"] = f"bytes {span.first}-{span.last}/{file.bytes}"
            part = body[span.first : span.last + 1]
            return web.Response(body=part, status=HTTPStatus.PARTIAL_CONTENT, headers=headers)
        headers["Accept-Ranges"] = "bytes"
        self._keep(file, request, headers, body, asked)
        return web.Response(body=body, headers=headers)

    def _keep(
        self, file: StoredFile, request: web.Request, headers: dict[str, str], body: bytes, asked: Asked
    ) -> None:
        """Where the next one may be answered the same: who waited is told so, and what is spooled is gone soon."""
        if file.local and headers["X-Image-Cached"] == "true" and not file.is_spooled:
            self._hot.keep(request, _hot_answer(file, headers, body, asked, request))

    def _as_document(self) -> dict[str, str]:
        """Raise Problem where drawings are not served as they are. They are documents, which browsers run."""
        if not self._allow_svg:
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "The original is an SVG, which is not served as a document: ask for a size, &size=large.",
            )
        return {"Content-Security-Policy": SANDBOXED}

    async def _send_large(
        self,
        file: StoredFile,
        request: web.Request,
        headers: dict[str, str],
        span: Span | None,
        asked: Asked,
    ) -> web.StreamResponse:
        if file.local and self._can_be_sent_by_nginx(file, request):
            headers["X-Stored-Cache-Control"] = headers.pop(
                "Cache-Control"
            )  # of the file, not of what may come instead
            return web.Response(headers={**headers, "X-Accel-Redirect": ACCEL_PREFIX + file.local.inside})
        status = HTTPStatus.OK
        if span:
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {span.first}-{span.last}/{file.bytes}"
        else:
            headers["Accept-Ranges"] = "bytes"
            if not self._accel:
                self._keep(file, request, headers, b"", asked)
        return await _send(file, request, status, headers, span or Span(0, file.bytes - 1))

    def _can_be_sent_by_nginx(self, file: StoredFile, request: web.Request) -> bool:
        """Not a drawing: nginx would leave out the policy that it must have."""
        return (
            self._accel
            and file.extension != SVG
            and request.headers.keys().isdisjoint(DECIDED | {GIVEN_BACK})
        )


def _hot_answer(
    file: StoredFile, headers: dict[str, str], body: bytes, asked: Asked, request: web.Request
) -> HotAnswer:
    assert file.local
    return HotAnswer(
        picture=file.picture,
        file_name=file.file_name,
        name=asked.name if isinstance(asked, Named) else None,
        may_change=asked.changeable(file.picture),
        local=file.local,
        bytes=file.bytes,
        etag=headers["ETag"],
        modified_s=file.modified_s,
        ready=ReadyBytes(headers, file.bytes, body),
        route=request.get(ROUTE, ""),
        valid_until_s=request.get(VALID_UNTIL_S, inf),
    )


async def _send(
    file: StoredFile, request: web.Request, status: HTTPStatus, headers: dict[str, str], span: Span
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = span.length
    if file.local is None:
        await _send_pieces(file, request, response, span)
        return response
    with file.local.opened() as opened:
        await response.prepare(request)
        if request.method != "HEAD":
            if request.transport is None:
                raise ConnectionResetError
            await send_by_kernel(request.transport, opened, span)
        await response.write_eof()
        return response


async def _send_pieces(
    file: StoredFile, request: web.Request, response: web.StreamResponse, span: Span
) -> None:
    """The first is there before anything is said: till then it can turn out that the file has vanished."""
    pieces = file.content.part(span.first, span.length)
    piece = await anext(pieces)
    await response.prepare(request)
    if request.method != "HEAD":
        await response.write(piece)
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()


async def send_by_kernel(transport: asyncio.Transport, opened: BinaryIO, span: Span) -> None:
    """Raise ConnectionError, with the connection closed, when not all that was announced could be sent."""
    sent = 0
    try:
        sent = await asyncio.get_running_loop().sendfile(transport, opened, span.first, span.length)
    finally:
        if sent != span.length:
            transport.close()
    if sent != span.length:
        raise ConnectionResetError


def _span(request: web.Request, file: StoredFile, etag: str) -> Span | None:
    if request.method != "GET":  # the only method that ranges are defined for (RFC 9110, section 14.2)
        return None
    try:
        return asked_span(request.headers, etag, file.modified_s, file.bytes)
    except Unsatisfiable:
        raise Problem(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            f"The picture has {file.bytes} bytes.",
            headers={"Content-Range": f"bytes */{file.bytes}"},
        ) from None


@lru_cache(4096)
def http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


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
        return {**headers, "Cache-Control": PRIVATE if is_private(asked) else YEAR}
    headers["Cache-Control"] = PRIVATE if is_private(asked) else DAY
    if isinstance(asked, WantedPicture):
        headers["X-Image-Source"] = asked.host.provider if asked.host else "unknown"
        headers["Cache-Control"] = DAY if asked.can_change else YEAR
    if asked.negotiated:
        headers["Vary"] = "Accept"
    return headers


def _open_source(asked: Asked) -> SourceUrl | None:
    """The source that is asked for, where its provider lets us send people there."""
    if isinstance(asked, WantedPicture) and asked.host and asked.host.may_redirect:
        return asked.source if isinstance(asked.source, SourceUrl) else None
    return None
