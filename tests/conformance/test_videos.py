"""Videos: the same from every server, by whole, by part and by several parts; private ones by a signature alone."""

import os
import re
import time
import uuid
from email.utils import formatdate
from pathlib import Path

import pytest

from shared.pictures.public_paths import VIDEO_FOLDERS
from tests.conformance.answers import Answer
from tests.conformance.servers import Servers
from tests.conformance.signing import sign
from tests.conformance.world import World
from tests.providers.videos import an_mp4

BODY = an_mp4(5000)
DAY_AGO_S = int(time.time()) - 86_400
YEAR = "public, max-age=31536000, immutable"
SIZE = len(BODY)


def put(world: World, *, private: bool = False) -> str:
    """A video on the volume; return its name."""
    name = str(uuid.uuid4())
    file = Path(world.layout.root) / "videos" / ("private" if private else "public") / f"{name}.mp4"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(BODY)
    os.utime(file, (DAY_AGO_S, DAY_AGO_S))
    return name


def path_of(name: str, folder: str = "/videos") -> str:
    return f"{folder}/{name}.mp4"


ETAG = f'"{DAY_AGO_S:x}-{SIZE:x}"'
LAST_MODIFIED = formatdate(DAY_AGO_S, usegmt=True)


@pytest.mark.parametrize("folder", VIDEO_FOLDERS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_video_is_sent_whole(world: World, servers: Servers, folder: str, method: str) -> None:
    answer = await servers.ask(path_of(put(world), folder), method=method)
    assert (answer.status, answer.body) == (200, BODY if method == "GET" else b"")
    expected = {
        "Content-Type": "video/mp4",
        "Content-Length": str(SIZE),
        "Accept-Ranges": "bytes",
        "ETag": ETAG,
        "Last-Modified": LAST_MODIFIED,
        "Cache-Control": YEAR,
        "X-Content-Type-Options": "nosniff",
        "Access-Control-Allow-Origin": "*",
    }
    assert {name: answer.headers[name] for name in expected} == expected


SPANS = [
    ("bytes=0-0", (0, 0)),
    ("bytes=100-199", (100, 199)),
    ("bytes=4900-", (4900, SIZE - 1)),
    ("bytes=0-", (0, SIZE - 1)),
    ("bytes=-100", (SIZE - 100, SIZE - 1)),
    ("bytes=-999999", (0, SIZE - 1)),
    ("bytes=4900-99999999", (4900, SIZE - 1)),
    ("bytes=4900-99999999999999999999", (4900, SIZE - 1)),
    ("BYTES=1-9", (1, 9)),
    ("bytes=1-9,999999-", (1, 9)),
    ("bytes= 1 - 9 ", (1, 9)),
]


async def test_a_range_is_answered_with_that_part(world: World, servers: Servers) -> None:
    target = path_of(put(world))
    for asked, (first, last) in SPANS:
        answer = await servers.ask(target, {"Range": asked})
        assert (answer.status, answer.body) == (206, BODY[first : last + 1]), asked
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
        assert (answer.headers["ETag"], answer.media_type) == (ETAG, "video/mp4")


def parts_of(answer: Answer) -> list[tuple[str, bytes]]:
    """The ranges with their bytes, by the boundary that the answer names."""
    found = re.fullmatch(r"multipart/byteranges; boundary=(\S+)", answer.headers["Content-Type"])
    assert found
    preamble, *parts, end = answer.body.split(f"\r\n--{found[1]}".encode())
    assert (preamble, end) == (b"", b"--\r\n")
    read = []
    for part in parts:
        head, _, body = part.partition(b"\r\n\r\n")
        said = re.fullmatch(rb"\r\nContent-Type: video/mp4\r\nContent-Range: bytes (\S+)", head)
        assert said, head
        read.append((said[1].decode(), body))
    return read


async def test_several_ranges_are_several_parts_in_the_order_of_the_request(
    world: World, servers: Servers
) -> None:
    target = path_of(put(world))
    for asked, spans in (
        ("bytes=0-9,20-29", [(0, 9), (20, 29)]),
        ("bytes=20-29, 0-9, -5", [(20, 29), (0, 9), (SIZE - 5, SIZE - 1)]),
        ("bytes=0-0,999999-,4000-", [(0, 0), (4000, SIZE - 1)]),
        ("bytes=0-99,50-149", [(0, 99), (50, 149)]),
        ("bytes=" + ",".join(f"{at}-{at}" for at in range(16)), [(at, at) for at in range(16)]),
    ):
        expected = [(f"{first}-{last}/{SIZE}", BODY[first : last + 1]) for first, last in spans]
        for server in servers:
            answer = await server.get(target, {"Range": asked})
            assert (answer.status, parts_of(answer)) == (206, expected), (server.name, asked)
            assert "Content-Range" not in answer.headers


async def test_more_than_the_whole_or_too_many_parts_are_the_whole(world: World, servers: Servers) -> None:
    target = path_of(put(world))
    many = "bytes=" + ",".join(f"{at}-{at}" for at in range(17))
    for asked in ("bytes=0-,-1", "bytes=0-2999,2000-4999", many, "lines=0-9", "bytes 0-9", "nonsense"):
        answer = await servers.ask(target, {"Range": asked})
        assert (answer.status, answer.body) == (200, BODY), asked
        assert answer.headers["Accept-Ranges"] == "bytes"


async def test_what_lies_outside_or_is_no_range_is_416_and_says_how_long_it_is(
    world: World, servers: Servers
) -> None:
    target = path_of(put(world))
    for asked in (
        f"bytes={SIZE}-",
        "bytes=999999-1000000",
        "bytes=-0",
        "bytes=999999-,-0",
        "bytes=9-0",
        "bytes=a-b",
        "bytes=1-2x",
        "bytes=1-2,",
        "bytes=99999999999999999999999-",
    ):
        answer = await servers.ask(target, {"Range": asked})
        assert answer.status == 416, asked
        assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
        assert answer.problem["status"] == 416
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_range_of_a_head_request_is_ignored(world: World, servers: Servers) -> None:
    for asked in ("bytes=5-9", "bytes=999999-", "bytes=0-1,5-9"):
        answer = await servers.ask(path_of(put(world)), {"Range": asked}, method="HEAD")
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(SIZE))


