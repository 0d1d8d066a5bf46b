"""Hits that are answered before aiohttp parses them: to whoever asks, in whatever pieces it comes."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image

from services.proxy.hot_answers import HOT_BYTES
from shared.http.app import Facts, Observation
from shared.http.signatures import EXPIRY, Signatures
from tests.integration.conftest import Start
from tests.integration.onesheet import Onesheet, until
from tests.providers.drawing import encode

POSTER = "/poster/1-60x90.jpg"
LARGE = "/large.jpg"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

BROWSER = (
    "Host: onesheet.example\r\nUser-Agent: Mozilla/5.0\r\nAccept: image/avif,image/webp,*/*;q=0.5\r\n"
    "Accept-Encoding: gzip\r\nConnection: keep-alive\r\nSec-Fetch-Dest: image\r\n"
)


def target(onesheet: Onesheet, path: str, size: str = "&size=small") -> str:
    return f"/api/images/proxy?url={onesheet.url(path)}{size}"


def request(target: str, more: str = "", *, version: str = "1.1", headers: str = BROWSER) -> bytes:
    return f"GET {target} HTTP/{version}\r\n{headers}{more}\r\n".encode()


@asynccontextmanager
async def connected(onesheet: Onesheet) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(onesheet.address.rpartition(":")[2]))
    async with asyncio.timeout(60):
        yield reader, writer
    writer.close()


async def answer(streams: Streams) -> tuple[str, dict[str, str], bytes]:
    """The status line, the headers and the body."""
    line, *lines = (await streams[0].readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name: value.strip() for name, _, value in (one.partition(":") for one in lines if one)}
    length = int(headers.get("Content-Length", "0")) if " 304 " not in line else 0
    return line, headers, await streams[0].readexactly(length)


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The statuses of what was answered early."""
    statuses: list[int] = []
    answered = Observation.answered

    def noted(self: Observation, status: int, said: Facts) -> None:
        statuses.append(status)
        answered(self, status, said)

    monkeypatch.setattr(Observation, "answered", noted)
    return statuses


async def stored(onesheet: Onesheet, path: str = POSTER, size: str = "&size=small") -> str:
    """Ask until it is a hot answer; its target."""
    asked = target(onesheet, path, size)
    async with connected(onesheet) as streams:
        for _ in range(2):
            streams[1].write(request(asked))
            assert " 200 " in (await answer(streams))[0]
    return asked


def noise(side: int) -> bytes:
    return encode(Image.effect_noise((side, side), 80).convert("RGB"), "jpeg", quality=95)


async def put_large(onesheet: Onesheet) -> bytes:
    body = noise(1000)
    assert len(body) > 2 * HOT_BYTES
    onesheet.host.put(LARGE, body)
    return body


async def test_browsers_proxies_and_old_clients_are_all_answered_early(
    onesheet: Onesheet, early: list[int]
) -> None:
    asked = await stored(onesheet)
    del early[:]
    for version, connection, stays in (
        ("1.1", "Connection: keep-alive\r\n", True),
        ("1.1", "", True),
        ("1.1", "Connection: close\r\n", False),
        ("1.0", "", False),
        ("1.0", "Connection: keep-alive\r\n", True),
    ):
        headers = BROWSER.replace("Connection: keep-alive\r\n", connection)
        async with connected(onesheet) as streams:
            for _ in range(2 if stays else 1):
                streams[1].write(request(asked, version=version, headers=headers))
                line, said, body = await answer(streams)
                assert line == f"HTTP/{version} 200 OK"
                assert (said["Content-Type"], len(body)) == ("image/webp", int(said["Content-Length"]))
            if not stays:
                assert await streams[0].read() == b""
    assert early == [200] * 8


async def test_it_is_the_answer_that_the_long_way_gives(onesheet: Onesheet, early: list[int]) -> None:
    asked = await stored(onesheet)
    async with connected(onesheet) as streams:
        for more in ("", "{tag}", "If-Modified-Since: Sun, 29 Nov 2099 00:00:00 GMT\r\n"):
            both: list[tuple[str, dict[str, str], bytes]] = []
            for headers in (BROWSER, BROWSER + "TE: trailers\r\n"):
                etag = both[0][1]["ETag"] if both else '"no"'
                streams[1].write(
                    request(asked, more.format(tag=f"If-None-Match: {etag}\r\n"), headers=headers)
                )
                line, said, body = await answer(streams)
                both.append((line, {k: v for k, v in said.items() if k not in ("Date", "X-Trace-Id")}, body))
            assert both[0][2] == both[1][2] or " 304 " in both[1][0]
            if "{tag}" not in more:
                assert both[0] == both[1]
    assert 304 in early


async def test_who_has_it_already_is_told_so(onesheet: Onesheet, early: list[int]) -> None:
    asked = await stored(onesheet)
    async with connected(onesheet) as streams:
        streams[1].write(request(asked))
        etag = (await answer(streams))[1]["ETag"]
        del early[:]
        for tag in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            streams[1].write(request(asked, f"If-None-Match: {tag}\r\n"))
            line, said, _ = await answer(streams)
            assert (line, said["ETag"]) == ("HTTP/1.1 304 Not Modified", etag)
            assert "Content-Type" not in said
        streams[1].write(request(asked, 'If-None-Match: "other"\r\n'))
        assert (await answer(streams))[0] == "HTTP/1.1 200 OK"
        streams[1].write(request(asked, 'If-Match: "other"\r\n'))
        assert (await answer(streams))[0].startswith("HTTP/1.1 412 ")
    assert early == [304, 304, 304, 304, 200]


