"""A failure is answered by its class, remembered, and kept by nobody longer than by us."""

import re
from collections.abc import Mapping
from datetime import timedelta

import pytest

from shared.pictures import DOWNLOAD, Failure, FailureClass, State
from shared.telemetry import utc_now
from tests.conformance.answers import Answer
from tests.conformance.material import new_picture
from tests.conformance.servers import IMAGE, Servers, Target
from tests.conformance.test_misses import one_each
from tests.conformance.test_pending import assert_placeholder, assert_unavailable
from tests.conformance.world import MAX_BODY_MB, World
from tests.providers.behaviour import Behaviour

LEFT_S = 30.5
CLASSES = [
    (FailureClass.GONE, 404, 404),
    (FailureClass.REFUSED, 403, 403),
    (FailureClass.UNSOUND, None, 415),
    (FailureClass.UNSOUND, 413, 413),
    (FailureClass.UPSTREAM, 500, 502),
    (FailureClass.OURS, None, 503),
]


def kept_for_s(answer: Answer) -> int:
    """How long a cache may keep it; 0 where it may not."""
    found = re.fullmatch(r"max-age=(\d+)|no-store", answer.headers["Cache-Control"])
    assert found, answer
    return int(found[1] or 0)


def failed(failure_class: FailureClass, status: int | None, *, left_s: float = LEFT_S) -> Failure:
    now = utc_now()
    return Failure(
        failure_class=failure_class,
        status=status,
        reason="The source said no.",
        at=now,
        retry_at=now + timedelta(seconds=left_s),
    )


async def in_one_second(
    servers: Servers, target: Target, headers: Mapping[str, str], method: str, *, attempts: int = 5
) -> Answer:
    """What all servers answer alike; asked again where a second ended between the first answer and the last."""
    while True:
        attempts -= 1
        try:
            return await servers.ask(target, headers, method=method)
        except AssertionError:
            if not attempts:
                raise


@pytest.mark.parametrize(("failure_class", "status", "answered"), CLASSES)
@pytest.mark.parametrize("left_s", [LEFT_S, 86_400.5])
async def test_a_remembered_failure(
    world: World,
    servers: Servers,
    failure_class: FailureClass,
    status: int | None,
    *,
    answered: int,
    left_s: float,
) -> None:
    subject = world.offered()
    failure = failed(failure_class, status, left_s=left_s)
    state = State().failed(DOWNLOAD, failure)
    await world.volume.pictures.put_state(subject.picture, state)
    for target in (subject.by_url("small"), subject.by_url(), subject.by_tmdb_path("w342")):
        for client, method in (({}, "GET"), (IMAGE, "GET"), ({}, "HEAD")):
            answer = await in_one_second(servers, target, client, method)
            assert answer.status == answered
            left_at_least_s = (failure.retry_at - utc_now()).total_seconds()
            assert left_at_least_s - 1 <= int(answer.headers["Retry-After"]) <= left_s + 1
            assert kept_for_s(answer) <= min(60, int(answer.headers["Retry-After"]))
            if method == "GET":
                assert "The source said no." in answer.problem["detail"]
    assert world.host.count(subject.path) == 0


async def test_a_busy_source_is_pending_and_no_failure(world: World, servers: Servers) -> None:
    subject = world.offered()
    state = State().failed(DOWNLOAD, failed(FailureClass.BUSY, 429))
    await world.volume.pictures.put_state(subject.picture, state)
    assert_unavailable(await servers.ask(subject.by_url("small")))
    assert_placeholder(await servers.ask(subject.by_url("small"), IMAGE))
    assert world.host.count(subject.path) == 0


HAPPENED = [
    (Behaviour.failing(404), 404),
    (Behaviour.failing(403), 403),
    (Behaviour.error_page(), 415),
    (Behaviour(claimed_length=(MAX_BODY_MB + 1) * 2**20), 413),
    (Behaviour.failing(500), 502),
]


@pytest.mark.parametrize(("behaviour", "answered"), HAPPENED)
async def test_a_failure_is_remembered_from_the_first_answer_on(
    world: World, servers: Servers, behaviour: Behaviour, answered: int
) -> None:
    subjects = one_each(world, servers)
    for subject in subjects.values():
        world.host.behave(subject.path, behaviour)
    asked = []
    for _ in range(2):
        answer = await servers.ask(
            lambda server: subjects[server.name].by_url("w45", "webp"),
            varying=("Retry-After", "Cache-Control"),
        )
        assert answer.status == answered
        assert 0 < kept_for_s(answer) <= 60
        assert answer.problem["detail"]
        asked.append([world.host.count(subject.path) for subject in subjects.values()])
    assert asked[0] == asked[1]


async def test_a_failure_that_is_over_is_tried_again(world: World, servers: Servers) -> None:
    subjects = one_each(world, servers)
    for subject in subjects.values():
        state = State().failed(DOWNLOAD, failed(FailureClass.GONE, 404, left_s=-1))
        await world.volume.pictures.put_state(subject.picture, state)
    for server in servers:
        assert (await server.get(subjects[server.name].by_url("w45", "webp"))).status == 200


async def test_a_failed_refresh_costs_nothing_and_a_failed_rendition_only_itself(
    world: World, servers: Servers
) -> None:
    body = new_picture()
    stored = await world.commit(world.offered(body), {"original.jpg": body, "small.webp": b"small"})
    state = await world.volume.pictures.state(stored.subject.picture)
    state = state.failed(DOWNLOAD, failed(FailureClass.GONE, 404))
    state = state.failed("w92.webp", failed(FailureClass.UNSOUND, None))
    await world.volume.pictures.put_state(stored.subject.picture, state)
    assert (await servers.ask(stored.target("?url=", "small.webp"))).status == 200
    assert (await servers.ask(stored.target("?url=", "w92.webp"))).status == 415
    assert (await servers.ask(stored.target("/p/", "w92.webp"))).status == 415
    for server in servers:
        assert (await server.get(stored.target("?url=", "w154.webp"))).status == 200
