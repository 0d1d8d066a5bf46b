"""The operators' page: how the services are, as they are now and were in the last hour, and what can be done about it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from services.enricher.api.access import Access
from services.enricher.finder import Finder
from services.enricher.pages.history import History
from services.enricher.pages.site import OwnApi, Sheet, Site
from services.enricher.pictures.shown import PictureUrls
from shared.http import Problem
from shared.pictures import FailureClass
from shared.queue import Lane, Peers

LETTERS = 25
FAILURES_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class Action:
    """What a form does: an endpoint, and by its key what is said then. `read`: what the form's fields mean."""

    endpoint: str
    said: str
    read: Callable[[Mapping[str, str]], Mapping[str, object]] = dict


_DEAD = "/api/v1/admin/dead"
_STREAMER, _CATEGORY = "/api/streamers/{id}", "/api/categories/{id}"
_NAMED = "/api/v1/admin/images/{kind}/{id}/{role}"
ACTIONS: Mapping[str, Action] = {
    "add": Action("POST /api/library/items", "done.added"),
    "remove": Action("DELETE /api/library/items/{id}", "done.removed"),
    "scan": Action("POST /api/library/scan", "done.scanning"),
    "choose": Action("PUT /api/v1/admin/unmatched/{id}", "done.chosen"),
    "demo": Action("POST /api/v1/admin/demo", "done.demo"),
    "clear-demo": Action("DELETE /api/v1/admin/demo", "done.demo_cleared"),
    "pin": Action(f"PUT {_NAMED}", "done.pinned"),
    "unpin": Action(f"DELETE {_NAMED}", "done.unpinned"),
    "add-streamer": Action("POST /api/streamers", "done.streamer_added"),
    "refresh-streamer": Action(f"POST {_STREAMER}/refresh", "done.refreshed"),
    "favor-streamer": Action(f"PUT {_STREAMER}/favorite", "done.favored"),
    "disfavor-streamer": Action(f"DELETE {_STREAMER}/favorite", "done.disfavored"),
    "remove-streamer": Action(f"DELETE {_STREAMER}", "done.removed"),
    "add-category": Action("POST /api/categories", "done.category_added"),
    "favor-category": Action(f"PUT {_CATEGORY}/favorite", "done.favored"),
    "disfavor-category": Action(f"DELETE {_CATEGORY}/favorite", "done.disfavored"),
    "remove-category": Action(f"DELETE {_CATEGORY}", "done.removed"),
    "remove-stream": Action("DELETE /api/streams/{id}", "done.removed"),
    "report-character": Action("POST /api/v1/characters/report", "done.reported"),
    "let-go": Action("DELETE /api/images/uploads/{file}", "done.let_go"),
    "cancel": Action("POST /api/v1/admin/tasks/{id}/cancel", "done.cancelled"),
    "redrive": Action(f"POST {_DEAD}/{{id}}/redrive", "done.redriven"),
    "redrive-all": Action(f"POST {_DEAD}/redrive", "done.redriving"),
    "drop": Action(f"DELETE {_DEAD}/{{id}}", "done.dropped"),
    "drop-all": Action(f"DELETE {_DEAD}", "done.all_dropped"),
    "end-pause": Action("DELETE /api/v1/admin/hosts/{host}", "done.pause_ended"),
    "purge": Action("DELETE /api/v1/admin/images", "done.purged"),
    "warm": Action(
        "POST /api/v1/admin/warm", "done.warming", lambda form: {"urls": tuple(form.get("urls", "").split())}
    ),
}


