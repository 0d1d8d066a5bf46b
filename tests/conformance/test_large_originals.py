"""An original too large to keep is served for a moment from the spool, and fetched again after that."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from shared.contracts import DropSpool
from shared.pictures import RevisionId, Tree
from shared.pictures.paths import POINTER
from shared.queue import Lane
from tests.conformance.material import new_picture
from tests.conformance.servers import Server, Servers
from tests.conformance.subjects import Stored, Subject
from tests.conformance.test_misses import ITS_OWN
from tests.conformance.test_stored import DAY
from tests.conformance.world import MAX_KEPT_MB, World, eventually


@pytest.fixture
def large(world: World, servers: Servers) -> dict[str, Subject]:
    body = new_picture(at_least_bytes=MAX_KEPT_MB * 2**20 + 1)
    return {server.name: world.offered(body) for server in servers}


async def test_it_is_served_but_not_to_be_kept(
    world: World, servers: Servers, large: dict[str, Subject]
) -> None:
    def original(server: Server) -> str:
        return large[server.name].by_url()

    first = await servers.ask(original, varying=ITS_OWN)
    again = await servers.ask(original, varying=ITS_OWN)
    for answer in (first, again):
        assert answer.status == 200
        assert len(answer.body) > MAX_KEPT_MB * 2**20
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.media_type == "image/jpeg"
    assert (first.headers["X-Image-Cached"], again.headers["X-Image-Cached"]) == ("false", "true")
    head = await servers.ask(original, method="HEAD", varying=ITS_OWN)
    assert head.headers["Content-Length"] == str(len(first.body))
    part = await servers.ask(original, {"Range": "bytes=10-19"}, varying=ITS_OWN)
    assert (part.status, part.body) == (206, first.body[10:20])
    assert part.headers["Cache-Control"] == "no-store"
    assert {world.host.count(subject.path) for subject in large.values()} == {1}


async def test_its_renditions_are_kept_as_usual(
    world: World, servers: Servers, large: dict[str, Subject]
) -> None:
    for cached in ("false", "true"):
        answer = await servers.ask(lambda server: large[server.name].by_url("w45", "webp"), varying=ITS_OWN)
        assert (answer.status, answer.headers["X-Image-Cached"]) == (200, cached)
        assert answer.headers["Cache-Control"] == DAY
    for spool in spools(world, large):
        assert spool.exists()


async def test_after_its_minute_it_is_fetched_again_and_the_renditions_are_still_there(
    world: World, servers: Servers, large: dict[str, Subject]
) -> None:
    for server in servers:
        subject = large[server.name]
        small = await server.get(subject.by_url("w45", "webp"))
        first = await server.get(subject.by_url())
        by_path = Stored(subject, await drop_spool(world, subject), {}).target("/p/", "original.jpg")
        assert world.host.count(subject.path) == 1
        again = await server.get(subject.by_url())
        assert (again.status, again.body) == (200, first.body)
        assert again.headers["Cache-Control"] == "no-store"
        assert again.headers["X-Image-Cached"] == "false"
        assert world.host.count(subject.path) == 2
        assert (await server.get(subject.by_url("w45", "webp"))).body == small.body
        path = await server.get(by_path)
        assert (path.status, path.body) == (200, first.body)
        assert path.headers["Cache-Control"] == "no-store"


async def drop_spool(world: World, subject: Subject) -> RevisionId:
    """What happens a minute after it was fetched."""
    current = await world.volume.pictures.current(subject.picture)
    assert current
    await world.publish(DropSpool(picture=subject.picture, revision=current.id), Lane.PICTURES_LATER)
    (spool,) = spools(world, {"": subject})
    await eventually(partial(is_gone, spool))
    return current.id


def is_gone(file: Path) -> bool:
    return not file.exists()


def spools(world: World, subjects: dict[str, Subject]) -> Iterator[Path]:
    for subject in subjects.values():
        yield world.layout.picture(Tree.CACHE, subject.picture) / POINTER / "spool.jpg"
