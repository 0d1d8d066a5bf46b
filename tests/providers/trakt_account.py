"""A stand-in for Trakt with somebody's account: it signs in, and its history, ratings and watchlist can be read and written.

Its history is sorted by the moment, the newest first; its pages are clamped; what a test does in `between_pages` happens between two of them.
"""

import base64
import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from tests.providers.metadata_host import Said
from tests.providers.tmdb import API_KEY, TmdbHost
from tests.providers.trakt import CLIENT_ID, TITLES, TraktHost, title

CLIENT_SECRET = "the-client-secret"
ADMIN_TOKEN = "the-token"
NOON = datetime(2024, 5, 5, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Played:
    id: int
    watched_at: str
    tmdb_id: int | None
    season: int | None = None
    episode: int | None = None

    @property
    def is_movie(self) -> bool:
        return self.episode is None and self.season is None

    @property
    def entry(self) -> dict[str, Any]:
        kind = "movie" if self.is_movie else "show"
        of = _title(kind, self.tmdb_id)
        entry = {"id": self.id, "watched_at": self.watched_at, "action": "watch", kind: of}
        if self.is_movie:
            return entry | {"type": "movie"}
        return entry | {"type": "episode", "episode": {"season": self.season, "number": self.episode}}


def moment(text: str | datetime) -> str:
    """As Trakt writes one."""
    at = text if isinstance(text, datetime) else datetime.fromisoformat(text).replace(tzinfo=UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


@dataclass
class TraktState:
    """What an account has. `inclusive`: whether `start_at` and `end_at` belong to what they bound."""

    clamp: int = 250
    inclusive: bool = True
    plays: dict[int, Played] = field(default_factory=dict)
    rated: dict[tuple[str, int], int] = field(default_factory=dict)
    wanted: dict[tuple[str, int], str] = field(default_factory=dict)
    changes: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("movies", "shows", "ratings", "watchlist"), 0)
    )
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(9_000_000_001))

    def play(
        self,
        tmdb_id: int | None,
        at: str | datetime | None,
        season: int | None = None,
        episode: int | None = None,
    ) -> int:
        """An entry more; its id. `at` None: nobody knows when."""
        played = Played(next(self._ids), "" if at is None else moment(at), tmdb_id, season, episode)
        self.plays[played.id] = played
        self.changes["movies" if played.is_movie else "shows"] += 1
        return played.id

    def unplay(self, ids: Iterable[int]) -> None:
        for id_ in ids:
            if played := self.plays.pop(id_, None):
                self.changes["movies" if played.is_movie else "shows"] += 1

    def rate(self, kind: str, tmdb_id: int, rating: int | None) -> None:
        self.changes["ratings"] += 1
        if rating is None:
            self.rated.pop((kind, tmdb_id), None)
        else:
            self.rated[kind, tmdb_id] = rating

    def want(self, kind: str, tmdb_id: int, *, wanted: bool = True) -> None:
        self.changes["watchlist"] += 1
        if wanted:
            self.wanted[kind, tmdb_id] = moment(NOON)
        else:
            self.wanted.pop((kind, tmdb_id), None)

    def history(
        self, kind: str, query: Mapping[str, str], show: int | None = None
    ) -> tuple[list[Any], dict[str, str]]:
        """A page, with its headers."""
        start, end = query.get("start_at", ""), query.get("end_at", "9")
        within = [
            one
            for one in self.plays.values()
            if one.is_movie == (kind == "movies")
            and (show is None or one.tmdb_id == show)
            and (start <= one.watched_at <= end if self.inclusive else start < one.watched_at < end)
        ]
        within.sort(key=lambda one: (one.watched_at, one.id), reverse=True)
        page, headers = self.page(within, query)
        return [one.entry for one in page], headers

    def page(self, entries: list[Any], query: Mapping[str, str]) -> tuple[list[Any], dict[str, str]]:
        limit = min(int(query.get("limit", "10")), self.clamp)
        number = int(query.get("page", "1"))
        headers = {
            "X-Pagination-Page": str(number),
            "X-Pagination-Limit": str(limit),
            "X-Pagination-Page-Count": str(-(-len(entries) // limit)),
            "X-Pagination-Item-Count": str(len(entries)),
        }
        return entries[(number - 1) * limit : number * limit], headers

    @property
    def activities(self) -> dict[str, Any]:
        began = datetime(2024, 1, 1, tzinfo=UTC)
        at = {name: moment(began + timedelta(minutes=count)) for name, count in self.changes.items()}
        return {
            "all": max(at.values()),
            "movies": {"watched_at": at["movies"], "rated_at": at["ratings"]},
            "episodes": {"watched_at": at["shows"]},
            "shows": {"rated_at": at["ratings"]},
            "watchlist": {"updated_at": at["watchlist"]},
        }


class TraktAccountHost(TraktHost):
    """`posts` is what was written, `renewals` how often tokens were renewed. Refresh tokens and codes work once."""

    def __init__(self, *, state: TraktState | None = None, **given: Any) -> None:
        super().__init__(**given)
        self.state = state or TraktState()
        self.user = "somebody"
        self.posts: list[tuple[str, Any]] = []
        self.renewals = 0
        self.expires_in = 604_800
        self.access: set[str] = set()
        self.refresh: set[str] = set()
        self.revoked: list[str] = []
        self.devices: list[int] = []
        """Statuses that a device code answers, before it is accepted."""
        self.between_pages: Callable[[], None] = lambda: None
        self._codes: dict[str, str] = {}

    def approve(self, url: str) -> tuple[str, str]:
        """Somebody opens the URL and says yes: the code and the state that come back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["client_id"] == CLIENT_ID
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = f"code-{len(self._codes) + 1}"
        self._codes[code] = asked["code_challenge"]
        return code, asked["state"]

    def pair(self) -> dict[str, Any]:
        number = len(self.access) + len(self.revoked) + self.renewals + 1
        access, refresh = f"access-secret-{number}", f"refresh-secret-{number}"
        self.access.add(access)
        self.refresh.add(refresh)
        return {"access_token": access, "refresh_token": refresh, "expires_in": self.expires_in}

    def refusal(self, request: web.Request) -> Said | None:
        if refused := super().refusal(request):
            return refused
        if request.path.startswith(("/sync/", "/users/")):
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            return None if token in self.access else Said({}, 401)
        return None

    def has(self, request: web.Request) -> Said:
        path, query = request.path, request.query
        if path == "/sync/last_activities":
            return Said(self.state.activities)
        if path == "/users/settings":
            return Said({"user": {"username": self.user, "ids": {"slug": self.user}}})
        if path.startswith("/sync/history/"):
            kind, _, of = path.removeprefix("/sync/history/").partition("/")
            page, headers = self.state.history(kind, query, int(of) - 10_000 if of else None)
            self.between_pages()
            return Said(page, headers=headers)
        found = self._list(path)
        return super().has(request) if found is None else self._listed(found, query)

    def _list(self, path: str) -> list[Any] | None:
        state = self.state
        match path.removeprefix("/sync/").split("/"):
            case ["watched", kind]:
                of = [one.tmdb_id for one in state.plays.values() if one.is_movie == (kind == "movies")]
                type_ = kind.removesuffix("s")
                return [{"plays": 1, type_: _title(type_, id_)} for id_ in dict.fromkeys(of)]
            case ["ratings"]:
                return [
                    {"type": kind, "rating": rating, kind: _title(kind, id_)}
                    for (kind, id_), rating in state.rated.items()
                ]
            case ["watchlist"]:
                return [
                    {"type": kind, "listed_at": at, kind: _title(kind, id_)}
                    for (kind, id_), at in state.wanted.items()
                ]
        return None

    def _listed(self, entries: list[Any], query: Mapping[str, str]) -> Said:
        page, headers = self.state.page(entries, query)
        return Said(page, headers=headers)

    def posted(self, path: str, body: Any) -> Said:
        if path.startswith("/oauth/"):
            return self._oauth(path.removeprefix("/oauth/"), body)
        self.posts.append((path, body))
        return self._written(path.removeprefix("/sync/"), body)

    def _oauth(self, what: str, body: Mapping[str, Any]) -> Said:
        if body.get("client_id") != CLIENT_ID or (
            what != "device/code" and body.get("client_secret") != CLIENT_SECRET
        ):
            return Said({"error": "invalid_client"}, 401)
        match what:
            case "token" if body["grant_type"] == "authorization_code":
                hashed = hashlib.sha256(body.get("code_verifier", "").encode()).digest()
                challenge = base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
                proven = self._codes.pop(body["code"], None) == challenge
                return Said(self.pair()) if proven else Said({"error": "invalid_grant"}, 400)
            case "token":
                return self._renewed(body)
            case "revoke":
                self.revoked.append(body["token"])
                self.access.discard(body["token"])
                return Said({})
            case _:
                return self._of_device(what)

    def _renewed(self, body: Mapping[str, Any]) -> Said:
        if body["refresh_token"] not in self.refresh:
            return Said({"error": "invalid_grant", "error_description": "session not found"}, 400)
        self.refresh.discard(body["refresh_token"])
        self.access.clear()
        self.renewals += 1
        return Said(self.pair())

    def _of_device(self, what: str) -> Said:
        if what == "device/code":
            code = {
                "device_code": "device-secret-1",
                "user_code": "5055CC52",
                "expires_in": 600,
                "interval": 5,
            }
            return Said({**code, "verification_url": "https://auth.trakt.example/activate"})
        status = self.devices.pop(0) if self.devices else 200
        return Said(self.pair()) if status == 200 else Said({}, status)

    def _written(self, what: str, body: Mapping[str, Any]) -> Said:
        state = self.state
        if what == "history/remove":
            state.unplay(body["ids"])
            return Said({"deleted": {}, "not_found": {"ids": []}})
        unknown = [
            one
            for kind in ("movies", "shows")
            for one in body.get(kind, ())
            if one["ids"]["tmdb"] not in TITLES
        ]
        if unknown:
            return Said({"not_found": {"movies": unknown}})
        given = [("movie", one) for one in body.get("movies", ())]
        for type_, one in [*given, *(("show", one) for one in body.get("shows", ()))]:
            tmdb_id = one["ids"]["tmdb"]
            match what.partition("/"):
                case ("history", _, _) if type_ == "movie":
                    state.play(tmdb_id, datetime.fromisoformat(one["watched_at"]))
                case ("history", _, _):
                    for season in one["seasons"]:
                        for episode in season["episodes"]:
                            at = datetime.fromisoformat(episode["watched_at"])
                            state.play(tmdb_id, at, season["number"], episode["number"])
                case ("ratings", _, remove):
                    state.rate(type_, tmdb_id, None if remove else one["rating"])
                case ("watchlist", _, remove):
                    state.want(type_, tmdb_id, wanted=not remove)
        return Said({"added": {}, "not_found": {"movies": [], "shows": []}}, 201)


def _title(kind: str, tmdb_id: int | None) -> dict[str, Any]:
    described: dict[str, Any] = {"title": "Odd", "ids": {}}
    if tmdb_id in TITLES and tmdb_id:
        described = title(tmdb_id, show=kind == "show")
    return {"title": described["title"], "year": 1999, "ids": {**described["ids"], "tmdb": tmdb_id}}


def settings_with(trakt: TraktAccountHost, tmdb: TmdbHost, directory: Path) -> dict[str, str]:
    """Of one process in the directory that asks these two, and fetches no picture."""
    return {
        "ADMIN_TOKEN": ADMIN_TOKEN,
        "STATE_DIR": f"{directory}/state",
        "VOLUME_URL": f"file:{directory}/data",
        "TRAKT_CLIENT_ID": CLIENT_ID,
        "TRAKT_CLIENT_SECRET": CLIENT_SECRET,
        "TRAKT_AUTH_URL": trakt.root,
        "TRAKT_BASE_URL": trakt.root,
        "TMDB_API_KEY": API_KEY,
        "TMDB_BASE_URL": tmdb.base_url,
        "ALLOWED_HOSTS": "nowhere.invalid",
        "RENDER_PROCESSES": "1",
    }
