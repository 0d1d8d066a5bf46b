import ipaddress
import socket
from collections.abc import Sequence

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from shared.http.addresses import AddressPolicy, AddressRefused, CheckedResolver, is_public
from shared.pictures import SourceUrl

PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.1", "192.167.1.1", "11.0.0.1", "223.255.255.1"),
    *("9.255.255.255", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255"),
    *("169.255.0.0", "192.0.1.0", "198.17.255.255", "198.20.0.0", "168.63.129.15", "168.63.129.17"),
    *(
        "2606:4700:4700::1111",
        "2a00:1450::1",
        "2001:200::1",
        "2400:cb00::1",
        "2a00::5efe",
        "2a00:0:0:5efe::1",
    ),
    *("64:ff9b::808:808", "64:ff9b::101:101"),
]
NOT_PUBLIC = [
    # this host, loopback, private, carrier, link, benchmarks
    *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "100.64.0.1", "100.127.255.255", "169.254.0.1", "198.18.0.1", "198.19.255.255"),
    # what clouds tell their machines
    *("169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254"),
    # documentation, protocol assignments, relays, multicast, reserved, broadcast
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "192.0.0.1", "192.0.0.170", "192.88.99.1", "224.0.0.1"),
    *("239.255.255.255", "240.0.0.1", "255.255.255.255"),
    # IPv6: unspecified, loopback, unique local, link and site local, multicast, unassigned
    *(
        "::",
        "::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "feff::1",
        "ff02::1",
        "ff0e::1",
    ),
    *("4000::1", "1000::1", "5f00::1", "8000::1", "100::1"),
    # documentation, benchmarks, ORCHID and its successor, drones, what was given back
    *("2001:db8::1", "3fff::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:30::1", "2001::1", "3ffe::1"),
    # an IPv4 address inside, in every way that may reach it: mapped, compatible, translated, tunnelled
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::a9fe:a9fe"),
    *("::ffff:0:127.0.0.1", "::ffff:8.8.8.8", "2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::1", "64:ff9b:1::808:808"),
    *("2001:0:53aa:64c:0:0:f5ff:fffe", "2001:0:808:808::1"),
    *("2a00:1:2:3:0:5efe:7f00:1", "2a00:1:2:3:200:5efe:a00:1", "fe80::5efe:a9fe:a9fe"),
    "2a00::1%eth0",
]


class FixedResolver(AbstractResolver):
    """Finds the same addresses for every name."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_dialled(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_other_address_is(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_no_wrapping_makes_an_address_public(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    translated = ipaddress.IPv6Address((0x0064FF9B << 96) | number)
    assert is_public(translated) is is_public(address)
    for wrapped in (
        number,
        (0xFFFF << 32) | number,
        (0x0064FF9B0001 << 80) | number,
        (0x2002 << 112) | (number << 80),
        (0x20010000 << 96) | (0xFFFFFFFF ^ number),
        (0x2A00 << 112) | (0x5EFE << 32) | number,
    ):
        assert not is_public(ipaddress.IPv6Address(wrapped))


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    translated = address in ipaddress.ip_network("64:ff9b::/96")
    if address.is_private or address.is_multicast or address.is_reserved or address.is_link_local:
        assert translated or not is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.1.2.3", "[::ffff:7f00:1]", "[fd00:ec2::254]"])
def test_an_address_written_out_in_a_url_is_checked_too(host: str) -> None:
    with pytest.raises(AddressRefused):
        AddressPolicy(()).check_literal(SourceUrl.parse(f"http://{host}/x"))


def test_a_pair_that_may_be_private_is_let_through_with_its_port_only() -> None:
    policy = AddressPolicy(("NAS.example:8080", "127.0.0.1:9000", "[fd00::1]:9000", "bücher.example:80"))
    policy.check("nas.example", 8080, ["192.168.1.5"])
    policy.check("xn--bcher-kva.example", 80, ["192.168.1.5"])
    policy.check_literal(SourceUrl.parse("http://127.0.0.1:9000/"))
    policy.check_literal(SourceUrl.parse("http://[fd00::1]:9000/"))
    for host, port in (("nas.example", 80), ("other.example", 8080), ("x.nas.example", 8080)):
        with pytest.raises(AddressRefused):
            policy.check(host, port, ["192.168.1.5"])
    with pytest.raises(AddressRefused):
        policy.check_literal(SourceUrl.parse("http://127.0.0.1:9001/"))


async def test_a_name_of_public_addresses_is_resolved() -> None:
    resolver = CheckedResolver(AddressPolicy(()), FixedResolver(["1.1.1.1", "2606:4700::1"]))
    found = await resolver.resolve("a.example", 80, socket.AF_UNSPEC)
    assert [result["host"] for result in found] == ["1.1.1.1", "2606:4700::1"]


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["::1", "1.1.1.1"], ["fe80::1%eth0"]]
)
async def test_a_name_with_a_single_other_address_is_refused(addresses: list[str]) -> None:
    resolver = CheckedResolver(AddressPolicy(()), FixedResolver(addresses))
    with pytest.raises(AddressRefused):
        await resolver.resolve("a.example", 80, socket.AF_UNSPEC)
