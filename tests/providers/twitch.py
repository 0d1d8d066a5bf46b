"""A stand-in for Twitch: its tokens, users, games, streams and webhooks, a hundred things in one request, within its points."""

import itertools
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.providers.gallery import drawn_file
from tests.providers.metadata_host import MetadataHost, Said, Window
from tests.providers.picture_host import PictureHost
from tests.providers.variants import with_comment

CLIENT_ID, CLIENT_SECRET = "the-twitch-client", "the-twitch-secret"
AT_ONCE = 100


@dataclass
class Channel:
    id: str
    login: str
    profile: str
    offline: str = ""
    display_name: str = ""


@dataclass
class Live:
    id: str
    user_id: str
    game_id: str = ""
    title: str = "A stream"
    started_at: str = "2026-03-01T12:00:00Z"


@dataclass
class TwitchWorld:
    """What there is at Twitch. Its pictures lie at `host`, small ones, whatever size their URLs say."""

    host: PictureHost | None = None
    channels: dict[str, Channel] = field(default_factory=dict)
    games: dict[str, str] = field(default_factory=dict)
    """Names by their ids."""
    live: dict[str, Live] = field(default_factory=dict)
    """By the ids of users."""
    _drawn: "itertools.count[int]" = field(default_factory=itertools.count)

    def add_channel(self, id_: str, login: str, *, offline: bool = False, **values: str) -> Channel:
        channel = Channel(id_, login, self.put(f"/profile-{login}-300x300.jpg"), **values)
        if offline:
            channel.offline = self.put(f"/offline-{login}-1920x1080.jpg")
        self.channels[id_] = channel
        return channel

    def add_game(self, id_: str, name: str) -> None:
        self.games[id_] = name
        self.put(f"/boxart-{id_}-1200x1600.jpg")

    def go_live(self, user_id: str, stream_id: str, **values: str) -> None:
        self.live[user_id] = Live(stream_id, user_id, **values)
        self.put(f"/live_user_{self.channels[user_id].login}-1920x1080.jpg")

    @property
    def root(self) -> str:
        return self.host.root if self.host else "https://static-cdn.jtvnw.net"

    def put(self, path: str) -> str:
        """Have a picture there that is nowhere else; its URL."""
        if self.host:
            drawn = drawn_file("poster", 1, (90, 120), "jpeg")
            assert drawn
            self.host.put(path, with_comment(drawn, str(next(self._drawn))))
        return self.root + path


