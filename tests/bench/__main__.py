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
from tests.bench.flushes import flushes_of_a_miss
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
from tests.bench.report import Figure, fresh, report
from tests.bench.shares import shares
from tests.bench.standing import standing
from tests.bench.streamers import streamers
from tests.bench.videos import videos
from tests.servers.rabbitmq import RabbitNode


async def main(root: Path) -> int:
    """How many promises were missed."""
    with closing(RabbitNode(fresh(root, "rabbitmq"))) as node:
        node.ensure_running()
        return report(
            [
                *rendering(fresh(root, "rendering")),
                await miss_embedded(fresh(root, "embedded")),
                *await cpu_of_a_miss(fresh(root, "beside")),
                *await flushes_of_a_miss(fresh(root, "flushes")),
                await miss_rabbitmq(fresh(root, "clustered"), node),
                *await pages(fresh(root, "pages")),
                *await characters(fresh(root, "characters")),
                *await by_name(fresh(root, "names")),
                *await cpu_by_name(fresh(root, "named")),
                *await multiplexed(fresh(root, "multiplexed")),
                *await gallery(fresh(root, "gallery")),
                *await one_process(fresh(root, "whole")),
                await idle_proxy(fresh(root, "idle"), node),
                await backlog(fresh(root, "backlog"), node),
                *await memory_of_a_fetcher(fresh(root, "jobs"), node),
                *await hits(root, node),
                *await hits_on_objects(fresh(root, "objects"), node),
                *await shares(fresh(root, "shares"), node),
                *await library(fresh(root, "library")),
                *await streamers(fresh(root, "streamers")),
                *await catalog(fresh(root, "catalog")),
                *await imports(fresh(root, "imports")),
                *await account(fresh(root, "account")),
            ]
        )


async def hits(root: Path, node: RabbitNode) -> list[Figure]:
    async with standing(fresh(root, "standing"), node) as stored:
        return [
            *await against_bare_handler(stored),
            await against_thumbor(stored),
            *await hits_through_nginx(stored),
            *await videos(stored),
            await hits_among_misses(stored),
            await metrics_under_load(stored),
            *await many_pictures(stored, node, fresh(root, "crowds")),
        ]


def exit_code(missed: int) -> int:
    """With CHECK=1 a promise that was missed is a failure."""
    return int(missed > 0 and os.environ.get("CHECK") == "1")


if __name__ == "__main__":
    # Here, not below /tmp: what is measured shall be a disk, and that may be memory.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as name:
        Path(name).chmod(0o755)  # nginx reads as another user
        missed = asyncio.run(main(Path(name).absolute()))
    sys.exit(exit_code(missed))
