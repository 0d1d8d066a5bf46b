"""What comes from outside: bodies read within a bound, and strangers' URLs followed through every check."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count

import aiohttp

from shared.http.addresses import AddressPolicy, AddressRefused, refusal_in
from shared.http.answers import Problem
from shared.http.outbound import REDIRECTS, Outbound
from shared.pictures import HostRules, RefusalReason, SourceUrl


class BodyTooLong(ValueError):
    """More came than is taken."""


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
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send {at_most} bytes at most.") from None


class FollowingRefused(Exception):
    """Our policy does not let us ask for `url`, at first or where a redirect leads. The text says what is wrong with one that
    is no plain URL, and else nothing.
    """

    def __init__(self, why: RefusalReason, url: str, detail: str = "") -> None:
        super().__init__(detail)
        self.why = why
        self.url = url


def redirected(source: SourceUrl, location: str, times: int, *, at_most: int) -> SourceUrl:
    """Where a redirect leads, which is `times` after the first request. Raise FollowingRefused."""
    try:
        target = source.redirected(location)
    except ValueError as error:
        raise FollowingRefused(RefusalReason.URL, location, str(error)) from None
    if source.url.scheme == "https" and target.url.scheme != "https":
        raise FollowingRefused(RefusalReason.DOWNGRADE, str(target))
    if times > at_most:
        raise FollowingRefused(RefusalReason.REDIRECTS, str(target))
    return target


@dataclass(frozen=True, slots=True)
class Follower:
    """Gets what a stranger's URL leads to: each address on the way is checked, as it is written and as it is dialled.
    The `outbound` resolves names by the same policy.
    """

    outbound: Outbound
    policy: AddressPolicy
    max_redirects: int

    @asynccontextmanager
    async def get(self, url: str, *, rules: HostRules | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        """The first answer that leads nowhere else. `rules`: which hosts may be asked; None: any.

        Raise FollowingRefused, and what the client raises where nobody answers.
        """
        try:
            source = SourceUrl.parse(url)
        except ValueError as error:
            raise FollowingRefused(RefusalReason.URL, url, str(error)) from None
        for times in count(1):
            async with await self._asked(source, rules) as response:
                if response.status not in REDIRECTS:
                    yield response
                    return
                location = response.headers.get("Location", "")
            source = redirected(source, location, times, at_most=self.max_redirects)

    async def _asked(self, source: SourceUrl, rules: HostRules | None) -> aiohttp.ClientResponse:
        try:
            self.policy.check_literal(source)
            if rules and (refused := rules.refusal(source)):
                raise FollowingRefused(refused, str(source))
            session = self.outbound.session_for(source.url)
            return await session.get(source.url, allow_redirects=False)
        except (AddressRefused, aiohttp.ClientError) as error:
            if refusal_in(error):
                raise FollowingRefused(RefusalReason.ADDRESS, str(source)) from error
            raise
