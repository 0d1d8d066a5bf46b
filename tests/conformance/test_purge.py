"""A purge counts at once: the very next request through every server asks the source again."""

from functools import partial
from pathlib import Path

import pytest

from shared.contracts import PurgePicture
from shared.pictures import Tree
from shared.queue import Lane
from tests.conformance.material import new_picture
from tests.conformance.servers import Servers
from tests.conformance.subjects import Subject
from tests.conformance.test_misses import one_each
from tests.conformance.world import World, eventually
from tests.providers.behaviour import Behaviour


async def purge(world: World, subject: Subject) -> None:
    await world.publish(PurgePicture(picture=subject.picture), Lane.PICTURES_NOW)
    directory = world.layout.picture(Tree.CACHE, subject.picture)
    await eventually(partial(is_gone, directory))


def is_gone(directory: Path) -> bool:
    return not directory.exists()


@pytest.mark.parametrize("large", [False, True], ids=["hot", "large"])
@pytest.mark.parametrize("form", ["?url=", "/t/p/"])
async def test_the_next_request_asks_the_source_again(
    world: World, servers: Servers, form: str, *, large: bool
) -> None:
    for server in servers:
        old, new = (new_picture(at_least_bytes=400_000 if large else 0) for _ in range(2))
        new += b"\0"  # of another length: tags have whole seconds, as nginx makes them, and this is done within one
        subject = world.offered(old)
        target = subject.by_url() if form == "?url=" else subject.by_tmdb_path()
        for cached in ("false", "true", "true"):
            answer = await server.get(target)
            assert (answer.body, answer.headers["X-Image-Cached"]) == (old, cached)
        world.host.put(subject.path, new)
        await purge(world, subject)
        after = await server.get(target, {"If-None-Match": answer.headers["ETag"]})
        assert (after.status, after.body, after.headers["X-Image-Cached"]) == (200, new, "false")
        assert world.host.count(subject.path) == 2


async def test_a_purged_path_is_404_and_every_rendition_is_gone(world: World, servers: Servers) -> None:
    for server in servers:
        stored = await world.stored("small.webp")
        for form in ("/p/", "?url=", "/p/"):
            assert (await server.get(stored.target(form, "small.webp"))).status == 200
        await purge(world, stored.subject)
        assert (await server.get(stored.target("/p/", "small.webp"))).status == 404
        assert (await server.get(stored.target("?url=", "small.webp"))).status == 404  # the host has none


async def test_a_purge_forgets_failures_too(world: World, servers: Servers) -> None:
    subjects = one_each(world, servers)
    for server in servers:
        subject = subjects[server.name]
        world.host.behave(subject.path, Behaviour.failing(404, times=1))
        for _ in range(2):
            assert (await server.get(subject.by_url())).status == 404
        await purge(world, subject)
        assert (await server.get(subject.by_url())).status == 200
