"""The page that shows the API's description: Swagger UI, from its package, so that it needs no other site."""

from collections.abc import Sequence
from importlib.resources import files

from aiohttp import web

from services.enricher.api.endpoint import Endpoint
from services.enricher.api.openapi import described

_SHOWN = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js"})
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Onesheet: the API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/swagger-ui-standalone-preset.js"></script>
<script>
SwaggerUIBundle({
  urls: [{url: "openapi.json", name: "Metadata and library"}, {url: "images/openapi.json", name: "Pictures"}],
  dom_id: "#api", deepLinking: true, validatorUrl: null, layout: "StandaloneLayout",
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset]
})
</script>
"""


def docs_routes(endpoints: Sequence[Endpoint], *, version: str) -> list[web.RouteDef]:
    document = described(endpoints, version=version)

    async def description(_request: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/json")

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    async def part(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in _SHOWN:
            raise web.HTTPNotFound
        return web.FileResponse(str(files("swagger_ui") / "static" / name))

    return [
        web.get("/api/openapi.json", description),
        web.get("/api/docs", page),
        web.get("/api/docs/{name}", part),
    ]
