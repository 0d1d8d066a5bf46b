import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.download.addresses import AddressPolicy, AddressRefused, CheckedResolver, is_public
from shared.telemetry import Metrics

PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.1", "192.167.1.1", "11.0.0.1", "223.255.255.1"),
    *("2606:4700:4700::1111", "2a00:1450::1"),
    *("::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::808:808"),
]
NOT_PUBLIC = [
    # this host, loopback, private, carrier, link, benchmarks
    *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "100.64.0.1", "100.127.255.255", "169.254.169.254", "198.18.0.1", "198.19.255.255"),
    # documentation, protocol assignments, multicast, reserved, broadcast
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "192.0.0.1", "224.0.0.1", "239.255.255.255"),
    *("240.0.0.1", "255.255.255.255"),
    # IPv6: unspecified, loopback, unique local, link and site local, multicast, documentation, discard
    *("::", "::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "100::1"),
    # an IPv4 address inside, in every way that reaches it
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"),
    *("2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
    "2001:0:53aa:64c:0:0:f5ff:fffe",  # Teredo
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_dialled(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_other_address_is(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_alike_in_whatever_it_is_wrapped(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | number)
    translated = ipaddress.IPv6Address((0x0064FF9B << 96) | number)
    tunnelled = ipaddress.IPv6Address((0x2002 << 112) | (number << 80))
    verdicts = {is_public(wrapped) for wrapped in (address, mapped, translated, tunnelled)}
    assert len(verdicts) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.1.2.3", "::ffff:7f00:1"])
def test_an_address_written_out_in_a_url_is_checked_too(host: str) -> None:
    with pytest.raises(AddressRefused):
        AddressPolicy((), Metrics()).check_literal(host, 80)


def test_a_pair_that_may_be_private_is_let_through_with_its_port_only() -> None:
    policy = AddressPolicy(("NAS.example:8080", "127.0.0.1:9000"), Metrics())
    assert policy.check("nas.example", 8080, "192.168.1.5")
    assert not policy.check("nas.example", 80, "192.168.1.5")
    assert not policy.check("other.example", 8080, "192.168.1.5")
    policy.check_literal("127.0.0.1", 9000)
    with pytest.raises(AddressRefused):
        policy.check_literal("127.0.0.1", 9001)


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1"])
async def test_an_odd_spelling_of_loopback_is_refused_when_it_is_resolved(host: str) -> None:
    resolver = CheckedResolver(AddressPolicy((), Metrics()))
    with pytest.raises(OSError, match=r"no public address|Name or service"):
        await resolver.resolve(host, 80, socket.AF_UNSPEC)
    await resolver.close()


async def test_a_name_that_resolves_to_loopback_is_refused_and_counted() -> None:
    metrics = Metrics()
    resolver = CheckedResolver(AddressPolicy((), metrics))
    with pytest.raises(AddressRefused):
        await resolver.resolve("localhost", 80, socket.AF_UNSPEC)
    assert metrics.registry.get_sample_value("onesheet_refusals_total", {"rule": "private address"})
    await resolver.close()
