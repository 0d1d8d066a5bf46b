"""Streams while they are live: thumbnails become artwork and a history; Twitch tells when somebody begins, and is believed only by
its signature.
"""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.enricher.streamers import StreamerSettings
from tests.integration.enricher import Reply, RunningEnricher
from tests.integration.onesheet import until
from tests.integration.streaming import StartStreaming
from tests.providers.picture_host import PictureHost
from tests.providers.twitch import TwitchHost

CALLBACK, SECRET = "https://pictures.example/api/twitch/eventsub", "a-secret-of-ours"
THUMBNAIL = "/live_user_first-1920x1080.jpg"
_numbers = count(1)


def told_of(**values: Any) -> StreamerSettings:
    return StreamerSettings(
        eventsub_callback=CALLBACK, eventsub_secret=SecretStr(SECRET), live_kept=2, **values
    )


async def tell(
    enricher: RunningEnricher,
    body: object,
    kind: str = "notification",
    *,
    message: str = "",
    sent_at: datetime | None = None,
    secret: str = SECRET,
) -> Reply:
    """As Twitch signs it."""
    message = message or f"message-{next(_numbers)}"
    stamp = (
        (sent_at or datetime.now(UTC)).isoformat().replace("+00:00", "123Z")
    )  # nanoseconds, as Twitch has them
    text = json.dumps(body).encode()
    signature = hmac.new(
        secret.encode(), message.encode() + stamp.encode() + text, hashlib.sha256
    ).hexdigest()
    headers = {
        "Twitch-Eventsub-Message-Id": message,
        "Twitch-Eventsub-Message-Timestamp": stamp,
        "Twitch-Eventsub-Message-Signature": f"sha256={signature}",
        "Twitch-Eventsub-Message-Type": kind,
        "Content-Type": "application/json",
    }
    async with enricher.client.post(
        f"{enricher.address}/api/twitch/eventsub", data=text, headers=headers
    ) as answer:
        return Reply(answer.status, answer.headers, await answer.read(), None)


def online(user_id: str) -> object:
    return {"subscription": {"type": "stream.online"}, "event": {"broadcaster_user_id": user_id}}


async def history_of(enricher: RunningEnricher, stream: int = 1) -> list[dict[str, str]]:
    reply = await enricher.manage("GET", f"/api/streams/{stream}")
    return reply.json["history"] if reply.status == 200 else []


async def test_a_live_streams_thumbnails_are_its_artwork_and_the_newest_are_kept(
    streaming: StartStreaming, twitch: TwitchHost, picture_host: PictureHost
) -> None:
    async with streaming(streamers=told_of()) as enricher:
        await enricher.manage("POST", "/api/streamers", {"login": "first"})
        twitch.world.go_live("123", "9001", game_id="509658", title="Tea")
        seen: list[dict[str, str]] = []
        for taken in (1, 2, 3):
            twitch.world.put(THUMBNAIL)
            assert (await tell(enricher, online("123"))).status == 204

            async def is_taken(taken: int = taken) -> bool:
                new = [one for one in await history_of(enricher) if one not in seen]
                seen.extend(new)
                return picture_host.count(THUMBNAIL) >= taken

            await until(is_taken, every_s=0.05)

        async def newest_is_shown() -> bool:
            stream = (await enricher.manage("GET", "/api/streams/1")).json
            return str(stream["artwork_url"]).startswith("/data/images/artwork/profile_avatar_1/")

        await until(newest_is_shown, every_s=0.05)
        stream = (await enricher.manage("GET", "/api/streams/1")).json
        pictures = [await enricher.picture(one["image_url"]) for one in stream["history"]]
        await until(lambda: _shows(enricher, stream["artwork_url"], pictures[0]), every_s=0.05)
        streamer = (await enricher.manage("GET", "/api/streamers/1")).json
        categories = (await enricher.manage("GET", "/api/categories")).json["categories"]
        twitch.world.live.clear()
        await tell(enricher, online("123"))
        await until(lambda: _has_ended(enricher), every_s=0.05)
    assert (stream["title"], stream["twitch_id"], stream["category_id"]) == ("Tea", "9001", 1)
    assert len(stream["history"]) == 2
    assert {status for status, _ in pictures} == {200}
    assert pictures[0][1] != pictures[1][1]
    assert "taken=" in stream["original_artwork_url"]
    assert (streamer["is_live"], categories[0]["name"]) == (True, "Just Chatting")
    assert [one["type"] for one in twitch.subscriptions] == ["stream.online", "channel.update"]
    assert twitch.subscriptions[0]["transport"]["callback"] == CALLBACK


async def _shows(enricher: RunningEnricher, path: str, picture: tuple[int, bytes]) -> bool:
    return await enricher.picture(path) == picture


async def _has_ended(enricher: RunningEnricher) -> bool:
    return bool((await enricher.manage("GET", "/api/streams/1")).json["ended_at"])


async def test_where_twitch_cannot_reach_us_it_is_asked(
    streaming: StartStreaming, twitch: TwitchHost, picture_host: PictureHost
) -> None:
    twitch.world.go_live("456", "9002")
    # No sooner again: on a busy machine all of it would go into ever new thumbnails.
    async with streaming(streamers=StreamerSettings(live_every_s=1)) as enricher:
        await enricher.manage("POST", "/api/streamers", {"login": "second"})
        await until(lambda: picture_host.count("/live_user_second-1920x1080.jpg"))
        nowhere = (await tell(enricher, online("456"))).status
    assert twitch.subscriptions == []
    assert nowhere in (404, 405)


async def test_only_what_twitch_signed_lately_and_for_the_first_time_does_anything(
    streaming: StartStreaming, twitch: TwitchHost
) -> None:
    now = datetime.now(UTC)
    async with streaming(streamers=told_of()) as enricher:
        await enricher.manage("POST", "/api/streamers", {"login": "first"})
        challenge = await tell(enricher, {"challenge": "pogchamp"}, "webhook_callback_verification")
        forged = await tell(enricher, online("123"), secret="another-secret")
        old = await tell(enricher, online("123"), sent_at=now - timedelta(minutes=11))
        early = await tell(enricher, online("123"), sent_at=now + timedelta(minutes=11))
        first = await tell(enricher, {"challenge": "1"}, "webhook_callback_verification", message="once")
        replayed = await tell(enricher, {"challenge": "1"}, "webhook_callback_verification", message="once")
        unsigned = await enricher.ask("POST", "/api/twitch/eventsub", json=online("123"))
        unreadable = await tell(enricher, ["no event"])
        large = await tell(enricher, {"padding": "x" * 70_000})
    assert (challenge.status, challenge.body, challenge.headers["Content-Type"]) == (
        200,
        b"pogchamp",
        "text/plain; charset=utf-8",
    )
    assert [one.status for one in (forged, old, early, unsigned)] == [403] * 4
    assert (first.body, replayed.status, replayed.body) == (b"1", 204, b"")
    assert (unreadable.status, large.status) == (400, 413)


@pytest.mark.parametrize(
    "values",
    [
        {"eventsub_callback": CALLBACK},
        {"eventsub_callback": CALLBACK, "eventsub_secret": SecretStr("short")},
        {"eventsub_callback": "http://pictures.example/x", "eventsub_secret": SecretStr(SECRET)},
    ],
)
def test_webhooks_need_https_and_a_secret(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StreamerSettings(**values)
