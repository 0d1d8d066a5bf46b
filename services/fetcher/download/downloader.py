"""Downloading: one original, streamed to a file, under limits, from where the policy lets us."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import aiohttp
from yarl import URL

from services.fetcher.download.addresses import AddressPolicy, AddressRefused, CheckedResolver
from services.fetcher.download.answers import Freshness, error_for, freshness
from services.fetcher.download.seats import Seats
from services.fetcher.errors import HostIsPaused, NotAsked, PictureError
from services.fetcher.settings import DownloadSettings
from services.fetcher.steps import FetchStep
from shared.pictures import FailureClass, RevisionId, SourceUrl, Validators, revision_id
from shared.telemetry import Metrics, utc_now
from shared.volume import HostPauses, OnStep

MAX_REDIRECTS = 3
_CHUNK_BYTES = 256 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Downloaded:
    """An original in a file. `revision` is of its bytes."""

    path: Path
    bytes: int
    revision: RevisionId
    freshness: Freshness


@dataclass(frozen=True, slots=True)
class NotModified:
    """The source says that nothing has changed."""

    freshness: Freshness


class Downloader:
    """Gets originals. Raises PictureError, of the class that fits, for everything that can go wrong."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: DownloadSettings,
        *,
        addresses: AddressPolicy,
        pauses: HostPauses,
        metrics: Metrics,
        on_step: OnStep,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._session = session
        self._settings = settings
        self._rules = settings.hosts.rules
        self._seats = Seats(settings.host_concurrency)
        self._addresses = addresses
        self._pauses = pauses
        self._metrics = metrics
        self._on_step = on_step
        self._now = now

    async def get(
        self,
        source: SourceUrl,
        into: Path,
        *,
        authorised_host: str | None = None,
        validators: Validators | None = None,
    ) -> Downloaded | NotModified:
        """Write the original to `into`. With `validators`, only if it has changed since."""
        await self._check_pause(source)
        try:
            result = await self._follow(source, into, authorised_host, _conditions(validators))
        except NotAsked:
            raise
        except PictureError as error:
            self._metrics.downloads.labels(error.failure_class).inc()
            raise
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            failure = _as_picture_error(error)
            self._metrics.downloads.labels(failure.failure_class).inc()
            raise failure from error
        self._metrics.downloads.labels("unchanged" if isinstance(result, NotModified) else "stored").inc()
        return result

    async def _check_pause(self, source: SourceUrl) -> None:
        until = await self._pauses.paused_until(source.authority)
        left = until - self._now() if until else timedelta(0)
        if left > timedelta(0):
            raise HostIsPaused(source.authority, left)

    async def _follow(
        self, source: SourceUrl, into: Path, authorised_host: str | None, headers: Mapping[str, str]
    ) -> Downloaded | NotModified:
        """In the time that a fetch may take; waiting for a seat at a host does not count."""
        time, left_s = asyncio.get_running_loop().time, self._settings.fetch_timeout_s
        for _ in range(MAX_REDIRECTS + 1):
            self._check_host(source, authorised_host)
            async with self._seats.take(source.authority, within_s=self._settings.fetch_timeout_s):
                began = time()
                async with asyncio.timeout(left_s):
                    result = await self._ask(source, into, headers)
                left_s -= time() - began
            if not isinstance(result, SourceUrl):
                return result
            source = result
        raise PictureError(FailureClass.UPSTREAM, "The source redirects too often.")

    async def _ask(
        self, source: SourceUrl, into: Path, headers: Mapping[str, str]
    ) -> Downloaded | NotModified | SourceUrl:
        """What the source answers, or where it redirects to."""
        async with self._session.get(source.url, headers=headers, allow_redirects=False) as response:
            self._on_step(FetchStep.CONNECTED)
            if response.status in _REDIRECTS:
                return _redirected(source, response.headers.get("Location", ""))
            return await self._take(source, response, into)

    def _check_host(self, source: SourceUrl, authorised_host: str | None) -> None:
        if not self._rules.allow(source) and source.authority != authorised_host:
            self._metrics.refusals.labels("host not allowed").inc()
            raise PictureError(FailureClass.REFUSED, f"Pictures are not fetched from {source.authority}.")
        self._addresses.check_literal(source.host, source.port)

    async def _take(
        self, source: SourceUrl, response: aiohttp.ClientResponse, into: Path
    ) -> Downloaded | NotModified:
        now = self._now()
        if response.status == 304:  # noqa: PLR2004 - Not Modified
            return NotModified(freshness(source, response.headers, now))
        error = error_for(response.status, response.headers, now)
        if error is not None:
            raise error
        size, digest = await self._stream(response, into)
        return Downloaded(into, size, revision_id(digest), freshness(source, response.headers, now))

    async def _stream(self, response: aiohttp.ClientResponse, into: Path) -> tuple[int, str]:
        """Count what was unpacked, not what was sent: a small body can unpack to a large one."""
        limit = self._settings.max_body_mb * 1024 * 1024
        if (response.content_length or 0) > limit:
            raise self._too_large()
        size, digest = 0, hashlib.sha256()
        with into.open("wb") as file:
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                size += len(chunk)
                if size > limit:
                    raise self._too_large()
                file.write(chunk)
                digest.update(chunk)
        if not size:
            raise PictureError(FailureClass.UPSTREAM, "The source sent an empty body.")
        return size, digest.hexdigest()

    def _too_large(self) -> PictureError:
        text = f"The picture is larger than {self._settings.max_body_mb} MB."
        return PictureError(FailureClass.UNSOUND, text, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def _conditions(validators: Validators | None) -> Mapping[str, str]:
    headers = {}
    if validators and validators.etag:
        headers["If-None-Match"] = validators.etag
    if validators and validators.last_modified:
        headers["If-Modified-Since"] = validators.last_modified
    return headers


def _redirected(source: SourceUrl, location: str) -> SourceUrl:
    """Where a redirect leads; it goes through every check again. Never down from https to http."""
    try:
        target = SourceUrl.parse(str(source.url.join(URL(location))))
    except ValueError:
        raise PictureError(
            FailureClass.UPSTREAM, "The source redirects to something that is no URL."
        ) from None
    if source.url.scheme == "https" and target.url.scheme != "https":
        raise PictureError(FailureClass.REFUSED, "The source redirects from https to http.")
    return target


def _as_picture_error(error: Exception) -> PictureError:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, AddressRefused):
        return PictureError(FailureClass.REFUSED, "The host has no public address.")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return PictureError(FailureClass.UPSTREAM, "The host's name could not be resolved.")
    if isinstance(error, TimeoutError):
        return PictureError(FailureClass.UPSTREAM, "The source did not answer in time.")
    if isinstance(error, OSError) and not isinstance(error, aiohttp.ClientError):
        return PictureError(FailureClass.OURS, f"The picture could not be written: {error.strerror}.")
    return PictureError(FailureClass.UPSTREAM, "The connection to the source broke.")


@asynccontextmanager
async def download_session(
    settings: DownloadSettings, addresses: AddressPolicy
) -> AsyncIterator[aiohttp.ClientSession]:
    """The one client session of a fetcher, which dials checked addresses only."""
    # Without limits: a seat at the host is taken before.
    connector = aiohttp.TCPConnector(resolver=CheckedResolver(addresses), limit=0, limit_per_host=0)
    timeouts = aiohttp.ClientTimeout(
        total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.read_timeout_s
    )
    headers = {"User-Agent": settings.user_agent, "Accept": "image/*", "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeouts, headers=headers, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield session
