"""A volume with pictures, and the delivered nginx before servers that only say that they were asked."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from shared.pictures import Name, PictureId, Tree, name_path, picture_path
from tests.servers.nginx import Nginx
from tests.servers.onesheet_nginx import running_onesheet_nginx
from tests.servers.raw_http import RawAnswer, raw_connection
from tests.servers.upstream import Upstream, running_upstream

REVISION = "0123456789abcdef"
TMDB = "https://image.tmdb.org/t/p/original/6FfCtAuVAW8XJjZ7eWeLibRLWTw.jpg"
NAME = Name.parse("movie/tmdb:11/poster")
TMDB_PATH = "/t/p/w342/6FfCtAuVAW8XJjZ7eWeLibRLWTw.jpg"
YEAR = "public, max-age=31536000, immutable"
DAY = "public, max-age=86400, stale-while-revalidate=604800"


@dataclass
class Site:
    """nginx before a proxy and an enricher that only say that they were asked."""

    volume: Path
    nginx: Nginx
    proxy: Upstream
    enricher: Upstream

    def store(self, picture: PictureId, name: str, body: bytes, *, tree: Tree = Tree.CACHE) -> Path:
        directory = self.volume / picture_path(tree, picture)
        (directory / REVISION).mkdir(parents=True, exist_ok=True)
        if not (directory / "current").is_symlink():
            (directory / "current").symlink_to(REVISION)
        file = directory / REVISION / name
        file.write_bytes(body)
        return file

    def name(self, name: Name, picture: PictureId, *, tree: Tree = Tree.CACHE) -> Path:
        """Have the name lead to the picture in this tree."""
        link = self.volume / name_path(name)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(self.volume / picture_path(tree, picture), link.parent))
        return link

    async def ask(self, target: str, *headers: tuple[str, str], method: str = "GET") -> RawAnswer:
        async with raw_connection(self.nginx.port) as connection:
            return await connection.ask(target.encode(), headers, method=method)


at_the_site = pytest.mark.asyncio(loop_scope="session")
"""A test that asks for `site`, which runs in this loop."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _running_site() -> AsyncIterator[Site]:
    """Outside of pytest's directory, which every further pytest on the machine closes to other users again."""
    async with AsyncExitStack() as stack:
        volume = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onesheet-site-")))
        proxy, enricher = [await stack.enter_async_context(running_upstream()) for _ in range(2)]
        nginx = await stack.enter_async_context(
            running_onesheet_nginx(
                volume,
                proxies=[proxy.address],
                enricher=enricher.address,
                settings={"EXPOSE_API": "true"},
            )
        )
        yield Site(volume, nginx, proxy, enricher)


@pytest.fixture
def site(_running_site: Site) -> Iterator[Site]:
    """The same for all tests, with an empty volume for each."""
    yield _running_site
    _running_site.proxy.forget()
    _running_site.enricher.forget()
    for directory in _running_site.volume.iterdir():
        shutil.rmtree(directory)


def by_url(url: str, *more: str) -> str:
    return "&".join((f"/api/images/proxy?url={quote(url, safe='')}", *more))
