"""The export for media servers: files that are in step with what is stored, beside whatever else is in the folder."""

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from services.enricher.streamers import StreamerSettings
from tests.integration.onesheet import until
from tests.integration.streaming import StartStreaming, stored
from tests.providers.gallery import drawn_file
from tests.providers.picture_host import PictureHost
from tests.providers.twitch import TwitchHost

FOREIGN = b"somebody else's"
HIDDEN = ".images"
BESIDE = ("poster", "logo", "clearlogo", "season", "season-poster", "folder", "show", "banner", "fanart")


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()
    }


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """With the streamer's recordings of two months, and a poster that somebody has put there."""
    folder = tmp_path / "recordings"
    for month in ("Season 2026-02", "Season 2026-03"):
        (folder / "First" / month).mkdir(parents=True)
    (folder / "First" / "Season 2026-02" / "First - S202602E01.mp4").write_bytes(FOREIGN)
    (folder / "First" / "poster.jpg").write_bytes(FOREIGN)
    (folder / HIDDEN / "categories").mkdir(parents=True)
    (folder / HIDDEN / "categories" / "mine.jpg").write_bytes(FOREIGN)
    return folder


def exporting(recordings: Path) -> StreamerSettings:
    return StreamerSettings(export_dir=str(recordings / HIDDEN))


async def there(*files: Path) -> None:
    await until(lambda: all(file.exists() for file in files), every_s=0.05)


async def test_the_exported_tree_is_as_media_servers_want_it(
    streaming: StartStreaming, twitch: TwitchHost, picture_host: PictureHost, recordings: Path
) -> None:
    png = drawn_file("poster", 5, (90, 90), "png")
    assert png
    picture_host.put("/profile-first-300x300.jpg", png)
    twitch.world.add_game("7", "Pokémon: Tom's 原神")
    twitch.world.channels["456"].display_name = "FIRST"  # the folder is that of who came before
    hidden, beside = recordings / HIDDEN, recordings / "First"
    async with streaming(streamers=exporting(recordings)) as enricher:
        await enricher.manage("POST", "/api/streamers", {"logins": ["first", "second"]})
        await enricher.manage("POST", "/api/categories", {"name": "Pokémon: Tom's 原神"})
        url = twitch.world.put("/artwork-1920x1080.jpg")
        await enricher.manage("POST", "/api/streams", {"streamer_id": 1, "artwork_url": url})
        profile = hidden / "profiles" / "profile_avatar_1.jpg"
        cover = hidden / "categories" / "pokémon_tom's_原神.jpg"
        artwork = hidden / "artwork" / "profile_avatar_1" / "stream_1.jpg"
        months = [beside / month / "season.nfo" for month in ("Season 2026-02", "Season 2026-03")]
        await there(profile, cover, artwork, hidden / "banners" / "banner_1.jpg", *months)
        await there(hidden / "profiles" / "profile_avatar_2.jpg")
        await there(
            *(beside / f"{called}.png" for called in BESIDE if called not in ("poster", "banner", "fanart"))
        )
        await there(*(beside / f"{called}.jpg" for called in ("banner", "fanart")))
        served = await enricher.picture("/data/images/artwork/profile_avatar_1/stream_1.jpg")
        await enricher.manage("DELETE", "/api/streams/1")
        await until(lambda: not artwork.parent.exists(), every_s=0.05)
        notes = (await enricher.get("/readyz")).json["streamers"]
        tree = files_in(recordings)
    assert Image.open(BytesIO(tree[f"{HIDDEN}/profiles/profile_avatar_1.jpg"])).format == "JPEG"
    assert Image.open(BytesIO(tree["First/logo.png"])).format == "PNG"
    assert "First/logo.jpg" not in tree
    assert served[0] == 200
    assert notes == {"export": "1 files there are not ours, and stay."}
    for path in (
        "First/poster.jpg",
        f"{HIDDEN}/categories/mine.jpg",
        "First/Season 2026-02/First - S202602E01.mp4",
    ):
        assert tree[path] == FOREIGN
    assert not [path for path in tree if path.endswith(".part")]
    assert_read_by_media_servers(recordings, [beside / "tvshow.nfo", *months])


def assert_read_by_media_servers(recordings: Path, nfos: Sequence[Path]) -> None:
    """What an NFO file names is there, by its path from that file; and nothing of ours is a title of its own to a scan, which passes
    over what begins with a dot.
    """
    for nfo in nfos:
        root = ET.fromstring(nfo.read_text())
        thumbs = [one.text or "" for one in root.iter("thumb")]
        assert thumbs
        for thumb in thumbs:
            assert not os.path.isabs(thumb)  # noqa: PTH117 - a text
            Image.open(nfo.parent / thumb).verify()
    assert [one.name for one in recordings.iterdir() if not one.name.startswith(".")] == ["First"]


