"""What hosts may do to us while they answer: each of it ends in its failure class, soon, and in little memory."""

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from services.fetcher.download.downloader import Downloaded
from services.fetcher.errors import PictureError
from services.fetcher.settings import DownloadSettings
from shared.pictures import FailureClass
from tests.integration.downloading import Downloading, running_downloader
from tests.providers.behaviour import Behaviour
from tests.providers.gallery import picture_at
from tests.providers.picture_host import PictureHost

PICTURE = "/poster/1-60x90.jpg"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ZEROS = 200 * 2**20

UPSTREAM, UNSOUND = FailureClass.UPSTREAM, FailureClass.UNSOUND


def drawn() -> bytes:
    body = picture_at(PICTURE)
    assert body is not None
    return body


@cache
def packed_zeros(coding: Literal["gzip", "deflate"]) -> bytes:
    return gzip.compress(bytes(ZEROS), 1) if coding == "gzip" else zlib.compress(bytes(ZEROS), 1)


def packed(coding: str, body: bytes) -> Behaviour:
    return Behaviour(body=body, headers={"Content-Encoding": coding})


def raw(answer: bytes, *, endless: bytes | None = None) -> Behaviour:
    return Behaviour(raw=answer, endless=endless)


Made = Behaviour | Callable[[], Behaviour]
HOSTILE: dict[str, tuple[Made, FailureClass, str]] = {
    # headers
    "a header line too long": (raw(OK + b"X: " + b"a" * 70_000 + b"\r\n\r\n"), UPSTREAM, "broken"),
    "a header name too long": (raw(OK + b"X" * 70_000 + b": a\r\n\r\n"), UPSTREAM, "broken"),
    "too many headers": (raw(OK + b"X: a\r\n" * 1000 + b"\r\n"), UPSTREAM, "broken"),
    "a header without end": (raw(OK + b"X: ", endless=b"a" * 65_536), UPSTREAM, "broken"),
    "headers without end": (raw(OK, endless=b"X: a\r\n" * 1000), UPSTREAM, "broken"),
    "a reason without end": (raw(b"HTTP/1.1 200 ", endless=b"a" * 65_536), UPSTREAM, "broken"),
    "early hints without end": (raw(b"", endless=b"HTTP/1.1 103 Early Hints\r\n\r\n"), UPSTREAM, "in time"),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.9\r\n"), UPSTREAM, "broken"),
    "a status that is none": (raw(b"HTTP/1.1 abc OK\r\n\r\n"), UPSTREAM, "broken"),
    "half a header": (raw(OK + b"Content-Le"), UPSTREAM, "broke"),
    # length and chunks
    "a length below nothing": (raw(OK + b"Content-Length: -1\r\n\r\nabc"), UPSTREAM, "broken"),
    "a length that is no number": (raw(OK + b"Content-Length: many\r\n\r\nabc"), UPSTREAM, "broken"),
    "two lengths": (raw(OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), UPSTREAM, "broken"),
    "a length that is not kept": (Behaviour(claimed_length=10**6), UPSTREAM, "broken"),
    "a length over the limit": (Behaviour(claimed_length=10**9), UNSOUND, "1 MB"),
    "an early close": (Behaviour(cut_after_bytes=100), UPSTREAM, "broken"),
    "a chunk size that is none": (raw(CHUNKED + b"zz\r\nabc\r\n"), UPSTREAM, "broke"),
    "a chunk that is longer": (raw(CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n"), UPSTREAM, "broke"),
    "a chunk size without end": (raw(CHUNKED, endless=b"1" * 65_536), UPSTREAM, "broke"),
    "a chunk extension without end": (raw(CHUNKED + b"3;", endless=b"a" * 65_536), UPSTREAM, "broke|in time"),
    "chunks that end early": (raw(CHUNKED + b"5\r\nab"), UPSTREAM, "broken"),
    "trailers without end": (
        raw(CHUNKED + b"1\r\na\r\n0\r\n", endless=b"X: a\r\n" * 1000),
        UPSTREAM,
        "broke",
    ),
    # bodies
    "no body": (Behaviour.empty(), UPSTREAM, "empty"),
    "a body without end": (raw(OK + b"\r\n", endless=b"\xff" * 65_536), UNSOUND, "1 MB"),
    "chunks without end": (raw(CHUNKED, endless=b"4\r\n\xff\xff\xff\xff\r\n" * 1000), UNSOUND, "1 MB"),
    "silence after the headers": (Behaviour(drip_bytes_per_s=1), UPSTREAM, "in time"),
    "a body that drips": (Behaviour(drip_bytes_per_s=500), UPSTREAM, "too slowly"),
    "a web page": (Behaviour.error_page(), UNSOUND, "a web page"),
    "a web page after a comment": (Behaviour(body=b"<!-- x -->\n<!DOCTYPE HTML>"), UNSOUND, "a web page"),
    "a web page said to be a picture": (Behaviour(body=b"\xef\xbb\xbf <HTML>"), UNSOUND, "a web page"),
    "an error in JSON": (Behaviour(body=b'{"error": "not found"}'), UNSOUND, "JSON"),
    # codings
    "gzip that unpacks to far more": (lambda: packed("gzip", packed_zeros("gzip")), UNSOUND, "1 MB"),
    "many gzips": (packed("gzip", gzip.compress(b"") * 10_000), UPSTREAM, "broken"),
    "deflate that unpacks to far more": (lambda: packed("deflate", packed_zeros("deflate")), UNSOUND, "1 MB"),
    "gzip in gzip": (lambda: packed("gzip, gzip", gzip.compress(packed_zeros("gzip"))), UNSOUND, "1 MB"),
    "gzip in gzip without end": (
        lambda: packed(",".join(["gzip"] * 5), packed_zeros("gzip")),
        UNSOUND,
        "packed",
    ),
    "brotli": (packed("br", b"\x0b\x02\x80abc\x03"), UNSOUND, "packed"),
    "zstandard": (packed("zstd", b"\x28\xb5\x2f\xfd"), UNSOUND, "packed"),
    "gzip that is none": (packed("gzip", b"none at all"), UPSTREAM, "broken"),
    "gzip that ends early": (packed("gzip", gzip.compress(bytes(range(256)))[:20]), UPSTREAM, "broken"),
    # statuses
    **{
        f"status {status}": (Behaviour(status=status, body=b""), UPSTREAM, str(status))
        for status in (202, 204, 205, 206, 226, 300, 305, 500, 502, 504, 599)
    },
    "another protocol": (raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), UPSTREAM, "101"),
}


def made(behaviour: Made) -> Behaviour:
    return behaviour() if callable(behaviour) else behaviour


@pytest.fixture
async def start(
    tmp_path: Path, picture_host: PictureHost, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Awaitable[Downloading]]]:
    authority = picture_host.root.removeprefix("http://")
    usual = {"ALLOWED_HOSTS": authority, "ALLOW_PRIVATE": authority, "MAX_BODY_MB": "1"}
    quick = {"READ_TIMEOUT": "0.4", "FETCH_TIMEOUT": "3", "LOWEST_RATE_KB_S": "2"}
    async with AsyncExitStack() as stack:

        async def started(**settings: str) -> Downloading:
            for name, value in (usual | quick | settings).items():
                monkeypatch.setenv(name, value)
            return await stack.enter_async_context(running_downloader(tmp_path, DownloadSettings()))

        yield started
        picture_host.forget()


