"""Events, as they happen: what became of pictures and names, and how far tasks are (Server-Sent Events).

A client that reads too slowly loses the oldest and is told how many; one that does not read at all is let go.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.api.sessions import client_address
from shared import contracts
from shared.http import Problem
from shared.queue import Queue

CLIENTS_AT_MOST = 100
CLIENTS_OF_ONE_ADDRESS = 20
WAITING_AT_MOST = 1000
"""Events that wait for one client."""

PING_EVERY_S = 15.0
STALLED_AFTER_S = 30.0
RETRY_MS = 3000
"""After so long a browser comes back that was cut off."""

KINDS: Mapping[type[contracts.Message], str] = {
    contracts.PictureStored: "picture.stored",
    contracts.PictureFailed: "picture.failed",
    contracts.PicturePurged: "picture.purged",
    contracts.PicturesEvicted: "pictures.evicted",
    contracts.NameRefused: "name.refused",
    contracts.HostPaused: "host.paused",
    contracts.TaskProgressed: "task.progressed",
    contracts.StudioProgressed: "studio.progressed",
}
MEASURES: Mapping[type[contracts.Message], str] = {**KINDS, contracts.ServiceStats: "service.measured"}
"""With what operators' pages are brought up to date by, every few seconds."""

DROPPED = "events.dropped"
Kinds = Mapping[type[contracts.Message], str]


class _Client:
    def __init__(self, address: str, kinds: Kinds) -> None:
        self.address = address
        self.kinds = kinds
        self._waiting: asyncio.Queue[contracts.Envelope | None] = asyncio.Queue(WAITING_AT_MOST)
        self._dropped = 0

    def hear(self, envelope: contracts.Envelope | None) -> None:
        """None: there will be no more."""
        if self._waiting.full():
            self._waiting.get_nowait()
            self._dropped += 1
        self._waiting.put_nowait(envelope)

    async def send_all(self, stream: EventSourceResponse) -> None:
        """Until the end. Raise ConnectionError or TimeoutError where the client is gone, or might as well be."""
        while envelope := await self._waiting.get():
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                await stream.send(json.dumps({"count": dropped}), event=DROPPED)
            await stream.send(_data(envelope), id=envelope.id, event=self.kinds[type(envelope.payload)])


class EventStreams:
    def __init__(self) -> None:
        self._clients: set[_Client] = set()
        self._ended = False

    @asynccontextmanager
    async def listening(self, queue: Queue) -> AsyncIterator[None]:
        async with queue.listen(self._hear):
            yield

    async def end(self, _app: web.Application) -> None:
        """So that nobody who listens keeps the process from ending."""
        self._ended = True
        for client in self._clients:
            client.hear(None)

    async def _hear(self, envelope: contracts.Envelope) -> None:
        for client in self._clients:
            if type(envelope.payload) in client.kinds:
                client.hear(envelope)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        return await self._stream(request, KINDS)

    async def stream_measures(self, request: web.Request) -> web.StreamResponse:
        """The same, and how the services are, every few seconds."""
        return await self._stream(request, MEASURES)

    async def _stream(self, request: web.Request, kinds: Kinds) -> web.StreamResponse:
        address = client_address(request)
        of_one = sum(client.address == address for client in self._clients)
        if self._ended or len(self._clients) >= CLIENTS_AT_MOST or of_one >= CLIENTS_OF_ONE_ADDRESS:
            headers = {"Retry-After": str(RETRY_MS // 1000)}
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "Too many listen to events already.", headers=headers
            )
        client = _Client(address, kinds)
        self._clients.add(client)
        stream = EventSourceResponse(ping_interval=PING_EVERY_S, send_timeout=STALLED_AFTER_S)
        try:
            await stream.prepare(request)
            async with stream:
                await stream.send(json.dumps({"events": list(kinds.values())}), event="hello", retry=RETRY_MS)
                with suppress(TimeoutError):
                    await client.send_all(stream)
        finally:
            self._clients.discard(client)
        return stream

    @property
    def endpoints(self) -> list[Endpoint]:
        async def events(_asked: Parameters) -> None:
            """Events, as they happen: pictures stored, failed, purged or evicted, names refused, hosts paused, tasks.

            Server-Sent Events, each with its kind and JSON; first `hello` with the kinds there are. Nothing is kept for
            who was not listening. Where API tokens are set, one is sent as for any other request.
            """

        return [Endpoint("GET", "/api/events", events, stream=self.stream, access=Access.LISTS)]


def _data(envelope: contracts.Envelope) -> str:
    payload = envelope.payload.model_dump(mode="json", exclude={"setup", "instance"})
    about = {"occurred_at": envelope.occurred_at.isoformat(), "trace_id": envelope.trace_id}
    return json.dumps(payload | about)
