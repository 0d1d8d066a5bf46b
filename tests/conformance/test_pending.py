"""What is answered instead of a picture that is not here yet: never anything that could be kept as the picture."""

import asyncio
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from io import BytesIO

import pytest
from PIL import Image

from shared.telemetry import utc_now
from shared.volume import HostPause
from tests.conformance.answers import Answer
from tests.conformance.conftest import MAX_WAITING
from tests.conformance.servers import IMAGE, PLAIN_HTTP_IMAGE, Server, Servers
from tests.conformance.subjects import by_url
from tests.conformance.test_misses import ITS_OWN, one_each
from tests.conformance.world import World, eventually
from tests.providers.behaviour import Behaviour

BROWSERS = [IMAGE, PLAIN_HTTP_IMAGE, {"Sec-Fetch-Dest": "image", "User-Agent": "x", "Accept": "*/*"}]
OTHERS = [
    {},
    {"User-Agent": "MediaServer/1", "Accept": "image/webp,*/*"},
    {"User-Agent": "Mozilla/5.0", "Accept": "image/*,*/*"},
    {"Sec-Fetch-Dest": "document", **PLAIN_HTTP_IMAGE},
]
PAUSED_S = 3600.5


def assert_placeholder(answer: Answer) -> None:
    assert answer.status == 200, answer
    picture = Image.open(BytesIO(answer.body))
    assert picture.get_format_mimetype() == answer.media_type
    assert len(answer.body) < 4000
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Image-Pending"] == "1"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert not {"ETag", "Last-Modified", "X-Image-Cached"} & set(answer.headers)


def assert_unavailable(answer: Answer) -> None:
    assert answer.status == 503, answer
    assert answer.headers["Cache-Control"] == "no-store"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Retry-After"] in answer.problem["detail"]


@pytest.mark.parametrize("form", ["?url=", "/t/p/"])
async def test_past_the_bound_browsers_get_a_placeholder_and_others_503(
    world: World, impatient: Servers, form: str
) -> None:
    subjects = one_each(world, impatient)
    for subject in subjects.values():
        world.host.hold(subject.path)

    def target(server: Server) -> str:
        subject = subjects[server.name]
        return subject.by_url("w45", "webp") if form == "?url=" else subject.by_tmdb_path("w45")

    for browser in BROWSERS:
        assert_placeholder(await impatient.ask(target, browser))
    for answer in await asyncio.gather(*(impatient.ask(target, other) for other in OTHERS)):
        assert_unavailable(answer)
    for subject in subjects.values():
        world.host.release(subject.path)
    await eventually(lambda: all(map(world.is_stored, subjects.values())))
    stored = await impatient.ask(target, IMAGE, varying=(*ITS_OWN, "X-Image-Cached"))
    assert (stored.status, "X-Image-Pending" in stored.headers) == (200, False)
    assert {world.host.count(subject.path) for subject in subjects.values()} == {1}


async def test_a_head_request_past_the_bound(world: World, impatient: Servers) -> None:
    subjects = one_each(world, impatient)
    for subject in subjects.values():
        world.host.hold(subject.path)
    answer = await impatient.ask(
        lambda server: subjects[server.name].by_url("w45", "webp"), IMAGE, method="HEAD"
    )
    assert (answer.status, answer.headers["X-Image-Pending"], answer.body) == (200, "1", b"")
    for subject in subjects.values():
        world.host.release(subject.path)


