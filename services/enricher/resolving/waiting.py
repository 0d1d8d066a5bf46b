"""Waiting for what becomes of a picture, or of a name: listening first, then asking."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shared.contracts import Message, NameRefused, PictureFailed, PictureStored
from shared.pictures import ORIGINAL, Failure, Name, PictureId, Rendition

_WHOLE = (None, ORIGINAL)
"""Without these there is nothing of a picture."""


@dataclass(eq=False, slots=True)
class Waiter:
    """For a picture, for whatever a name shows, or for a name to show this picture."""

    name: Name | None = None
    picture: PictureId | None = None
    _heard: "asyncio.Future[Failure | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def hear(self, event: Message) -> None:
        if self._heard.done():
            return
        match event:
            case PictureStored(picture=picture, name=name) if self._is_shown(picture, name):
                self._heard.set_result(None)
            case PictureFailed(picture=picture, name=name, rendition=failed, failure=failure):
                if self._is_lost(picture, name, failed):
                    self._heard.set_result(failure)
            case NameRefused(name=name, failure=failure) if self.picture is None and name == self.name:
                self._heard.set_result(failure)

    def _is_shown(self, picture: PictureId, name: Name | None) -> bool:
        return self.picture in (None, picture) and self.name in (None, name)

    def _is_lost(self, picture: PictureId, name: Name | None, rendition: Rendition | None) -> bool:
        if self.picture is None:
            return name == self.name
        return picture == self.picture and rendition in _WHOLE

    async def outcome(self, patience_s: float) -> Failure | None:
        """None: it is there. Raise TimeoutError where nothing is heard so long."""
        async with asyncio.timeout(patience_s):
            return await self._heard


class WaitingRoom:
    def __init__(self) -> None:
        self._waiters: set[Waiter] = set()

    @asynccontextmanager
    async def seat(
        self, *, name: Name | None = None, picture: PictureId | None = None
    ) -> AsyncIterator[Waiter]:
        """For one of them, or for the name to show the picture."""
        waiter = Waiter(name, picture)
        self._waiters.add(waiter)
        try:
            yield waiter
        finally:
            self._waiters.discard(waiter)

    def hear(self, event: Message) -> None:
        for waiter in self._waiters:
            waiter.hear(event)
