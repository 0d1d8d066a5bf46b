"""Three enrichers with one PostgreSQL, one Redis and one RabbitMQ, killed (`kill -9`) at random instants under pages, names and tasks.

Each title is asked for once, however many want it; all together keep to the provider's limit; no task is lost or done twice; one leads.
`make chaos` does it 200 times, each run of the tests six times.
"""

import asyncio
import os
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from services.enricher.database.engines import DatabaseSettings, open_database
from services.enricher.library import Library
from services.enricher.library.item import ItemIds, LibraryEntry, MediaType
from shared.contracts import ResolvePicture
from shared.pictures import Kind, Name, Rendition, Role
from shared.queue import Lane
from tests.faults.world import World, eventually
from tests.integration.enricher import ADMIN
from tests.integration.onesheet import until
from tests.providers.metadata_host import Said
from tests.providers.trakt import CLIENT_ID, TraktHost, imdb_id
from tests.servers.postgresql import PostgresServer
from tests.servers.rabbitmq import Broker
from tests.servers.redis import RedisServer
from tests.servers.service import RunningService

KILLS = int(os.environ.get("KILLS", "10"))
SEED = int(os.environ.get("SEED", "7"))
ENRICHERS = 3
TITLES = 560
"""More than may be asked for in five minutes."""

ALLOWED = 500
PAGE = 40
TASK = "/api/v1/admin/sync/images/cleanup"
LIVES_AT_MOST_S = 1.5
ENDS_WITHIN_S = 240
LEADS_WITHIN_S = 60
"""On any machine; what it takes on an idle one is a second or two."""


class WatchedTrakt(TraktHost):
    """Knows who has asked, and who has died since."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.dead: set[str] = set()
        self.asked: defaultdict[str, list[str]] = defaultdict(list)
        self.again: list[tuple[str, str, str]] = []
        """What was asked for again although who had asked for it lives: who it is, and who asks again."""

    def has(self, request: web.Request) -> Said:
        who, before = request.headers["User-Agent"], self.asked[request.path]
        self.again += [(request.path, one, who) for one in before if one not in self.dead]
        before.append(who)
        return super().has(request)


_numbers = count()


@dataclass
class Site:
    """Whoever of the enrichers lives is asked."""

    world: World
    trakt: WatchedTrakt
    random: Random
    settings: dict[str, str]
    living: list[RunningService] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    pages: int = 0

    async def enricher(self) -> RunningService:
        name = f"enricher {next(_numbers)}"
        enricher = await self.world.start("services.enricher", **self.settings, USER_AGENT=name)
        self.names[enricher.pid] = name
        self.living.append(enricher)
        return enricher

    async def live_and_die(self, times: int) -> None:
        for _ in range(times):
            victim = await self.enricher()
            await asyncio.sleep(self.random.uniform(0, LIVES_AT_MOST_S))
            self.living.remove(victim)
            self.trakt.dead.add(self.names[victim.pid])
            victim.signal(signal.SIGKILL)
            await victim.ended()

    async def look_at_pages(self, client: aiohttp.ClientSession) -> None:
        while True:
            page = self.random.randrange(1, TITLES // PAGE + 1)
            if await self._ask(client, "GET", f"/api/library/items?page={page}&limit={PAGE}"):
                self.pages += 1
            await asyncio.sleep(0.05)

    async def resolve_names(self) -> None:
        while True:
            name = Name(Kind.MOVIE, f"imdb:{imdb_id(self.random.randrange(1, TITLES))}", Role.POSTER)
            job = ResolvePicture(name=name, rendition=Rendition.parse("w342.webp"))
            await self.world.publish(job, self.random.choice((Lane.RESOLVE_NOW, Lane.RESOLVE_LATER)))
            await asyncio.sleep(0.2)

    async def begin_tasks(self, client: aiohttp.ClientSession) -> None:
        for number in range(1, 10_000):
            task = await self._ask(client, "POST", f"{TASK}?unused_days={number}&dry_run=true")
            self.begun |= {task["id"]} if task else set()
            await asyncio.sleep(0.5)

    async def unfinished(self, client: aiohttp.ClientSession) -> list[int]:
        found = {one: await self._ask(client, "GET", f"/api/v1/admin/tasks/{one}") for one in self.begun}
        return [one for one, task in found.items() if task is None or task["state"] != "done"]

    def said(self, word: str) -> Counter[str]:
        """Lines of the enrichers' logs that have the word in them."""
        lines = [line for service in self.world.services for line in service.lines]
        return Counter(str(line["event"]) for line in lines if word in str(line.get("event")))

    async def leaders(self, client: aiohttp.ClientSession) -> int:
        said = [await self._ask(client, "GET", "/readyz", at=one) for one in self.living]
        return sum(one["lead"]["enricher"] == "leads" for one in said if one)

    async def _ask(
        self, client: aiohttp.ClientSession, method: str, path: str, *, at: RunningService | None = None
    ) -> dict[str, Any] | None:
        """None: whoever was asked has died, or is about to."""
        if not (at or self.living):
            return None
        at = at or self.random.choice(self.living)
        with suppress(aiohttp.ClientError, OSError):
            async with client.request(method, at.address + path, headers=ADMIN) as answer:
                said: dict[str, Any] | None = await answer.json() if answer.status < 300 else None
                return said
        return None


