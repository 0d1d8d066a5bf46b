"""500 clients at once for one name that nobody knows yet, at three proxies before two fetchers and the enricher."""

import asyncio
from pathlib import Path

import aiohttp

from tests.faults.world import World
from tests.providers.behaviour import Behaviour
from tests.providers.tmdb import API_KEY, TmdbHost
from tests.servers.rabbitmq import Broker

CLIENTS = 500
NAME = "/api/v1/images/movie/tmdb:7/poster/w342.webp"


async def test_a_crowd_at_a_cold_name_is_one_question_and_one_download(
    rabbitmq: Broker, tmp_path: Path
) -> None:
    async with TmdbHost.running() as tmdb, World.running(tmp_path, rabbitmq.vhost()) as world:
        tmdb.behave(Behaviour(delay_s=0.5))  # so that all of them come too early
        settings = {
            "TMDB_API_KEY": API_KEY,
            "TMDB_BASE_URL": tmdb.base_url,
            "TMDB_IMAGE_URL": world.host.url("/t/p"),
        }
        modules = [*["services.fetcher"] * 2, *["services.proxy"] * 3, "services.enricher"]
        services = await asyncio.gather(*(world.start(module, **settings) for module in modules))
        proxies = [service.address for service in services[2:5]]
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def ask(number: int) -> tuple[int, bytes]:
                async with session.get(proxies[number % len(proxies)] + NAME) as answer:
                    return answer.status, await answer.read()

            answers = await asyncio.gather(*map(ask, range(CLIENTS)))
        assert {status for status, _ in answers} == {200}
        assert len({body for _, body in answers}) == 1
        assert tmdb.total == 1
        assert sum((await world.host.counts()).values()) == 1
        enricher = services[5]
        lines = [line for line in enricher.lines if line.get("type") == "ResolvePicture"]
        assert 1 <= len(lines) <= len(proxies), "each proxy asks once, however many ask it"
