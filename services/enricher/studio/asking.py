"""Asking services that take money: what a request that has no good answer says about what was paid.

    StudioError
      NotSent           surely nothing was paid: no connection, or the service refused
        ComeLater       the same, and it may be sent again after a while
      AnswerLost        it was sent, and nobody knows what became of it
      PaidInVain        it was answered, with nothing of use

Each request has a connection of its own, and is sent once: a client that asks again by itself would pay again.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn, Protocol, TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import AsyncResolver
from pydantic import BaseModel, ValidationError
from yarl import URL

from services.enricher.studio.jobs import StudioJob, StudioKind
from shared.http.addresses import AddressPolicy, CheckedResolver
from shared.http.answers import parse_retry_after
from shared.http.outbound import Outbound, OutboundSettings, ProxyFailed, open_outbound
from shared.http.untrusted import Follower, read_bounded
from shared.telemetry import utc_now

LONGEST_TEXT = 500
"""Of what a service says, in characters."""

COME_LATER_S = 30.0
"""Where a service does not say when."""

LONGEST_WAIT_S = 3600.0
_HEADER_BYTES = 16 * 1024
_LARGEST_ANSWER = 24 * 1024 * 1024
"""A picture of 16 MB, in base64."""

_REDIRECTS_AT_MOST = 3
_MAY_HAVE_PAID = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT})
_Model = TypeVar("_Model", bound=BaseModel)


class StudioError(Exception):
    """The text is a sentence for users."""

    @property
    def reason(self) -> str:
        return str(self)


class NotSent(StudioError):
    pass


class ComeLater(NotSent):
    def __init__(self, reason: str, wait_s: float) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class AnswerLost(StudioError):
    pass


class PaidInVain(StudioError):
    pass


class NotThere(StudioError):
    """The service does not know what we ask about."""


class ResultRefused(StudioError):
    """A result, or a picture that somebody names, may not be fetched, and never will be."""


class ResultUnreachable(StudioError):
    """It could not be fetched now."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The service works on it, under this id."""

    provider_id: str


@dataclass(frozen=True, slots=True)
class AtUrl:
    """It is made, and is to be fetched there: a stranger's word."""

    url: str


