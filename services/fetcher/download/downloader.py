"""Downloading: one original, streamed to a file, under limits, from where the policy lets us."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import AsyncResolver

from services.fetcher.download.answers import Freshness, Limits, error_for, error_of, freshness, take_body
from services.fetcher.download.heads import say_lengths_once
from services.fetcher.download.host_breaker import ANYBODY, Announce, Asker, HostBreaker
from services.fetcher.download.policy import Policy, report
from services.fetcher.errors import DownloadRefused, NotDialled, PictureError
from services.fetcher.settings import DownloadSettings
from services.fetcher.shares import Seats
from services.fetcher.steps import FetchStep
from shared.http.addresses import AddressPolicy, CheckedResolver, refusal_in
from shared.http.outbound import REDIRECTS, Outbound, open_outbound
from shared.pictures import RevisionId, SourceUrl, Validators
from shared.telemetry import Metrics, utc_now
from shared.volume import HostPauses, OnStep

_HEADER_BYTES, _HEADERS = 65 * 1024, 520
"""64 kB in a line and 500 lines, with room for what every answer says besides. Browsers and curl take several times as
much; what servers are set to send is more than parsers usually take.
"""


SEAT_PATIENCE_S = 1.0
"""How long who was redirected to another host waits for a seat there, before it comes back later."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """An original in a file. `revision` is of its bytes; `media_type` what the source says they are."""

    path: Path
    bytes: int
    revision: RevisionId
    freshness: Freshness
    media_type: str


@dataclass(frozen=True, slots=True)
class NotModified:
    """The source says that nothing has changed."""

    freshness: Freshness


@dataclass(frozen=True, slots=True)
class _Redirect:
    location: str


class Downloader:
    """Gets originals. Raises PictureError, of the class that fits, for everything that can go wrong."""

    def __init__(
        self,
        outbound: Outbound,
        settings: DownloadSettings,
        *,
        policy: Policy,
        standing: HostBreaker,
        metrics: Metrics,
        on_step: OnStep,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._outbound = outbound
        self._timeout_s = settings.fetch_timeout_s
        self._limits = Limits(
            settings.max_body_mb, settings.lowest_rate_kb_s * 1000, window_s=settings.read_timeout_s
        )
        self.seats = Seats(settings.host_concurrency)
        self._policy = policy
        self._standing = standing
        self._metrics = metrics
        self._on_step = on_step
        self._now = now

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        settings: DownloadSettings,
        *,
        pauses: HostPauses,
        announce: Announce,
        metrics: Metrics,
        on_step: OnStep,
        resolver: AbstractResolver | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> AsyncIterator[Self]:
        """With its sessions open. `resolver`: who finds a name's addresses, before they are checked."""
        addresses = AddressPolicy(settings.allow_private)
        standing = HostBreaker(pauses, failures=settings.host_failures, announce=announce, now=now)
        async with open_outbound(
            settings.outbound,
            resolver=CheckedResolver(addresses, resolver or AsyncResolver()),
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=settings.connect_timeout_s,  # looking up the name, too
                sock_connect=settings.connect_timeout_s,
                sock_read=settings.read_timeout_s,
            ),
            headers={"User-Agent": settings.user_agent, "Accept": "image/*", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
            max_headers=_HEADERS,
            middlewares=(_asked_once,),
            trace_configs=[_noting_reuse()],
        ) as outbound:
            for session in outbound.sessions.values():
                say_lengths_once(session)
            policy = Policy(settings.hosts.rules, addresses, max_redirects=settings.max_redirects)
            yield cls(
                outbound,
                settings,
                policy=policy,
                standing=standing,
                metrics=metrics,
                on_step=on_step,
                now=now,
            )

    async def get(
        self,
        source: SourceUrl,
        into: Path,
        *,
        asker: Asker = ANYBODY,
        authorised_host: str | None = None,
        validators: Validators | None = None,
    ) -> Downloaded | NotModified:
        """Write the original to `into`. With `validators`, only if it has changed since."""
        try:
            result = await self._follow(source, into, asker, authorised_host, _conditions(validators))
        except NotDialled:
            raise
        except PictureError as error:
            if isinstance(error, DownloadRefused):
                report(error, source, self._metrics)
            self._metrics.downloads.labels(error.failure_class).inc()
            raise
        self._metrics.downloads.labels("unchanged" if isinstance(result, NotModified) else "stored").inc()
        return result

    async def _follow(
        self,
        source: SourceUrl,
        into: Path,
        asker: Asker,
        authorised_host: str | None,
        headers: Mapping[str, str],
    ) -> Downloaded | NotModified:
        """In the time that a fetch may take; waiting for a seat at a host does not count."""
        time, left_s = asyncio.get_running_loop().time, self._timeout_s
        redirects = 0
        while True:
            self._policy.check(source, authorised_host)
            with self._metrics.waiting_for("seat") as had:
                async with (
                    self.seats.sitting(source.authority, held=asker.seat, within_s=SEAT_PATIENCE_S),
                    self._standing.asking(source, asker),
                ):
                    had()
                    began = time()
                    result = await self._ask(source, into, headers, within_s=left_s)
                    left_s -= time() - began
            if not isinstance(result, _Redirect):
                return result
            redirects += 1
            source = self._policy.redirected(source, result.location, redirects)

    async def _ask(
        self, source: SourceUrl, into: Path, headers: Mapping[str, str], *, within_s: float
    ) -> Downloaded | NotModified | _Redirect:
        session = self._outbound.session_for(source.url)
        try:
            async with (
                asyncio.timeout(within_s),
                session.get(source.url, headers=headers, allow_redirects=False) as response,
            ):
                self._on_step(FetchStep.CONNECTED)
                return await self._take(source, response, into)
        except (aiohttp.ClientError, OSError, ValueError, zlib.error) as error:
            if refusal := refusal_in(error):
                raise self._policy.address_refused(source, refusal) from error
            raise error_of(error) from error

    async def _take(
        self, source: SourceUrl, response: aiohttp.ClientResponse, into: Path
    ) -> Downloaded | NotModified | _Redirect:
        now = self._now()
        if response.status in REDIRECTS:
            return _Redirect(response.headers.get("Location", ""))
        if response.status == HTTPStatus.NOT_MODIFIED:
            return NotModified(freshness(source, response.headers, now))
        error = error_for(response.status, response.headers, now)
        if error is not None:
            raise error
        size, revision = await take_body(response, into, self._limits)
        kept = freshness(source, response.headers, now)
        return Downloaded(into, size, revision, kept, response.content_type)


def _conditions(validators: Validators | None) -> Mapping[str, str]:
    headers = {}
    if validators and validators.etag:
        headers["If-None-Match"] = validators.etag
    if validators and validators.last_modified:
        headers["If-Modified-Since"] = validators.last_modified
    return headers


REUSED_AT_MOST = 3
"""Connections that stood from before and turned out closed, one after the other."""

_reused = ContextVar("connection stood from before", default=False)


async def _note_reuse(_session: object, _context: object, _params: object) -> None:
    _reused.set(True)


def _noting_reuse() -> aiohttp.TraceConfig:
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_note_reuse)
    return tracing


async def _asked_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """The client asks again by itself where these come, and the job counts its tries. But where a connection stood from before, the
    host may have closed it as we asked (RFC 9112, 9.3.1): that is no answer, and no failure of the host's.
    """
    for left in reversed(range(REUSED_AT_MOST + 1)):
        _reused.set(False)
        try:
            return await handler(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if not (left and _reused.get()):
                raise aiohttp.ClientConnectionError(str(error)) from error
    raise AssertionError
