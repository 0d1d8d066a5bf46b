"""The response for a stored file: what nginx says of the same file, said the same way."""

import asyncio
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import BinaryIO

from aiohttp import hdrs, web

from services.proxy.hot_answers import HOT_BYTES, HotAnswer, HotAnswers, ReadyResponse, head_of
from services.proxy.negotiation import Precondition, Span, Unsatisfiable, asked_span, evaluate
from services.proxy.wanted import Asked, Named
from shared.http import NO_STORE, Problem
from shared.pictures import media_type_of
from shared.volume import LocalFile, StoredFile

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
        headers = {"ETag": etag, "Last-Modified": _http_date(file.modified_s), **self.shareable, **special}
        if file.is_spooled:
            headers["Cache-Control"] = NO_STORE
        verdict = evaluate(request.headers, etag, file.modified_s, may_go_back=isinstance(asked, Named))
        if verdict is Precondition.NOT_MODIFIED:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        if verdict is Precondition.PRECONDITION_FAILED:
            raise Problem(HTTPStatus.PRECONDITION_FAILED, "The picture is not the one the request is about.")
        headers["Content-Type"] = media_type_of(file.extension)
        if file.bytes > HOT_BYTES:
            return await self._send_large(file, request, headers, _span(request, file, etag))
        body = await file.content.whole()
        if span := _span(request, file, etag):
            headers["Content-Range"] = f"bytes {span.first}-{span.last}/{file.bytes}"
            part = body[span.first : span.last + 1]
            return web.Response(body=part, status=HTTPStatus.PARTIAL_CONTENT, headers=headers)
        headers["Accept-Ranges"] = "bytes"
        if file.local and headers["X-Image-Cached"] == "true" and not file.is_spooled:
            self._hot.keep(request, _hot_answer(file, file.local, headers, body, asked))
        return web.Response(body=body, headers=headers)

    def _as_document(self) -> dict[str, str]:
        """Raise Problem where drawings are not served as they are. They are documents, which browsers run."""
        if not self._allow_svg:
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "The original is an SVG, which is not served as a document: ask for a size, &size=large.",
            )
        return {"Content-Security-Policy": SANDBOXED}

    async def _send_large(
        self, file: StoredFile, request: web.Request, headers: dict[str, str], span: Span | None
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
        return await _send(file, request, status, headers, span or Span(0, file.bytes - 1))

    def _can_be_sent_by_nginx(self, file: StoredFile, request: web.Request) -> bool:
        """Not a drawing: nginx would leave out the policy that it must have."""
        return (
            self._accel
            and file.extension != SVG
            and request.headers.keys().isdisjoint(DECIDED | {GIVEN_BACK})
        )


def _hot_answer(
    file: StoredFile, local: LocalFile, headers: dict[str, str], body: bytes, asked: Asked
) -> HotAnswer:
    return HotAnswer(
        picture=file.picture,
        file_name=file.file_name,
        name=asked.name if isinstance(asked, Named) else None,
        may_change=asked.changeable(file.picture),
        local=local,
        bytes=file.bytes,
        response=ReadyResponse(head_of(headers, len(body)), body),
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
            await _sendfile(request.transport, opened, span)
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


async def _sendfile(transport: asyncio.Transport, opened: BinaryIO, span: Span) -> None:
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
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)
