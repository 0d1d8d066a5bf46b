"""The handlers under way: tasks that an engine owns, so that leaving can wait for them."""

import asyncio
from collections.abc import Coroutine
from typing import Any

CONSUMER_GRACE_S = 8.0
"""How long leaving `consume` waits for running handlers before it cancels them. What is cancelled is done again by somebody else."""


class Running:
    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, grace_s: float) -> None:
        """Wait for what runs, then cancel what still does, and wait for that too."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        await self.cancel()

    async def cancel(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
