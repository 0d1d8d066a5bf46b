"""The immutable path: this very revision, the way to the one that took its place, or 404."""

import pytest

from tests.conformance.material import new_picture
from tests.conformance.servers import Server, Servers
from tests.conformance.signing import sign
from tests.conformance.subjects import Stored
from tests.conformance.test_misses import ITS_OWN
from tests.conformance.test_stored import YEAR
from tests.conformance.world import World

FILES = ("small.webp", "w342.jpg", "original.jpg")


async def revisions(world: World, count: int) -> list[Stored]:
    """As many states of one picture, the current one last."""
    subject = world.new_subject()
    return [
        await world.commit(subject, {name: f"{name} {number}".encode() for name in FILES})
        for number in range(count)
    ]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", FILES)
async def test_what_was_evicted_or_never_there_is_404(
    world: World, servers: Servers, name: str, method: str
) -> None:
    stored = await world.stored("small.webp")
    target = stored.target("/p/", name)
    assert await world.volume.pictures.remove(stored.subject.picture)
    answer = await servers.ask(target, method=method)
    assert answer.status == 404
    assert "ETag" not in answer.headers
    if method == "GET":
        assert answer.problem["detail"]


async def test_the_revision_before_is_still_served_for_ever(world: World, servers: Servers) -> None:
    previous, _ = await revisions(world, 2)
    for name in FILES:
        answer = await servers.ask(previous.target("/p/", name))
        assert (answer.status, answer.body) == (200, previous.files[name])
        assert answer.headers["Cache-Control"] == YEAR


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_older_ones_lead_to_the_one_of_now(world: World, servers: Servers, method: str) -> None:
    oldest, _, current = await revisions(world, 3)
    for name in FILES:
        answer = await servers.ask(oldest.target("/p/", name), method=method)
        assert (answer.status, answer.body) == (302, b"")
        assert answer.headers["Location"] == current.target("/p/", name)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        followed = await servers.ask(answer.headers["Location"])
        assert (followed.status, followed.body) == (200, current.files[name])


async def test_a_rendition_that_the_one_of_now_lacks_is_made_of_it(world: World, servers: Servers) -> None:
    subjects = {server.name: world.new_subject() for server in servers}
    old = {}
    for name, subject in subjects.items():
        old[name] = await world.commit(subject, {"original.jpg": b"old", "w92.webp": b"old"})
        for _ in range(2):
            await world.commit(subject, {"original.jpg": new_picture()})

    def path(server: Server) -> str:
        return old[server.name].target("/p/", "w92.webp")

    moved = {server: await server.get(path(server)) for server in servers}
    assert {answer.status for answer in moved.values()} == {302}
    made = await servers.ask(lambda server: moved[server].headers["Location"], varying=ITS_OWN)
    assert (made.status, made.body[:4], made.headers["Cache-Control"]) == (200, b"RIFF", YEAR)


async def test_who_had_a_valid_signature_is_sent_on_with_one(world: World, signed: Servers) -> None:
    oldest, _, current = await revisions(world, 3)
    for expires_s in (None, 4_000_000_000):
        target = sign(oldest.target("/p/", "small.webp"), expires_s=expires_s)
        moved = await signed.ask(target)
        assert moved.headers["Location"] == sign(current.target("/p/", "small.webp"), expires_s=expires_s)
        assert (await signed.ask(moved.headers["Location"])).body == current.files["small.webp"]


async def test_keep_comes_before_cache_but_for_immutable_paths(world: World, servers: Servers) -> None:
    stored = await world.stored("small.webp")
    world.keep(stored, {"small.webp": b"pinned"})
    assert (await servers.ask(stored.target("?url=", "small.webp"))).body == b"pinned"
    assert (await servers.ask(stored.target("/p/", "small.webp"))).body == stored.files["small.webp"]


async def test_what_is_only_kept_is_served_in_every_form(world: World, servers: Servers) -> None:
    stored = await world.stored("w342.webp")
    world.keep(stored, {}, move=True)
    for form in ("?url=", "/t/p/", "/p/"):
        answer = await servers.ask(stored.target(form, "w342.webp"), {"Accept": "image/webp"})
        assert (answer.status, answer.body) == (200, stored.files["w342.webp"])
