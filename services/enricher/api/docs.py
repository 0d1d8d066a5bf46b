"""The page that shows the API's description."""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from aiohttp import web

from services.enricher.api.access import Access, Gate
from services.enricher.api.endpoint import Endpoint

_SHOWN = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js"})
_SCRIPT = """
SwaggerUIBundle({
  urls: [{url: "openapi.json", name: "Metadata and library"}, {url: "images/openapi.json", name: "Pictures"}],
  dom_id: "#api", deepLinking: true, validatorUrl: null, layout: "StandaloneLayout",
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset]
})
"""
_PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Onesheet: the API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/swagger-ui-standalone-preset.js"></script>
<script>{_SCRIPT}</script>
"""
_SCRIPT_HASH = b64encode(sha256(_SCRIPT.encode()).digest()).decode()
_POLICY = {
    "Content-Security-Policy": (
        f"default-src 'self'; script-src 'self' 'sha256-{_SCRIPT_HASH}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
}
"""Administrators type their token here: nobody frames the page, and nobody else's script runs in it."""


def docs_routes(endpoints: Sequence[Endpoint], gate: Gate, *, version: str) -> list[web.RouteDef]:
    @cache
    def document() -> bytes:
        from services.enricher.api.openapi import described  # noqa: PLC0415 - seldom asked for, and long to load

        return described(endpoints, version=version)

    async def description(_request: web.Request) -> web.Response:
        return web.Response(body=await asyncio.to_thread(document), content_type="application/json")

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html", headers=_POLICY)

    async def part(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in _SHOWN:
            raise web.HTTPNotFound
        return web.FileResponse(str(files("swagger_ui") / "static" / name))

    routes = [
        web.get("/api/openapi.json", description),
        web.get("/api/docs", page),
        web.get("/api/docs/{name}", part),
    ]
    return [gate.guarded(route, Access.DESCRIPTION) for route in routes]
