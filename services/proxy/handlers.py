"""HTTP in, HTTP out: parse, one call, a response."""

from aiohttp import web

from services.proxy.clients import is_browser_image
from services.proxy.delivery import Delivery
from services.proxy.response import respond
from services.proxy.settings import ProxySettings
from services.proxy.wanted import Wanted

SETTINGS = web.AppKey("settings", ProxySettings)
DELIVERY = web.AppKey("delivery", Delivery)

picture_routes = web.RouteTableDef()


@picture_routes.get("/api/images/proxy")
async def by_source_url(request: web.Request) -> web.StreamResponse:
    settings = request.app[SETTINGS]
    wanted = Wanted.from_query(request.rel_url.query, request.headers.get("Accept", ""), settings.hosts.rules)
    return await _deliver(wanted, request)


async def _deliver(wanted: Wanted, request: web.Request) -> web.StreamResponse:
    settings, delivery = request.app[SETTINGS], request.app[DELIVERY]
    patience_s = settings.miss_wait_s if is_browser_image(request.headers) else settings.miss_wait_others_s
    delivered = await delivery.deliver(wanted, patience_s=patience_s)
    try:
        return await respond(delivered.file, wanted, request, first=delivered.first)
    except FileNotFoundError:  # the pointer was switched, or the picture purged, in between: look again
        delivered = await delivery.deliver(wanted, patience_s=patience_s)
        return await respond(delivered.file, wanted, request, first=delivered.first)
