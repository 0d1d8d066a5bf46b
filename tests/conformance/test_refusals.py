"""What is asked for wrongly is refused with a sentence, before it reaches the queue or the disk."""

import re
import sqlite3
from contextlib import closing
from urllib.parse import quote

import pytest

from shared.queue import Lane
from tests.conformance.servers import IMAGE, Servers
from tests.conformance.subjects import FORMS, by_url
from tests.conformance.test_misses import fetches
from tests.conformance.world import World

PARTS_OF_A_PICTURE = 4
"""Its tree, two shelves and itself."""

PICTURE, REVISION = "0123456789abcdef" * 2, "0123456789abcdef"
OFFERED = quote("http://127.0.0.1/x.jpg", safe="")
BY_QUERY = [
    "",
    "?",
    "?size=small",
    "?url",
    "?url=",
    "?url=x.jpg",
    "?url=/x.jpg",
    "?url=//127.0.0.1/x.jpg",
    "?url=ftp%3A%2F%2F127.0.0.1%2Fx.jpg",
    "?url=file%3A%2F%2F%2Fetc%2Fpasswd",
    "?url=data%3Aimage%2Fgif%3Bbase64%2CR0lGODlhAQABAAAAACw%3D",
    "?url=javascript%3Aalert(1)",
    "?url=http%3A%2F%2F",
    "?url=http%3A%2F%2F%2Fx.jpg",
    "?url=http%3A%2F%2Fuser%3Asecret%40127.0.0.1%2Fx.jpg",
    "?url=http%3A%2F%2F127.0.0.1%3A99999%2Fx.jpg",
    "?url=http%3A%2F%2Fa%20b%2Fx.jpg",
    "?url=http%3A%2F%2F127.0.0.1%2F%00.jpg",
    f"?url=%20{OFFERED}",
    f"?url={OFFERED}%0A",
    f"?url={OFFERED}{'x' * 8192}",
    f"?url={OFFERED}&url={OFFERED}",
    f"?url={OFFERED}&%75rl={OFFERED}",
    f"?url={OFFERED}&size=huge",
    f"?url={OFFERED}&size=w343",
    f"?url={OFFERED}&size=Small",
    f"?url={OFFERED}&size=small.webp",
    f"?url={OFFERED}&size=..%2F..%2Fx&format=webp",
    f"?url={OFFERED}&size=small&size=small",
    f"?url={OFFERED}&size=small&format=gif",
    f"?url={OFFERED}&size=small&format=WEBP",
    f"?url={OFFERED}&size=small&format=",
    f"?url={OFFERED}&size=small&format=webp&format=webp",
    f"?url={OFFERED}&size=original&format=webp",
    f"?url={OFFERED}&format=webp",
]
BY_PATH = [
    "/t/p/w343/x.jpg",
    "/t/p/W342/x.jpg",
    "/t/p/small/x.jpg",
    "/t/p/w342/x.html",
    "/t/p/w342/x",
    "/t/p/w342/.jpg",
    "/t/p/w342/-.jpg",
    "/t/p/w342/%2e%2e%2fx.jpg",
    "/t/p/w342/" + "x" * 101 + ".jpg",
    f"/p/{PICTURE}/{REVISION}/huge.webp",
    f"/p/{PICTURE}/{REVISION}/small.gif",
    f"/p/{PICTURE}/{REVISION}/small",
    f"/p/{PICTURE}/{REVISION}/original.exe",
    f"/p/{PICTURE}/{REVISION}/original.webp.jpg",
    f"/p/{PICTURE}/{REVISION}/spool.jpg",
    f"/p/{PICTURE}/{REVISION}/manifest.json",
    f"/p/{PICTURE}/{REVISION}/..%2Fstate.json",
    f"/p/{PICTURE[:-1]}/{REVISION}/small.webp",
    f"/p/{PICTURE.upper()}/{REVISION}/small.webp",
    f"/p/{PICTURE}/current/small.webp",
    f"/p/{PICTURE}/{REVISION}0/small.webp",
]
_ODD_IDS = (
    ". .. .a -a _a :a %2e %2E%2E .%2e %2e%2e%2fa ..%2fetc%2fpasswd a%2Fb %2Fetc%2Fpasswd a%2f..%2fb a%5Cb ..%5C..%5Ca a%20b "
    "%20a a%20 a%09b a%0Ab a%0D%0Ab a%7Fb a+b a,b a;b a=b a&b a%3Fb a%23b a%25b a%252Fb %252e%252e a*b a!b a'b a%22b a(b) "
    "a%5Bb a%7Bb a%7Cb a$b a@b a%5Eb a%60b %3Ca%3E ~a a~ %C3%A9 a%C3%A9 e%CC%81 %C5%82%C3%B3d%C5%BA %E6%98%A0 "
    "%F0%9F%8E%AC a%E2%80%8Bb %E2%80%AEa a%C2%A0b tmdb%EF%BC%9A603 %D9%A6%D9%A0%D9%A3 %C3%9F %C3 %FF %ED%A0%80 %C0%AF"
)
ODD_IDS = _ODD_IDS.split(" ")
BY_NAME = [
    *(f"/api/v1/images/movie/{id_}/poster/w342" for id_ in (*ODD_IDS, "x" * 129, "x" * 5000, "%C3%A9" * 500)),
    *(
        f"/api/v1/images/{kind}/tmdb:603/poster/w342"
        for kind in ("tv", "Movie", "movies", "artwork", "%6Dovies")
    ),
    *(f"/api/v1/images/movie/tmdb:603/{role}/w342" for role in ("posters", "POSTER", "..%2Fposter")),
    *(
        f"/api/v1/images/movie/tmdb:603/poster/{file}"
        for file in (
            "huge",
            "w343",
            "w342.",
            "w342.gif",
            "w342.WEBP",
            "original.jpg",
            ".webp",
            "w342.webp.jpg",
            "spool",
        )
    ),
    *(f"/data/images/profiles/profile_avatar_{id_}.jpg" for id_ in ("..%2Fa", "a%20b", "%C3%A9", "x" * 129)),
    "/data/images/profiles/profile_avatar_123.gif",
    "/data/images/profiles/profile_avatar_123.jpg?size=huge",
    "/data/images/profiles/profile_avatar_123.jpg?size=small&size=small",
    "/data/images/categories/just-chatting.json",
    "/data/images/categories/...jpg",
    "/data/images/artwork/-somebody/stream_7.jpg",
    "/data/images/artwork/somebody/stream_-7.jpg",
]
WRONG = [*(f"/api/images/proxy{query}" for query in BY_QUERY), *BY_PATH, *BY_NAME]
NOT_ALLOWED = [
    "http://127.0.0.1:1/x.jpg",
    "http://localhost/x.jpg",
    "http://image.tmdb.org.evil.example/x.jpg",
    "https://image.tmdb.org:8443/x.jpg",
    "https://sub.image.tmdb.org/x.jpg",
    "http://[::1]/x.jpg",
    "http://169.254.169.254/latest/meta-data/",
]
NOWHERE = [
    "/nothing/here",
    "/api/images/",
    "/api/nothing",
    "/p/",
    "/t/p/",
    "/t/p/w342/",
    "/p/a/b",
    "/p/a/b/c/d",
    "/api/v1/images/",
    "/api/v1/images/movie/tmdb:603",
    "/api/v1/images/movie/tmdb:603/poster/w342/x",
    "/api/v1/images//tmdb:603/poster/w342",
    "/api/v1/images/movie//poster/w342",
    "/data/images/",
    "/data/images/profiles/123.jpg",
    "/data/images/profiles/profile_avatar_.jpg",
    "/data/images/artwork/stream_7.jpg",
    "/data/images/categories/a/b.jpg",
]


