"""What is asked for wrongly, or of a host we do not know, is refused before anything is queued."""

import re

import pytest
from multidict import CIMultiDict
from yarl import URL

from services.proxy.wanted import WantedPicture, by_source_url
from shared.contracts import FetchPicture
from shared.http import Problem
from shared.pictures import Format, HostRules
from tests.integration.conftest import Start
from tests.integration.onesheet import Onesheet
from tests.providers.behaviour import Behaviour
from tests.providers.picture_host import PictureHost

POSTER = "/poster/1-60x90.jpg"

WRONG = [
    ([], "url"),
    ([("size", "small")], "url"),
    ([("url", "")], "URL"),
    ([("url", "not a url")], "http"),
    ([("url", "ftp://a.example/x.jpg")], "http"),
    ([("url", "http://user:secret@a.example/x.jpg")], "password"),
    ([("url", "http://a.example/x.jpg"), ("url", "http://a.example/x.jpg")], "once"),
    ([("url", "HERE"), ("size", "huge")], "size"),
    ([("url", "HERE"), ("size", "w343")], "size"),
    ([("url", "HERE"), ("size", "small"), ("size", "large")], "once"),
    ([("url", "HERE"), ("size", "small"), ("format", "gif")], "format"),
    ([("url", "HERE"), ("size", "small"), ("format", "webp"), ("format", "webp")], "once"),
    ([("url", "HERE"), ("size", "original"), ("format", "webp")], "original"),
    ([("url", "HERE"), ("format", "webp")], "original"),
]


