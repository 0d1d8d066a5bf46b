"""By name, every server shows the same picture: wherever it lies, and as soon as it is another one."""

import asyncio
import shutil

import pytest

from services.proxy.hot_answers import PASSED_LASTS_S
from shared.pictures import Kind, Name, PictureId, Role, Tree
from shared.pictures.cache_control import PRIVATE
from tests.conformance.servers import Servers
from tests.conformance.signing import sign
from tests.conformance.test_stored import DAY, WEBP
from tests.conformance.world import World

FILES = {
    "/data/images/profiles/profile_avatar_{}.png": (Kind.STREAMER, Role.PROFILE),
    "/data/images/categories/{}.png": (Kind.CATEGORY, Role.COVER),
    "/data/images/artwork/somebody/stream_{}.png": (Kind.STREAM, Role.ARTWORK),
    "/api/image-no-auth/{}.png": (Kind.UPLOAD, Role.IMAGE),
}
NO_AUTH = "/api/image-no-auth"
"""Open to whoever knows the name, also where others have to be signed."""


@pytest.mark.parametrize("path", FILES)
async def test_files_of_the_streamer_library_and_of_uploads_are_names(
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
            unsigned = await signed.ask(target + size)
            assert unsigned.status == (200 if target.startswith(NO_AUTH) else 403)
            assert (await signed.ask(sign(target + size))).body == stored.files[file]


async def test_a_private_upload_is_shown_by_no_server_without_its_signature(
    world: World, servers: Servers, signed: Servers
) -> None:
    stored = await world.stored("small.png")
    picture = PictureId(stored.subject.picture[:20] + "0" * 12)
    trees = [(world.layout.picture(Tree.CACHE, one), one) for one in (stored.subject.picture, picture)]
    shutil.copytree(trees[0][0], trees[1][0], symlinks=True)
    name = Name(Kind.UPLOAD, f"private_{picture}", Role.IMAGE)
    await world.volume.names.point(name, picture)
    revision = await world.volume.pictures.current(picture)
    assert revision
    by_path = f"/p/{picture}/{revision.id}/original.jpg"
    for target in (f"{NO_AUTH}/{name.id}.jpg", f"/api/v1/images/{name}/original", by_path):
        for some in (servers, signed):
            assert (await some.ask(target)).status == 403, target
        answer = await signed.ask(sign(target))
        assert (answer.status, answer.body) == (200, stored.files["original.jpg"])
        assert answer.headers["Cache-Control"] == PRIVATE
        assert (await servers.ask(sign(target))).status == 403  # they have no keys


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


async def test_bare_numbers_of_kinds_that_others_number_are_ids(world: World, servers: Servers) -> None:
    stored = await world.stored("w342.webp")
    number = str(int(stored.subject.picture[:12], 16))
    await world.volume.names.point(Name(Kind.CHARACTER, number, Role.PORTRAIT), stored.subject.picture)
    answer = await servers.ask(f"/api/v1/images/character/{number}/portrait/w342", WEBP)
    assert (answer.status, answer.body) == (200, stored.files["w342.webp"])


async def test_the_path_in_three_parts_and_the_one_with_a_key_are_names(
    world: World, servers: Servers, signed: Servers
) -> None:
    stored = await world.stored("w500.jpg")
    number = str(int(stored.subject.picture[:6], 16) + 1)
    await world.volume.names.point(Name(Kind.SERIES, f"tvdb:{number}", Role.POSTER), stored.subject.picture)
    original = await servers.ask(f"/api/v1/images/series/{number}/poster")
    assert (original.status, original.body) == (200, stored.files["original.jpg"])
    assert original.headers["Cache-Control"] == DAY
    keyed = f"/t0-free/tvdb/poster-default/{number}.jpg"
    for target in (keyed, f"{keyed}?fallback=true&lang=de"):
        answer = await servers.ask(target)
        assert (answer.status, answer.body) == (200, stored.files["w500.jpg"])
    assert (await signed.ask(keyed)).status == 403
    assert (await servers.ask(keyed.replace("t0-free", "t0-other"))).status == 403
    assert (await servers.ask("/t0-free/isValid")).status == 200
    assert (await signed.ask("/t0-free/isValid")).status == 403


async def test_seerrs_paths_are_tmdbs(world: World, servers: Servers) -> None:
    stored = await world.stored("w342.webp")
    answer = await servers.ask(f"/imageproxy/tmdb{stored.subject.by_tmdb_path('w342')}", WEBP)
    assert (answer.status, answer.body) == (200, stored.files["w342.webp"])
