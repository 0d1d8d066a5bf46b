"""HTTP in, HTTP out: parse, one call, a response."""

import time
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from services.proxy import placeholder
from services.proxy.clients import is_browser_image
from services.proxy.delivery import Delivered, Delivery, Moved, NotYet
from services.proxy.response import DAY, NO_STORE, YEAR, Responder
from services.proxy.settings import ProxySettings
from services.proxy.use import Use
from services.proxy.wanted import Wanted, by_source_url, by_stored_path, by_tmdb_path
from shared.http import Problem
from shared.http.signatures import BadSignature, Signatures
from shared.pictures import picture_host
from shared.pictures.hosts import HostRules


@dataclass(frozen=True, slots=True)
class Proxy:
    """What the handlers call."""

    settings: ProxySettings
    rules: HostRules
    signatures: Signatures
    delivery: Delivery
    responder: Responder
    use: Use

    def patience_s(self, request: web.Request) -> float:
        browser = is_browser_image(request.headers)
        return self.settings.miss_wait_s if browser else self.settings.miss_wait_others_s


PROXY = web.AppKey("proxy", Proxy)
picture_routes = web.RouteTableDef()


@picture_routes.get("/api/images/proxy")
async def from_source_url(request: web.Request) -> web.StreamResponse:
    proxy = request.app[PROXY]
    signed = _check_signature(request, proxy)
    wanted = by_source_url(request.rel_url, _accept(request), proxy.rules, signed=signed)
    return await _deliver(wanted, request, proxy)


@picture_routes.get("/t/p/{token}/{file}")
async def from_tmdb_path(request: web.Request) -> web.StreamResponse:
    proxy = request.app[PROXY]
    _check_signature(request, proxy)
    parts = request.match_info
    wanted = by_tmdb_path(parts["token"], parts["file"], proxy.settings.tmdb_image_url, _accept(request))
    return await _deliver(wanted, request, proxy)


@picture_routes.get("/p/{picture}/{revision}/{file}")
async def from_stored_path(request: web.Request) -> web.StreamResponse:
    proxy = request.app[PROXY]
    _check_signature(request, proxy)
    parts = request.match_info
    path = by_stored_path(parts["picture"], parts["revision"], parts["file"])
    for last in (False, True):
        try:
            answer = await proxy.delivery.deliver_stored(path, patience_s=proxy.patience_s(request))
            if isinstance(answer, Moved):
                return _moved(f"/p/{path.picture}/{answer.revision}/{path.file_name}")
            return await _respond(answer, {"Cache-Control": YEAR}, request, proxy)
        except FileNotFoundError:
            if last:
                raise
        except NotYet as not_yet:
            if is_browser_image(request.headers):
                return _placeholder(not_yet)
            raise
    raise AssertionError("unreachable")


def _accept(request: web.Request) -> str:
    """Several lines are one list (RFC 9110, section 5.3)."""
    return ",".join(request.headers.getall("Accept", ()))


async def _deliver(wanted: Wanted, request: web.Request, proxy: Proxy) -> web.StreamResponse:
    """A file that vanished between finding and sending was switched or purged: look again, once."""
    patience_s = proxy.patience_s(request)
    try:
        try:
            delivered = await proxy.delivery.deliver(wanted, patience_s=patience_s)
            return await _respond(delivered, _headers(wanted), request, proxy)
        except FileNotFoundError:
            delivered = await proxy.delivery.deliver(wanted, patience_s=patience_s)
            return await _respond(delivered, _headers(wanted), request, proxy)
    except NotYet as not_yet:
        return _instead(wanted, not_yet, request, proxy)


async def _respond(
    delivered: Delivered, special: dict[str, str], request: web.Request, proxy: Proxy
) -> web.StreamResponse:
    special["X-Image-Cached"] = "false" if delivered.first else "true"
    response = await proxy.responder.respond(delivered.file, request, special)
    proxy.use.count(delivered.file.picture)
    return response


def _headers(wanted: Wanted) -> dict[str, str]:
    headers = {"Cache-Control": YEAR if wanted.never_changes else DAY}
    if wanted.provider:
        headers["X-Image-Source"] = wanted.provider
    if wanted.negotiated:
        headers["Vary"] = "Accept"
    return headers


def _instead(wanted: Wanted, not_yet: NotYet, request: web.Request, proxy: Proxy) -> web.StreamResponse:
    """What is answered past the bound: nothing that anybody could keep as the picture."""
    if proxy.settings.miss_fallback == "redirect" and wanted.source:
        host = picture_host(wanted.source.host)
        if host and host.may_redirect:
            return _moved(str(wanted.source.url))
    if is_browser_image(request.headers):
        return _placeholder(not_yet)
    raise not_yet


def _placeholder(not_yet: NotYet) -> web.Response:
    headers = {
        "Content-Type": placeholder.MEDIA_TYPE,
        "Cache-Control": NO_STORE,
        "X-Image-Pending": "1",
        "Retry-After": str(not_yet.retry_after_s),
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return web.Response(body=placeholder.BODY, headers=headers)


def _moved(location: str) -> web.Response:
    return web.Response(status=HTTPStatus.FOUND, headers={"Location": location, "Cache-Control": NO_STORE})


def _check_signature(request: web.Request, proxy: Proxy) -> bool:
    """Whether the request was signed. Raise Problem where it should have been, and was not."""
    if not proxy.signatures.required:
        return False
    try:
        proxy.signatures.check(request.rel_url, now_s=time.time())
    except BadSignature as error:
        raise Problem(HTTPStatus.FORBIDDEN, str(error)) from None
    return True
