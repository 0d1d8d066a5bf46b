"""What is read of a request before aiohttp does: a whole, plain GET, and nothing that could be read in two ways."""

import asyncio

import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser

from services.proxy.hot_answers import ReadyBytes
from shared.http.early import LONGEST_HEAD, LONGEST_REMEMBERED, read_head

HOST = b"Host: localhost\r\n"
LINE = b"GET /a?b=%20c HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("data", "is_1_1", "stays"),
    [
        (LINE + HOST + b"\r\n", True, True),
        (LINE + b"\r\n", True, True),
        (LINE + HOST + b"Connection: keep-alive\r\n\r\n", True, True),
        (LINE + HOST + b"connection:Keep-Alive\t\r\n\r\n", True, True),
        (LINE + HOST + b"Connection: close\r\n\r\n", True, False),
        (LINE.replace(b"1.1", b"1.0") + HOST + b"\r\n", False, False),
        (LINE.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\n\r\n", False, True),
    ],
)
def test_a_plain_head_is_read_with_what_it_says_of_its_connection(
    data: bytes, is_1_1: bool, stays: bool
) -> None:
    head = read_head(data)
    assert head
    assert (head.target, head.is_1_1, head.stays) == ("/a?b=%20c", is_1_1, stays)


@pytest.mark.parametrize(
    "data",
    [
        LINE.replace(b"GET", b"HEAD") + HOST + b"\r\n",
        LINE.replace(b"1.1", b"2.0") + HOST + b"\r\n",
        LINE + HOST,
        LINE + HOST + b"\r\n" + LINE + HOST + b"\r\n",
        LINE + HOST + b"Content-Length: 4\r\n\r\n",
        LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n",
        LINE + HOST + b"Expect: 100-continue\r\n\r\n",
        LINE + HOST + b"Upgrade: h2c\r\n\r\n",
        LINE + HOST + b"Connection: keep-alive, upgrade\r\n\r\n",
        LINE + HOST + b"Range: bytes=0-1\r\n\r\n",
        LINE + HOST + HOST + b"\r\n",
        LINE + HOST + b"X: 1\r\n y\r\n\r\n",
        LINE + HOST + b"X : 1\r\n\r\n",
        LINE + HOST + b"X: a\nb\r\n\r\n",
        LINE + HOST + b"X: a\x00b\r\n\r\n",
        LINE + HOST + b"no colon\r\n\r\n",
        "GET /ü HTTP/1.1\r\n\r\n".encode(),
        LINE + b"X: " + b"y" * LONGEST_HEAD + b"\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_anything_else_is_left_to_aiohttp(data: bytes) -> None:
    assert read_head(data) is None


@pytest.mark.parametrize("padding", [0, LONGEST_REMEMBERED])
async def test_headers_are_read_as_aiohttp_reads_them(padding: int) -> None:
    block = b'Accept:  image/webp \r\nIf-None-Match: W/"1"\r\nX-Name: \xc3\xbc\xff\r\nEmpty:\r\n'
    data = LINE + HOST + block + b"Padding: " + b"y" * padding + b"\r\n\r\n"
    head = read_head(data)
    try:
        messages, _, _ = HttpRequestParser(
            None, asyncio.get_running_loop(), 2**16, max_line_size=8190, max_field_size=8190
        ).feed_data(data)
    except HttpProcessingError as error:
        pytest.fail(str(error))
    assert head
    assert list(head.headers.items()) == list(messages[0][0].headers.items())


def test_ready_bytes_say_of_the_connection_what_the_version_does_not() -> None:
    ready = ReadyBytes({"ETag": '"1"', "Content-Type": "image/webp"}, 4, b"body")

    def answered(version: bytes, connection: bytes) -> tuple[bytes, bytes]:
        head = read_head(LINE.replace(b"1.1", version) + connection + b"\r\n")
        assert head
        return ready.found(head), ready.unchanged(head)

    for _ in range(2):
        found, unchanged = answered(b"1.1", b"")
        assert found.startswith(
            b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Type: image/webp\r\nContent-Length: 4'
        )
        assert found.endswith(b" GMT\r\n\r\nbody")
        assert b"Connection" not in found + unchanged
        assert unchanged.startswith(b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nDate: ')
        assert unchanged.endswith(b" GMT\r\n\r\n")
    for version, connection, said in (
        (b"1.1", b"Connection: close\r\n", b"HTTP/1.1 200 OK"),
        (b"1.0", b"Connection: keep-alive\r\n", b"HTTP/1.0 200 OK"),
    ):
        found, unchanged = answered(version, connection)
        assert found.startswith(said)
        assert connection in found
        assert connection in unchanged
    found, _ = answered(b"1.0", b"")
    assert b"Connection" not in found


@pytest.mark.parametrize(
    ("header", "is_conditional"),
    [
        (b"", False),
        (b"X-If-None-Match: *\r\n", False),
        (b'if-none-match: "a"\r\n', True),
        (b"If-Range: a\r\n", True),
    ],
)
def test_a_head_says_whether_it_makes_a_condition(header: bytes, is_conditional: bool) -> None:
    head = read_head(LINE + HOST + header + b"\r\n")
    assert head is not None
    assert head.is_conditional is is_conditional
