"""Waiting for what becomes of a picture that a name is to show: listening first, then asking."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shared.contracts import Message, PictureFailed, PictureStored
from shared.pictures import ORIGINAL, Failure, Name, PictureId

_WHOLE = (None, ORIGINAL)
"""Without these there is nothing that the name could show."""


@dataclass(eq=False, slots=True)
class Waiter:
    name: Name
    picture: PictureId
    _heard: "asyncio.Future[Failure | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def hear(self, event: Message) -> None:
        if self._heard.done():
            return
        match event:
            case PictureStored(picture=self.picture, name=self.name):
                self._heard.set_result(None)
            case PictureFailed(picture=self.picture, rendition=failed, failure=failure) if failed in _WHOLE:
                self._heard.set_result(failure)

    async def outcome(self, patience_s: float) -> Failure | None:
        """None: the name shows the picture. Raise TimeoutError where nothing is heard so long."""
        async with asyncio.timeout(patience_s):
            return await self._heard


class WaitingRoom:
    def __init__(self) -> None:
        self._waiters: set[Waiter] = set()

    @asynccontextmanager
    async def seat(self, name: Name, picture: PictureId) -> AsyncIterator[Waiter]:
        waiter = Waiter(name, picture)
        self._waiters.add(waiter)
        try:
            yield waiter
        finally:
            self._waiters.discard(waiter)

    def hear(self, event: Message) -> None:
        for waiter in self._waiters:
            waiter.hear(event)