class Operations:
    def __init__(
        self, api: OwnApi, history: History, urls: PictureUrls, finder: Finder, peers: Peers
    ) -> None:
        self._api = api
        self._history = history
        self._urls = urls
        self._finder = finder
        self._peers = peers

    def routes(self, site: Site) -> list[web.RouteDef]:
        async def do(request: web.Request, form: Mapping[str, str]) -> str:
            action = ACTIONS.get(request.match_info["action"])
            if action is None:
                raise Problem(HTTPStatus.NOT_FOUND, "There is nothing to do by that name.")
            await self._api.ask(action.endpoint, **action.read(form))
            return site.texts(action.said)

        return [
            site.page("/ops", self._page, Access.ADMIN),
            site.page("/ops/dead/{id:[0-9]+}", self._letter, Access.ADMIN),
            site.form("/do/{action:[a-z-]+}", do),
        ]

    async def _page(self, request: web.Request) -> Sheet:
        chosen = {name: request.query.get(name, "") for name in ("lane", "class")}
        queues, queue_problem = await self._or_why("GET /api/v1/admin/queues")
        dead, dead_problem = await self._or_why(f"GET {_DEAD}", limit=LETTERS, **chosen)
        history = self._history
        values = {
            "queues": queues,
            "queue_problem": queue_problem,
            "rates": {lane: history.jobs(lane) for lane in Lane},
            "history": history,
            "served": history.rate("served"),
            "misses": history.rate("first_picture"),
            "hosts": (await self._api.ask("GET /api/v1/admin/hosts")).hosts,
            "storage": await self._api.if_had("GET /api/v1/images/storage/stats"),
            "stored": await self._api.if_had("GET /api/images/stats"),
            "failing": await self._failing(),
            "providers": self._providers(),
            "tasks": (await self._api.ask("GET /api/v1/admin/tasks", limit=8)).tasks,
            "services": Counter(stats.service for stats in self._peers.stats),
            "troubles": self._peers.troubles(),
            "dead": dead,
            "dead_problem": dead_problem,
            "chosen": chosen,
            "lanes": list(Lane),
            "classes": list(FailureClass),
            "explained": await self._explained(request.query.get("explain", "").strip()),
        }
        return Sheet("ops.html", values)

    async def _or_why(self, asked: str, **given: object) -> tuple[Any, str | None]:
        try:
            return await self._api.ask(asked, **given), None
        except Problem as problem:
            return None, problem.detail

    async def _failing(self) -> list[tuple[str, str, int]]:
        """Class, host, and how many of the pictures that failed last."""
        found: Counter[tuple[str, str]] = Counter()
        for failure_class in FailureClass:
            listed = await self._api.if_had(
                "GET /api/images/cache/list", failure_class=failure_class, limit=FAILURES_LOOKED_AT
            )
            for image in listed.items if listed else ():
                found[failure_class.value, urlsplit(image.image_url or "").netloc] += 1
        return [(failure_class, host, count) for (failure_class, host), count in found.most_common(12)]

    def _providers(self) -> list[Mapping[str, object]]:
        statuses = self._finder.statuses
        found: list[Mapping[str, object]] = []
        for spec in self._finder.providers.settings:
            opened = self._finder.providers.get(spec.name)
            limits = [f"{limit.requests} / {limit.period.total_seconds():.0f} s" for limit in spec.limits]
            found.append(
                {
                    "title": spec.title,
                    "status": statuses[spec.name],
                    "left": opened.budget.left if opened else None,
                    "most": min(limit.requests for limit in spec.limits),
                    "limits": ", ".join(limits),
                }
            )
        return found

    async def _explained(self, url: str) -> Mapping[str, object] | None:
        if not url:
            return None
        explained, problem = await self._or_why("GET /api/v1/admin/explain", url=url)
        stored = explained and explained.revision
        return {
            "url": url,
            "problem": problem,
            "json": explained.model_dump_json(indent=2) if explained else "",
            "shown": self._urls.by_source(url, "small") if stored else None,
        }

    async def _letter(self, request: web.Request) -> Sheet:
        letter = await self._api.ask(f"GET {_DEAD}/{{id}}", id=request.match_info["id"])
        return Sheet("letter.html", {"letter": letter})
