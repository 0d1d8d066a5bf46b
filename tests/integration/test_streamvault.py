"""What StreamVault leaves behind, taken over: its pictures, without a download, and without a change to its folder."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.command.main import app as command
from tests.integration.enricher import RunningEnricher
from tests.integration.onesheet import until
from tests.integration.streaming import StartStreaming, stored
from tests.integration.test_export import files_in
from tests.providers.gallery import drawn_file
from tests.providers.picture_host import PictureHost
from tests.providers.twitch import TwitchHost
from tests.providers.variants import with_comment

IMPORT = "/api/import/streamvault"


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A tree of StreamVault's, numbered by Twitch."""
    drawn = drawn_file("poster", 3, (60, 90), "jpeg")
    assert drawn
    tree = tmp_path / "old" / ".media"
    for number, path in enumerate(
        (
            "profiles/profile_avatar_123.jpg",
            "profiles/streamer_456.jpg",
            "profiles/notes.jpg",
            "banners/banner_123.jpg",
            "categories/just_chatting.jpg",
            "categories/nobody's_game.jpg",
            "artwork/streamer_123/stream_77.jpg",
            "artwork/streamer_123/stream_78.jpg",
        )
    ):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(with_comment(drawn, str(number)))
    (tree / "profiles" / "profile_avatar_999.jpg").write_bytes(b"no picture at all")
    return tree.parent


async def imported(enricher: RunningEnricher, **order: object) -> dict[str, Any]:
    reply = await enricher.manage("POST", IMPORT, order)
    assert reply.status == 202, reply.json
    task: dict[str, Any] = reply.json

    async def has_ended() -> bool:
        task.update((await enricher.manage("GET", f"/api/v1/admin/tasks/{task['id']}")).json)
        return task["state"] not in ("queued", "running")

    await until(has_ended, every_s=0.05)
    return task


async def test_its_pictures_are_adopted_without_a_download_and_its_folder_stays(
    streaming: StartStreaming, twitch: TwitchHost, picture_host: PictureHost, left: Path
) -> None:
    before = files_in(left)
    async with streaming() as enricher:
        unsaid = await imported(enricher, directory=str(left))
        dry = await imported(enricher, directory=str(left), ids="twitch", dry_run=True)
        none_yet = (await enricher.manage("GET", "/api/streamers")).json["total"]
        await enricher.manage("POST", "/api/streamers", {"login": "first"})
        await stored(enricher, "streamer/1/profile")
        downloads = picture_host.count("/profile-first-300x300.jpg")
        stream = {"streamer_id": 1, "twitch_id": "77"}
        await enricher.manage("POST", "/api/streams", stream)
        first = await imported(enricher, directory=str(left), ids="twitch")
        for name in ("streamer/2/profile", "category/just_chatting/cover", "stream/1/artwork"):
            await stored(enricher, name)
        again = await imported(enricher, directory=str(left / ".media"), ids="twitch")
        shown = {
            path: await enricher.picture(f"/data/images/{path}")
            for path in (
                "profiles/profile_avatar_tw:456.jpg",
                "categories/just_chatting.jpg",
                "categories/nobody%27s_game.jpg",
                "artwork/streamer_1/stream_1.jpg",
            )
        }
        categories = (await enricher.manage("GET", "/api/categories")).json["categories"]
        named = await enricher.manage("POST", "/api/categories", {"name": "Nobody's Game"})
    assert (unsaid["state"], "internal" in unsaid["reason"]) == ("failed", True)
    assert (dry["state"], none_yet) == ("done", 0)
    assert first["state"] == "done"
    assert first["counts"]["picture adopted"] == 4
    assert (first["counts"]["no such stream"], first["counts"]["picture refused"]) == (1, 1)
    assert (first["counts"]["not of StreamVault"], again["counts"].get("picture adopted", 0)) == (1, 0)
    assert {status for status, _ in shown.values()} == {200}
    assert shown["profiles/profile_avatar_tw:456.jpg"][1] == before[".media/profiles/streamer_456.jpg"]
    assert [one["name"] for one in categories] == ["Just Chatting", "nobody's_game"]
    assert [one["file_name"] for one in named.json["categories"]] == ["nobody's_game"]
    assert named.json["categories"][0]["name"] == "Nobody's Game"
    assert (picture_host.count("/profile-second-300x300.jpg"), downloads) == (0, 1)
    assert files_in(left) == before


async def test_a_command_takes_it_over_and_asks_whose_numbers_they_are(
    streaming: StartStreaming, left: Path, tmp_path: Path
) -> None:
    async with streaming(fetcher=None, proxy=None) as enricher:

        async def typed(*words: str) -> Result:
            more = ["--url", enricher.address, "--token", "the-admin-token"]
            return await asyncio.to_thread(
                CliRunner().invoke, command, ["import", "streamvault", *words, *more]
            )

        unsaid = await typed(str(left), "--dry-run")
        said = await typed(str(left), "--dry-run", "--ids", "internal")
        missing = await typed(str(tmp_path / "nowhere"))
        no_name = await enricher.ended(IMPORT, {"directory": "/" + "0" * 1000})
        closed = (await enricher.ask("POST", IMPORT, json={"directory": str(left)})).status
    assert [one.exit_code for one in (unsaid, said, missing)] == [1, 0, 1]
    assert "internal" in unsaid.output
    assert "no such streamer" in said.output
    assert "There is no folder" in missing.output
    assert (no_name["state"], no_name["reason"][:21]) == ("failed", "There is no folder /0")
    assert closed == 401