@asynccontextmanager
async def running_site(
    directory: Path, broker: str, database: DatabaseSettings, redis: RedisServer, trakt: WatchedTrakt
) -> AsyncIterator[Site]:
    async with open_database(database, state_dir=directory) as opened:
        entries = [
            LibraryEntry(f"Movie {number}", MediaType.MOVIE, ids=ItemIds(imdb=imdb_id(number)))
            for number in range(1, TITLES + 1)
        ]
        await Library(opened).add_all(entries)
    settings = {
        "DATABASE_URL": str(database.url),
        "CACHE_URL": redis.url,
        "ADMIN_TOKEN": "the-admin-token",
        "TRAKT_CLIENT_ID": CLIENT_ID,
        "TRAKT_BASE_URL": trakt.root,
        "METADATA_TTL": "3600",
        "ALLOWED_HOSTS": "*",
    }
    async with World.running(directory, broker) as world:
        yield Site(world, trakt, Random(SEED), settings)


@pytest.mark.timeout(600 + 10 * KILLS)
async def test_enrichers_killed_at_random_instants_ask_once_keep_to_the_limit_and_lose_no_task(
    rabbitmq: Broker, postgresql: PostgresServer, redis: RedisServer, tmp_path: Path
) -> None:
    async with (
        WatchedTrakt.running(requests=ALLOWED, period_s=300) as trakt,
        running_site(tmp_path, rabbitmq.vhost(), postgresql.migrated(), redis, trakt) as site,
        aiohttp.ClientSession() as client,
        asyncio.TaskGroup() as group,
    ):
        trakt.latency_s = 0.05
        load = [site.look_at_pages(client), site.resolve_names(), site.begin_tasks(client)]
        loads = [group.create_task(one) for one in load]
        lives = [KILLS // ENRICHERS + (number < KILLS % ENRICHERS) for number in range(ENRICHERS)]
        await asyncio.gather(*(site.live_and_die(times) for times in lives))
        await asyncio.gather(*(site.enricher() for _ in range(ENRICHERS)))

        async def one_leads() -> bool:
            return await site.leaders(client) == 1

        async def all_are_done() -> bool:
            return not await site.unfinished(client)

        await until(one_leads, within_s=LEADS_WITHIN_S)
        await eventually(
            lambda: trakt.total >= 0.9 * ALLOWED or site.pages > 20 * KILLS, within_s=ENDS_WITHIN_S
        )
        for one in loads:
            one.cancel()
        await until(all_are_done, within_s=ENDS_WITHIN_S)
        assert trakt.over_limit == 0
        assert len(trakt.again) <= 0.01 * len(trakt.asked), (trakt.again, site.said("redis"))
        check_tasks(site)
        assert Lane.DEAD not in await site.world.waiting()


def check_tasks(site: Site) -> None:
    """Each was done, and told to be done, once."""
    lines = [line for service in site.world.services for line in service.lines]
    ended = Counter(line["task"] for line in lines if line.get("event") == "task ended")
    assert {task: count for task, count in ended.items() if count > 1} == {}
    errors = [line for line in lines if line.get("level") == "error"]
    assert not errors, [str(line)[-600:] for line in errors[:5]]
