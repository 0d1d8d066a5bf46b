"""Events as they happen, for whoever listens."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp_sse import EventSourceResponse

from services.enricher.api import events
from shared.contracts import Envelope, PicturePurged, PicturesEvicted, ServiceStats, TaskProgressed
from tests.integration.enricher import ADMIN, RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.unit.catalogs import picture

EVENTS = "/api/events"


@pytest.fixture
async def enricher(tmp_path: Path) -> AsyncIterator[RunningEnricher]:
    async with running_enricher(tmp_path) as running:
        yield running


class Stream:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self) -> tuple[str, Any]:
        """The kind and data of the next event."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(60):
            while line := (await self.answer.content.readline()).decode():
                if not line.strip() and "event" in fields:
                    return fields["event"], json.loads(fields["data"])
                name, _, value = line.rstrip("\r\n").partition(": ")
                fields[name] = value
        raise EOFError


@asynccontextmanager
async def listening(enricher: RunningEnricher, **headers: str) -> AsyncIterator[Stream]:
    async with enricher.client.get(enricher.address + EVENTS, headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        stream = Stream(answer)
        kind, said = await stream.next()
        assert kind == "hello"
        assert "picture.stored" in said["events"]
        yield stream


async def test_everybody_who_listens_hears_what_happens(enricher: RunningEnricher) -> None:
    async with listening(enricher) as one, listening(enricher) as other:
        await enricher.announce(PicturePurged(picture=picture(1)))
        await enricher.announce(
            TaskProgressed(task=7, kind="scan", state="running", done=1, total=None, counts={})
        )
        await enricher.announce(PicturesEvicted(pictures=(picture(2),)))
        for stream in (one, other):
            kind, data = await stream.next()
            assert (kind, data["picture"], data["trace_id"]) == ("picture.purged", picture(1), "test")
            kind, data = await stream.next()
            assert (kind, data["task"], data["state"]) == ("task.progressed", 7, "running")
            assert (await stream.next())[1]["pictures"] == [picture(2)]


async def test_what_services_say_among_themselves_is_not_told(enricher: RunningEnricher) -> None:
    async with listening(enricher) as stream:
        await enricher.announce(ServiceStats(service="fetcher", instance="one", during_s=5, lanes={}))
        await enricher.announce(PicturePurged(picture=picture(1)))
        assert (await stream.next())[0] == "picture.purged"


async def test_a_task_is_heard_from_its_beginning_to_its_end(enricher: RunningEnricher) -> None:
    async with listening(enricher) as stream:
        await enricher.manage("POST", "/api/v1/admin/sync/images/cleanup")
        states = [(await stream.next())[1]["state"]]
        while states[-1] == "running":
            states.append((await stream.next())[1]["state"])
    assert states[0] == "running"
    assert states[-1] == "done"


async def test_who_reads_too_slowly_loses_the_oldest_and_is_told(
    enricher: RunningEnricher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.api.events.WAITING_AT_MOST", 2)
    reads, told = asyncio.Event(), 0
    send, hear = EventSourceResponse.send, events._Client.hear

    async def send_once_it_reads(stream: EventSourceResponse, *said: Any, **more: Any) -> None:
        await reads.wait()
        await send(stream, *said, **more)

    def hear_and_count(client: events._Client, envelope: Envelope | None) -> None:
        nonlocal told
        told += 1
        hear(client, envelope)

    async with listening(enricher) as stream:
        monkeypatch.setattr(EventSourceResponse, "send", send_once_it_reads)
        monkeypatch.setattr(events._Client, "hear", hear_and_count)
        for number in range(5):
            await enricher.announce(PicturePurged(picture=picture(number)))
        await until(lambda: told == 5)
        reads.set()
        heard = [await stream.next() for _ in range(3)]
    kinds = [kind for kind, _ in heard]
    assert "events.dropped" in kinds
    assert heard[kinds.index("events.dropped")][1]["count"] >= 1
    assert heard[-1][1].get("picture", picture(4)) in (picture(3), picture(4))


async def test_only_so_many_may_listen_and_a_place_is_free_again(
    enricher: RunningEnricher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.api.events.CLIENTS_AT_MOST", 1)
    async with listening(enricher):
        refused = await enricher.get(EVENTS)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "3")
    async with asyncio.timeout(60):
        while (await _status(enricher)) != 200:
            await enricher.announce(PicturePurged(picture=picture(1)))
            await asyncio.sleep(0.05)


async def test_one_address_takes_no_more_than_its_share_of_the_places(
    enricher: RunningEnricher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.api.events.CLIENTS_OF_ONE_ADDRESS", 1)
    async with listening(enricher):
        assert (await enricher.get(EVENTS)).status == 503
        async with listening(enricher, **ADMIN, **{"X-Forwarded-For": "203.0.113.1, 203.0.113.5"}):
            pass


async def _status(enricher: RunningEnricher) -> int:
    async with enricher.client.get(enricher.address + EVENTS) as answer:
        return answer.status


async def test_events_are_for_whom_the_api_is_for(tmp_path: Path) -> None:
    async with running_enricher(tmp_path, api_tokens=("a-token",)) as enricher:
        assert (await enricher.get(EVENTS)).status == 401
        async with listening(enricher, Authorization="Bearer a-token"):
            pass


async def test_the_end_of_the_service_ends_the_stream(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        async with running_enricher(tmp_path) as enricher:
            answer = await session.get(enricher.address + EVENTS)
            await answer.content.readline()
        async with asyncio.timeout(60):
            await answer.read()  # whole: nobody had to cut it
