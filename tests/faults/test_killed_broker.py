"""The broker killed in the middle of misses and started again: a picture or a clear 503 for every client."""

import asyncio
import itertools
from pathlib import Path

import aiohttp
import pytest

from shared.contracts import FetchPicture
from shared.pictures import Rendition, SourceUrl, candidates
from shared.queue import QueueError
from tests.faults.clients import Answer, ask
from tests.faults.world import World, eventually
from tests.providers.behaviour import Behaviour
from tests.servers.rabbitmq import RabbitNode

PATIENCE_OF_A_CLIENT_S = 4.0
WANTED = Rendition.parse("w342.webp")


@pytest.mark.timeout(360)
async def test_no_client_is_left_alone_and_no_confirmed_job_is_lost(
    fragile_rabbitmq: RabbitNode, tmp_path: Path
) -> None:
    url = fragile_rabbitmq.vhost()
    async with World.running(tmp_path, url, MISS_WAIT_OTHERS=str(PATIENCE_OF_A_CLIENT_S)) as world:
        proxies = await asyncio.gather(world.start("services.proxy"), world.start("services.proxy"))
        await asyncio.gather(world.start("services.fetcher"), world.start("services.fetcher"))
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            load = Load(world, session, [proxy.address for proxy in proxies])
            clients = tasks.create_task(load.ask_for_ever())
            jobs = tasks.create_task(load.publish_for_ever())
            await eventually(lambda: len(load.answers) >= 10 and len(load.confirmed) >= 10)
            await asyncio.to_thread(fragile_rabbitmq.kill)
            await eventually(lambda: any(answer.is_clear_503 for answer in load.answers))
            load.pause_s = 1.0  # a busy machine's broker takes a minute to start
            await asyncio.to_thread(fragile_rabbitmq.ensure_running)
            await eventually(lambda: load.answers[-1].is_picture and load.last_was_confirmed)
            clients.cancel()
            jobs.cancel()
        async with aiohttp.ClientSession() as session:
            await eventually(lambda: not load.missing())
            assert [answer for answer in load.answers if not (answer.is_picture or answer.is_clear_503)] == []
            for url in load.asked_for:
                while not (await ask(session, proxies[0].address, url)).is_picture:  # noqa: ASYNC110 - other processes set no events
                    await asyncio.sleep(0.1)


class Load:
    """Clients, each with a URL of its own, and jobs that nobody waits for."""

    def __init__(self, world: World, session: aiohttp.ClientSession, proxies: list[str]) -> None:
        self._world = world
        self._session = session
        self._proxies = itertools.cycle(proxies)
        self._paths = (f"/many/{number}.jpg" for number in itertools.count())
        self.asked_for: list[str] = []
        self.answers: list[Answer] = []
        self.confirmed: list[SourceUrl] = []
        self.last_was_confirmed = False
        self.pause_s = 0.1

    async def ask_for_ever(self) -> None:
        async with asyncio.TaskGroup() as clients:
            while True:
                url = await self._new_url()
                self.asked_for.append(url)
                clients.create_task(self._ask(url))
                await asyncio.sleep(self.pause_s)

    async def publish_for_ever(self) -> None:
        while True:
            source = SourceUrl.parse(await self._new_url())
            try:
                await self._world.publish(FetchPicture(source_url=source, rendition=WANTED))
                self.confirmed.append(source)
                self.last_was_confirmed = True
            except QueueError:
                self.last_was_confirmed = False
            await asyncio.sleep(self.pause_s)

    def missing(self) -> list[SourceUrl]:
        """What was confirmed and is not there."""
        return [source for source in self.confirmed if not self._is_there(source)]

    def _is_there(self, source: SourceUrl) -> bool:
        return any((self._world.root / path).exists() for path in candidates(source.picture, (WANTED,)))

    async def _ask(self, url: str) -> None:
        self.answers.append(await ask(self._session, next(self._proxies), url))

    async def _new_url(self) -> str:
        """A picture that takes the host a moment."""
        path = next(self._paths)
        await self._world.host.behave(path, Behaviour(delay_s=0.2))
        return self._world.host.url(path)