@pytest.mark.parametrize(("query", "about"), WRONG)
async def test_a_wrong_request_is_400_with_a_sentence_about_what_is_wrong(
    onesheet: Onesheet, query: list[tuple[str, str]], about: str
) -> None:
    asked = [(name, onesheet.url(POSTER) if value == "HERE" else value) for name, value in query]
    answer = await onesheet.ask("/api/images/proxy", asked)
    assert answer.status == 400
    assert about in answer.problem["detail"]
    assert onesheet.queue.published == []
    assert onesheet.host.requests == []


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://2130706433/x.jpg", "no plain URL"),
        ("http://user:secret@a.example/x.jpg", "no plain URL"),
        ("http://a.example/x.jpg", "host not allowed"),
    ],
)
async def test_operators_see_what_is_refused_before_anybody_is_asked(
    onesheet: Onesheet, url: str, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await onesheet.get(url)
    assert onesheet.count("onesheet_refusals_total", rule=rule) == 1
    assert f"outcome='{rule}'" in capsys.readouterr().out


@pytest.mark.parametrize(
    "url",
    [
        "http://b.example/x.jpg",
        "http://127.0.0.1:1/x.jpg",
        "http://localhost/x.jpg",
        "http://sub.a.example.evil/x.jpg",
        "http://sub.a.example:8080/x.jpg",
    ],
)
async def test_a_host_that_is_not_allowed_is_403_before_anything_is_queued(start: Start, url: str) -> None:
    onesheet = await start(ALLOWED_HOSTS="a.example,*.a.example")
    answer = await onesheet.get(url)
    assert answer.status == 403
    assert "ALLOWED_HOSTS" in answer.problem["detail"]
    assert onesheet.queue.published == []


async def test_a_thousand_fragments_of_one_picture_leave_nothing_and_ask_nobody(onesheet: Onesheet) -> None:
    before = sorted(onesheet.layout.root.rglob("*"))
    for number in range(1000):
        answer = await onesheet.get(f"{POSTER}#x={number}", size="small")
        assert answer.status == 400
    assert "#" in answer.problem["detail"]
    assert onesheet.count("onesheet_refusals_total", rule="fragment") == 1000
    assert onesheet.queue.published == []
    assert onesheet.host.requests == []
    assert sorted(onesheet.layout.root.rglob("*")) == before


async def test_what_was_stored_under_a_url_with_a_fragment_is_served_in_every_size(
    onesheet: Onesheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("services.proxy.waiting_room.Spellings.refusal", lambda _self, _wanted: None)
        assert (await onesheet.get(f"{POSTER}#x", size="small")).status == 200
    assert (await onesheet.get(f"{POSTER}#x", size="small")).headers["X-Image-Cached"] == "true"
    assert (await onesheet.get(f"{POSTER}#x", size="w154", format="png")).status == 200
    assert (await onesheet.get(f"{POSTER}#y", size="small")).status == 400


@pytest.mark.parametrize(("path", "status"), [("/nothing/here", 404), ("/api/images/", 404)])
async def test_there_is_nothing_elsewhere(onesheet: Onesheet, path: str, status: int) -> None:
    answer = await onesheet.ask(path, {})
    assert answer.status == status
    assert answer.problem


async def test_a_picture_is_not_posted(onesheet: Onesheet) -> None:
    answer = await onesheet.get(POSTER, method="POST")
    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.problem


async def test_an_offered_trace_id_is_taken_where_it_is_plain(onesheet: Onesheet) -> None:
    offered = "0123456789abcdef"
    taken = await onesheet.get("http://b.example/", headers={"X-Request-ID": offered})
    assert taken.problem["trace_id"] == offered
    refused = await onesheet.get("http://b.example/", headers={"X-Request-ID": "a b<c>\u00e9"})
    assert refused.problem["trace_id"] != offered


async def test_a_private_address_is_refused_unless_it_is_named(start: Start) -> None:
    onesheet = await start(ALLOW_PRIVATE="")
    answer = await onesheet.get(POSTER)
    assert answer.status == 403
    assert "public address" in answer.problem["detail"]
    assert onesheet.host.requests == []
    assert onesheet.count("onesheet_refusals_total", rule="address not public") == 1


async def test_the_line_of_a_job_says_that_a_private_address_was_let_through(
    onesheet: Onesheet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (await onesheet.get("/poster/7-60x90.jpg", size="small")).status == 200
    await onesheet.jobs_done(FetchPicture)
    authority = onesheet.host.root.removeprefix("http://")
    assert f"may_be_private={authority}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"])
async def test_neither_is_a_name_or_a_spelling_of_one(
    start: Start, picture_host: PictureHost, name: str
) -> None:
    port = picture_host.root.rpartition(":")[2]
    onesheet = await start(ALLOWED_HOSTS=f"*:{port}", ALLOW_PRIVATE="")
    answer = await onesheet.get(f"http://{name}:{port}{POSTER}")
    assert answer.status == (400 if name[0].isdigit() else 403)
    assert onesheet.host.requests == []


async def test_redirects_are_followed_and_the_first_url_names_the_picture(onesheet: Onesheet) -> None:
    onesheet.host.behave("/a", Behaviour.redirecting("/b", status=301))
    onesheet.host.behave("/b", Behaviour.redirecting(onesheet.url("/c"), status=307))
    onesheet.host.behave("/c", Behaviour.redirecting(POSTER, status=308))
    assert (await onesheet.get("/a", size="small")).status == 200
    current = await onesheet.current("/a")
    assert current is not None
    assert current.manifest.source_url == onesheet.url("/a")
    assert onesheet.host.counts == {"/a": 1, "/b": 1, "/c": 1, POSTER: 1}


async def test_how_many_are_followed_is_a_setting(start: Start) -> None:
    onesheet = await start(MAX_REDIRECTS="1")
    onesheet.host.behave("/a", Behaviour.redirecting("/b"))
    onesheet.host.behave("/b", Behaviour.redirecting(POSTER))
    assert (await onesheet.get("/b")).status == 200
    assert (await onesheet.get("/a")).status == 403


@pytest.mark.parametrize("rest", ["?id=1&w=5", "?id=1&size=w92&token=a%2Fb", "&x", "?a=b&&c=d"])
def test_a_url_that_is_cut_short_by_its_own_ampersand_is_told_so(rest: str) -> None:
    with pytest.raises(Problem, match="&"):
        asked_by("url=http://a.example/x.jpg" + rest)


@pytest.mark.parametrize(
    "query",
    [
        "v=2&url=http://a.example/x.jpg",
        "url=http%3A%2F%2Fa.example%2Fx.jpg&v=2",
        "url=http://a.example/x.jpg&size=w92&format=webp&sig=a&exp=1",
        "url=http://a.example/x.jpg?a=b%26c=d",
    ],
)
def test_what_is_not_ours_beside_a_url_that_says_where_it_ends_means_nothing(query: str) -> None:
    assert str(asked_by(query).source).startswith("http://a.example/x.jpg")


def asked_by(query: str) -> WantedPicture:
    url = URL.build(path="/api/images/proxy", query_string=query, encoded=True)
    return by_source_url(url, (Format.WEBP,), HostRules.of(["*"]), signed=False)


async def test_a_url_of_eight_thousand_characters_is_asked_for(onesheet: Onesheet) -> None:
    path = POSTER + "?X-Amz-Security-Token=" + "%2F" * 2600
    assert (await onesheet.get(path)).status == 200
    assert (await onesheet.get(path + "x" * 400)).status == 400
    assert len(onesheet.host.requests) == 1


async def test_redirects_that_do_not_end_are_given_up(onesheet: Onesheet) -> None:
    onesheet.host.behave("/loop", Behaviour.redirecting("/loop"))
    answer = await onesheet.get("/loop")
    assert answer.status == 403
    assert "redirects too often" in answer.problem["detail"]
    assert onesheet.host.count("/loop") == 11


@pytest.mark.parametrize(
    ("location", "rule"),
    [
        ("http://b.example/x.jpg", "host not allowed"),
        ("http://127.0.0.1:1/x.jpg", "host not allowed"),
        ("http://[::1]/x.jpg", "host not allowed"),
        ("file:///etc/passwd", "no plain URL"),
        ("", "too many redirects"),
        ("http://user:secret@b.example/", "no plain URL"),
        ("http://2130706433/", "no plain URL"),
        ("http://[::1]@", "no plain URL"),
    ],
)
async def test_a_redirect_goes_through_every_check_again_and_operators_see_what_came_of_it(
    onesheet: Onesheet, location: str, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    onesheet.host.behave("/a", Behaviour.redirecting(location))
    answer = await onesheet.get("/a")
    assert answer.status == 403
    assert answer.problem
    assert onesheet.count("onesheet_refusals_total", rule=rule) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "refused  " in line]
    assert len(lines) == 1
    assert rule in lines[0]
    assert re.sub("//.*@", "//", location or "/a") in lines[0], "but for a login"


async def test_a_redirect_to_a_host_that_is_paused_waits_for_it(
    start: Start, picture_host: PictureHost
) -> None:
    port = picture_host.root.rpartition(":")[2]
    pairs = f"127.0.0.1:{port},localhost:{port}"
    onesheet = await start(ALLOWED_HOSTS=pairs, ALLOW_PRIVATE=pairs)
    onesheet.host.behave("/busy", Behaviour.failing(429, retry_after=60))
    assert (await onesheet.get(f"http://localhost:{port}/busy")).status == 503
    onesheet.host.behave("/a", Behaviour.redirecting(f"http://localhost:{port}{POSTER}"))
    assert (await onesheet.get("/a")).status == 503
    assert onesheet.host.counts == {"/busy": 1, "/a": 1}
    assert (await onesheet.get("/poster/9-60x90.jpg", size="small")).status == 200


async def test_the_host_that_asked_us_to_wait_is_paused_and_not_the_one_that_sent_us_there(
    start: Start, picture_host: PictureHost
) -> None:
    port = picture_host.root.rpartition(":")[2]
    pairs = f"127.0.0.1:{port},localhost:{port}"
    onesheet = await start(ALLOWED_HOSTS=pairs, ALLOW_PRIVATE=pairs)
    onesheet.host.behave("/busy", Behaviour.failing(429, retry_after=60))
    onesheet.host.behave("/a", Behaviour.redirecting(f"http://localhost:{port}/busy"))
    assert (await onesheet.get("/a")).status == 503
    assert await onesheet.volume.hosts.pause_of(f"localhost:{port}")
    assert await onesheet.volume.hosts.pause_of(f"127.0.0.1:{port}") is None


async def test_a_redirect_to_an_allowed_name_of_a_private_address_is_refused(
    start: Start, picture_host: PictureHost
) -> None:
    authority = picture_host.root.removeprefix("http://")
    port = authority.rpartition(":")[2]
    onesheet = await start(ALLOWED_HOSTS=f"{authority},localhost:{port}")
    onesheet.host.behave("/a", Behaviour.redirecting(f"http://localhost:{port}{POSTER}"))
    assert (await onesheet.get("/a")).status == 403
    assert onesheet.host.counts == {"/a": 1}


async def test_the_source_is_asked_as_who_we_are_and_told_nothing_of_the_client(start: Start) -> None:
    onesheet = await start(USER_AGENT="Onesheet/9 (+https://a.example)")
    personal = {"Cookie": "session=1", "Referer": "http://a.example/", "X-Forwarded-For": "192.0.2.1"}
    await onesheet.get(POSTER, headers=personal | {"Authorization": "Bearer x", "User-Agent": "Mozilla/5.0"})
    asked = CIMultiDict(onesheet.host.requests[0].headers)
    assert asked["User-Agent"] == "Onesheet/9 (+https://a.example)"
    assert not {*personal, "Authorization"} & set(asked)
