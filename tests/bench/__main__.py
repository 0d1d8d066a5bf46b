"""`make bench`: every performance promise, measured here and now."""

import asyncio
import os
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from tests.bench.account import account
from tests.bench.backlog import backlog
from tests.bench.by_name import by_name, cpu_by_name
from tests.bench.catalog import catalog
from tests.bench.characters import characters
from tests.bench.crowded import hits_among_misses, metrics_under_load
from tests.bench.fetcher_memory import memory_of_a_fetcher
from tests.bench.gallery import gallery
from tests.bench.imports import imports
from tests.bench.library import library
from tests.bench.many import many_pictures
from tests.bench.memory import idle_proxy, one_process
from tests.bench.miss import cpu_of_a_miss, miss_embedded, miss_rabbitmq
from tests.bench.multiplexed import multiplexed
from tests.bench.nginx_hits import hits_through_nginx
from tests.bench.object_store import hits_on_objects
from tests.bench.pages import pages
from tests.bench.proxy_hits import against_bare_handler, against_thumbor
from tests.bench.rendering import rendering
from tests.bench.report import Figure, report
from tests.bench.shares import shares
from tests.bench.standing import standing
from tests.bench.streamers import streamers
from tests.bench.videos import videos
from tests.servers.rabbitmq import RabbitNode


async def main(root: Path) -> int:
    """How many promises were missed."""
    with closing(RabbitNode(_fresh(root, "rabbitmq"))) as node:
        node.ensure_running()
        return report(
            [
                *rendering(_fresh(root, "rendering")),
                await miss_embedded(_fresh(root, "embedded")),
                *await cpu_of_a_miss(_fresh(root, "beside")),
                await miss_rabbitmq(_fresh(root, "clustered"), node),
                *await pages(_fresh(root, "pages")),
                *await characters(_fresh(root, "characters")),
                *await by_name(_fresh(root, "names")),
                *await cpu_by_name(_fresh(root, "named")),
                *await multiplexed(_fresh(root, "multiplexed")),
                *await gallery(_fresh(root, "gallery")),
                *await one_process(_fresh(root, "whole")),
                await idle_proxy(_fresh(root, "idle"), node),
                await backlog(_fresh(root, "backlog"), node),
                *await memory_of_a_fetcher(_fresh(root, "jobs"), node),
                *await hits(root, node),
                *await hits_on_objects(_fresh(root, "objects"), node),
                *await shares(_fresh(root, "shares"), node),
                *await library(_fresh(root, "library")),
                *await streamers(_fresh(root, "streamers")),
                *await catalog(_fresh(root, "catalog")),
                *await imports(_fresh(root, "imports")),
                *await account(_fresh(root, "account")),
            ]
        )


async def hits(root: Path, node: RabbitNode) -> list[Figure]:
    async with standing(_fresh(root, "standing"), node) as stored:
        return [
            *await against_bare_handler(stored),
            await against_thumbor(stored),
            *await hits_through_nginx(stored),
            *await videos(stored),
            await hits_among_misses(stored),
            await metrics_under_load(stored),
            *await many_pictures(stored, node, _fresh(root, "crowds")),
        ]


def _fresh(root: Path, name: str) -> Path:
    directory = root / name
    directory.mkdir()
    return directory


if __name__ == "__main__":
    # Here, not below /tmp: what is measured shall be a disk, and that may be memory.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as name:
        Path(name).chmod(0o755)  # nginx reads as another user
        missed = asyncio.run(main(Path(name).absolute()))
    if missed and os.environ.get("CHECK") == "1":
        sys.exit(1)
