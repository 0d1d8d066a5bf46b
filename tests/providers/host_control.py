"""The picture host's `/_control/`: the same words over HTTP, for other processes.

| request | does |
|---|---|
| `PUT /_control/behaviour?path=/x.jpg`, JSON list of `Behaviour` | `host.behave` |
| `PUT /_control/page?path=/x.jpg[&cache_control=…]`, bytes with their Content-Type | `host.put` |
| `PUT`, `DELETE /_control/gate?path=/x.jpg` | `host.hold`, `host.release` |
| `GET /_control/gate?path=/x.jpg&arrived=2` | `gate.arrived(2)`: answers when so many wait |
| `GET /_control/counts` | `{"counts": {path: n}, "in_flight": n, "most_in_flight": n}` |
| `GET /_control/requests` | a list of method, path, query, headers, at |
| `POST /_control/forget` | `host.forget` |
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from pydantic import ValidationError

from tests.providers.behaviour import BEHAVIOURS

if TYPE_CHECKING:
    from tests.providers.picture_host import PictureHost

_ANY_TYPE = "application/octet-stream"


def control_routes(host: "PictureHost") -> Iterable[web.RouteDef]:
    """The control endpoint of one host."""
    control = _Control(host)
    return (
        web.put("/_control/behaviour", control.behave),
        web.put("/_control/page", control.put),
        web.put("/_control/gate", control.hold),
        web.get("/_control/gate", control.arrived),
        web.delete("/_control/gate", control.release),
        web.get("/_control/counts", control.counts),
        web.get("/_control/requests", control.requests),
        web.post("/_control/forget", control.forget),
    )


class _Control:
    def __init__(self, host: "PictureHost") -> None:
        self._host = host

    async def behave(self, request: web.Request) -> web.Response:
        try:
            behaviours = BEHAVIOURS.validate_json(await request.read())
        except ValidationError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        self._host.behave(_path(request), *behaviours)
        return web.Response(status=204)

    async def put(self, request: web.Request) -> web.Response:
        # Not request.content_type: it drops the parameters, and fills in a type where there was none.
        declared = request.headers.get(hdrs.CONTENT_TYPE, _ANY_TYPE)
        self._host.put(
            _path(request),
            await request.read(),
            content_type=None if declared == _ANY_TYPE else declared,
            cache_control=request.query.get("cache_control"),
        )
        return web.Response(status=204)

    async def hold(self, request: web.Request) -> web.Response:
        self._host.hold(_path(request))
        return web.Response(status=204)

    async def arrived(self, request: web.Request) -> web.Response:
        if not (gate := self._host.gate(_path(request))):
            raise web.HTTPNotFound(text="This path is not held.\n")
        await gate.arrived(int(request.query.get("arrived", "1")))
        return web.Response(status=204)

    async def release(self, request: web.Request) -> web.Response:
        self._host.release(_path(request))
        return web.Response(status=204)

    async def counts(self, _request: web.Request) -> web.Response:
        host = self._host
        return web.json_response(
            {"counts": dict(host.counts), "in_flight": host.in_flight, "most_in_flight": host.most_in_flight}
        )

    async def requests(self, _request: web.Request) -> web.Response:
        return web.json_response(
            [
                {
                    "method": asked.method,
                    "path": asked.path,
                    "query": asked.query,
                    "headers": dict(asked.headers),
                    "at": asked.at,
                }
                for asked in self._host.requests
            ]
        )

    async def forget(self, _request: web.Request) -> web.Response:
        self._host.forget()
        return web.Response(status=204)


def _path(request: web.Request) -> str:
    if not (path := request.query.get("path", "")).startswith("/"):
        raise web.HTTPBadRequest(text="Say which path: ?path=/x.jpg\n")
    return path
