"""An independent checker of HTTP, httplint, has nothing to say against what we answer."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from httplint import HttpRequestLinter, HttpResponseLinter, Note, levels

from tests.conformance.answers import Answer
from tests.conformance.material import new_picture
from tests.conformance.servers import IMAGE, PLAIN_HTTP_IMAGE, Server, Servers, Target, target_for
from tests.conformance.subjects import BY_NAME, FORMS, Stored
from tests.conformance.test_misses import one_each
from tests.conformance.world import World
from tests.providers.gallery import picture_at

ACCEPTED = {
    # `public` also lets a CDN keep what was asked for with an Authorization header, which sites before us add.
    "STORE_PUBLIC_UNNECESSARY",
    # Says of every 400 that it is one.
    "STATUS_BAD_REQUEST",
}


@dataclass(frozen=True)
class Case:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"


async def check(servers: Servers, target: Target, case: Case) -> Answer:
    """Every server answers with this status, and nothing is wrong with how."""
    answers = []
    for server in servers:
        its_own = target_for(target, server)
        answer = await server.get(its_own, case.headers, method=case.method)
        assert answer.status == case.status, (server.name, answer)
        assert objections(server.address + its_own, case, answer) == [], (server.name, answer.headers)
        answers.append(answer)
    return answers[0]


def objections(url: str, case: Case, answer: Answer) -> list[str]:
    request = HttpRequestLinter()
    request.process_request_topline(case.method.encode(), url.encode(), b"1.1")
    sent = {"Host": "site.example", "User-Agent": "a test", **case.headers}
    request.process_headers([(name.encode(), value.encode()) for name, value in sent.items()])
    request.finish_content(complete=True)
    response = HttpResponseLinter(start_time=time.time())
    response.request, request.response = request, response
    response.is_head_response = case.method == "HEAD"
    response.base_uri = url
    response.process_response_topline(b"1.1", str(answer.status).encode(), answer.reason.encode())
    response.process_headers(list(answer.raw_headers))
    response.feed_content(answer.body)
    response.finish_content(complete=True)
    return [
        f"{note.subject}: {note.summary}"
        for note in _all(response.notes)
        if note.level in (levels.WARN, levels.BAD) and type(note).__name__ not in ACCEPTED
    ]


def _all(notes: Iterable[Note]) -> Iterator[Note]:
    for note in notes:
        yield note
        yield from _all(note.subnotes)


async def stored_picture(world: World) -> Stored:
    webp = picture_at("/poster/1-60x90.webp")
    assert webp
    large = new_picture(at_least_bytes=300_000)
    return await world.commit(world.new_subject(), {"original.jpg": large, "w342.webp": webp})


CASES = [
    Case(200),
    Case(200, method="HEAD"),
    Case(200, {"If-None-Match": '"0-0"'}),
    Case(200, {"Range": "bytes=0-9,20-29"}),
    Case(206, {"Range": "bytes=0-9"}),
    Case(206, {"Range": "bytes=-9"}),
    Case(304, {"If-None-Match": "*"}),
    Case(304, {"If-None-Match": "*"}, method="HEAD"),
    Case(304, {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}),
    Case(412, {"If-Match": '"0-0"'}),
    Case(416, {"Range": "bytes=999999-"}),
    Case(405, method="DELETE"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("name", ["w342.webp", "original.jpg"])
@pytest.mark.parametrize("form", FORMS)
async def test_nothing_is_wrong_with_what_is_stored(
    world: World, servers: Servers, form: str, name: str, case: Case
) -> None:
    stored = await stored_picture(world)
    headers = {"Accept": "image/webp,*/*", **case.headers}
    dated_otherwise = form == BY_NAME and "If-Modified-Since" in case.headers  # a name may go back
    status = 200 if dated_otherwise else case.status
    await check(servers, stored.target(form, name), Case(status, headers, case.method))


@pytest.mark.parametrize("client", [{}, PLAIN_HTTP_IMAGE], ids=["others", "browser"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_nothing_is_wrong_with_a_miss(
    world: World, servers: Servers, method: str, client: dict[str, str]
) -> None:
    subjects = one_each(world, servers)
    for cached in ("false", "true"):
        answer = await check(
            servers, lambda server: subjects[server.name].by_url("w45"), Case(200, client, method)
        )
        assert answer.headers["X-Image-Cached"] == cached


async def test_nothing_is_wrong_with_what_is_pending(world: World, impatient: Servers) -> None:
    subjects = one_each(world, impatient)
    for subject in subjects.values():
        world.host.hold(subject.path)

    def target(server: Server) -> str:
        return subjects[server.name].by_url("w45")

    pending = await check(impatient, target, Case(200, IMAGE))
    assert pending.headers["X-Image-Pending"] == "1"
    await check(impatient, target, Case(503))


REFUSED = {
    "/api/images/proxy": 400,
    "/t/p/w343/x.jpg": 400,
    "/api/images/proxy?url=http%3A%2F%2Fa.example%2Fx.jpg": 403,
    f"/p/{'1' * 32}/{'0' * 16}/small.webp": 404,
    "/nothing/here": 404,
}


@pytest.mark.parametrize(("target", "status"), REFUSED.items())
async def test_nothing_is_wrong_with_a_refusal(servers: Servers, target: str, status: int) -> None:
    for method in ("GET", "HEAD"):
        await check(servers, target, Case(status, method=method))


async def test_nothing_is_wrong_with_a_failure_or_a_redirect(world: World, servers: Servers) -> None:
    missing = world.new_subject()
    for _ in range(2):
        await check(servers, missing.by_url(), Case(404))
    subject = world.new_subject()
    oldest, *_ = [await world.commit(subject, {"original.jpg": new_picture()}) for _ in range(3)]
    await check(servers, oldest.target("/p/", "original.jpg"), Case(302))


def test_the_checker_would_say_so() -> None:
    broken = Answer(200, "OK", ((b"Content-Length", b"3"), (b"Cache-Control", b"max-age=1; public")), b"12")
    assert len(objections("http://site.example/", Case(200), broken)) > 1