@dataclass(frozen=True, slots=True)
class Inline:
    """It is made, and this is it."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Saying:
    """It is made, and says this; what can be JSON, every text of it bounded."""

    result: Mapping[str, object]


Made = AtUrl | Inline | Saying


class StudioService(Protocol):
    """Somebody who makes things for money."""

    @property
    def name(self) -> str: ...

    @property
    def made_with(self) -> str:
        """Which model, and how: what is made with another is another result."""

    @property
    def keeps_a_list(self) -> bool:
        """Whether `find` can be asked."""

    async def send(self, job: StudioJob, picture: bytes | None) -> Begun | Made:
        """The paid request, once. Raise a StudioError."""

    async def look(self, job: StudioJob) -> Made | None:
        """What became of a job that it works on; None: it still does. Free. Raise AnswerLost, PaidInVain, NotThere."""

    async def find(self, job: StudioJob, known: frozenset[str]) -> str | None:
        """The id of a job whose answer was lost, that is none of the known ones; None: it is not in the list. Free. Raise
        AnswerLost.
        """

    async def cancel(self, job: StudioJob) -> None:
        """Free. Raise AnswerLost, or NotThere."""


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class ServiceClient:
    """One service under one key. `base_url` is an operator's word, and may be anywhere."""

    def __init__(
        self, title: str, base_url: str, headers: Mapping[str, str], outbound: Outbound, *, timeout_s: float
    ) -> None:
        self.title = title
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._outbound = outbound
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, 10))

    async def pay(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """A request that costs money. Raise NotSent, ComeLater or AnswerLost."""
        answer = await self._ask(method, path, json=json, params=params, headers=headers)
        status = answer.status
        if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.PAYMENT_REQUIRED):
            told = parse_retry_after(answer.headers.get("Retry-After"), utc_now())
            wait_s = told.total_seconds() if told else COME_LATER_S
            raise ComeLater(self._refused(answer), min(max(wait_s, 1.0), LONGEST_WAIT_S))
        if (
            HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
            and status not in _MAY_HAVE_PAID
        ):
            raise NotSent(self._refused(answer))
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise AnswerLost(f"{self.title} answered {status}.")
        return answer.body

    async def free(self, method: str, path: str, *, params: Mapping[str, str] | None = None) -> bytes:
        """One that costs nothing. Raise AnswerLost, or NotThere."""
        try:
            answer = await self._ask(method, path, params=params)
        except NotSent as error:
            raise AnswerLost(error.reason) from None
        if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise NotThere(f"{self.title} does not know it.")
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise AnswerLost(f"{self.title} answered {answer.status}.")
        return answer.body

    def read(self, model: type[_Model], body: bytes) -> _Model:
        """Raise AnswerLost for what is none: a service that talks nonsense may have taken the money all the same."""
        try:
            return model.model_validate_json(body)
        except ValidationError:
            raise AnswerLost(f"{self.title} answered what cannot be read.") from None

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ServiceAnswer:
        # The key of some stands in the URL: it is in no error and no log.
        url = URL(f"{self._base_url}/{path}")
        try:
            async with self._outbound.session_for(url).request(
                method,
                url,
                json=json,
                params=params,
                headers={**self._headers, **(headers or {}), "Connection": "close"},
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                body = await read_bounded(response.content.readany, _LARGEST_ANSWER)
                return ServiceAnswer(response.status, response.headers, body)
        except NeverSent as error:
            raise NotSent(f"{self.title} could not be reached ({type(error.cause).__name__}).") from None
        except TimeoutError:
            raise AnswerLost(f"{self.title} did not answer in time.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise AnswerLost(f"{self.title} broke off its answer ({type(error).__name__}).") from None

    def _refused(self, answer: ServiceAnswer) -> str:
        return f"{self.title} refused it ({answer.status}): {told(answer.body)}"


class NeverSent(aiohttp.ClientError):
    """There was no connection to send it on."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


async def _sent_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """The client asks a second time by itself where a GET is not answered, and a search by GET costs money."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ProxyFailed) as error:
        raise NeverSent(error) from error
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


@asynccontextmanager
async def open_sessions(
    settings: OutboundSettings,
    *,
    allow_private: tuple[str, ...],
    user_agent: str,
    timeout_s: float,
    resolver: AbstractResolver | None = None,
) -> AsyncIterator[tuple[Outbound, Follower]]:
    """The way to services, and the one to results."""
    options: dict[str, Any] = {
        "cookie_jar": aiohttp.DummyCookieJar(),
        "max_line_size": _HEADER_BYTES,
        "max_field_size": _HEADER_BYTES,
        "middlewares": (_sent_once,),
    }
    policy = AddressPolicy(allow_private)
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, 10))
    async with AsyncExitStack() as stack:
        services = open_outbound(
            settings,
            resolver=aiohttp.DefaultResolver(),
            headers={"User-Agent": user_agent, "Accept": "application/json"},
            **options,
        )
        results = open_outbound(
            settings,
            resolver=CheckedResolver(policy, resolver or AsyncResolver()),
            headers={"User-Agent": user_agent, "Accept": "image/*"},
            timeout=timeout,
            **options,
        )
        outbound = await stack.enter_async_context(services)
        yield outbound, Follower(await stack.enter_async_context(results), policy, _REDIRECTS_AT_MOST)


def one_line(text: str, at_most: int = LONGEST_TEXT) -> str:
    """What a stranger says, as one line of bounded length without control characters."""
    printable = "".join(one if one.isprintable() else " " for one in text[: at_most * 4])
    return " ".join(printable.split())[:at_most]


def told(body: bytes) -> str:
    return one_line(body[: 4 * LONGEST_TEXT].decode(errors="replace"), 200) or "it says nothing."


def nothing_to_look_at(job: StudioJob) -> NoReturn:
    """Of services that answer at once."""
    raise NotThere(f"{job.service} keeps no list of what it did.")


PICTURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}


def picture_type(body: bytes) -> str | None:
    """The media type of what services take; None: they do not."""
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    return next((type_ for head, type_ in PICTURES.items() if body.startswith(head)), None)


MAKES_PICTURES = frozenset({StudioKind.GENERATE, StudioKind.EDIT})