async def test_what_comes_in_pieces_together_or_with_a_body_is_answered_once_and_in_order(
    onesheet: Onesheet, early: list[int]
) -> None:
    asked = await stored(onesheet)
    whole, health = request(asked), request("/healthz")
    async with connected(onesheet) as streams:
        streams[1].write(whole[:40])
        await streams[1].drain()
        await asyncio.sleep(0.05)
        del early[:]
        streams[1].write(whole[40:])
        assert (await answer(streams))[0] == "HTTP/1.1 200 OK"
        assert early == []
        streams[1].write(health + whole + health)
        kinds = [(await answer(streams))[1]["Content-Type"].partition(";")[0] for _ in range(3)]
        assert kinds == ["application/json", "image/webp", "application/json"]
        assert early == []
        streams[1].write(whole)
        assert (await answer(streams))[0] == "HTTP/1.1 200 OK"
        assert early == [200]
        body = request(asked)
        head = f"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        streams[1].write(head)
        await streams[1].drain()
        await asyncio.sleep(0.05)
        streams[1].write(body)
        assert (await answer(streams))[0].startswith("HTTP/1.1 405 ")
        assert early == [200]


async def test_it_is_counted_and_logged_like_any_other(
    onesheet: Onesheet, early: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = await stored(onesheet)
    before = onesheet.count("onesheet_pictures_served_total", outcome="hit")
    del early[:]
    capsys.readouterr()
    async with connected(onesheet) as streams:
        streams[1].write(request(asked, "X-Request-ID: a-trace-of-mine\r\n"))
        await answer(streams)
    assert early == [200]
    assert onesheet.count("onesheet_pictures_served_total", outcome="hit") == before + 1
    line = capsys.readouterr().out
    for said in (
        "method=GET",
        "outcome=hit",
        "rendition=small.webp",
        "status=200",
        "trace_id=a-trace-of-mine",
    ):
        assert said in line


async def test_a_purge_and_a_file_that_changed_show_at_once(onesheet: Onesheet, early: list[int]) -> None:
    asked = await stored(onesheet)
    revision = await onesheet.current(POSTER)
    assert revision
    file = await onesheet.volume.pictures.at(revision.picture, revision.id, "small.webp")
    assert file
    assert file.local
    await asyncio.to_thread(Path(file.local.path).unlink)
    del early[:]
    async with connected(onesheet) as streams:
        streams[1].write(request(asked))
        line, said, _ = await answer(streams)
    assert (line, said["X-Image-Cached"], early) == ("HTTP/1.1 200 OK", "false", [])


async def test_a_large_original_is_sent_by_the_kernel_however_slowly_it_is_taken(
    onesheet: Onesheet, early: list[int]
) -> None:
    body = await put_large(onesheet)
    asked = await stored(onesheet, LARGE, "")
    del early[:]
    async with connected(onesheet) as streams:
        streams[1].write(request(asked))
        await until(lambda: streams[0]._buffer)  # type: ignore[attr-defined]  # it has begun
        streams[1].write(request(asked))
        for _ in range(2):
            line, said, got = await answer(streams)
            assert (line, said["Content-Type"], got) == ("HTTP/1.1 200 OK", "image/jpeg", body)
        await until(lambda: early == [200, 200])
        streams[1].write(request(asked, "Connection: close\r\n", headers="Host: x\r\n"))
        assert (await answer(streams))[2] == body
        assert await streams[0].read() == b""


async def test_a_file_does_not_overtake_what_was_written_before_it(
    onesheet: Onesheet, early: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_large(onesheet)
    asked = await stored(onesheet, LARGE, "")
    del early[:]
    transport = asyncio.selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
    monkeypatch.setattr(transport, "get_write_buffer_size", lambda _: 1)
    async with connected(onesheet) as streams:
        streams[1].write(request(asked))
        assert (await answer(streams))[0] == "HTTP/1.1 200 OK"
    assert early == []


async def test_who_leaves_in_the_middle_of_a_large_one_is_counted_as_such(
    onesheet: Onesheet, early: list[int]
) -> None:
    body = noise(3200)  # more than any socket takes at once
    onesheet.host.put(LARGE, body)
    asked = await stored(onesheet, LARGE, "")
    del early[:]
    async with connected(onesheet) as streams:
        streams[1].write(request(asked))
        await streams[0].read(1000)
        streams[1].transport.abort()
        await until(lambda: early == [499])


async def test_a_signature_is_good_for_no_longer_than_it_says(
    start: Start, early: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    onesheet = await start(SIGNING_KEYS="a-key-of-32-characters-or-more!!")
    signed = _signed(onesheet)
    async with connected(onesheet) as streams:
        for _ in range(3):
            streams[1].write(request(signed))
            assert (await answer(streams))[0] == "HTTP/1.1 200 OK"
        assert 200 in early
        streams[1].write(request(re.sub("sig=.", "sig=x", signed)))
        assert (await answer(streams))[0].startswith("HTTP/1.1 403 ")
        monkeypatch.setattr("time.time", lambda: 4_000_000_000.0)
        streams[1].write(request(signed))
        assert (await answer(streams))[0].startswith("HTTP/1.1 403 ")


def _signed(onesheet: Onesheet) -> str:
    signatures = Signatures(["a-key-of-32-characters-or-more!!"])
    asked = [("url", onesheet.url(POSTER)), ("size", "small"), (EXPIRY, "3900000000")]
    return signatures.sign("/api/images/proxy", asked)
