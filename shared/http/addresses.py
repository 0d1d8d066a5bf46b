"""Which addresses are connected to, by one table, checked as they are dialled."""

import ipaddress
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.pictures import SourceUrl
from shared.pictures.hosts import parse_pair

# A table of our own, for what Python says of an address depends on its version. From IANA's registries of
# special-purpose addresses, of November 2026, coarser where nothing is reachable but anycast services.
_REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carriers' own (RFC 6598); clouds' metadata, too
        "127.0.0.0/8",  # loopback (RFC 1122)
        "168.63.129.16/32",  # Azure's metadata, at what looks like a public address
        "169.254.0.0/16",  # link-local (RFC 3927), with most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments (RFC 6890), with Oracle's metadata
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved (RFC 1112), with broadcast
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")
"""All that is assigned (RFC 4291): outside lie loopback, unique local, link- and site-local, multicast, and
every form that carries an IPv4 address, mapped, compatible or translated."""

_REFUSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments (RFC 2928): Teredo, benchmarks, ORCHID, drones
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 3056): an IPv4 address inside
        "3ffe::/16",  # the 6bone's, given back (RFC 3701)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
"""How an IPv6-only network reaches IPv4 (RFC 6052); not its local-use sibling 64:ff9b:1::/48 (RFC 8215)."""

_ISATAP, _ISATAP_MASK = 0x00005EFE << 32, 0xFDFFFFFF << 32
"""The interface identifier `[02]00:5efe:a.b.c.d` (RFC 5214), below whatever prefix: a tunnel to a.b.c.d."""


class AddressRefused(OSError):
    """The host has an address that we do not connect to."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is globally routable unicast, and what it would be translated to, too."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return (
        address in _UNICAST_V6
        and address.scope_id is None
        and int(address) & _ISATAP_MASK != _ISATAP
        and not any(address in network for network in _REFUSED_V6)
    )


class AddressPolicy:
    """Public addresses, and any address of the `host:port` pairs that may be private."""

    def __init__(self, allow_private: Iterable[str]) -> None:
        self._allow_private = frozenset(parse_pair(pair) for pair in allow_private)

    def may_be_private(self, host: str, port: int) -> bool:
        return (host, port) in self._allow_private

    def check(self, host: str, port: int, addresses: Iterable[str]) -> None:
        """Raise AddressRefused where one of them is refused: who mixes them is up to something."""
        if self.may_be_private(host, port):
            return
        for address in addresses:
            if not is_public(ipaddress.ip_address(address)):
                raise AddressRefused(f"{address} is no public address")

    def check_literal(self, source: SourceUrl) -> None:
        """Raise AddressRefused for a refused address written as a host; no resolver ever sees those."""
        try:
            ipaddress.ip_address(source.host)
        except ValueError:
            return
        self.check(source.host, source.port, [source.host])


def refusal_in(error: BaseException) -> AddressRefused | None:
    """Why an address was not dialled, where that is what failed: a client has it inside of its own error, and a middleware
    of the client that inside of another one.
    """
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, AddressRefused):
        return cause
    return refusal_in(error.__cause__) if error.__cause__ else None


class CheckedResolver(AbstractResolver):
    """Resolves names to addresses that the policy lets us dial, or not at all."""

    def __init__(self, policy: AddressPolicy, resolver: AbstractResolver) -> None:
        self._policy = policy
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        self._policy.check(host.lower(), port, [result["host"] for result in found])
        return found

    async def close(self) -> None:
        await self._resolver.close()
