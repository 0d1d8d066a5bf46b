"""Fetchers killed (`kill -9`) at random instants under load, and started again: every picture is there in the end."""

import asyncio
import hashlib
import io
import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from shared.contracts import FetchPicture
from shared.pictures import ORIGINAL, Rendition, Source, SourceUrl, Tree, candidates
from shared.queue import Lane
from tests.faults.watching import looking_all_the_time
from tests.faults.world import World, eventually
from tests.providers.gallery import picture_at
from tests.servers.rabbitmq import Broker
from tests.servers.service import RunningService

KILLS = int(os.environ.get("KILLS", "18"))
FETCHERS = 3
PICTURES = 2 * KILLS
STEPS_AT_MOST = 50
CATCHES_UP_WITHIN_S = 240
MOST_WAITING = 30
"""Of the jobs: else they are the more, the slower the machine is."""

ASKED_FOR = tuple(map(Rendition.parse, ("w92.webp", "w154.jpg", "thumbnail.webp", "small.jpg")))
MADE_AHEAD = tuple(map(Rendition.parse, ("medium.jpg", "small.jpg", "thumbnail.jpg")))
READABLE = (ORIGINAL, *{*ASKED_FOR, *MADE_AHEAD})


@pytest.mark.timeout(900)
async def test_killed_at_random_instants_every_picture_is_there_in_the_end(
    rabbitmq: Broker, tmp_path: Path
) -> None:
    settings = {"FETCH_CONCURRENCY": "4", "IMAGE_FORMAT": "jpg", "ENABLE_IMAGE_OPTIMIZATION": "true"}
    async with World.running(tmp_path, rabbitmq.vhost(), **settings) as world:
        load = Load(world, Random(5))
        with looking_all_the_time(load.look, pause_s=0.1):
            publishing = asyncio.create_task(load.publish_for_ever())
            deaths = await asyncio.gather(
                *(live_and_die(world, Random(number), KILLS // FETCHERS) for number in range(FETCHERS))
            )
            await world.fetchers(2)
            await eventually(lambda: len(load.pictures) >= PICTURES, within_s=CATCHES_UP_WITHIN_S)
            publishing.cancel()
            await eventually(lambda: not load.missing(), within_s=CATCHES_UP_WITHIN_S)
        victims = [victim for died in deaths for victim in died]
        assert len(victims) == KILLS // FETCHERS * FETCHERS
        load.check_downloads(victims, await world.host.counts())
        await world.end()  # which waits for what was taken, but not for what was only queued
        assert Lane.DEAD not in await world.waiting()
        assert [
            line for service in world.services for line in service.lines if line.get("outcome") == "failed"
        ] == []


async def live_and_die(world: World, random: Random, times: int) -> list[RunningService]:
    """Each dies at an instant after so many steps: counted in steps, they come as far on a busy machine."""
    victims = []
    for _ in range(times):
        victim = await world.fetcher()
        await passed_steps(victim, random.randrange(STEPS_AT_MOST))
        await asyncio.sleep(random.uniform(0, 0.05))
        victim.signal(signal.SIGKILL)
        await victim.ended()
        victims.append(victim)
    return victims


async def passed_steps(victim: RunningService, count: int) -> None:
    with suppress(TimeoutError):  # there may be nothing to do
        await eventually(lambda: sum("step" in line for line in victim.lines) >= count, within_s=1)


class Load:
    """Jobs published one after the other, some for pictures that were asked for before."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._known_good: set[tuple[str, bytes]] = set()
        self._looked_at: dict[Path, tuple[int, int, int]] = {}
        self.pictures: dict[str, SourceUrl] = {}
        self.jobs: dict[str, FetchPicture] = {}
        self._waiting: list[FetchPicture] = []

    async def publish_for_ever(self) -> None:
        while True:
            newest = len(self.pictures)
            number = newest if self._random.random() < 0.5 else self._random.randrange(newest + 1)
            path = f"/many/{number}.jpg"
            source = SourceUrl.parse(self._world.host.url(path))
            job = FetchPicture(source_url=source, rendition=self._random.choice(ASKED_FOR))
            lane = self._random.choice((Lane.PICTURES_NOW, Lane.PICTURES_NOW, Lane.PICTURES_LATER))
            self.pictures[path] = source
            self.jobs[await self._world.publish(job, lane)] = job
            self._waiting.append(job)
            await asyncio.sleep(0.12)
            await eventually(lambda: len(self._still_waiting()) < MOST_WAITING, within_s=CATCHES_UP_WITHIN_S)

    def missing(self) -> list[FetchPicture]:
        return self._not_there(self.jobs.values())

    def _still_waiting(self) -> list[FetchPicture]:
        self._waiting = self._not_there(self._waiting)
        return self._waiting

    def _not_there(self, jobs: Iterable[FetchPicture]) -> list[FetchPicture]:
        return [job for job in jobs if not self.is_there(job.source_url, job.rendition)]

    def is_there(self, source: Source, rendition: Rendition) -> bool:
        return self._path(source, rendition).exists()

    def look(self) -> Iterator[str]:
        """Whatever is new of all files that nginx could find."""
        for path, source in list(self.pictures.items()):
            for rendition in READABLE:
                yield from self._look_at(self._path(source, rendition), path)

    def _path(self, source: Source, rendition: Rendition) -> Path:
        """The first candidate in `cache/`: of an original, that of a JPEG."""
        found = (path for path in candidates(source.picture, (rendition,)) if path.startswith(Tree.CACHE))
        return self._world.root / next(found)

    def _look_at(self, file: Path, path: str) -> Iterator[str]:
        try:
            found = file.stat()
            seen = (found.st_ino, found.st_size, found.st_mtime_ns)
            if self._looked_at.get(file) == seen:
                return
            if not self.is_whole(file.name, file.read_bytes(), path):
                yield f"{file} of {found.st_size} bytes is not whole"
            self._looked_at[file] = seen
        except FileNotFoundError:
            return

    def is_whole(self, name: str, content: bytes, path: str) -> bool:
        """The originals byte for byte; the renditions decoded, those of one kind are mostly the same bytes."""
        if name == "original.jpg":
            return content == picture_at(path)
        key = (name, hashlib.sha256(content).digest())
        if key not in self._known_good:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
                if image.size != Rendition.parse(name).box.fit(1000, 1500):
                    return False
            self._known_good.add(key)
        return True

    def check_downloads(self, victims: list[RunningService], counts: dict[str, int]) -> None:
        """At most one for each picture, and one more for each of its jobs that was in flight at a kill."""
        allowed = Counter(list(self.pictures))
        paths: dict[Source, str] = {source: path for path, source in self.pictures.items()}
        for victim in victims:
            allowed.update(
                paths[job.source_url] for trace in in_flight(victim) if (job := self.jobs.get(trace))
            )
        assert {path: count for path, count in counts.items() if count > allowed[path]} == {}


def in_flight(victim: RunningService) -> Counter[str]:
    """The trace ids of the jobs that it had taken and not ended."""
    taken = Counter(line["trace_id"] for line in victim.lines if line.get("step") == "taken")
    ended = Counter(line["trace_id"] for line in victim.lines if line.get("event") == "job")
    return taken - ended
