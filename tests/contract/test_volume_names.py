"""Names and pauses of hosts, on every volume."""

from datetime import timedelta

import pytest

from shared.pictures import Name, SourceUrl
from shared.volume import HostPause, PictureStore
from tests.contract.volumes import NOW, PICTURE, VolumeUnderTest, commit

NAME = Name.parse("series/tvdb:81189/poster")
OTHER_NAME = Name.parse("series/tvdb:81189/banner")
OTHER = SourceUrl.parse("http://a.example/other.jpg").picture


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


@pytest.mark.parametrize("host", ["a.example", "a.example:8080", "::1", "[::1]:80", "x" * 253, "../../a"])
async def test_a_host_is_paused_until_it_said(volume: VolumeUnderTest, host: str) -> None:
    hosts = volume.write.hosts
    assert await hosts.paused_until(host) is None
    await hosts.pause(host, HostPause(NOW))
    await hosts.pause(host, HostPause(NOW + timedelta(minutes=1), in_a_row=3))
    assert await hosts.paused_until(host) == NOW + timedelta(minutes=1)
    assert await hosts.pause_of(host) == HostPause(NOW + timedelta(minutes=1), in_a_row=3)
    assert await hosts.paused_until("b.example") is None
    await hosts.forget(host)
    await hosts.forget(host)
    assert await hosts.pause_of(host) is None
