"""Redriving: a message that died is sent again, as if it had never been tried.

Claimed first, then sent, then taken out of the table: whoever is killed in between leaves the letter there, and its message
sent once or not at all. What a second redrive then sends twice does no harm, for jobs may be done twice.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from services.enricher.dead_letters.letter import Filter, Letter
from services.enricher.dead_letters.table import LetterTable
from services.enricher.tasks import Progress, patiently
from shared.queue import Queue, QueueError
from shared.queue.dead import redrive

KIND = "redrive"
CLAIM_LASTS = timedelta(minutes=1)
"""Far longer than sending takes: whoever claimed it has died."""

AT_ONCE = 100


class LetterTaken(Exception):
    """Somebody else sends it just now, or has."""


class NotReadable(Exception):
    """The message cannot be read, so that nobody could do it."""


class Redriving:
    def __init__(self, table: LetterTable, queue: Queue, *, now: Callable[[], datetime]) -> None:
        self._table = table
        self._queue = queue
        self._now = now

    async def one(self, letter_id: int) -> Letter:
        """Raises LetterTaken, NotReadable, and QueueError where it could not be sent and stays."""
        claimed_at = self._now()
        letter = await self._table.claim(letter_id, claimed_at, stale=claimed_at - CLAIM_LASTS)
        if letter is None:
            raise LetterTaken
        try:
            await redrive(self._queue, letter.dead)
        except ValueError as error:
            await self._table.release(letter_id)
            raise NotReadable(str(error)) from error
        except QueueError:
            await self._table.release(letter_id)
            raise
        await self._table.sent(letter_id, claimed_at)
        return letter

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        """The work of a task: all of a filter that are there when it begins, or only which."""
        chosen = Filter(lane=_text(arguments["lane"]), failure_class=_text(arguments["failure_class"]))
        progress.total = sum((await self._table.counts(chosen)).values())
        after, left = 0, progress.total
        while left > 0 and (letters := await self._table.next(chosen, after=after, limit=min(left, AT_ONCE))):
            for letter in letters:
                await self._item(letter, progress, dry_run=bool(arguments["dry_run"]))
                progress.step()
            after, left = letters[-1].id, left - len(letters)

    async def _item(self, letter: Letter, progress: Progress, *, dry_run: bool) -> None:
        name = f"{letter.type or 'unreadable'} {letter.about or letter.letter_id}"
        if dry_run:
            progress.item(name, "would be sent", size=len(letter.body))
            return
        try:
            await patiently(partial(self.one, letter.id))
        except LetterTaken:
            progress.item(name, "taken")
        except NotReadable:
            progress.item(name, "unreadable")
        else:
            progress.item(name, "sent", size=len(letter.body))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
