"""Asking one provider: within its budgets, bounded in time and bytes, every outcome an answer or an error."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import TypeVar

import aiohttp
import structlog
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from services.enricher.finder.providers import errors, graphql
from services.enricher.finder.providers.budget import RateBudget, Turn
from services.enricher.finder.providers.registry import AskingSettings
from services.enricher.finder.providers.spending import Urgency
from services.enricher.finder.providers.tokens import Login, Token, TokenSource, TokenStore
from shared.http.answers import parse_retry_after
from shared.http.outbound import Outbound, open_outbound
from shared.http.untrusted import BodyTooLong, read_bounded
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
    """An answer that is no failure, or that the request takes for an answer all the same."""

    body: bytes
    headers: CIMultiDictProxy[str] = field(default_factory=lambda: CIMultiDictProxy(CIMultiDict()))
    status: int = HTTPStatus.OK


@dataclass(frozen=True, slots=True)
class Address:
    """Where a provider is, what every request to it carries, and how a token is had where it wants one."""

    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    login: Login | None = None


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """`path` is below the base URL and quoted already, or a whole URL of another host of the provider.

    `json` or `form` is its body. `user`: the account that it is made for, beside the application's key. A
    question in GraphQL is none that changes something, although it is posted. `answers`: statuses that say something
    about what was asked and nothing about the provider, as those of OAuth do: `read` is told them.
    """

    path: str
    method: str = "GET"
    params: Mapping[str, str] = field(default_factory=dict)
    json: object = None
    form: Mapping[str, str] | None = None
    user: TokenSource | None = None
    is_graphql: bool = False
    answers: frozenset[int] = frozenset()

    @property
    def is_write(self) -> bool:
        return self.method != "GET" and not self.is_graphql


class _TokenRefused(errors.Misconfigured):
    """Another token may be accepted."""


class Provider:
    """One provider under one credential. Raises a ProviderError for everything that is no answer.

    `writes` is the budget of what is no GET, where it has one of its own.
    """

    def __init__(
        self,
        name: str,
        address: Address,
        outbound: Outbound,
        *,
        budget: RateBudget,
        writes: RateBudget | None = None,
        max_bytes: int,
        metrics: Metrics,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.name = name
        self.budget = budget
        self._writes = writes or budget
        self._address = address
        self._outbound = outbound
        self._seats = {urgency: asyncio.Semaphore(count) for urgency, count in SEATS.items()}
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._now = now
        self._tokens = self.token_source(address.login) if address.login else None
        self._trouble: errors.ProviderError | None = None
        self._broken_in_a_row = 0
        self._was_asked = False

    async def get(
        self,
        path: str,
        params: Mapping[str, str],
        turn: Turn,
        read: Callable[[Reply], Answer],
        *,
        user: TokenSource | None = None,
    ) -> Answer:
        """What `read` makes of the reply. `path` is below the base URL and quoted already."""
        return await self.ask(ProviderRequest(path, params=params, user=user), turn, read)

    async def graphql(
        self,
        query: str,
        variables: Mapping[str, object],
        turn: Turn,
        model: type[graphql.Model],
        *,
        path: str = "",
        user: TokenSource | None = None,
    ) -> graphql.Model:
        """The `data` of the answer; its errors are raised as if HTTP had said them."""
        body = {"query": query, "variables": dict(variables)}
        request = ProviderRequest(path, "POST", json=body, user=user, is_graphql=True)
        return await self.ask(request, turn, lambda reply: graphql.data_of(reply.body, self.name, model))

    async def ask(self, request: ProviderRequest, turn: Turn, read: Callable[[Reply], Answer]) -> Answer:
        """What `read` makes of the reply to any request."""
        result = "answered"
        try:
            self._budget_of(request).expect(turn)
            async with self._seats[turn.urgency]:
                return await self._authorised(request, turn, read)
        except errors.ProviderError as error:
            result = type(error).__name__
            raise
        finally:
            self._metrics.provider_requests.labels(self.name, result).inc()

    def token_source(self, login: Login, store: TokenStore | None = None) -> TokenSource:
        """Of tokens that are had from this provider like this: the application's own, or an account's."""
        return TokenSource(partial(self._log_in, login), now=self._now, store=store)

    @property
    def status(self) -> errors.ProviderStatus:
        busy_until = self.budget.busy_until
        match self._trouble:
            case errors.Misconfigured(reason=reason):
                return errors.ProviderStatus(condition=errors.Condition.MISCONFIGURED, detail=reason)
            case errors.Broken(reason=reason) | errors.Unreadable(reason=reason):
                return errors.ProviderStatus(
                    condition=errors.Condition.FAILING, detail=reason, busy_until=busy_until
                )
        if busy_until:
            detail = f"{self.name} is not asked before {busy_until:%X}."
            return errors.ProviderStatus(
                condition=errors.Condition.BUSY, detail=detail, busy_until=busy_until
            )
        detail = (
            f"{self.name} answers." if self._was_asked else f"{self.name} has a key, and was not asked yet."
        )
        return errors.ProviderStatus(condition=errors.Condition.READY, detail=detail)

    async def _authorised(
        self, request: ProviderRequest, turn: Turn, read: Callable[[Reply], Answer]
    ) -> Answer:
        """With a token where one is wanted, and once more with another where it was refused."""
        tokens = request.user or self._tokens
        if not tokens:
            return await self._answer(request, turn, read)
        token = await tokens.get(turn)
        try:
            return await self._answer(request, turn, read, (tokens, token))
        except _TokenRefused:
            other = await tokens.get(turn, refused=token)
            return await self._answer(request, turn, read, (tokens, other))

    async def _log_in(self, login: Login, turn: Turn, before: Token | None) -> Token:
        body = dict(login.body(before))
        if login.as_form:
            request = ProviderRequest(login.path, "POST", form=body)
        else:
            request = ProviderRequest(login.path, "POST", json=body)
        return await self._answer(request, turn, lambda reply: login.read(reply.body, self._now()))

    async def _answer(
        self,
        request: ProviderRequest,
        turn: Turn,
        read: Callable[[Reply], Answer],
        shown: tuple[TokenSource, Token] | None = None,
    ) -> Answer:
        await self._budget_of(request).take(turn)
        asked_at = self._now()
        try:
            answer = read(await self._ask(request, asked_at, shown))
        except errors.ProviderError as error:
            about_the_thing = isinstance(error, errors.NothingThere | errors.Refused | _TokenRefused)
            about_the_account = request.user is not None and isinstance(error, errors.Misconfigured)
            self._record_health(None if about_the_thing or about_the_account else error, asked_at)
            raise
        self._record_health(None, asked_at)
        return answer

    async def _ask(
        self, request: ProviderRequest, asked_at: datetime, shown: tuple[TokenSource, Token] | None
    ) -> Reply:
        # The URL has the key of some providers in it: it stands in no error and no log.
        url = self._url(request)
        try:
            async with self._outbound.session_for(url).request(
                request.method,
                url,
                params={**self._address.params, **request.params},
                headers=self._headers(request, shown),
                json=request.json,
                data=request.form,
                allow_redirects=False,
            ) as response:
                status, body = response.status, None
                if request.is_graphql and status == HTTPStatus.OK:
                    body = await self._read(response)
                    status = graphql.status_of(body)
                if status in request.answers:
                    return Reply(await self._read(response), response.headers, status)
                self._check_token(shown, status)
                self._heed(request, status, response.headers, asked_at)
                return Reply(await self._read(response) if body is None else body, response.headers)
        except TimeoutError:
            raise errors.Broken(f"{self.name} did not answer in time.") from None
        except (aiohttp.ClientConnectionError, aiohttp.ServerTimeoutError) as error:
            raise errors.Broken(f"{self.name} could not be reached ({type(error).__name__}).") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise errors.Broken(f"{self.name} broke off its answer ({type(error).__name__}).") from None

    def _url(self, request: ProviderRequest) -> URL:
        if request.path.startswith(("https://", "http://")):
            return URL(request.path)
        base_url = self._address.base_url
        return URL(f"{base_url}/{request.path}" if request.path else base_url)

    def _headers(self, request: ProviderRequest, shown: tuple[TokenSource, Token] | None) -> CIMultiDict[str]:
        headers = CIMultiDict(self._address.headers)
        if request.form is not None:
            headers.pop("Content-Type", None)  # a form says its own
        if shown:
            headers["Authorization"] = f"Bearer {shown[1].access}"
        return headers

    def _budget_of(self, request: ProviderRequest) -> RateBudget:
        return self._writes if request.is_write else self.budget

    def _check_token(self, shown: tuple[TokenSource, Token] | None, status: int) -> None:
        """Raise _TokenRefused where another token may be accepted."""
        if not shown:
            return
        tokens, token = shown
        if status != HTTPStatus.UNAUTHORIZED:
            tokens.accepted(token)
        elif tokens.refuse(token):
            raise _TokenRefused(f"{self.name} does not accept our token any more ({status}).", status=status)

    def _heed(
        self, request: ProviderRequest, status: int, headers: Mapping[str, str], asked_at: datetime
    ) -> None:
        """Raise the error that the answer is, after the budget has heard what it says about asking again."""
        now, budget = self._now(), self._budget_of(request)
        allowance = errors.allowance_in(headers, now)
        if allowance:
            budget.told(allowance)
        error = errors.error_for(self.name, status, headers, now, method=request.method)
        if not isinstance(error, errors.Busy | errors.Broken):
            budget.answered()
        if isinstance(error, errors.Busy):
            wait = parse_retry_after(headers.get("Retry-After"), now)
            if wait is None and allowance and not allowance.left:
                wait = allowance.until - now
            budget.pause(wait, asked_at=asked_at)
        if error:
            raise error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The body, unpacked: a small answer that unpacks to a large one is given up as well."""
        try:
            return await read_bounded(response.content.readany, self._max_bytes)
        except BodyTooLong:
            raise errors.Unreadable(f"{self.name} sent more than {self._max_bytes // 2**20} MB.") from None

    def _record_health(self, trouble: errors.ProviderError | None, asked_at: datetime) -> None:
        """Log when it changes how the provider is, not for each of a page's titles."""
        self._was_asked = True
        self._broken_in_a_row = self._broken_in_a_row + 1 if isinstance(trouble, errors.Broken) else 0
        if self._broken_in_a_row >= FAILURES_TO_PAUSE:
            for budget in {self.budget, self._writes}:
                budget.pause(None, asked_at=asked_at)
        if type(trouble) is not type(self._trouble):
            if trouble:
                _log.warning("provider in trouble", provider=self.name, reason=trouble.reason)
            else:
                _log.info("provider answers again", provider=self.name)
        self._trouble = trouble
