"""What comes from outside is read within a bound."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import pytest

from shared.http.answers import Problem
from shared.http.untrusted import BodyTooLong, read_bounded, read_sent


def pieces(*sent: bytes) -> tuple[Callable[[], Awaitable[bytes]], list[bytes]]:
    """A body that comes so, and what of it was not read."""
    left = list(sent)

    async def next_piece() -> bytes:
        return left.pop(0) if left else b""

    return next_piece, left


async def test_a_body_as_long_as_it_may_be_is_read_to_its_end() -> None:
    body, _ = pieces(b"ab", b"c")
    assert await read_bounded(body, 3) == b"abc"


async def test_of_a_body_that_is_too_long_nothing_is_read_beyond_the_piece_that_shows_it() -> None:
    body, left = pieces(b"ab", b"cd", b"ef")
    with pytest.raises(BodyTooLong):
        await read_bounded(body, 3)
    assert left == [b"ef"]


async def test_who_sends_too_much_is_told_how_much_may_be_sent() -> None:
    body, _ = pieces(b"abcd")
    with pytest.raises(Problem, match=r"Send 3 bytes at most\.") as refused:
        await read_sent(body, 3)
    assert refused.value.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
