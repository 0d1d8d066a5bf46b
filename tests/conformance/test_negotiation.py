"""The format follows from what the client names: AVIF where it is there, else WebP, else JPEG."""

from collections.abc import Callable

import pytest
from multidict import CIMultiDict

from tests.conformance.servers import Servers
from tests.conformance.subjects import BY_NAME
from tests.conformance.world import World

ACCEPTS = [
    ("image/avif,image/webp,*/*;q=0.8", "avif"),
    ("image/avif;q=0.1,image/webp", "avif"),
    ("IMAGE/AVIF , Image/WebP", "avif"),
    ("image/avif", "avif"),
    ("image/webp", "webp"),
    ("image/webp;q=0.5;v=1, image/png", "webp"),
    ("image/avif;q=0,image/webp", "webp"),
    ("image/avif; q=0.000 , image/webp; q=0.001", "webp"),
    ("image/avif;Q=0,image/webp", "webp"),
    ("image/webp;q=0, */*", "jpg"),
    ("image/*", "jpg"),
    ("*/*", "webp"),
    (" */* ;q=0.8", "webp"),
    ("*/*;q=0", "jpg"),
    ("text/html,*/*", "jpg"),
    ("image/jpeg,image/png", "jpg"),
    ("image/webpx", "jpg"),
    ("text/html;x=image/webp", "jpg"),
    (",,;;,", "jpg"),
    ("", "webp"),
    (None, "webp"),
    ("image/webp," + "a/b," * 300, "jpg"),  # longer than any client's: not read
]


@pytest.mark.parametrize(("accept", "extension"), ACCEPTS)
@pytest.mark.parametrize("form", ["?url=", "/t/p/", BY_NAME])
async def test_the_format_is_negotiated_and_the_answer_says_so(
    world: World, servers: Servers, form: str, accept: str | None, extension: str
) -> None:
    stored = await world.stored("w342.avif", "w342.webp", "w342.jpg")
    subject = stored.subject
    by_form: dict[str, Callable[[str], str]] = {
        "?url=": subject.by_url,
        "/t/p/": subject.by_tmdb_path,
        BY_NAME: subject.by_name,
    }
    target = by_form[form]("w342")
    headers = {} if accept is None else {"Accept": accept}
    for _ in range(2):
        answer = await servers.ask(target, headers)
        assert (answer.status, answer.body) == (200, stored.files[f"w342.{extension}"])
        assert answer.headers.getall("Vary") == ["Accept"]
    etag = answer.headers["ETag"]
    not_modified = await servers.ask(target, {**headers, "If-None-Match": etag})
    assert (not_modified.status, not_modified.headers.getall("Vary")) == (304, ["Accept"])


@pytest.mark.parametrize(
    ("stored_as", "accept", "extension"),
    [
        (("small.webp",), "image/avif,image/webp", "webp"),
        (("small.avif", "small.jpg"), "image/avif", "avif"),
        (("small.jpg",), "image/avif", "jpg"),
    ],
)
async def test_avif_is_chosen_only_where_it_is_there_already(
    world: World, servers: Servers, stored_as: tuple[str, ...], accept: str, extension: str
) -> None:
    stored = await world.stored(*stored_as)
    answer = await servers.ask(stored.subject.by_url("small"), {"Accept": accept})
    assert (answer.status, answer.body) == (200, stored.files[f"small.{extension}"])


async def test_accept_in_two_lines_counts_as_one(world: World, servers: Servers) -> None:
    stored = await world.stored("small.avif", "small.webp", "small.jpg")
    for lines, extension in ((["text/html", "image/webp"], "webp"), (["image/webp", "image/avif"], "avif")):
        headers = CIMultiDict([("Accept", line) for line in lines])
        answer = await servers.ask(stored.subject.by_url("small"), headers)
        assert answer.body == stored.files[f"small.{extension}"]


async def test_a_format_that_is_asked_for_is_not_negotiated(world: World, servers: Servers) -> None:
    stored = await world.stored("small.avif", "small.webp", "small.png")
    answer = await servers.ask(stored.subject.by_url("small", "png"), {"Accept": "image/avif,image/webp"})
    assert answer.body == stored.files["small.png"]
    assert "Vary" not in answer.headers