Start = Callable[..., Awaitable[Downloading]]


@pytest.mark.parametrize("case", HOSTILE)
async def test_whatever_a_host_does_ends_in_its_failure_class(
    start: Start, picture_host: PictureHost, case: str
) -> None:
    behaviour, failure_class, reason = HOSTILE[case]
    downloading = await start()
    picture_host.behave(PICTURE, made(behaviour))
    with pytest.raises(PictureError, match=reason) as failed:
        await downloading.get(picture_host.url(PICTURE))
    assert failed.value.failure_class is failure_class
    assert picture_host.count(PICTURE) == 1


@pytest.mark.parametrize("case", ["gzip that unpacks to far more", "many gzips", "a body without end"])
async def test_what_is_refused_for_its_size_was_never_in_memory(
    start: Start, picture_host: PictureHost, case: str
) -> None:
    downloading = await start()
    picture_host.behave(PICTURE, made(HOSTILE[case][0]))
    tracemalloc.start()
    try:
        with pytest.raises(PictureError):
            await downloading.get(picture_host.url(PICTURE))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20
    assert downloading.into.stat().st_size <= 2**20


HARMLESS = {
    "another type": Behaviour(content_type="text/plain"),
    "no type": Behaviour(content_type=""),
    "no length": Behaviour(chunked=True),
    "packed although nobody asked": packed("gzip", gzip.compress(drawn())),
    "packed by its old name": packed("X-GZip", gzip.compress(drawn())),
    "packed, and not packed": packed("identity, gzip", gzip.compress(drawn())),
    "packed twice": packed("gzip, deflate", zlib.compress(gzip.compress(drawn()))),
    "packed in members": packed("gzip", gzip.compress(drawn()[:9]) + gzip.compress(drawn()[9:]) + bytes(9)),
    "packed, and something behind": packed("gzip", gzip.compress(drawn()) + b"\x1fbehind"),
    "packed without wrapping": packed("deflate", zlib.compress(drawn(), wbits=-15)),
    "a coding nobody knows": packed("aws-chunked", drawn()),
    "a coding that it is not in": packed("br", drawn()),
    "created just now": Behaviour(status=201, body=drawn()),
    "changed on the way": Behaviour(status=203, body=drawn()),
    "many long headers": raw(OK + b"X: a\r\n" * 498 + b"Y: " + b"a" * 64_000 + b"\r\n\r\n" + drawn()),
    "its length twice": raw(OK + (b"Content-Length: %d\r\n" % len(drawn())) * 2 + b"\r\n" + drawn()),
    "its length in a list": raw(OK + b"content-length: %d, %d\r\n\r\n" % ((len(drawn()),) * 2) + drawn()),
    "packed otherwise": packed("Deflate", zlib.compress(drawn())),
    "not packed, and says so": packed("identity", drawn()),
    "a close instead of a length": raw(OK + b"\r\n" + drawn()),
    "a hint before": raw(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"\r\n" + drawn()),
    "slow, but fast enough": Behaviour(drip_bytes_per_s=20_000),
    "odd headers": Behaviour(headers={"ETag": "\udcff", "Retry-After": "soon", "Cache-Control": "\udcff"}),
}