@pytest.mark.parametrize("target", WRONG)
async def test_a_wrong_request_is_400_with_a_sentence(servers: Servers, target: str) -> None:
    for client in ({}, IMAGE):
        answer = await servers.ask(target, client)
        assert answer.status == 400
        assert answer.headers["Cache-Control"] == "no-store"
        assert not re.search(r"Traceback|Error|aiohttp|/home|\.py", answer.problem["detail"])
    head = await servers.ask(target, method="HEAD")
    assert (head.status, head.body) == (400, b"")


async def test_a_null_character_is_400_in_whose_words_ever(servers: Servers) -> None:
    """nginx refuses it in every URL before anything else is read."""
    for server in servers:
        answer = await server.get("/t/p/w342/x%00.jpg")
        assert answer.status == 400
        assert answer.problem["detail"]


@pytest.mark.parametrize("source", NOT_ALLOWED)
async def test_a_host_that_is_not_allowed_is_403(servers: Servers, source: str) -> None:
    answer = await servers.ask(by_url(source, "small", "webp"))
    assert answer.status == 403
    assert "ALLOWED_HOSTS" in answer.problem["detail"]


@pytest.mark.parametrize("target", NOWHERE)
async def test_there_is_nothing_elsewhere(servers: Servers, target: str) -> None:
    answer = await servers.ask(target)
    assert answer.status == 404
    assert answer.problem["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
async def test_a_picture_can_only_be_asked_for(world: World, servers: Servers, method: str) -> None:
    stored = await world.stored("w342.webp")
    for form in FORMS:
        answer = await servers.ask(stored.target(form, "w342.webp"), method=method)
        assert answer.status == 405
        assert set(re.split(r",\s*", answer.headers["Allow"])) == {"GET", "HEAD"}
        assert answer.problem["detail"]
    assert (await servers.ask(stored.target("/p/", "w342.webp"))).status == 200


async def test_no_answer_tells_what_we_are_made_of(world: World, servers: Servers) -> None:
    stored = await world.stored("small.webp")
    for target in (stored.target("/p/", "small.webp"), "/nothing/here", "/api/images/proxy", "/healthz"):
        for server in servers:
            answer = await server.get(target)
            said = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
            assert not re.search(r"python|aiohttp|\d+\.\d+\.\d+", said, re.IGNORECASE), said


async def test_nothing_asked_for_wrongly_reaches_the_queue_or_the_disk(
    world: World, servers: Servers
) -> None:
    before = await everything(world, servers)
    world.host.forget()
    for target in (*WRONG, *(by_url(source, "small", "webp") for source in NOT_ALLOWED), *NOWHERE):
        for method in ("GET", "HEAD", "POST"):
            await servers.ask(target, method=method)
    assert await everything(world, servers) == before
    assert world.host.requests == []


async def everything(world: World, servers: Servers) -> tuple[object, ...]:
    """What lies on the volume and in the lanes, and how many jobs have ever been taken: but for what is made ahead of pictures that
    were asked for before, of which some comes ten seconds later.
    """
    root = world.layout.root
    files = sorted(
        str(file)
        for tree in ("cache", "keep", "names", "refused", "hosts", "inbox")
        for file in (root / tree).rglob("*")
        if tree not in ("cache", "keep") or len(file.relative_to(root).parts) <= PARTS_OF_A_PICTURE
    )
    lanes = [lane for lane in Lane if lane is not Lane.PICTURES_LATER]
    depths = {lane: await world.queue.depth(lane) for lane in lanes}
    taken = [await fetches(world, server) for server in servers]
    with closing(sqlite3.connect(world.directory / "usual" / "queue.sqlite")) as file:
        found = file.execute("SELECT lane, count(*) FROM messages GROUP BY lane").fetchall()
    return files, depths, taken, [one for one in found if one[0] in lanes]