async def test_a_picture_that_was_swapped_is_swapped_on_disk_and_what_is_removed_leaves(
    streaming: StartStreaming, twitch: TwitchHost, recordings: Path
) -> None:
    profile = recordings / HIDDEN / "profiles" / "profile_avatar_1.jpg"
    async with streaming(streamers=exporting(recordings)) as enricher:
        await enricher.manage("POST", "/api/streamers", {"login": "second"})
        await there(profile)
        before = profile.read_bytes()
        linked = profile.stat().st_nlink
        twitch.world.channels["456"].profile = twitch.world.put("/another-300x300.jpg")
        await enricher.manage("POST", "/api/streamers/1/refresh")
        await until(lambda: profile.read_bytes() != before, every_s=0.05)
        await enricher.manage("DELETE", "/api/streamers/1")
        await until(lambda: not profile.exists(), every_s=0.05)
    assert linked >= 2
    assert files_in(recordings)[f"{HIDDEN}/categories/mine.jpg"] == FOREIGN


async def test_a_folder_that_cannot_be_had_is_said_and_another_stands_in(
    streaming: StartStreaming, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    settings = StreamerSettings(export_dir=str(tmp_path / "file" / HIDDEN))
    async with streaming(streamers=settings) as enricher:
        await enricher.manage("POST", "/api/streamers", {"login": "second"})
        await stored(enricher, "streamer/1/profile")
        await there(tmp_path / "state" / "export" / HIDDEN / "profiles" / "profile_avatar_1.jpg")
        notes = (await enricher.get("/readyz")).json["streamers"]["export"]
    assert "cannot be written" in notes
    assert "state/export" in notes


async def test_after_a_restart_files_from_before_are_still_ours(
    streaming: StartStreaming, twitch: TwitchHost, recordings: Path
) -> None:
    profile = recordings / HIDDEN / "profiles" / "profile_avatar_1.jpg"
    async with streaming(streamers=exporting(recordings)) as enricher:
        await enricher.manage("POST", "/api/streamers", {"login": "second"})
        await there(profile)
    async with streaming(streamers=exporting(recordings)) as enricher:
        await enricher.manage("DELETE", "/api/streamers/1")
        await until(lambda: not profile.exists(), every_s=0.05)


@pytest.mark.parametrize("folder", ["images", "/"])
def test_the_folder_is_a_whole_path_of_one_in_another(folder: str) -> None:
    with pytest.raises(ValueError, match="whole path"):
        StreamerSettings(export_dir=folder)


NAMES = (
    (Path(__file__).parents[1] / "data" / "twitch_categories.txt").read_text(encoding="utf-8").splitlines()
)


async def test_more_than_sixty_names_with_every_sign_and_script_survive_a_restart_and_are_stored_served_exported_and_unique(
    streaming: StartStreaming, twitch: TwitchHost, picture_host: PictureHost, recordings: Path
) -> None:
    assert len(NAMES) > 60
    for number, name in enumerate(NAMES):
        twitch.world.add_game(str(number + 1), name)

    def fetched() -> int:
        return sum(picture_host.count(f"/boxart-{number + 1}-1200x1600.jpg") for number in range(len(NAMES)))

    async with streaming(streamers=exporting(recordings)) as enricher:
        added = await enricher.manage("POST", "/api/categories", {"names": NAMES})
        assert added.status == 201, added.json
        await until(lambda: fetched() >= 5, every_s=0.01)
    async with streaming(streamers=exporting(recordings)) as enricher:

        async def all_are_stored() -> bool:
            status = (await enricher.manage("GET", "/api/categories/cache-status")).json
            return bool(status["cached_categories"] == len(NAMES))

        await until(all_are_stored, every_s=0.2)
        categories = (await enricher.manage("GET", "/api/categories?limit=1000")).json["categories"]
        served = [await enricher.picture(one["box_art_url"]) for one in categories]
        files = [recordings / HIDDEN / "categories" / f"{one['file_name']}.jpg" for one in categories]
        await there(*files)
    assert sorted(one["name"] for one in categories) == sorted(NAMES)
    assert {status for status, _ in served} == {200}
    assert len({body for _, body in served}) == len(NAMES)
    assert [file.read_bytes() for file in files] == [body for _, body in served]
    assert len({one["file_name"] for one in categories} | {one["slug"] for one in categories}) >= len(NAMES)
    assert {one["name"]: one["called_alike"] for one in categories if one["called_alike"]} == {
        "Foo: Bar": ["Foo Bar"],
        "Foo Bar": ["Foo: Bar"],
    }