class TwitchHost(MetadataHost):
    """Serves tokens below /oauth2 and the rest below /helix."""

    def __init__(self, *, requests: int = 800, period_s: float = 60) -> None:
        super().__init__(Window(requests, period_s))
        self.world = TwitchWorld()
        self.subscriptions: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self._numbers = itertools.count(1)

    @property
    def base_url(self) -> str:
        return f"{self.root}/helix"

    @property
    def auth_url(self) -> str:
        return f"{self.root}/oauth2"

    def revoke(self) -> None:
        """No token that was given is accepted any more."""
        self.tokens.clear()

    def refusal(self, request: web.Request) -> Said | None:
        if request.path == "/oauth2/token":
            return None
        if request.headers.get("Client-Id") != CLIENT_ID:
            return Said({"error": "Unauthorized", "status": 401, "message": "Client ID is missing"}, 401)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return Said({"error": "Unauthorized", "status": 401, "message": "Invalid OAuth token"}, 401)
        return None

    def posted(self, path: str, body: Any) -> Said:
        if path == "/oauth2/token":
            if (body.get("client_id"), body.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
                return Said({"status": 403, "message": "invalid client secret"}, 403)
            token = f"token-{next(self._numbers)}"
            self.tokens.add(token)
            return Said({"access_token": token, "expires_in": 5_000_000, "token_type": "bearer"})
        assert path == "/helix/eventsub/subscriptions"
        if any(_same(known, body) for known in self.subscriptions):
            return Said({"error": "Conflict", "status": 409, "message": "subscription already exists"}, 409)
        self.subscriptions.append(body)
        return Said({"data": [{**body, "id": str(next(self._numbers))}], "total": 1}, 202)

    def has(self, request: web.Request) -> Said:
        asked = {name: request.query.getall(name, []) for name in request.query}
        if sum(len(asked.get(name, ())) for name in ("id", "login", "name", "user_id")) > AT_ONCE:
            return Said({"error": "Bad Request", "status": 400, "message": "too many"}, 400)
        headers = self._budget()
        match request.path:
            case "/helix/users":
                return Said({"data": list(self._users(asked))}, headers=headers)
            case "/helix/games":
                return Said({"data": list(self._games(asked))}, headers=headers)
            case "/helix/search/categories":
                return Said({"data": list(self._found(asked["query"][0]))}, headers=headers)
            case "/helix/streams":
                return Said({"data": list(self._streams(asked.get("user_id", [])))}, headers=headers)
        return Said({"error": "Not Found", "status": 404, "message": ""}, 404)

    def too_many(self, reset_s: float) -> Said:
        body = {"error": "Too Many Requests", "status": 429, "message": "Request limit exceeded"}
        return Said(body, 429, self._budget(left=0, reset_s=reset_s))

    def _budget(self, left: int | None = None, reset_s: float = 0) -> Mapping[str, str]:
        asked = self.limit._asked
        spent = len(asked)
        reset_s = reset_s or (asked[0] + self.limit.period_s - time.monotonic() if asked else 0)
        return {
            "Ratelimit-Limit": str(self.limit.requests),
            "Ratelimit-Remaining": str(max(0, self.limit.requests - spent) if left is None else left),
            "Ratelimit-Reset": str(int(time.time() + reset_s) + 1),
        }

    def _users(self, asked: Mapping[str, list[str]]) -> Iterable[dict[str, str]]:
        for channel in self.world.channels.values():
            if channel.id in asked.get("id", ()) or channel.login in asked.get("login", ()):
                yield {
                    "id": channel.id,
                    "login": channel.login,
                    "display_name": channel.display_name or channel.login.title(),
                    "type": "",
                    "description": f"About {channel.login}",
                    "profile_image_url": channel.profile,
                    "offline_image_url": channel.offline,
                }

    def _games(self, asked: Mapping[str, list[str]]) -> Iterable[dict[str, str]]:
        names = {name.casefold() for name in asked.get("name", ())}
        for id_, name in self.world.games.items():
            if id_ in asked.get("id", ()) or name.casefold() in names:
                yield {
                    "id": id_,
                    "name": name,
                    "box_art_url": self._box_art(id_, "{width}x{height}"),
                    "igdb_id": "",
                }

    def _found(self, text: str) -> Iterable[dict[str, str]]:
        for id_, name in self.world.games.items():
            if text.lower() in name.lower():
                yield {"id": id_, "name": name, "box_art_url": self._box_art(id_, "52x72")}

    def _box_art(self, id_: str, size: str) -> str:
        return f"{self.world.root}/boxart-{id_}-{size}.jpg"

    def _streams(self, user_ids: list[str]) -> Iterable[dict[str, Any]]:
        for user_id in user_ids:
            if (live := self.world.live.get(user_id)) and (channel := self.world.channels.get(user_id)):
                thumbnail = f"{self.world.root}/live_user_{channel.login}-{{width}}x{{height}}.jpg"
                yield {
                    "id": live.id,
                    "user_id": user_id,
                    "user_login": channel.login,
                    "game_id": live.game_id,
                    "game_name": self.world.games.get(live.game_id, ""),
                    "type": "live",
                    "title": live.title,
                    "started_at": live.started_at,
                    "thumbnail_url": thumbnail,
                }


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (one["type"], one["condition"]) == (other["type"], other["condition"])
