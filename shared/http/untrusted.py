"""What comes from outside, read within a bound."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from shared.http.answers import Problem


class BodyTooLong(ValueError):
    pass


async def read_bounded(next_piece: Callable[[], Awaitable[bytes]], at_most: int) -> bytes:
    """A body by its pieces, of which the last is empty: `content.readany`, of a request as of an answer, unpacks it.
    Raise BodyTooLong for more bytes than that, without having read much more.
    """
    body = bytearray()
    while piece := await next_piece():
        body += piece
        if len(body) > at_most:
            raise BodyTooLong(f"it has more than {at_most} bytes")
    return bytes(body)


async def read_sent(next_piece: Callable[[], Awaitable[bytes]], at_most: int) -> bytes:
    """The same of what is sent to us. Raise Problem."""
    try:
        return await read_bounded(next_piece, at_most)
    except BodyTooLong:
        detail = f"Send {at_most} bytes at most."
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail) from None
