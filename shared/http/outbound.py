"""The way out: straight, or through the proxies that an operator names, for whoever asks other hosts.

Proxies are read from the environment here and nowhere else; the sessions themselves do not look at it.
"""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import AsyncResolver
from pydantic import AfterValidator, Field
from yarl import URL

from shared.settings import CommaList, Settings

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""The statuses that lead elsewhere: sessions follow none, for each address on the way is checked."""

_SOCKS = {"socks4": "SOCKS4", "socks4a": "SOCKS4", "socks5": "SOCKS5", "socks5h": "SOCKS5"}
"""What each scheme is to aiohttp_socks, which is loaded where there is such a proxy."""

_SCHEMES = {"http", "https", *_SOCKS}
_log = structlog.get_logger()


def _readable(text: str) -> str:
    try:
        url = URL(text)
        known = url.scheme in _SCHEMES and url.host and url.explicit_port
    except ValueError:
        known = False
    if text and not known:
        raise ValueError(f"A proxy is scheme://[user:password@]host:port, the scheme of {sorted(_SCHEMES)}.")
    return text


ProxyText = Annotated[str, AfterValidator(_readable)]


class OutboundSettings(Settings):
    """Which URLs are asked for through which proxy."""

    https_proxy: ProxyText = Field("", validation_alias="HTTPS_PROXY", repr=False)
    http_proxy: ProxyText = Field("", validation_alias="HTTP_PROXY", repr=False)
    all_proxy: ProxyText = Field("", validation_alias="ALL_PROXY", repr=False)
    no_proxy: CommaList = Field((), validation_alias="NO_PROXY")

    def proxy_for(self, url: URL) -> URL | None:
        """None: straight."""
        text = (self.https_proxy if url.scheme == "https" else self.http_proxy) or self.all_proxy
        return URL(text) if text and not self._goes_straight(url) else None

    def _goes_straight(self, url: URL) -> bool:
        """`NO_PROXY` names hosts, with what lies below them, or `host:port`, or `*`."""
        spelled = (f".{url.raw_host}", f".{url.raw_host}:{url.port}")
        names = (name.lower().removeprefix("*").removeprefix(".") for name in self.no_proxy)
        return any(not name or any(host.endswith(f".{name}") for host in spelled) for name in names)

    @property
    def proxies(self) -> frozenset[URL]:
        return frozenset(URL(text) for text in (self.https_proxy, self.http_proxy, self.all_proxy) if text)


class ProxyFailed(aiohttp.ClientError):
    """The proxy could not be reached, or did not let us through."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """A client session for each way out."""

    settings: OutboundSettings
    sessions: Mapping[URL | None, aiohttp.ClientSession]

    def session_for(self, url: URL) -> aiohttp.ClientSession:
        return self.sessions[self.settings.proxy_for(url)]


@asynccontextmanager
async def open_outbound(
    settings: OutboundSettings, *, resolver: AbstractResolver, **session_options: Any
) -> AsyncIterator[Outbound]:
    """Straight connections go to what `resolver` finds, which is closed in the end. A proxy lies where the
    system's name servers say, and resolves for itself what it is asked for.
    """
    middlewares = (*session_options.pop("middlewares", ()), _as_client_error)
    async with AsyncExitStack() as stack:
        to_proxies = AsyncResolver()
        stack.push_async_callback(to_proxies.close)
        stack.push_async_callback(resolver.close)
        sessions: dict[URL | None, aiohttp.ClientSession] = {}
        for proxy in (None, *settings.proxies):
            session = aiohttp.ClientSession(
                connector=_connector(proxy, to_proxies if proxy else resolver),
                proxy=proxy if proxy and proxy.scheme not in _SOCKS else None,
                middlewares=middlewares,
                **session_options,
            )
            sessions[proxy] = await stack.enter_async_context(session)
            if proxy:
                shown = str(proxy.with_user(None))
                _log.warning("through a proxy, which resolves names itself: addresses unchecked", proxy=shown)
        yield Outbound(settings, sessions)


def _connector(proxy: URL | None, resolver: AbstractResolver) -> aiohttp.BaseConnector:
    """Without limits of its own: who asks has its own, by host or by credential."""
    if proxy is None or proxy.scheme not in _SOCKS:
        return aiohttp.TCPConnector(resolver=resolver, limit=0)
    from aiohttp_socks import ProxyConnector, ProxyType  # noqa: PLC0415 - see `_SOCKS`

    assert proxy.host
    assert proxy.port
    return ProxyConnector(
        host=proxy.host,
        port=proxy.port,
        proxy_type=ProxyType[_SOCKS[proxy.scheme]],
        username=proxy.user,
        password=proxy.password,
        rdns=True,
        limit=0,
    )


async def _as_client_error(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError) as error:
        raise ProxyFailed(str(error)) from error
    except Exception as error:
        if _is_of_socks(error):
            raise ProxyFailed(str(error)) from error
        raise


def _is_of_socks(error: Exception) -> bool:
    socks = sys.modules.get("aiohttp_socks")  # that is not loaded raises nothing
    kinds = (socks.ProxyError, socks.ProxyConnectionError, socks.ProxyTimeoutError) if socks else ()
    return isinstance(error, kinds)