async def test_a_host_that_closes_without_a_word_between_redirects_is_asked_over_a_new_connection(
    start: Start, picture_host: PictureHost
) -> None:
    downloading = await start()
    places = [*(f"/moved/{hop}.jpg" for hop in range(5)), PICTURE]
    for place, next_place in pairwise(places):
        moved = f"HTTP/1.1 302 Found\r\nLocation: {next_place}\r\nContent-Length: 0\r\n\r\n"
        picture_host.behave(place, *[raw(moved.encode())] * 9)
    assert isinstance(await downloading.get(picture_host.url(places[0])), Downloaded)


@pytest.mark.parametrize("case", HARMLESS)
async def test_what_is_only_odd_is_taken(start: Start, picture_host: PictureHost, case: str) -> None:
    downloading = await start()
    picture_host.behave(PICTURE, HARMLESS[case])
    got = await downloading.get(picture_host.url(PICTURE))
    assert isinstance(got, Downloaded)
    assert downloading.into.read_bytes() == drawn()


async def test_hosts_are_left_alone_after_a_run_of_failures_and_then_tried(
    start: Start, picture_host: PictureHost
) -> None:
    downloading = await start(HOST_FAILURES="3")
    paths = [f"/poster/{number}-60x90.jpg" for number in range(5)]
    for path in paths[:3]:
        picture_host.behave(path, Behaviour.failing(500))
    for path in paths:
        with pytest.raises(PictureError):
            await downloading.get(picture_host.url(path))
    assert sorted(picture_host.counts) == paths[:3]
    authority = picture_host.root.removeprefix("http://")
    assert [host for host, _ in downloading.announced] == [authority]
    await downloading.pauses.forget(authority)
    assert isinstance(await downloading.get(picture_host.url(paths[4])), Downloaded)
