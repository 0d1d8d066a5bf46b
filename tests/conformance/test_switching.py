"""A picture whose revisions are switched all the time, under load: every answer is one of them, whole."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from shared.pictures import RevisionId
from tests.conformance.answers import Answer
from tests.conformance.material import revision_of
from tests.conformance.servers import Server, Servers
from tests.conformance.subjects import Subject
from tests.conformance.test_stored import WEBP
from tests.conformance.world import World

SECONDS = 3.0
CLIENTS = 4
PARTS = 3
"""That each has to see: none is sent where the picture was switched since its tag was told."""
"""For each server."""

SIZES = {"original.jpg": 2_000, "small.webp": 5_000, "w342.webp": 400_000}
"""The same in every revision, so that a mixture shows in nothing but the bytes."""


@dataclass(frozen=True)
class Version:
    files: dict[str, bytes]
    modified_s: int

    @property
    def revision(self) -> RevisionId:
        return revision_of(self.files)

    def etag(self, name: str) -> str:
        return f'"{self.modified_s:x}-{len(self.files[name]):x}"'

    def gave(self, answer: Answer, name: str) -> bool:
        """Whether tag, date, length and bytes are all of this one."""
        dated = int(parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp())
        known = (answer.headers["ETag"], dated) == (self.etag(name), self.modified_s)
        body = self.files[name]
        if answer.status == 206:
            return known and answer.body == body[100:200]
        return known and answer.body == body and answer.headers["Content-Length"] == str(len(body))


@asynccontextmanager
async def switching(world: World, subject: Subject, versions: list[Version]) -> AsyncIterator[Counter[str]]:
    """Commit one after the other, as fast as the disk goes. Three of them: the third sends the first away."""
    done: Counter[str] = Counter()

    async def switch_for_ever() -> None:
        while True:
            for version in versions:
                await world.commit(subject, version.files, modified_s=version.modified_s)
                done["commits"] += 1

    task = asyncio.create_task(switch_for_ever())
    try:
        while not done["commits"] and not task.done():  # noqa: ASYNC110 - what is awaited is the disk
            await asyncio.sleep(0.01)
        yield done
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended


async def test_no_answer_is_missing_and_none_is_a_mixture(world: World, servers: Servers) -> None:
    subject = world.new_subject()
    now = int(time.time())
    versions = [
        Version({name: os.urandom(size) for name, size in SIZES.items()}, now - 1000 * number)
        for number in range(1, 4)
    ]
    async with switching(world, subject, versions) as done:
        until = time.monotonic() + SECONDS
        readers = (read(server, subject, versions, until) for server in servers for _ in range(CLIENTS))
        counts = await asyncio.gather(*readers)
    assert done["commits"] > 10
    for server, answers in zip(servers, counts[::CLIENTS], strict=True):
        assert answers[200] > 20, (server, answers)
    assert sum(counts, Counter())[206] > 20
    assert sum(counts, Counter())[302] > 0


async def read(server: Server, subject: Subject, versions: list[Version], until: float) -> Counter[int]:
    """Ask in every form, for the whole and for a part of what was seen last."""
    asked = {
        subject.by_url(): "original.jpg",
        subject.by_url("small", "webp"): "small.webp",
        subject.by_url("w342", "webp"): "w342.webp",
        subject.by_url("w342", "webp") + "&nginx=declines": "w342.webp",
        subject.by_tmdb_path("w342"): "w342.webp",
        subject.by_name("original"): "original.jpg",
        subject.by_name("w342"): "w342.webp",
    }
    answers: Counter[int] = Counter()
    while time.monotonic() < until or answers[200] <= 20 or answers[206] < PARTS:
        for target, name in asked.items():
            whole = await server.get(target, WEBP)
            known = {"Range": "bytes=100-199", "If-Range": whole.headers.get("ETag", "")}
            for answer in (whole, await server.get(target, WEBP | known)):
                seen = (server.name, target, answer.status, answer.headers)
                assert answer.status in (200, 206), seen
                assert any(version.gave(answer, name) for version in versions), seen
                answers[answer.status] += 1
        for version in versions:
            answers[await read_by_path(server, subject, version, versions)] += 1
    return answers


async def read_by_path(server: Server, subject: Subject, version: Version, versions: list[Version]) -> int:
    """This very revision while it is there; then the way to another."""
    target = subject.by_stored_path(version.revision, "small.webp")
    answer = await server.get(target)
    seen = (server.name, target, answer.status, answer.headers)
    if answer.status == 302:
        others = [subject.by_stored_path(other.revision, "small.webp") for other in versions]
        assert answer.headers["Location"] in others, seen
    else:
        assert answer.status == 200, seen
        assert version.gave(answer, "small.webp"), seen
    return answer.status
