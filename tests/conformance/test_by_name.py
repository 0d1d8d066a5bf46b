"""By name, every server shows the same picture: wherever it lies, and as soon as it is another one."""

import asyncio

import pytest

from services.proxy.hot_answers import PASSED_LASTS_S
from shared.pictures import Kind, Name, Role
from tests.conformance.servers import Servers
from tests.conformance.signing import sign
from tests.conformance.test_stored import DAY, WEBP
from tests.conformance.world import World

FILES = {
    "/data/images/profiles/profile_avatar_{}.png": (Kind.STREAMER, Role.PROFILE),
    "/data/images/categories/{}.png": (Kind.CATEGORY, Role.COVER),
    "/data/images/artwork/somebody/stream_{}.png": (Kind.STREAM, Role.ARTWORK),
}


@pytest.mark.parametrize("path", FILES)
async def test_the_streamer_librarys_files_are_names(
    world: World, servers: Servers, signed: Servers, path: str
) -> None:
    stored = await world.stored("small.png")
    kind, role = FILES[path]
    name = Name(kind, f"a:{stored.subject.picture}", role)
    await world.volume.names.point(name, stored.subject.picture)
    for id_ in (name.id, name.id.replace(":", "%3A")):
        target = path.format(id_)
        for size, file in (
            ("", "original.jpg"),
            ("?size=original", "original.jpg"),
            ("?size=small", "small.png"),
        ):
            answer = await servers.ask(target + size, WEBP)
            assert (answer.status, answer.body) == (200, stored.files[file])
            assert answer.headers["Cache-Control"] == DAY
            assert "Vary" not in answer.headers
            assert (await signed.ask(target + size)).status == 403
            assert (await signed.ask(sign(target + size))).body == stored.files[file]


async def test_a_name_that_leads_into_the_other_tree_is_followed_there(
    world: World, servers: Servers
) -> None:
    stored = await world.stored("w342.webp")
    world.keep(stored, {}, move=True)
    for file in ("w342.webp", "w342", "original"):
        answer = await servers.ask(stored.subject.by_name(file), WEBP)
        assert (answer.status, answer.headers["X-Image-Cached"]) == (200, "true")
    await world.volume.names.point(stored.subject.name, stored.subject.picture)
    assert (await servers.ask(stored.subject.by_name("w342"), WEBP)).body == stored.files["w342.webp"]


async def test_a_name_that_shows_another_picture_is_noticed_by_all(world: World, servers: Servers) -> None:
    first, second = [await world.stored("w342.webp") for _ in range(2)]
    name = first.subject.name
    for stored in (first, second, first):
        await world.volume.names.point(name, stored.subject.picture)
        await asyncio.sleep(PASSED_LASTS_S)
        for _ in range(2):
            answer = await servers.ask(first.subject.by_name("w342"), WEBP)
            assert answer.body == stored.files["w342.webp"]


async def test_the_librarys_own_numbers_are_left_to_whoever_has_the_library(
    world: World, servers: Servers
) -> None:
    """A stored name of that number is none of theirs."""
    stored = await world.stored("w342.webp")
    for kind in (Kind.SERIES, Kind.MOVIE):
        await world.volume.names.point(Name(kind, "9999999", Role.POSTER), stored.subject.picture)
        for server in servers:
            answer = await server.get(f"/api/v1/images/{kind}/9999999/poster/w342.webp")
            assert answer.status == 404
            assert ("item" in answer.problem["detail"]) == (server.name != "proxy")
