"""Addresses: whom we connect to. Checked when a name is resolved for dialling, so that what was checked
is what is dialled, and checked for addresses written out in a URL.
"""

import ipaddress
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from shared.telemetry import Metrics

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_log = structlog.get_logger()


class AddressRefused(OSError):
    """Every address of the host is one that we do not connect to."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is globally routable unicast, also as what it carries inside (RFC 4291, 3056, 4380, 6052)."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        inside = address.ipv4_mapped or address.sixtofour
        if inside is not None:
            return is_public(inside)
        if address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class AddressPolicy:
    """Public addresses, and those of the `host:port` pairs that may be private."""

    def __init__(self, allow_private: Iterable[str], metrics: Metrics) -> None:
        self._allow_private = frozenset(pair.lower() for pair in allow_private)
        self._metrics = metrics

    def check(self, host: str, port: int, address: str) -> bool:
        if f"{host}:{port}" in self._allow_private:
            return True
        try:
            allowed = is_public(ipaddress.ip_address(address.partition("%")[0]))
        except ValueError:
            allowed = False
        if not allowed:
            self._metrics.refusals.labels("private address").inc()
            _log.warning("refused", rule="private address", host=host, port=port, address=address)
        return allowed

    def check_literal(self, host: str, port: int) -> None:
        """Raise AddressRefused for a refused address written as a host; no resolver ever sees those."""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return
        if not self.check(host, port, host):
            raise AddressRefused("not a public address")


class CheckedResolver(AbstractResolver):
    """Resolves names to the addresses that the policy lets us dial, and to no others."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = [result for result in found if self._policy.check(host.lower(), port, result["host"])]
        if not allowed:
            raise AddressRefused("no public address")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()
