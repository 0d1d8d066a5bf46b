"""Names and addresses that strangers may not make us connect to, with a name server that is up to no good.

Nobody reaches the listener at 127.0.0.1, and what is dialled is what was checked.
"""

import asyncio
from pathlib import Path

import pytest

from services.fetcher.errors import DownloadRefused, PictureError
from shared.pictures import FailureClass, RefusalReason
from tests.integration.downloading import (
    OTHER_PUBLIC,
    PUBLIC,
    PUBLIC_V6,
    Downloading,
    refusal,
    running_downloader,
    settings_with,
)
from tests.servers.dialled import dialled
from tests.servers.name_server import NameServer
from tests.servers.trap import Trap

ADDRESSES = [
    *("10.0.0.1", "100.64.0.1", "169.254.169.254", "172.16.0.1", "192.168.0.1", "192.0.0.192", "192.0.2.1"),
    *(
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
    ),
    *("100.100.100.200", "168.63.129.16", "169.254.170.2", "0.0.0.0", "127.0.0.1"),
    *("::1", "::", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::127.0.0.1", "2002:7f00:1::"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2001::1", "2001:10::1", "2001:20::1"),
    *("2a00:1:2:3:0:5efe:7f00:1", "2a00:1:2:3:200:5efe:a00:1", "100::1", "4000::1", "5f00::1", "3ffe::1"),
]
"""Written out, and as what a name resolves to."""


@pytest.mark.parametrize("address", ADDRESSES)
async def test_an_address_that_is_not_public_is_refused_where_it_is_written_out(
    downloading: Downloading, address: str
) -> None:
    host = f"[{address}]" if ":" in address else address
    assert await refusal(downloading, f"http://{host}/") is RefusalReason.ADDRESS


@pytest.mark.parametrize("address", ADDRESSES)
async def test_and_where_a_name_resolves_to_it(
    downloading: Downloading, names: NameServer, trap: Trap, address: str
) -> None:
    names.say("inside.example", [address])
    assert await refusal(downloading, f"http://inside.example:{trap.port}/") is RefusalReason.ADDRESS


@pytest.mark.parametrize(
    "answer",
    [
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        [PUBLIC, OTHER_PUBLIC, "10.0.0.1"],
        [PUBLIC, "::1"],
        [PUBLIC_V6, "127.0.0.1"],
        [PUBLIC, "::ffff:127.0.0.1"],
    ],
)
async def test_a_name_that_mixes_public_addresses_with_others_is_refused_whole(
    downloading: Downloading, names: NameServer, trap: Trap, answer: list[str]
) -> None:
    names.say("mixed.example", answer)
    assert await refusal(downloading, f"http://mixed.example:{trap.port}/") is RefusalReason.ADDRESS


@pytest.mark.parametrize("hops", [1, 2, 3])
async def test_a_name_that_is_an_alias_of_a_private_one_is_refused(
    downloading: Downloading, names: NameServer, trap: Trap, hops: int
) -> None:
    for hop in range(hops):
        names.alias(f"alias{hop}.example", f"alias{hop + 1}.example")
    names.say(f"alias{hops}.example", ["127.0.0.1"])
    assert await refusal(downloading, f"http://alias0.example:{trap.port}/") is RefusalReason.ADDRESS


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_V6, "64:ff9b::5db8:d70e"])
async def test_the_address_that_was_checked_is_the_one_that_is_dialled(
    downloading: Downloading, names: NameServer, trap: Trap, address: str
) -> None:
    """The name server would answer otherwise if it were asked once more: it is asked once for each connection."""
    names.say("rebinding.example", [address], ["127.0.0.1"])
    with dialled() as addresses, pytest.raises(PictureError) as failed:
        await downloading.get(f"http://rebinding.example:{trap.port}/")
    assert failed.value.failure_class is FailureClass.UPSTREAM
    assert addresses == [(address, trap.port)]
    assert (names.asked["rebinding.example", "A"], names.asked["rebinding.example", "AAAA"]) == (1, 1)
    assert downloading.refusals() == {}


async def test_a_name_that_changes_is_refused_as_soon_as_it_is_looked_up_again(
    tmp_path: Path, names: NameServer, trap: Trap
) -> None:
    names.say("rebinding.example", [PUBLIC], ["127.0.0.1"], [PUBLIC])
    url = f"http://rebinding.example:{trap.port}/"
    for expected in ([(PUBLIC, trap.port)], [], [(PUBLIC, trap.port)]):
        # Each with nothing remembered of the name.
        async with running_downloader(tmp_path, settings_with(trap), names) as downloading:
            with dialled() as addresses, pytest.raises(PictureError) as failed:
                await downloading.get(url)
        assert addresses == expected
        assert isinstance(failed.value, DownloadRefused) is (expected == [])
    assert names.asked["rebinding.example", "A"] == 3


async def test_several_public_addresses_are_tried_and_nobody_else(
    downloading: Downloading, names: NameServer, trap: Trap
) -> None:
    names.say("several.example", [PUBLIC, OTHER_PUBLIC, PUBLIC_V6], ["127.0.0.1"])
    with dialled() as addresses, pytest.raises(PictureError):
        await downloading.get(f"http://several.example:{trap.port}/")
    assert {address for address, _ in addresses} == {PUBLIC, OTHER_PUBLIC, PUBLIC_V6}


async def test_a_name_server_that_does_not_answer_is_waited_for_as_long_as_a_connection(
    tmp_path: Path, names: NameServer, trap: Trap
) -> None:
    names.silent = True
    async with running_downloader(tmp_path, settings_with(trap, CONNECT_TIMEOUT="0.2"), names) as downloading:
        async with asyncio.timeout(4.5):
            with pytest.raises(PictureError, match="in time") as failed:
                await downloading.get("http://public.example/")
    assert failed.value.failure_class is FailureClass.UPSTREAM
    assert names.asked["public.example", "A"] == 1


async def test_a_name_that_does_not_exist_is_a_failure_of_its_host(downloading: Downloading) -> None:
    with pytest.raises(PictureError, match="could not be resolved") as failed:
        await downloading.get("http://missing.example/")
    assert failed.value.failure_class is FailureClass.UPSTREAM
