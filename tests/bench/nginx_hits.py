"""Hits through nginx: against the same nginx serving the same file as a plain static one, and against a proxy."""

import shutil

from tests.bench.load import compared
from tests.bench.report import Figure
from tests.bench.standing import Standing
from tests.servers.onesheet_nginx import running_onesheet_nginx

STATIC_PROMISES = {"/p/…": 0.95, "?url=": 0.6, "/t/p/": 0.6, "by name": 0.6, "/data/images/…": 0.6}
PROXY_PROMISE = 1.5


async def hits_through_nginx(standing: Standing) -> list[Figure]:
    plain = standing.directory / "plain.webp"
    shutil.copyfile(standing.file, plain)
    proxy = standing.proxy.address.removeprefix("http://")

    def with_a_static_file(configuration: str) -> str:
        location = f'location = /plain.webp {{ alias "{plain}"; }}'
        return configuration.replace("server {", f"server {{\n    {location}", 1)

    async with running_onesheet_nginx(standing.volume, proxies=(proxy,), change=with_a_static_file) as nginx:
        paths = {
            "/p/…": standing.by_stored_path,
            "?url=": standing.by_url,
            "/t/p/": standing.by_tmdb_path,
            "by name": standing.by_name,
            "/data/images/…": standing.by_file,
        }
        static = nginx.url("/plain.webp")
        return [
            *[await _against_static(form, nginx.url(path), static) for form, path in paths.items()],
            *[await _against_proxy(form, nginx.url(paths[form]), standing) for form in ("?url=", "/t/p/")],
        ]


async def _against_static(form: str, url: str, static: str) -> Figure:
    ours, reference, ratio = await compared(url, static)
    return Figure(
        what=f"hits through nginx, {form}, 32 connections",
        ours=f"{ours:,.0f}/s",
        reference=f"{reference:,.0f}/s static",
        compared=f"{ratio:.2f} ×",
        promise=f"≥ {STATIC_PROMISES[form]} ×",
        kept=ratio >= STATIC_PROMISES[form],
    )


async def _against_proxy(form: str, url: str, standing: Standing) -> Figure:
    ours, reference, ratio = await compared(url, standing.proxy.address + standing.by_url)
    return Figure(
        what=f"hits through nginx, {form}, 32 connections",
        ours=f"{ours:,.0f}/s",
        reference=f"{reference:,.0f}/s one proxy",
        compared=f"{ratio:.2f} ×",
        promise=f"≥ {PROXY_PROMISE} ×",
        kept=ratio >= PROXY_PROMISE,
    )
