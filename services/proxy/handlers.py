"""HTTP in, HTTP out: parse, one call, a response."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from services.proxy.access_counts import AccessCounts
from services.proxy.by_name import NAMED, by_file, by_name, by_streamers_file
from services.proxy.clients import is_browser_image, welcome_formats
from services.proxy.delivery import Delivered, Delivery, MovedRevision, NotYet
from services.proxy.description import describe
from services.proxy.hot_answers import HotAnswers
from services.proxy.placeholder import UNKNOWN, placeholder_of
from services.proxy.response import DAY, NO_STORE, YEAR, Responder
from services.proxy.settings import ProxySettings
from services.proxy.wanted import (
    Asked,
    Named,
    NoPlainUrl,
    StoredPath,
    WantedPicture,
    by_source_url,
    by_stored_path,
    by_tmdb_path,
)
from shared.http import Problem
from shared.http.signatures import EXPIRY, BadSignature, Signatures
from shared.pictures import Format, Kind, Role, SourceUrl
from shared.pictures.hosts import HostRules
from shared.pictures.rule import RefusalReason


@dataclass(frozen=True, slots=True)
class Proxy:
    """What the handlers call."""

    settings: ProxySettings
    rules: HostRules
    signatures: Signatures
    delivery: Delivery
    hot: HotAnswers
    responder: Responder
    use: AccessCounts

    def welcome(self, request: web.Request) -> tuple[Format, ...]:
        return welcome_formats(request.headers, self.settings.image_format)

    def patience_s(self, request: web.Request) -> float:
        browser = is_browser_image(request.headers)
        return self.settings.miss_wait_s if browser else self.settings.miss_wait_others_s


LOOKS = 3
"""How often a file may vanish under our hands before the client is asked to come back."""

PROXY = web.AppKey("proxy", Proxy)
picture_routes = web.RouteTableDef()
picture_routes.get("/api/images/openapi.json")(describe)


@picture_routes.get("/api/images/proxy")
async def from_source_url(request: web.Request) -> web.StreamResponse:
    def parse(proxy: Proxy, *, signed: bool) -> WantedPicture:
        welcome = proxy.welcome(request)
        try:
            return by_source_url(request.rel_url, welcome, proxy.rules, signed=signed)
        except NoPlainUrl:
            proxy.delivery.refused(RefusalReason.URL)
            raise

    return await _answer(request, parse)


@picture_routes.get("/t/p/{size}/{file}")
async def from_tmdb_path(request: web.Request) -> web.StreamResponse:
    def parse(proxy: Proxy, *, signed: bool) -> WantedPicture:
        size, file, base = *request.match_info.values(), proxy.settings.tmdb_image_url
        return by_tmdb_path(size, file, base, proxy.welcome(request), proxy.rules, signed=signed)

    return await _answer(request, parse)


@picture_routes.get("/p/{picture}/{revision}/{file}")
async def from_stored_path(request: web.Request) -> web.StreamResponse:
    def parse(proxy: Proxy, *, signed: bool) -> StoredPath:  # noqa: ARG001 - a stored path says everything
        return by_stored_path(*request.match_info.values(), signed=signed)

    return await _answer(request, parse)


@picture_routes.get(NAMED)
async def from_name(request: web.Request) -> web.StreamResponse:
    def parse(proxy: Proxy, *, signed: bool) -> Named:  # noqa: ARG001 - a name is resolved whoever asks
        kind, id_, role, file = request.match_info.values()
        return by_name(kind, id_, role, file, proxy.welcome(request))

    return await _answer(request, parse)


@picture_routes.get("/data/images/profiles/profile_avatar_{id}.{format}")
async def from_profile(request: web.Request) -> web.StreamResponse:
    def parse(proxy: Proxy, *, signed: bool) -> Named:  # noqa: ARG001 - as above
        id_, extension = request.match_info.values()
        return by_file(Kind.STREAMER, id_, Role.PROFILE, extension, request.rel_url)

    return await _answer(request, parse)


@picture_routes.get("/data/images/categories/{slug}.{format}")
async def from_category(request: web.Request) -> web.StreamResponse:
    def parse(proxy: Proxy, *, signed: bool) -> Named:  # noqa: ARG001 - as above
        slug, extension = request.match_info.values()
        return by_file(Kind.CATEGORY, slug, Role.COVER, extension, request.rel_url)

    return await _answer(request, parse)


@picture_routes.get("/data/images/artwork/{streamer}/stream_{id}.{format}")
async def from_stream(request: web.Request) -> web.StreamResponse:
    def parse(proxy: Proxy, *, signed: bool) -> Named:  # noqa: ARG001 - as above
        streamer, id_, extension = request.match_info.values()
        return by_streamers_file(streamer, id_, extension, request.rel_url)

    return await _answer(request, parse)


class Parse(Protocol):
    """What a form of URL wants. Raises Problem."""

    def __call__(self, proxy: Proxy, *, signed: bool) -> Asked: ...


async def _answer(request: web.Request, parse: Parse) -> web.StreamResponse:
    """The answer of last time where it still holds; else what is stored, or will be; else what stands for it."""
    proxy = request.app[PROXY]
    signed = _check_signature(request, proxy)
    if hot := await proxy.hot.find(request):
        proxy.delivery.hit(hot.picture, hot.file_name, hot.may_change)
        proxy.use.count(hot.picture)
        return hot.response
    asked = parse(proxy, signed=signed)
    try:
        return await _deliver(asked, request, proxy)
    except NotYet as not_yet:
        return await _instead(asked, not_yet, request, proxy)


async def _deliver(asked: Asked, request: web.Request, proxy: Proxy) -> web.StreamResponse:
    """A file that vanished between finding and sending was switched or purged: look again, a few times."""
    for _ in range(LOOKS):
        answer = await proxy.delivery.deliver(asked, patience_s=proxy.patience_s(request))
        if isinstance(answer, MovedRevision):
            path = f"/p/{answer.picture}/{answer.revision}/{answer.file_name}"
            return _moved(_signed_like(request, path, proxy), proxy)
        special = _headers(asked, answer)
        try:
            response = await proxy.responder.respond(answer.file, request, special, asked)
        except FileNotFoundError:
            continue
        proxy.use.count(answer.file.picture)
        return response
    raise NotYet("The picture changes faster than it can be sent.")


def _headers(asked: Asked, delivered: Delivered) -> dict[str, str]:
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


async def _instead(asked: Asked, not_yet: NotYet, request: web.Request, proxy: Proxy) -> web.StreamResponse:
    """What is answered past the bound: nothing that anybody could keep as the picture."""
    if proxy.settings.miss_fallback == "redirect" and (source := _open_source(asked)):
        return _moved(str(source.url), proxy)
    if is_browser_image(request.headers):
        return await _placeholder(asked, not_yet, proxy)
    raise not_yet


def _open_source(asked: Asked) -> SourceUrl | None:
    """The source that is asked for, where its provider lets us send people there."""
    if isinstance(asked, WantedPicture) and asked.host and asked.host.may_redirect:
        return asked.source if isinstance(asked.source, SourceUrl) else None
    return None


async def _placeholder(asked: Asked, not_yet: NotYet, proxy: Proxy) -> web.Response:
    manifest = await proxy.delivery.known(asked.about)
    placeholder = placeholder_of(manifest) if manifest else UNKNOWN
    headers = {
        **proxy.responder.shareable,
        "Content-Type": placeholder.media_type,
        "Cache-Control": NO_STORE,
        "X-Image-Pending": "1",
        "Retry-After": str(not_yet.retry_after_s),
    }
    return web.Response(body=placeholder.body, headers=headers)


def _moved(location: str, proxy: Proxy) -> web.Response:
    headers = {**proxy.responder.shareable, "Location": location, "Cache-Control": NO_STORE}
    return web.Response(status=HTTPStatus.FOUND, headers=headers)


def _signed_like(request: web.Request, path: str, proxy: Proxy) -> str:
    """Where whoever had a valid signature is sent instead: signed too, and until the same time."""
    if not proxy.signatures.required:
        return path
    return proxy.signatures.sign(path, [(EXPIRY, end) for end in request.query.getall(EXPIRY, [])])


def _check_signature(request: web.Request, proxy: Proxy) -> bool:
    """Whether the request was signed. Raise Problem where it should have been, and was not."""
    if not proxy.signatures.required:
        return False
    try:
        proxy.signatures.check(request.rel_url, now_s=time.time())
    except BadSignature as error:
        raise Problem(HTTPStatus.FORBIDDEN, str(error)) from None
    return True
