"""What earlier versions wrote opens in this one: their volumes, databases, queues and messages."""

import asyncio
import json
import os
import sqlite3
import tarfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aio_pika
import pytest
from sqlalchemy import select

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.engines import DatabaseSettings, open_database
from services.enricher.database.schema import metadata
from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.contracts import DeadLetter, Envelope
from shared.contracts.envelope import MESSAGES
from shared.pictures import Name, PictureId, Rendition, Tree, name_path
from shared.queue import Lane, Queue
from shared.queue.embedded.engine import open_embedded
from shared.queue.rabbitmq.engine import open_rabbitmq
from shared.volume import VolumeSettings, volume_to_keep, volume_to_read
from tests.contract.conftest import Received
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.servers.rabbitmq import Broker

SAMPLES = sorted(entry for entry in (Path(__file__).parents[1] / "samples").iterdir() if entry.is_dir())
JOB_LANES = [lane for lane in Lane if lane is not Lane.DEAD]
POSTER = "movie/tmdb:{}/poster"


@pytest.fixture(params=SAMPLES, ids=lambda folder: folder.name)
def sample(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


@pytest.fixture
def place(sample: Path, tmp_path: Path) -> VolumeSettings:
    """A volume and a state directory, with what that version left there."""
    settings = VolumeSettings(volume_url=f"file:{tmp_path}/volume", state_directory=tmp_path / "state")
    with tarfile.open(sample / "volume.tar.xz") as archive:
        archive.extractall(settings.root, filter="data")
    for upload in settings.root.glob("inbox/*"):
        os.utime(upload)  # it was sent just now: after a day nobody would come for it
    settings.state_dir.mkdir()
    for name, file in (("enricher", "enricher.sqlite"), ("queue", "queue.sqlite")):
        database = sqlite3.connect(settings.state_dir / file)
        database.executescript((sample / f"{name}.sql").read_text(encoding="utf-8"))
        database.close()
    return settings


@pytest.fixture
def pictures(sample: Path) -> dict[str, PictureId]:
    expected = json.loads((sample / "expected.json").read_text(encoding="utf-8"))
    return {name: PictureId(entry["picture"]) for name, entry in expected["pictures"].items()}


@pytest.fixture
async def whole(place: VolumeSettings, tmp_path: Path) -> AsyncIterator[RunningEnricher]:
    """All services, in this process, on what that version left."""
    async with running_enricher(tmp_path, fetcher=FetcherSettings(), proxy=ProxySettings()) as running:
        yield running


def name_of(number: int) -> Name:
    return Name.parse(POSTER.format(number))


def messages(sample: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((sample / "rabbitmq.json").read_text(encoding="utf-8"))
    return found


async def test_pictures_of_then_are_found_and_whole(
    place: VolumeSettings, pictures: dict[str, PictureId]
) -> None:
    volume = volume_to_keep(place)
    stored = {picture async for picture in volume.pictures.pictures()}
    assert stored == set(pictures.values()) - {pictures["evicted"], pictures["sent"]}
    for name in ("a", "b", "upload", "purged", "chosen"):
        findings = await volume.integrity.examine(pictures[name])
        assert findings.is_sound
        assert findings.manifest
        found = await volume.pictures.find(pictures[name], (Rendition.parse("medium.webp"),))
        assert found
        assert (await found.content.whole()).startswith(b"RIFF")
    holdings = await volume.inventory.holdings(list(pictures.values()))
    kept = {picture for picture, holding in holdings.items() if holding.tree is Tree.KEEP}
    assert kept == {pictures["b"], pictures["upload"]}
    failures = (await volume.pictures.state(pictures["failed"])).failures
    assert [failure.reason for failure in failures.values()] == ["The source answered 404."]


async def test_names_of_then_are_resolved(place: VolumeSettings, pictures: dict[str, PictureId]) -> None:
    volume = volume_to_read(place)
    shown = {number: await volume.names.picture(name_of(number)) for number in (1, 2, 3, 4, 5)}
    assert shown == {
        1: pictures["a"],
        2: pictures["b"],
        3: pictures["upload"],
        4: pictures["evicted"],
        5: None,
    }
    refused = await volume.names.failure(name_of(5))
    assert refused
    assert refused.reason == "Nobody has a picture of it."
    pause = await volume.hosts.pause_of("slow.example")
    assert pause
    assert (pause.until.year, pause.in_a_row) == (2099, 2)
    assert (place.root / name_path(name_of(2))).resolve().is_dir()


async def test_every_table_of_then_is_read(sample: Path, place: VolumeSettings) -> None:
    written = sqlite3.connect(place.state_dir / "enricher.sqlite")
    names = {name for (name,) in written.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    counts = {
        name: written.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        for name in names & metadata.tables.keys()
    }
    written.close()
    assert min(counts.values()) > 0

    async def reading(connection: AsyncConnection) -> dict[str, int]:
        return {name: len((await connection.execute(select(metadata.tables[name]))).all()) for name in counts}

    async with open_database(DatabaseSettings(), state_dir=place.state_dir) as database:
        assert await database.read(reading) == counts


async def test_jobs_of_then_are_read_each_as_it_was(sample: Path, place: VolumeSettings) -> None:
    """Also the one that somebody was doing when the process ended, and the one that was put off."""
    file = sqlite3.connect(place.state_dir / "queue.sqlite")
    written = [
        (Lane(lane), json.loads(body)) for lane, body in file.execute("SELECT lane, body FROM messages")
    ]
    file.close()
    heard = []
    async with open_embedded(place.state_dir / "queue.sqlite", lane_limit=1000) as queue:
        for lane, count in Counter(lane for lane, _ in written).items():
            handler = Received()
            async with queue.consume(lane, handler, concurrency=1):
                heard += [await handler.next() for _ in range(count)]
    assert {envelope.id: envelope.model_dump(mode="json", exclude_unset=True) for envelope in heard} == {
        body["id"]: body for _, body in written
    }
    dead = [envelope.payload for envelope in heard if isinstance(envelope.payload, DeadLetter)]
    assert {(letter.lane, letter.failure_class) for letter in dead} == {
        ("pictures.later", "refused"),
        ("catalog", None),
    }


async def test_messages_of_then_in_rabbitmq_are_read_each_as_it_was(sample: Path, rabbitmq: Broker) -> None:
    url = rabbitmq.vhost()
    sent = [message for message in messages(sample) if message["lane"]]
    received = {lane: Received() for lane in Lane}
    async with open_rabbitmq(url, lane_limit=1000) as queue:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            for message in sent:
                body, headers = json.dumps(message["body"]).encode(), message["headers"]
                raw = aio_pika.Message(
                    body,
                    headers=headers,
                    content_type=message["content_type"],
                    delivery_mode=message["delivery_mode"],
                )
                await channel.default_exchange.publish(raw, routing_key=message["lane"])
        heard = []
        for lane, handler in received.items():
            async with queue.consume(lane, handler, concurrency=1):
                count = sum(message["lane"] == lane for message in sent)
                heard += [await handler.next() for _ in range(count)]
    assert {envelope.id: envelope.model_dump(mode="json", exclude_unset=True) for envelope in heard} == {
        message["body"]["id"]: message["body"] for message in sent
    }


NEWER_KINDS = {"AdoptPictures", "JobsUnwaited", "SessionEnded", "StudioProgressed"}
"""Of messages that the versions in the samples did not know."""


def test_a_message_of_each_kind_is_read(sample: Path) -> None:
    bodies = [message["body"] for message in messages(sample)]
    read = [Envelope.model_validate(body) for body in bodies]
    # What later versions have added is not there, and has its default.
    assert [envelope.model_dump(mode="json", exclude_unset=True) for envelope in read] == bodies
    assert {kind.__name__ for kind in MESSAGES} - {body["type"] for body in bodies} == NEWER_KINDS


async def test_all_services_go_on_where_that_version_ended(
    whole: RunningEnricher, pictures: dict[str, PictureId]
) -> None:
    """Its pictures are served, its jobs done, its dead letters and items shown."""
    await until(lambda: _are_done(whole))
    volume = whole.volume
    await until(lambda: _is_there(whole, pictures["a"], "large.webp"))
    await until(lambda: _is_there(whole, pictures["b"], "h632.webp"))
    trees = {
        name: found and found.tree
        for name, picture in pictures.items()
        for found in [await volume.pictures.current(picture)]
    }
    assert trees == {
        "a": Tree.KEEP,  # pinned by a job
        "b": Tree.CACHE,  # unpinned by another
        "upload": Tree.KEEP,
        "sent": Tree.KEEP,
        "evicted": None,
        "failed": None,
        "purged": None,
        "chosen": None,
    }
    assert await volume.names.picture(Name.parse("series/tvdb:6/poster")) == pictures["a"]
    assert await volume.names.picture(name_of(9)) == pictures["sent"]
    assert await volume.names.failure(name_of(7))
    await _are_shown(whole)


async def _are_shown(whole: RunningEnricher) -> None:
    source = quote("http://pictures.example/a.png", safe="")
    for path in (
        f"/api/images/proxy?url={source}&size=medium&format=webp",
        "/api/v1/images/movie/tmdb:1/poster/medium.webp",
        "/api/v1/images/movie/tmdb:3/poster/medium.webp",
    ):
        status, body = await whole.picture(path)
        assert (path, status, body[:4]) == (path, 200, b"RIFF")
    refused, _ = await whole.picture("/api/v1/images/movie/tmdb:5/poster/medium.webp")
    assert refused == 404
    letters = (await whole.manage("GET", "/api/v1/admin/dead")).json
    assert {letter["lane"] for letter in letters["letters"]} == {"pictures.later", "catalog"}
    tasks = (await whole.manage("GET", "/api/v1/admin/tasks")).json
    assert [task["state"] for task in tasks["tasks"]] == ["failed", "done"]
    items = (await whole.manage("GET", "/api/library/items")).json
    assert {item["title"] for item in items["items"]} == {"First", "Second"}


async def _is_drained(queue: Queue, lane: Lane) -> bool:
    measure = await queue.measure(lane)
    return measure.waiting == 0 and measure.in_hand == 0


async def _are_done(whole: RunningEnricher) -> bool:
    return all(await asyncio.gather(*(_is_drained(whole.queue, lane) for lane in Lane)))


async def _is_there(whole: RunningEnricher, picture: PictureId, file: str) -> bool:
    current = await whole.volume.pictures.current(picture)
    return current is not None and file in current.files
