"""Ranges by RFC 9110, section 14: one range as asked, several as the whole, what makes no sense ignored."""

import pytest

from tests.conformance.servers import Servers
from tests.conformance.subjects import FORMS
from tests.conformance.test_conditions import OTHER, Known
from tests.conformance.test_stored import WEBP, etag_of
from tests.conformance.world import World

SPANS = [
    ("bytes=0-0", (0, 0)),
    ("bytes=0-99", (0, 99)),
    ("bytes=100-199", (100, 199)),
    ("bytes=2900-", (2900, None)),
    ("bytes=0-", (0, None)),
    ("bytes=-100", (-100, None)),
    ("bytes=-999999", (0, None)),
    ("bytes=2900-99999999", (2900, None)),
    ("bytes=2900-99999999999999999999999999", (2900, None)),
    ("BYTES=0-9", (0, 9)),
]
UNSATISFIABLE = [
    "bytes=999999-",
    "bytes=999999-1000000",
    "bytes=99999999999999999999999-",
    "bytes=-0",
]
IGNORED = [
    "bytes=0-9,20-29",
    "bytes=0-,-1",
    "bytes=",
    "bytes=-",
    "bytes=9-0",
    "bytes=a-b",
    "bytes=1-2x",
    "bytes 0-9",
    "bytes=0x0-9",
    "bytes=+0-9",
    "lines=0-9",
    "nonsense",
]


@pytest.mark.parametrize(("asked", "span"), SPANS)
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_range_is_answered_with_that_part(
    world: World, servers: Servers, form: str, asked: str, span: tuple[int, int | None], *, large: bool
) -> None:
    stored = await world.stored("w342.webp", large=large)
    body = stored.files["w342.webp"]
    first = span[0] % len(body)
    last = len(body) - 1 if span[1] is None else span[1]
    answer = await servers.ask(stored.target(form, "w342.webp"), WEBP | {"Range": asked})
    assert (answer.status, answer.body) == (206, body[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(body)}"
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert answer.headers["ETag"] == etag_of(world, stored, "w342.webp")[0]
    assert answer.media_type == "image/webp"


@pytest.mark.parametrize("asked", UNSATISFIABLE)
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_range_outside_of_the_file_is_416(
    world: World, servers: Servers, form: str, asked: str, *, large: bool
) -> None:
    stored = await world.stored("w342.webp", large=large)
    answer = await servers.ask(stored.target(form, "w342.webp"), WEBP | {"Range": asked})
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(stored.files['w342.webp'])}"
    assert answer.problem["detail"]
    assert "ETag" not in answer.headers


@pytest.mark.parametrize("asked", IGNORED)
@pytest.mark.parametrize("form", FORMS)
async def test_several_ranges_and_malformed_ones_are_answered_with_the_whole(
    world: World, servers: Servers, form: str, asked: str
) -> None:
    stored = await world.stored("w342.webp")
    answer = await servers.ask(stored.target(form, "w342.webp"), WEBP | {"Range": asked})
    assert (answer.status, answer.body) == (200, stored.files["w342.webp"])
    assert "Content-Range" not in answer.headers


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        ("{tag}", 206),
        ("{date}", 206),
        (OTHER, 200),
        ("W/{tag}", 200),  # strong comparison
        ("{sooner}", 200),
        ("{later}", 200),
        ("nonsense", 200),
    ],
)
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("form", FORMS)
async def test_if_range_gives_the_part_only_of_the_file_that_is_known(
    world: World, servers: Servers, form: str, if_range: str, status: int, *, large: bool
) -> None:
    stored = await world.stored("w342.webp", large=large)
    known = Known(*etag_of(world, stored, "w342.webp"))
    headers = {"Range": "bytes=10-19", "If-Range": known.header(if_range)}
    answer = await servers.ask(stored.target(form, "w342.webp"), WEBP | headers)
    body = stored.files["w342.webp"]
    assert (answer.status, answer.body) == (status, body[10:20] if status == 206 else body)
    unsatisfiable = await servers.ask(
        stored.target(form, "w342.webp"), WEBP | {**headers, "Range": "bytes=999999-"}
    )
    assert unsatisfiable.status == (416 if status == 206 else 200)


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"If-None-Match": "{tag}"}, 304),
        ({"If-Modified-Since": "{date}"}, 304),
        ({"If-Match": OTHER}, 412),
        ({"If-Match": "{tag}"}, 206),
        ({"If-None-Match": OTHER}, 206),
    ],
)
@pytest.mark.parametrize("form", FORMS)
async def test_preconditions_come_before_ranges(
    world: World, servers: Servers, form: str, conditions: dict[str, str], status: int
) -> None:
    stored = await world.stored("w342.webp")
    known = Known(*etag_of(world, stored, "w342.webp"))
    headers = {name: known.header(text) for name, text in conditions.items()}
    answer = await servers.ask(stored.target(form, "w342.webp"), WEBP | headers | {"Range": "bytes=0-9"})
    assert answer.status == status


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_range_of_a_head_request_is_ignored(
    world: World, servers: Servers, form: str, *, large: bool
) -> None:
    """Section 14.2: Range is defined for GET alone."""
    stored = await world.stored("w342.webp", large=large)
    for asked in ("bytes=0-9", "bytes=999999-"):
        answer = await servers.ask(stored.target(form, "w342.webp"), WEBP | {"Range": asked}, method="HEAD")
        assert (answer.status, answer.headers["Content-Length"]) == (
            200,
            str(len(stored.files["w342.webp"])),
        )
