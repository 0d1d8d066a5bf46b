"""Asking one provider: within its budget, bounded in time and bytes, every outcome an answer or an error."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
import structlog
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from services.enricher.finder.providers.allowance import allowance_in
from services.enricher.finder.providers.budget import Budget, Turn, Urgency
from services.enricher.finder.providers.errors import (
    Broken,
    Busy,
    Misconfigured,
    NothingThere,
    ProviderError,
    Refused,
    Unreadable,
)
from services.enricher.finder.providers.login import Login, Tokens
from services.enricher.finder.providers.settings import AskingSettings
from services.enricher.finder.providers.status import Condition, ProviderStatus
from services.enricher.finder.providers.statuses import error_for
from shared.http.answers import parse_retry_after
from shared.http.outbound import Outbound, open_outbound
from shared.telemetry import Metrics, utc_now

SEATS = {Urgency.NOW: 64, Urgency.LATER: 16}
"""Requests to one provider at once: a page of titles is asked for in one go, and never waits for background work."""

FAILURES_TO_PAUSE = 5
"""In a row. Then the provider is left alone, as after a 429 that does not say for how long."""

Answer = TypeVar("Answer")

_CHUNK_BYTES = 64 * 1024
_MAX_HEADER_BYTES = 16 * 1024
_log = structlog.get_logger()


def open_sessions(settings: AskingSettings) -> AbstractAsyncContextManager[Outbound]:
    """For all providers. They follow nothing, remember nothing, and use the proxies that are set."""
    return open_outbound(
        settings.outbound,
        resolver=aiohttp.DefaultResolver(),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=settings.timeout_s, sock_connect=settings.connect_timeout_s),
        headers={"User-Agent": settings.user_agent, "Accept": "application/json"},
        max_line_size=_MAX_HEADER_BYTES,
        max_field_size=_MAX_HEADER_BYTES,
        read_bufsize=_CHUNK_BYTES,
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with status 200."""

    body: bytes
    headers: CIMultiDictProxy[str] = field(default_factory=lambda: CIMultiDictProxy(CIMultiDict()))


@dataclass(frozen=True, slots=True)
class Address:
    """Where a provider is, what every request to it carries, and how a token is had where it wants one."""

    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    login: Login | None = None


class _TokenRefused(Misconfigured):
    """Another token may be accepted."""


