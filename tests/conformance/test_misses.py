"""What is not stored is fetched while the client waits, once; what is stale is served, and refreshed behind."""

import asyncio
from functools import partial
from io import BytesIO

import pytest
from PIL import Image

from tests.conformance.material import new_picture
from tests.conformance.servers import Server, Servers
from tests.conformance.subjects import Stored, Subject
from tests.conformance.test_stored import DAY, WEBP, YEAR
from tests.conformance.world import World, eventually

ITS_OWN = ("ETag", "Last-Modified")
"""Each server fetches a picture of its own, some milliseconds apart."""


def one_each(world: World, servers: Servers) -> dict[str, Subject]:
    return {server.name: world.offered() for server in servers}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("form", ["?url=", "/t/p/"])
async def test_a_miss_is_answered_with_the_picture_and_is_then_a_hit(
    world: World, servers: Servers, form: str, method: str
) -> None:
    subjects = one_each(world, servers)

    def target(server: Server) -> str:
        subject = subjects[server.name]
        return subject.by_url("w45", "webp") if form == "?url=" else subject.by_tmdb_path("w45")

    miss = await servers.ask(target, WEBP, method=method, varying=ITS_OWN)
    hit = await servers.ask(target, WEBP, method=method, varying=ITS_OWN)
    assert (miss.status, hit.status) == (200, 200)
    assert (miss.headers["X-Image-Cached"], hit.headers["X-Image-Cached"]) == ("false", "true")
    assert miss.without((*ITS_OWN, "X-Image-Cached")) == hit.without((*ITS_OWN, "X-Image-Cached"))
    assert (miss.media_type, miss.headers["Cache-Control"]) == ("image/webp", DAY)
    whole = await servers.ask(target, WEBP, varying=ITS_OWN)
    assert Image.open(BytesIO(whole.body)).size == (45, 68)
    assert miss.headers["Content-Length"] == str(len(whole.body))
    assert {world.host.count(subject.path) for subject in subjects.values()} == {1}


@pytest.mark.parametrize("at_least_bytes", [0, 400_000], ids=["small", "large"])
@pytest.mark.parametrize("form", ["?url=", "/t/p/"])
async def test_the_original_of_a_miss_is_as_it_came(
    world: World, servers: Servers, form: str, at_least_bytes: int
) -> None:
    body = new_picture(at_least_bytes=at_least_bytes)
    subjects = {server.name: world.offered(body) for server in servers}

    def target(server: Server) -> str:
        subject = subjects[server.name]
        return subject.by_url() if form == "?url=" else subject.by_tmdb_path()

    for cached in ("false", "true"):
        answer = await servers.ask(target, varying=ITS_OWN)
        assert (answer.status, answer.body, answer.media_type) == (200, body, "image/jpeg")
        assert answer.headers["X-Image-Cached"] == cached
    assert {world.host.count(subject.path) for subject in subjects.values()} == {1}


async def test_a_rendition_by_its_path_is_made_of_the_original_that_is_there(
    world: World, servers: Servers
) -> None:
    body = new_picture()
    stored = {
        server.name: await world.commit(world.offered(body), {"original.jpg": body}) for server in servers
    }
    for cached in ("false", "true"):
        answer = await servers.ask(
            lambda server: stored[server.name].target("/p/", "w92.png"), varying=ITS_OWN
        )
        assert answer.headers["X-Image-Cached"] == cached
        assert (answer.headers["Cache-Control"], answer.media_type) == (YEAR, "image/png")
    assert not any(world.host.count(each.subject.path) for each in stored.values())


async def test_a_miss_heeds_conditions_and_ranges_too(world: World, servers: Servers) -> None:
    subjects = one_each(world, servers)
    part = await servers.ask(
        lambda server: subjects[server.name].by_url("w45", "webp"),
        {"Range": "bytes=0-3"},
        varying=ITS_OWN,
    )
    assert (part.status, part.body) == (206, b"RIFF")
    subjects = one_each(world, servers)
    known = await servers.ask(
        lambda server: subjects[server.name].by_url("w45", "webp"),
        {"If-None-Match": "*"},
        varying=ITS_OWN,
    )
    assert known.status == 304


async def test_one_job_however_many_ask(world: World, servers: Servers) -> None:
    for server in servers:
        subject = world.offered()
        jobs = await fetches(world, server)
        gate = world.host.hold(subject.path)
        asking = [asyncio.create_task(server.get(subject.by_url("w45", "webp"))) for _ in range(20)]
        await gate.arrived()
        world.host.release(subject.path)
        answers = await asyncio.gather(*asking)
        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 1
        assert world.host.count(subject.path) == 1
        assert await fetches(world, server) - jobs == 1


async def test_what_is_stale_is_served_at_once_and_refreshed_once_behind(
    world: World, servers: Servers
) -> None:
    """nginx serves it without telling anybody: there the refresh is left to who looks at what is used and due."""
    for server in servers:
        subject = world.offered()
        stored = await world.commit(
            subject, {"original.jpg": new_picture(), "small.webp": b"old"}, fresh=False
        )
        gate = world.host.hold(subject.path)
        for _ in range(5):
            answer = await server.get(subject.by_url("small", "webp"))
            assert (answer.status, answer.body) == (200, b"old")
            assert answer.headers["X-Image-Cached"] == "true"
        if server.name == "nginx":
            assert world.host.count(subject.path) == 0
            continue
        await gate.arrived()
        assert (await server.get(subject.by_url("small", "webp"))).body == b"old"
        world.host.release(subject.path)
        await eventually(partial(is_refreshed, world, stored))
        renewed = await server.get(subject.by_url("small", "webp"))
        assert renewed.headers["X-Image-Cached"] == "true"
        assert Image.open(BytesIO(renewed.body)).format == "WEBP"
        assert world.host.count(subject.path) == 1


async def is_refreshed(world: World, stored: Stored) -> bool:
    current = await world.volume.pictures.current(stored.subject.picture)
    return current is not None and current.id != stored.revision


async def fetches(world: World, server: Server) -> float:
    """How many jobs of misses have been begun on this server's queue, which others may share."""
    worker = server if server.name == "one process" else world.fetcher
    return await worker.count("onesheet_job_age_seconds_count", lane="pictures.now")