async def test_no_more_wait_than_may_and_who_comes_then_is_told_at_once(
    world: World, impatient: Servers
) -> None:
    subjects, others = one_each(world, impatient), one_each(world, impatient)
    for subject in subjects.values():
        world.host.hold(subject.path)
    waiting = [
        asyncio.create_task(server.get(subjects[server.name].by_url("w45", "webp")))
        for server in impatient
        for _ in range(MAX_WAITING // 2)
    ]
    for server in impatient:
        await eventually(partial(is_full, server))
    for client, check in (({}, assert_unavailable), (IMAGE, assert_placeholder)):
        check(await impatient.ask(lambda server: others[server.name].by_url("w45", "webp"), client))
    for subject in subjects.values():
        world.host.release(subject.path)
    assert {answer.status for answer in await asyncio.gather(*waiting)} <= {200, 503}  # 503: a slow machine
    assert {world.host.count(subject.path) for subject in others.values()} == {0}


async def is_full(server: Server) -> bool:
    return await server.count("onesheet_waiting") == MAX_WAITING // 2


async def test_with_the_queue_down_what_is_stored_is_served_and_the_rest_is_pending(
    world: World, impatient: Servers
) -> None:
    """The one process begins jobs while it writes them: it may have the picture all the same."""
    stored, subjects = await world.stored("small.webp"), one_each(world, impatient)
    itself, *others = impatient
    behind_a_broker = Servers(tuple(others))

    def target(server: Server) -> str:
        return subjects[server.name].by_url("w45", "webp")

    with world.queue_down():
        assert (await impatient.ask(stored.subject.by_url("small", "webp"))).status == 200
        assert_placeholder(await behind_a_broker.ask(target, IMAGE))
        assert_placeholder(await behind_a_broker.ask(stored.target("/p/", "w92.png"), IMAGE))
        for answer in await asyncio.gather(
            behind_a_broker.ask(target), behind_a_broker.ask(stored.target("/p/", "w154.png"))
        ):
            assert_unavailable(answer)
        answer = await itself.get(target(itself))
        if answer.status != HTTPStatus.OK:
            assert_unavailable(answer)
        assert (await impatient.ask(stored.subject.by_url("small", "webp"))).status == 200
    for server in impatient:
        await eventually(server.is_ready)
        await eventually(partial(is_answered, server, target(server)))


async def is_answered(server: Server, target: str) -> bool:
    return (await server.get(target)).status == 200


MAY_REDIRECT = {
    "https://image.tmdb.org/t/p/original/unknown.jpg": True,
    "https://artworks.thetvdb.com/banners/unknown.jpg": True,
    "https://static-cdn.jtvnw.net/unknown-%7Bwidth%7D.jpg?a=b%26c": True,
    "https://walter.trakt.tv/images/unknown.jpg.webp": False,
    "https://assets.fanart.tv/unknown.jpg": False,
    "https://assets.hardcover.app/unknown.jpg": False,
}


@pytest.mark.parametrize(("source", "may_redirect"), MAY_REDIRECT.items())
async def test_a_paused_host_is_not_asked_and_its_clients_wait_or_are_sent_there_where_it_allows_that(
    world: World, servers: Servers, impatient: Servers, source: str, *, may_redirect: bool
) -> None:
    host = source.split("/")[2]
    await world.volume.hosts.pause(host, HostPause(utc_now() + timedelta(seconds=PAUSED_S)))
    target = by_url(source, "small", "webp")
    for server in servers:  # each when it is asked: what is left of the pause gets less
        assert_placeholder(await server.get(target, IMAGE))
        told = await server.get(target)
        assert_unavailable(told)
        assert int(told.headers["Retry-After"]) in range(3500, 3602)
    for client, check in (({}, assert_unavailable), (IMAGE, assert_placeholder)):
        if not may_redirect:
            for server in impatient:
                check(await server.get(target, client))
            continue
        answer = await impatient.ask(target, client)
        assert (answer.status, answer.headers["Location"]) == (302, source)
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_busy_host_is_left_alone_by_everybody(world: World, servers: Servers) -> None:
    path = "/poster/1-60x90.jpg"
    world.busy_host.behave(path, Behaviour.failing(429, retry_after=600))
    for number, server in enumerate(servers):
        answer = await server.get(by_url(world.busy_host.url(path if number == 0 else f"{path}?{number}")))
        assert_unavailable(answer)
        assert int(answer.headers["Retry-After"]) in range(500, 601)
        assert_placeholder(await server.get(by_url(world.busy_host.url(path)), IMAGE))
    assert world.busy_host.count(path) == 1