async def test_if_range_gives_the_part_only_of_the_video_that_is_known(
    world: World, servers: Servers
) -> None:
    target = path_of(put(world))
    sooner = formatdate(DAY_AGO_S - 60, usegmt=True)
    for known, status in (
        (ETAG, 206),
        (LAST_MODIFIED, 206),
        (f"W/{ETAG}", 200),
        ('"another"', 200),
        (sooner, 200),
        ("nonsense", 200),
    ):
        for asked in ("bytes=10-19", "bytes=10-19,30-39", "bytes=999999-"):
            for server in servers:
                answer = await server.get(target, {"Range": asked, "If-Range": known})
                partly = 416 if "999999" in asked else 206
                assert answer.status == (partly if status == 206 else 200), (server.name, asked, known)


async def test_conditions_are_judged_before_ranges(world: World, servers: Servers) -> None:
    target = path_of(put(world))
    other, later = '"another"', formatdate(DAY_AGO_S + 60, usegmt=True)
    sooner = formatdate(DAY_AGO_S - 60, usegmt=True)
    for conditions, status in (
        ({"If-None-Match": ETAG}, 304),
        ({"If-None-Match": f"{other}, W/{ETAG}"}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-Modified-Since": LAST_MODIFIED}, 304),
        ({"If-Modified-Since": later}, 304),
        ({"If-None-Match": other, "If-Modified-Since": LAST_MODIFIED}, 206),
        ({"If-None-Match": ETAG, "If-Modified-Since": sooner}, 304),
        ({"If-Modified-Since": sooner}, 206),
        ({"If-Match": other}, 412),
        ({"If-Match": ETAG}, 206),
        ({"If-Unmodified-Since": sooner}, 412),
    ):
        answer = await servers.ask(target, {**conditions, "Range": "bytes=5-9"})
        assert answer.status == status, conditions
        if status == 304:
            assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == (ETAG, YEAR)


async def test_what_is_no_name_of_a_video_is_nowhere(world: World, servers: Servers) -> None:
    name = put(world)
    for target in (
        path_of(str(uuid.uuid4())),
        path_of(name.upper()),
        f"/videos/{name}",
        f"/videos/{name}.webm",
        f"/videos/{name}.mp4/",
        f"/videos/public/{name}.mp4",
        f"/videos/private/{name}.mp4",
        f"/videos/..%2fpublic%2f{name}.mp4",
        "/videos/",
    ):
        for server in servers:
            assert (await server.get(target)).status == 404, (server.name, target)
    for spelled in (f"/videos/{name}.mp4?x=1", f"/videos/%{ord(name[0]):02x}{name[1:]}.mp4"):
        assert (await servers.ask(spelled)).body == BODY


async def test_nobody_writes_there(world: World, servers: Servers) -> None:
    for method in ("POST", "PUT", "DELETE"):
        for server in servers:
            answer = await server.get(path_of(put(world)), method=method)
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD"), (server.name, method)


async def test_a_private_video_is_sent_by_a_signature_until_it_ends(world: World, signed: Servers) -> None:
    public, private = path_of(put(world)), path_of(put(world, private=True))
    assert (await signed.ask(public)).body == BODY  # open to who knows its name, as uploads are
    soon, before = int(time.time()) + 600, int(time.time()) - 1
    for target in (private, f"{private}?sig=0", sign(private, expires_s=before)):
        assert (await signed.ask(target)).status == 403, target
    answer = await signed.ask(sign(private, expires_s=soon), {"Range": "bytes=7-9"})
    assert (answer.status, answer.body) == (206, BODY[7:10])
    assert answer.headers["Cache-Control"] == "private, max-age=3600"


async def test_without_keys_nobody_has_a_private_video(world: World, servers: Servers) -> None:
    private = path_of(put(world, private=True))
    for target in (private, sign(private, expires_s=int(time.time()) + 600)):
        assert (await servers.ask(target)).status == 403
