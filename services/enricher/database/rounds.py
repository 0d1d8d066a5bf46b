"""Rounds: what comes while the last ones are written is written together, in one transaction or a few."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Rounds(Generic[Item]):
    """`write` gets what has come since it was last begun. One runs at a time."""

    def __init__(self, write: Callable[[Sequence[Item]], Awaitable[None]]) -> None:
        self._write = write
        self._next: list[Item] = []
        self._round: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def join(self, item: Item) -> None:
        """Return when it was written, with others. Raises what writing them raised."""
        if self._round is None:
            self._round = asyncio.create_task(self._run(), name="a round of writing")
        self._next.append(item)
        await asyncio.shield(self._round)

    async def _run(self) -> None:
        async with self._turn:
            items, self._next, self._round = self._next, [], None
            await self._write(items)