class Provider:
    """One provider under one credential. Raises a ProviderError for everything that is no answer."""

    def __init__(
        self,
        name: str,
        address: Address,
        outbound: Outbound,
        *,
        budget: Budget,
        max_bytes: int,
        metrics: Metrics,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.name = name
        self.budget = budget
        self._address = address
        self._session = outbound.session_for(URL(address.base_url))
        self._seats = {urgency: asyncio.Semaphore(count) for urgency, count in SEATS.items()}
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._now = now
        self._tokens = Tokens(partial(self._log_in, address.login), now=now) if address.login else None
        self._trouble: ProviderError | None = None
        self._broken_in_a_row = 0

    async def get(
        self, path: str, params: Mapping[str, str], turn: Turn, read: Callable[[Reply], Answer]
    ) -> Answer:
        """What `read` makes of the reply. `path` is below the base URL and quoted already."""
        result = "answered"
        try:
            self.budget.expect(turn)
            async with self._seats[turn.urgency]:
                return await self._let_in(path, params, turn, read)
        except ProviderError as error:
            result = type(error).__name__
            raise
        finally:
            self._metrics.provider_requests.labels(self.name, result).inc()

    @property
    def status(self) -> ProviderStatus:
        busy_until = self.budget.busy_until
        match self._trouble:
            case Misconfigured(reason=reason):
                return ProviderStatus(condition=Condition.MISCONFIGURED, detail=reason)
            case Broken(reason=reason) | Unreadable(reason=reason):
                return ProviderStatus(condition=Condition.FAILING, detail=reason, busy_until=busy_until)
        if busy_until:
            detail = f"{self.name} is not asked before {busy_until:%X}."
            return ProviderStatus(condition=Condition.BUSY, detail=detail, busy_until=busy_until)
        return ProviderStatus(condition=Condition.READY, detail=f"{self.name} answers.")

    async def _let_in(
        self, path: str, params: Mapping[str, str], turn: Turn, read: Callable[[Reply], Answer]
    ) -> Answer:
        ask = partial(self._answer, "GET", path, turn, read, params=params)
        if not self._tokens:
            return await ask()
        token = await self._tokens.get(turn)
        try:
            return await ask(token=token)
        except _TokenRefused:
            return await ask(token=await self._tokens.get(turn, refused=token))

    async def _log_in(self, login: Login, turn: Turn) -> str:
        return await self._answer(
            "POST", login.path, turn, lambda reply: login.read(reply.body), json=dict(login.body)
        )

    async def _answer(
        self,
        method: str,
        path: str,
        turn: Turn,
        read: Callable[[Reply], Answer],
        *,
        token: str | None = None,
        **sent: Any,
    ) -> Answer:
        await self.budget.take(turn)
        asked_at = self._now()
        try:
            answer = read(await self._ask(method, path, asked_at, token, **sent))
        except ProviderError as error:
            about_the_thing = isinstance(error, NothingThere | Refused | _TokenRefused)
            self._note(None if about_the_thing else error, asked_at)
            raise
        self._note(None, asked_at)
        return answer

    async def _ask(self, method: str, path: str, asked_at: datetime, token: str | None, **sent: Any) -> Reply:
        # The URL has the key of some providers in it: it stands in no error and no log.
        try:
            async with self._session.request(
                method,
                f"{self._address.base_url}/{path}",
                params={**self._address.params, **sent.pop("params", {})},
                headers={**self._address.headers, **({"Authorization": f"Bearer {token}"} if token else {})},
                allow_redirects=False,
                **sent,
            ) as response:
                self._prove(token, response.status)
                self._listen(response, asked_at)
                return Reply(await self._read(response), response.headers)
        except TimeoutError:
            raise Broken(f"{self.name} did not answer in time.") from None
        except (aiohttp.ClientConnectionError, aiohttp.ServerTimeoutError) as error:
            raise Broken(f"{self.name} could not be reached ({type(error).__name__}).") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise Broken(f"{self.name} broke off its answer ({type(error).__name__}).") from None

    def _prove(self, token: str | None, status: int) -> None:
        """Raise _TokenRefused where another token may be accepted."""
        if not token or not self._tokens:
            return
        if status != HTTPStatus.UNAUTHORIZED:
            self._tokens.accepted(token)
        elif self._tokens.refuse(token):
            raise _TokenRefused(f"{self.name} does not accept our token any more ({status}).", status=status)

    def _listen(self, response: aiohttp.ClientResponse, asked_at: datetime) -> None:
        """Raise the error that the answer is, after the budget has heard what it says about asking again."""
        now = self._now()
        allowance = allowance_in(response.headers, now)
        if allowance:
            self.budget.told(allowance)
        error = error_for(self.name, response.status, response.headers, now)
        if not isinstance(error, Busy | Broken):
            self.budget.answered()
        if isinstance(error, Busy):
            wait = parse_retry_after(response.headers.get("Retry-After"), now)
            if wait is None and allowance and not allowance.left:
                wait = allowance.until - now
            self.budget.pause(wait, asked_at=asked_at)
        if error:
            raise error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The body, unpacked: a small answer that unpacks to a large one is given up as well."""
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._max_bytes:
                raise Unreadable(f"{self.name} sent more than {self._max_bytes // 2**20} MB.")
        return bytes(body)

    def _note(self, trouble: ProviderError | None, asked_at: datetime) -> None:
        """Log when it changes how the provider is, not for each of a page's titles."""
        self._broken_in_a_row = self._broken_in_a_row + 1 if isinstance(trouble, Broken) else 0
        if self._broken_in_a_row >= FAILURES_TO_PAUSE:
            self.budget.pause(None, asked_at=asked_at)
        if type(trouble) is not type(self._trouble):
            if trouble:
                _log.warning("provider in trouble", provider=self.name, reason=trouble.reason)
            else:
                _log.info("provider answers again", provider=self.name)
        self._trouble = trouble
