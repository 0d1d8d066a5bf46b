"""The account's page: signing in at Trakt, importing and syncing; and the forms that say what was watched."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

from services.enricher.api.access import Access
from services.enricher.pages.site import OwnApi, Sheet, Site
from shared.http import Problem

WRITES = 50
_TRAKT, _ENTRY = "/api/trakt", "/api/watch/entries/{id}"
ORDERS: Mapping[str, tuple[str, str]] = {
    "exchange": (f"POST {_TRAKT}/exchange", "account.signed_in"),
    "sign-out": (f"POST {_TRAKT}/sign-out", "account.signed_out"),
    "auto-sync": (f"PUT {_TRAKT}/auto-sync", "account.saved"),
    "cancel": (f"POST {_TRAKT}/import/cancel", "done.cancelled"),
    "sync": (f"POST {_TRAKT}/sync", "account.syncing"),
    "drop": (f"DELETE {_TRAKT}/writes/{{id}}", "done.dropped"),
}
"""What a form does: an endpoint, and by its key what is said then."""

WATCHING: Mapping[str, tuple[str, str]] = {
    "seen": (f"POST {_ENTRY}/sessions", "watch.noted"),
    "unseen": ("DELETE /api/watch/sessions/{id}", "watch.taken_back"),
    "episode": (f"PUT {_ENTRY}/episodes/{{season}}/{{episode}}", "watch.noted"),
    "rate": (f"PUT {_ENTRY}/rating", "watch.noted"),
    "want": (f"PUT {_ENTRY}/watchlist", "watch.noted"),
}
PARTS = ("movies", "series", "ratings", "watchlist")
"""Of an account, which an import may leave out."""


@dataclass(frozen=True, slots=True)
class WatchState:
    """What somebody watched of a title. `tmdb_id` None: nothing can be said of it."""

    media_type: str
    tmdb_id: int | None
    whole: Any = None
    """The entry with its sessions and episodes; None where there is none yet."""
    times: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """How often each episode was watched, by season and number."""

    @property
    def title(self) -> Mapping[str, object]:
        """What a form says of it."""
        return {"media_type": self.media_type, "tmdb_id": self.tmdb_id}

    def seen_of(self, season: int) -> int:
        """Episodes that were watched of a season."""
        return sum(of == season and times > 0 for (of, _), times in self.times.items())


async def watched(api: OwnApi, media_type: str, tmdb_id: int | None) -> WatchState:
    if not tmdb_id:
        return WatchState(media_type, None)
    found = await api.ask("GET /api/watch/entries", media_type=media_type, tmdb_id=tmdb_id)
    if not found.entries:
        return WatchState(media_type, tmdb_id)
    whole = await api.ask(f"GET {_ENTRY}", id=found.entries[0].id)
    times = {(one.season, one.episode): len(one.watched) for one in whole.episodes}
    return WatchState(media_type, tmdb_id, whole, times)


def seasons_of(watch: WatchState) -> Sequence[Mapping[str, object]]:
    """Those of which an episode is noted, as TMDB says seasons: for when it cannot be asked."""
    numbers = Counter(season for season, _ in watch.times)
    bare = {"name": None, "poster_url": None, "air_date": None}
    return [
        {**bare, "season_number": number, "episode_count": count} for number, count in sorted(numbers.items())
    ]


def season_of(watch: WatchState, number: int) -> Mapping[str, object] | None:
    """The same of one season, with its episodes."""
    episodes = [
        {
            "episode_number": one.episode,
            "name": one.title,
            "air_date": one.aired_on,
            "still_url": one.still_url,
            "overview": None,
        }
        for one in (watch.whole.episodes if watch.whole else ())
        if one.season == number
    ]
    return {"season_number": number, "name": None, "episodes": episodes} if episodes else None


class AccountPages:
    def __init__(self, api: OwnApi) -> None:
        self._api = api

    def routes(self, site: Site) -> list[web.RouteDef]:
        async def do(request: web.Request, form: Mapping[str, str]) -> str:
            endpoint, said = _order(ORDERS, request)
            await self._api.ask(endpoint, **form)
            return site.texts(said)

        async def begin(_request: web.Request, form: Mapping[str, str]) -> str:
            await self._api.ask(f"POST {_TRAKT}/import", **{part: part in form for part in PARTS})
            return site.texts("account.importing")

        async def watch(request: web.Request, form: Mapping[str, str]) -> str:
            endpoint, said = _order(WATCHING, request)
            given = dict(form)
            if "tmdb_id" in given:  # one that is here already stays as it is
                entry = await self._api.ask(
                    "POST /api/watch/entries",
                    media_type=given.pop("media_type", ""),
                    tmdb_id=given.pop("tmdb_id"),
                )
                given["id"] = str(entry.id)
            await self._api.ask(endpoint, **given)
            return site.texts(said)

        admin, post = Access.ADMIN, hdrs.METH_POST
        return [
            site.page("/account", self._page, admin),
            site.page("/account/sign-in", self._sign_in, admin, method=post),
            site.page("/account/device", self._device, admin, method=post),
            site.page("/account/preview", self._preview, admin),
            site.page("/trakt/callback", self._returned, Access.RETURNING),
            site.form("/account/import", begin),
            site.form("/account/do/{order:[a-z-]+}", do),
            site.form("/do/watch/{order:[a-z-]+}", watch),
        ]

    async def _page(self, _request: web.Request) -> Sheet:
        return await self._sheet()

    async def _sign_in(self, _request: web.Request) -> Sheet:
        """A link to Trakt: a form may lead to no other site."""
        return await self._tried(begun=f"POST {_TRAKT}/auth-url")

    async def _device(self, _request: web.Request) -> Sheet:
        return await self._tried(device=f"POST {_TRAKT}/device")

    async def _preview(self, _request: web.Request) -> Sheet:
        return await self._tried(preview=f"GET {_TRAKT}/import/preview")

    async def _tried(self, **asked: str) -> Sheet:
        """The page with what this gave, or with why it gave nothing."""
        [(name, endpoint)] = asked.items()
        try:
            return await self._sheet(**{name: await self._api.ask(endpoint)})
        except Problem as problem:
            return await self._sheet(problem=problem.detail)

    async def _sheet(self, **given: object) -> Sheet:
        ask = self._api.ask
        values = {
            "status": await ask(f"GET {_TRAKT}/status"),
            "importing": await ask(f"GET {_TRAKT}/import/status"),
            "syncing": await ask(f"GET {_TRAKT}/sync/status"),
            "writes": await ask(f"GET {_TRAKT}/writes", limit=WRITES),
            "device": await self._api.if_had(f"GET {_TRAKT}/device"),
            "parts_": PARTS,
            "begun": None,
            "preview": None,
            "problem": None,
        }
        return Sheet("account.html", values | given)

    async def _returned(self, request: web.Request) -> Sheet:
        """Where Trakt sends a browser back to: it shows no cookie of ours, and its state proves it."""
        asked = {name: request.query.get(name, "") for name in ("code", "state", "error")}
        try:
            await self._api.ask(f"GET {_TRAKT}/callback", **asked)
        except Problem as problem:
            return Sheet("returned.html", {"problem": problem.detail}, problem.status)
        return Sheet("returned.html", {"problem": None})


def _order(orders: Mapping[str, tuple[str, str]], request: web.Request) -> tuple[str, str]:
    known = orders.get(request.match_info["order"])
    if known is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is nothing to do by that name.")
    return known
