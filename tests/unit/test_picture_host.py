import asyncio
import io
import os
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from PIL import Image

from tests.providers.behaviour import Behaviour
from tests.providers.gallery import CORPUS
from tests.providers.picture_host import PictureHost
from tests.providers.separate_host import SeparateHost

BODY = b"not really a picture, but bytes all the same"


@pytest.fixture
async def host(picture_host: PictureHost) -> PictureHost:
    picture_host.put("/x.jpg", BODY)
    return picture_host


@pytest.fixture
async def client(host: PictureHost) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(host.root) as session:
        yield session


async def body_of(client: aiohttp.ClientSession, path: str = "/x.jpg") -> bytes:
    async with client.get(path) as response:
        return await response.read()


@pytest.mark.parametrize(
    ("path", "content_type", "fmt", "size"),
    [
        ("/poster/17-200x300.jpg", "image/jpeg", "JPEG", (200, 300)),
        ("/backdrop/3-320x180.webp", "image/webp", "WEBP", (320, 180)),
        ("/photo/3-320x180.avif", "image/avif", "AVIF", (320, 180)),
        ("/animation/1-64x36.gif", "image/gif", "GIF", (64, 36)),
        ("/many/123456.jpg", "image/jpeg", "JPEG", (1000, 1500)),
    ],
)
async def test_it_draws_what_its_path_says(
    client: aiohttp.ClientSession, path: str, content_type: str, fmt: str, size: tuple[int, int]
) -> None:
    async with client.get(path) as response:
        assert response.status == 200
        assert response.content_type == content_type
        picture = Image.open(io.BytesIO(await response.read()))
    assert (picture.format, picture.size) == (fmt, size)


@pytest.mark.parametrize(
    "path",
    ["/", "/poster/x.jpg", "/poster/1.txt", "/poster/1-0x10.jpg", "/corpus/../INDEX.md", "/corpus/none.jpg"],
)
async def test_elsewhere_it_has_nothing(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as response:
        assert response.status == 404


@pytest.mark.corpus
async def test_it_serves_the_corpus(client: aiohttp.ClientSession) -> None:
    assert await body_of(client, "/corpus/photo.webp") == (CORPUS / "good" / "photo.webp").read_bytes()


async def test_it_counts_and_remembers_what_it_was_asked(
    host: PictureHost, client: aiohttp.ClientSession
) -> None:
    for path in ("/x.jpg", "/x.jpg?w=1", "/none.jpg"):
        async with client.head(path, headers={"User-Agent": "a test"}):
            pass
    assert host.counts == {"/x.jpg": 2, "/none.jpg": 1}
    assert (host.count("/x.jpg"), host.count("/x.jpg?w=1"), host.count("/y.jpg")) == (2, 1, 0)
    last = host.requests[1]
    assert (last.method, last.path, last.query) == ("HEAD", "/x.jpg", "w=1")
    assert last.headers["user-agent"] == "a test"


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503])
async def test_failing_says_the_status_and_when_to_come_again(
    host: PictureHost, client: aiohttp.ClientSession, status: int
) -> None:
    host.behave("/x.jpg", Behaviour.failing(status, retry_after=7))
    async with client.get("/x.jpg") as response:
        assert response.status == status
        assert response.headers["Retry-After"] == "7"
        assert "ETag" not in response.headers
        assert BODY not in await response.read()


async def test_a_script_ends_well(host: PictureHost, client: aiohttp.ClientSession) -> None:
    host.behave("/x.jpg", Behaviour.failing(503, times=2), Behaviour.failing(404, times=1))
    statuses = []
    for _ in range(5):
        async with client.get("/x.jpg") as response:
            statuses.append(response.status)
    assert statuses == [503, 503, 404, 200, 200]


