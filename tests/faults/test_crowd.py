"""500 clients at once for one cold URL, at three proxies before two fetchers, each a process of its own."""

import asyncio
from pathlib import Path

import aiohttp

from tests.faults.clients import ask_all
from tests.faults.world import World
from tests.providers.behaviour import Behaviour
from tests.servers.rabbitmq import Broker

CLIENTS = 500


async def test_a_crowd_at_a_cold_url_is_one_request_at_the_source(rabbitmq: Broker, tmp_path: Path) -> None:
    async with World.running(tmp_path, rabbitmq.vhost()) as world:
        modules = [*["services.fetcher"] * 2, *["services.proxy"] * 3]
        services = await asyncio.gather(*(world.start(module) for module in modules))
        proxies = [service.address for service in services[2:]]
        path = "/many/1.jpg"
        await world.host.behave(path, Behaviour(delay_s=0.5))  # so that all of them come too early
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            answers = await ask_all(session, proxies, world.host.url(path), clients=CLIENTS)
        assert [answer.status for answer in answers] == [200] * CLIENTS
        assert len({answer.body for answer in answers}) == 1
        assert answers[0].is_picture
        assert await world.host.counts() == {path: 1}
