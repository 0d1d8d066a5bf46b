"""What comes from outside: bodies within a bound, redirects through every check."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self

import pytest
from yarl import URL

from shared.http.addresses import AddressPolicy
from shared.http.answers import Problem
from shared.http.outbound import Outbound, OutboundSettings
from shared.http.untrusted import BodyTooLong, Follower, FollowingRefused, read_bounded, read_sent
from shared.pictures import HostRules, RefusalReason


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


class Answer:
    """Leads there, or nowhere."""

    def __init__(self, location: str | None) -> None:
        self.status = HTTPStatus.FOUND if location else HTTPStatus.OK
        self.headers = {"Location": location} if location else {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Leading(Outbound):
    """A way out on which URLs lead to others, and end well where they lead to none."""

    leads: dict[str, str]
    asked: list[str] = field(default_factory=list)

    def session_for(self, url: URL) -> Any:
        return self

    async def get(self, url: URL, *, allow_redirects: bool) -> Answer:
        assert not allow_redirects
        self.asked.append(str(url))
        return Answer(self.leads.get(str(url)))


def following(leads: dict[str, str], max_redirects: int) -> tuple[Follower, list[str]]:
    """And the URLs that it asked for."""
    ways = Leading(OutboundSettings(), {}, leads)
    return Follower(ways, AddressPolicy(()), max_redirects), ways.asked


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://a.example/b", RefusalReason.DOWNGRADE),
        ("https://10.0.0.1/b", RefusalReason.ADDRESS),
        ("https://b.example/", RefusalReason.HOST),
        ("https://a.example:81/", RefusalReason.PORT),
        ("ftp://a.example/", RefusalReason.URL),
        ("/", RefusalReason.REDIRECTS),
    ],
)
async def test_where_a_redirect_leads_is_checked_as_what_was_given(location: str, why: RefusalReason) -> None:
    follower, asked = following({"https://a.example/": location}, max_redirects=1)
    with pytest.raises(FollowingRefused) as refused:
        async with follower.get("https://a.example/", rules=HostRules.of(["a.example"])):
            pass
    assert refused.value.why is why
    assert set(asked) == {"https://a.example/"}


async def test_redirects_are_followed_as_often_as_was_said() -> None:
    leads = {"http://a.example/": "/1", "http://a.example/1": "https://b.example/2"}
    follower, asked = following(leads, max_redirects=2)
    async with follower.get("http://a.example/") as answer:
        assert answer.status == HTTPStatus.OK
    assert asked[-1] == "https://b.example/2"
    follower, _ = following(leads, max_redirects=1)
    with pytest.raises(FollowingRefused):
        async with follower.get("http://a.example/"):
            pass
