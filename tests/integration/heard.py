"""What everybody is told while a test runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from shared.contracts import Envelope, Message
from tests.integration.onesheet import Onesheet, until

Event = TypeVar("Event", bound=Message)


class Heard:
    def __init__(self) -> None:
        self._events: list[Message] = []

    @classmethod
    @asynccontextmanager
    async def from_now(cls, onesheet: Onesheet) -> "AsyncIterator[Heard]":
        heard = cls()

        async def hear(envelope: Envelope) -> None:
            heard._events.append(envelope.payload)

        async with onesheet.queue.listen(hear):
            yield heard

    def all(self, kind: type[Event]) -> list[Event]:
        return [event for event in self._events if isinstance(event, kind)]

    async def first(self, kind: type[Event], **said: object) -> Event:
        """Wait for the first of this kind that says this: others are told by what goes on beside the test."""

        def found() -> list[Event]:
            return [e for e in self.all(kind) if all(getattr(e, key) == said[key] for key in said)]

        await until(found)
        return found()[0]