async def test_redirects_can_be_chained(host: PictureHost, client: aiohttp.ClientSession) -> None:
    host.behave("/a.jpg", Behaviour.redirecting("/b.jpg", status=301))
    host.behave("/b.jpg", Behaviour.redirecting(host.url("/x.jpg"), status=307))
    async with client.get("/a.jpg") as response:
        assert [hop.status for hop in response.history] == [301, 307]
        assert await response.read() == BODY


async def test_a_cut_body_ends_before_its_announced_length(
    host: PictureHost, client: aiohttp.ClientSession
) -> None:
    host.behave("/x.jpg", Behaviour(cut_after_bytes=10))
    async with client.get("/x.jpg") as response:
        assert response.content_length == len(BODY)
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
        assert response.content.total_bytes == 10


@pytest.mark.parametrize("claimed", [5, 500])
async def test_a_wrong_length_is_claimed_and_the_body_sent_whole(host: PictureHost, claimed: int) -> None:
    host.behave("/x.jpg", Behaviour(claimed_length=claimed))
    answer = await by_hand(host, "/x.jpg")
    assert f"Content-Length: {claimed}\r\n".encode() in answer
    assert answer.endswith(b"\r\n\r\n" + BODY)


async def by_hand(host: PictureHost, path: str) -> bytes:
    """All that the host sends, as it is on the wire."""
    address, _, port = host.root.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(address, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    try:
        return await reader.read(-1)
    finally:
        writer.close()


async def test_a_chunked_body_has_no_length(host: PictureHost, client: aiohttp.ClientSession) -> None:
    host.behave("/x.jpg", Behaviour(chunked=True))
    async with client.get("/x.jpg") as response:
        assert "Content-Length" not in response.headers
        assert await response.read() == BODY


async def test_a_dripping_body_takes_its_time(host: PictureHost, client: aiohttp.ClientSession) -> None:
    host.behave("/x.jpg", Behaviour(drip_bytes_per_s=200))
    started = time.monotonic()
    async with client.get("/x.jpg") as response:
        assert await response.content.readany() == BODY[:10]
        assert await response.read() == BODY[10:]
    assert time.monotonic() - started >= len(BODY) / 200 * 0.9


async def test_a_delay_comes_before_the_headers(host: PictureHost, client: aiohttp.ClientSession) -> None:
    host.behave("/x.jpg", Behaviour(delay_s=0.1))
    started = time.monotonic()
    async with client.get("/x.jpg") as response:
        assert time.monotonic() - started >= 0.09
        assert response.status == 200


async def test_type_headers_and_body_can_be_wrong(host: PictureHost, client: aiohttp.ClientSession) -> None:
    wrong = Behaviour(content_type="text/plain", headers={"Content-Encoding": "x-odd"}, times=1)
    host.behave("/x.jpg", wrong, Behaviour.error_page(times=1), Behaviour.empty(times=1))
    async with client.get("/x.jpg") as response:
        assert (response.content_type, response.headers["Content-Encoding"]) == ("text/plain", "x-odd")
    async with client.get("/x.jpg") as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert b"<html>" in await response.read()
    async with client.get("/x.jpg") as response:
        assert (response.status, response.content_length, await response.read()) == (200, 0, b"")


async def test_no_answer_closes_the_connection(host: PictureHost) -> None:
    host.behave("/x.jpg", Behaviour(no_answer=True))
    assert await by_hand(host, "/x.jpg") == b""


async def test_a_reset_resets_the_connection(host: PictureHost) -> None:
    host.behave("/x.jpg", Behaviour(reset=True))
    with pytest.raises(ConnectionResetError):
        await by_hand(host, "/x.jpg")


async def test_a_gate_holds_requests_until_it_opens(host: PictureHost, client: aiohttp.ClientSession) -> None:
    gate = host.hold("/x.jpg")
    waiting = [asyncio.create_task(body_of(client)) for _ in range(3)]
    await gate.arrived(3)
    assert (host.count("/x.jpg"), host.in_flight) == (3, 3)
    assert not any(task.done() for task in waiting)
    host.release("/x.jpg")
    assert await asyncio.gather(*waiting) == [BODY] * 3
    assert (host.in_flight, host.most_in_flight) == (0, 3)


async def test_a_client_that_leaves_is_not_waited_for(
    host: PictureHost, client: aiohttp.ClientSession
) -> None:
    gate = host.hold("/x.jpg")
    leaving = asyncio.create_task(body_of(client))
    await gate.arrived()
    leaving.cancel()
    await gate.left()
    assert gate.waiting == 0


async def test_who_knows_the_picture_gets_304_until_it_changes(
    host: PictureHost, client: aiohttp.ClientSession
) -> None:
    host.put("/x.jpg", BODY, cache_control="max-age=60")
    async with client.get("/x.jpg") as response:
        etag, changed_at = response.headers["ETag"], response.headers["Last-Modified"]
        assert response.headers["Cache-Control"] == "max-age=60"
    for known in (
        {"If-None-Match": etag},
        {"If-Modified-Since": changed_at},
        {"If-None-Match": f'"a", {etag}'},
    ):
        async with client.get("/x.jpg", headers=known) as response:
            assert (response.status, await response.read()) == (304, b"")
            assert (response.headers["ETag"], response.headers["Cache-Control"]) == (etag, "max-age=60")
    host.put("/x.jpg", BODY + b"!", changed_at=datetime.now(UTC) + timedelta(seconds=2))
    for known in ({"If-None-Match": etag}, {"If-Modified-Since": changed_at}):
        async with client.get("/x.jpg", headers=known) as response:
            assert (response.status, await response.read()) == (200, BODY + b"!")


async def test_an_etag_that_differs_outweighs_a_date_that_does_not(
    host: PictureHost, client: aiohttp.ClientSession
) -> None:
    later = "Fri, 01 Jan 2100 00:00:00 GMT"
    async with client.get(
        "/x.jpg", headers={"If-None-Match": '"other"', "If-Modified-Since": later}
    ) as response:
        assert response.status == 200


async def test_a_page_without_validators_is_always_sent(
    host: PictureHost, client: aiohttp.ClientSession
) -> None:
    host.put("/x.jpg", BODY, validators=False)
    later = "Fri, 01 Jan 2100 00:00:00 GMT"
    for known in ({"If-None-Match": '"any"'}, {"If-Modified-Since": later}):
        async with client.get("/x.jpg", headers=known) as response:
            assert (response.status, await response.read()) == (200, BODY)
        assert not {"ETag", "Last-Modified"} & set(response.headers)


async def test_a_separate_host_is_steered_and_counted_from_here() -> None:
    async with SeparateHost.running() as host, aiohttp.ClientSession(host.root) as client:
        await host.put("/x.jpg", BODY, cache_control="no-store")
        await host.behave("/x.jpg", Behaviour.failing(503, times=1), Behaviour(body=b"\xff", times=1))
        async with client.get("/x.jpg") as response:
            assert (response.status, response.content_type) == (503, "text/plain")
        assert await body_of(client) == b"\xff"
        async with client.get("/x.jpg") as response:
            assert (response.content_type, response.headers["Cache-Control"]) == ("image/jpeg", "no-store")
            assert await response.read() == BODY
        await host.hold("/x.jpg")
        held = asyncio.create_task(body_of(client))
        await host.arrived("/x.jpg")
        await host.release("/x.jpg")
        assert await held == BODY
        assert [asked["path"] for asked in await host.requests()] == ["/x.jpg"] * 4
        await host.forget()
        assert await host.counts() == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_separate_host_ends_cleanly_while_a_request_waits(number: signal.Signals) -> None:
    async with SeparateHost.running() as host, aiohttp.ClientSession(host.root) as client:
        await host.hold("/many/1.jpg")
        held = asyncio.create_task(body_of(client, "/many/1.jpg"))
        await host.arrived("/many/1.jpg")
        os.kill(host.pid, number)
        assert await host.ended() == 0
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
