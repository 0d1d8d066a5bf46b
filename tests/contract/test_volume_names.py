"""Names and pauses of hosts, on every volume."""

from datetime import timedelta

import pytest

from shared.pictures import Failure, FailureClass, Name, SourceUrl
from shared.volume import HostPause, PictureStore
from tests.contract.volumes import MEDIUM, NOW, PICTURE, VolumeUnderTest, commit

NAME = Name.parse("series/tvdb:81189/poster")
OTHER_NAME = Name.parse("series/tvdb:81189/banner")
OTHER = SourceUrl.parse("http://a.example/other.jpg").picture
GONE = Failure.after(None, FailureClass.GONE, "Nobody has a picture of it.", now=NOW)
AGAIN = Failure.after(GONE, FailureClass.GONE, "Nobody has a picture of it.", now=NOW)


async def test_a_name_points_to_one_picture_and_then_to_another(volume: VolumeUnderTest) -> None:
    names = volume.write.names
    assert await names.picture(NAME) is None
    await names.point(NAME, PICTURE)
    assert await names.picture(NAME) == PICTURE
    await names.point(NAME, PICTURE)  # twice is harmless
    await names.point(NAME, OTHER)
    assert await names.picture(NAME) == OTHER


async def test_several_names_may_point_to_one_picture(volume: VolumeUnderTest) -> None:
    names = volume.write.names
    await names.point(NAME, PICTURE)
    await names.point(OTHER_NAME, PICTURE)
    await names.remove(NAME)
    assert await names.picture(NAME) is None
    assert await names.picture(OTHER_NAME) == PICTURE
    await names.remove(NAME)  # so is removing it twice


async def test_a_name_follows_its_picture_into_the_other_tree(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    await commit(store, b"one")
    await volume.write.names.point(NAME, PICTURE)
    volume.keep(PICTURE)
    await volume.write.names.point(NAME, PICTURE)
    assert await volume.write.names.picture(NAME) == PICTURE


async def test_what_a_name_points_at_is_found_in_whichever_tree_it_lies(
    volume: VolumeUnderTest, store: PictureStore
) -> None:
    names, pins = volume.write.names, volume.write.pins
    first = await commit(store, b"one", MEDIUM)
    await names.point(NAME, PICTURE)  # in `cache`
    await pins.pin(PICTURE, NAME)
    await commit(store, b"two", MEDIUM, expected=first.id)  # which clears `cache`
    shown = await volume.read_names.picture(NAME)
    assert shown == PICTURE
    assert await volume.read.find(shown, (MEDIUM,))
    await names.point(NAME, PICTURE)  # in `keep`
    await pins.unpin(PICTURE, NAME)
    shown = await volume.read_names.picture(NAME)
    assert shown == PICTURE
    assert await volume.read.find(shown, (MEDIUM,))


async def test_a_refused_name_says_why_until_it_is_pointed(volume: VolumeUnderTest) -> None:
    names = volume.write.names
    assert await volume.read_names.failure(NAME) is None
    await names.refuse(NAME, GONE)
    await names.refuse(NAME, AGAIN)
    assert await volume.read_names.failure(NAME) == AGAIN
    assert await volume.read_names.failure(OTHER_NAME) is None
    assert await volume.read_names.picture(NAME) is None
    await names.point(NAME, PICTURE)
    assert await volume.read_names.failure(NAME) is None
    await names.refuse(NAME, GONE)
    await names.point(NAME, PICTURE)  # where it points already
    assert await volume.read_names.failure(NAME) is None


async def test_refusing_a_name_leaves_what_it_shows(volume: VolumeUnderTest) -> None:
    names = volume.write.names
    await names.point(NAME, PICTURE)
    await names.refuse(NAME, GONE)
    assert await volume.read_names.picture(NAME) == PICTURE
    assert await volume.read_names.failure(NAME) == GONE
    await names.remove(NAME)
    assert await volume.read_names.picture(NAME) is None
    assert await volume.read_names.failure(NAME) is None


async def test_a_failure_that_cannot_be_read_counts_as_none(volume: VolumeUnderTest) -> None:
    await volume.write.names.refuse(NAME, GONE)
    volume.damage_failure(NAME)
    assert await volume.read_names.failure(NAME) is None


@pytest.mark.parametrize("host", ["a.example", "a.example:8080", "::1", "[::1]:80", "x" * 253, "../../a"])
async def test_a_host_is_paused_until_it_said(volume: VolumeUnderTest, host: str) -> None:
    hosts = volume.write.hosts
    assert await hosts.pause_of(host) is None
    await hosts.pause(host, HostPause(NOW))
    last = HostPause(NOW + timedelta(minutes=1), in_a_row=3, failing=True)
    await hosts.pause(host, last)
    assert await hosts.pause_of(host) == last
    assert await hosts.all() == {host: last}
    assert await hosts.pause_of("b.example") is None
    await hosts.forget(host)
    await hosts.forget(host)
    assert await hosts.pause_of(host) is None
