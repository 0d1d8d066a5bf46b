"""Videos as they are served: by ranges, one or several, straight from the file or from the store, whoever is slow to take them."""

import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from services.proxy.negotiation import Precondition, Span, Unsatisfiable, asked_spans, evaluate
from services.proxy.responses import http_date, send_by_kernel
from shared.http import Problem
from shared.http.signatures import BadSignature, Signatures
from shared.pictures.cache_control import PRIVATE, YEAR
from shared.pictures.public_paths import VIDEO_FOLDERS, VIDEO_NAME
from shared.telemetry import Metrics
from shared.volume import LocalFile, StoredVideo, Videos


@dataclass(frozen=True, slots=True)
class VideoAnswers:
    videos: Videos
    signatures: Signatures
    """Of private ones: where there are no keys, none is good."""
    shareable: Mapping[str, str]
    """What lets pages of other origins show it."""
    metrics: Metrics

    @property
    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{folder}/{{name:{VIDEO_NAME}}}.mp4", self.answer) for folder in VIDEO_FOLDERS]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The video, or the parts of it that are asked for. Raise Problem."""
        try:
            response = await self._answer(request)
        except Problem as problem:
            self.metrics.videos_served.labels(str(problem.status.value)).inc()
            raise
        self.metrics.videos_served.labels(str(response.status)).inc()
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        video = await self.videos.find(request.match_info["name"])
        if video is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such video.")
        if video.is_private:
            self._check_signature(request)
        etag = f'"{video.version}"'
        headers = {
            "ETag": etag,
            "Last-Modified": http_date(video.modified_s),
            "Cache-Control": PRIVATE if video.is_private else YEAR,
            **self.shareable,
        }
        verdict = evaluate(request.headers, etag, video.modified_s)
        if verdict is Precondition.NOT_MODIFIED:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        if verdict is Precondition.PRECONDITION_FAILED:
            raise Problem(HTTPStatus.PRECONDITION_FAILED, "The video is not the one the request is about.")
        try:
            return await _send(video, _spans(request, video, etag), request, headers)
        except FileNotFoundError:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such video any more.") from None

    def _check_signature(self, request: web.Request) -> None:
        try:
            self.signatures.check(request.rel_url, now_s=time.time())
        except BadSignature as error:
            raise Problem(HTTPStatus.FORBIDDEN, str(error)) from None


def _spans(request: web.Request, video: StoredVideo, etag: str) -> tuple[Span, ...]:
    if request.method != "GET":  # the only method that ranges are defined for (RFC 9110, section 14.2)
        return ()
    try:
        return asked_spans(request.headers, etag, video.modified_s, video.size)
    except Unsatisfiable:
        raise Problem(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "None of the ranges lies within the file.",
            headers={"Content-Range": f"bytes */{video.size}"},
        ) from None


async def _send(
    video: StoredVideo, spans: Sequence[Span], request: web.Request, headers: dict[str, str]
) -> web.StreamResponse:
    """Raise FileNotFoundError where it vanished since it was found."""
    status = HTTPStatus.PARTIAL_CONTENT if spans else HTTPStatus.OK
    headers["Content-Type"] = video.content_type
    if len(spans) > 1:
        parts = _Parts(spans, video)
        headers["Content-Type"] = parts.content_type
        pieces, length = tuple(parts.pieces), parts.length
    else:
        span = spans[0] if spans else Span(0, video.size - 1)
        pieces, length = (span,), span.length
        if spans:
            headers["Content-Range"] = _content_range(span, video)
        else:
            headers["Accept-Ranges"] = "bytes"
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = length
    if isinstance(video.content, LocalFile):
        with video.content.opened() as opened:
            await response.prepare(request)
            for piece in pieces if request.method != "HEAD" else ():
                if isinstance(piece, bytes):
                    await response.write(piece)
                elif request.transport is None:
                    raise ConnectionResetError
                else:
                    await send_by_kernel(request.transport, opened, piece)
    else:
        await _send_from_store(video, pieces, request, response)
    await response.write_eof()
    return response


async def _send_from_store(
    video: StoredVideo, pieces: Sequence[bytes | Span], request: web.Request, response: web.StreamResponse
) -> None:
    """The first is there before anything is said: till then it can turn out that the video is not there any more."""
    streamed = _streamed(video, pieces if request.method != "HEAD" else ())
    first = await anext(streamed, b"")
    await response.prepare(request)
    await response.write(first)
    try:
        async for piece in streamed:
            await response.write(piece)
    except FileNotFoundError as error:
        raise ConnectionResetError from error


async def _streamed(video: StoredVideo, pieces: Sequence[bytes | Span]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            async for some in video.content.part(piece.first, piece.length):
                yield some


class _Parts:
    """Several ranges as one body, `multipart/byteranges` (RFC 9110, section 14.6)."""

    def __init__(self, spans: Sequence[Span], video: StoredVideo) -> None:
        boundary = secrets.token_hex(10)
        self.content_type = f"multipart/byteranges; boundary={boundary}"
        self._spans = spans
        self._heads = [
            f"\r\n--{boundary}\r\nContent-Type: {video.content_type}\r\n"
            f"Content-Range: {_content_range(span, video)}\r\n\r\n".encode()
            for span in spans
        ]
        self._end = f"\r\n--{boundary}--\r\n".encode()

    @property
    def length(self) -> int:
        return sum(map(len, self._heads)) + sum(span.length for span in self._spans) + len(self._end)

    @property
    def pieces(self) -> Iterator[bytes | Span]:
        for head, span in zip(self._heads, self._spans, strict=True):
            yield head
            yield span
        yield self._end


def _content_range(span: Span, video: StoredVideo) -> str:
    return f"bytes {span.first}-{span.last}/{video.size}"
