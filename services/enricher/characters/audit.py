"""Looking after what is known of characters: what is poor, what is dead, what nobody asks for."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus

import aiohttp
from yarl import URL

from services.enricher.characters.images import CharacterImages
from services.enricher.characters.store import CharacterImage
from services.enricher.characters.urls import CharacterUrls
from services.enricher.database.database import DatabaseUnavailable
from services.enricher.tasks.task import Progress, TaskRefused
from services.enricher.tasks.tasks import Tasks
from shared.background import Background
from shared.http.outbound import Outbound
from shared.pictures import SourceUrl

AUDIT, CLEAN_UP = "audit characters", "clean up characters"
POOR = 70.0
ASKED_WITHIN_S = 5.0
AT_ONCE = 200
BETWEEN_S = 0.25
"""Two questions to sources: pictures' hosts are asked four times a second at most."""

MONTH = timedelta(days=30)


class SourceState(StrEnum):
    THERE = "there"
    DEAD = "dead"
    UNKNOWN = "unknown"


class Sources:
    """Asks whether a picture is where it came from: HEAD, and GET where that says nothing."""

    def __init__(self, outbound: Outbound, may_be_asked: Callable[[SourceUrl], bool]) -> None:
        self._outbound = outbound
        self._may_be_asked = may_be_asked

    async def state(self, url: str) -> SourceState:
        """Dead is only what its host says is not there."""
        try:
            source = SourceUrl.parse(url)
        except ValueError:
            return SourceState.UNKNOWN
        if not self._may_be_asked(source):
            return SourceState.UNKNOWN
        said = await self._status("HEAD", url)
        if said in (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.FORBIDDEN) or (
            said in _GONE
        ):
            said = await self._status("GET", url)
        if said in _GONE:
            return SourceState.DEAD
        return SourceState.THERE if said and said < HTTPStatus.BAD_REQUEST else SourceState.UNKNOWN

    async def _status(self, method: str, url: str) -> int | None:
        """None: it did not answer."""
        try:
            asked = self._outbound.session_for(URL(url, encoded=True)).request(
                method,
                URL(url, encoded=True),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=ASKED_WITHIN_S),
            )
            async with asked as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None


_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class Audit:
    """The work of a task: pictures below `POOR` are listed, and those of which a month nobody looked are asked for."""

    def __init__(
        self,
        found: CharacterImages,
        sources: Sources,
        urls: CharacterUrls,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._found = found
        self._sources = sources
        self._urls = urls
        self._now = now
        self._sleep = sleep

    async def __call__(self, _arguments: Mapping[str, object], progress: Progress) -> None:
        after = ""
        while True:
            rows = await self._found.table.worse_than(1000.0, after=after, limit=AT_ONCE)
            for row in rows:
                progress.step()
                await self._look_at(row, progress)
            if len(rows) < AT_ONCE:
                return
            after = rows[-1].id

    async def _look_at(self, row: CharacterImage, progress: Progress) -> None:
        name = f"{row.character_name} / {row.movie_title} ({row.source})"
        if row.checked_at is None or row.checked_at < self._now() - MONTH:
            await self._sleep(0 if self._urls.own_file(row.image_url) is not None else BETWEEN_S)
            state = SourceState.UNKNOWN
            if self._urls.own_file(row.image_url) is None:
                state = await self._sources.state(row.image_url)
            if state is SourceState.DEAD:
                await self._found.drop(row, "Its source does not have it any more.")
                progress.item(name, "dead")
                return
            if state is SourceState.THERE:
                await self._found.table.checked(row)
        progress.item(name, f"below {POOR:.0f}" if row.worth < POOR else "good")


class CleanUp:
    def __init__(self, found: CharacterImages) -> None:
        self._found = found

    async def __call__(self, _arguments: Mapping[str, object], progress: Progress) -> None:
        forgotten = await self._found.fast.drop_all("char_img")
        progress.step(1, **{"fast entries forgotten": forgotten})
        progress.step(1, **{"rows let go": await self._found.table.trim()})


LOOK_AFTER_S = 6 * 3600.0
PERIODS = {CLEAN_UP: timedelta(days=7), AUDIT: MONTH}


def looking_after(
    tasks: Tasks, background: Background, now: Callable[[], datetime]
) -> AbstractAsyncContextManager[None]:
    """The clean-up every week and the audit every month, however often the process is started anew."""
    return background.repeating(
        "looking after characters",
        lambda: start_what_is_due(tasks, now()),
        every_s=LOOK_AFTER_S,
        at_once=False,
        expected=(DatabaseUnavailable, TaskRefused),
    )


async def start_what_is_due(tasks: Tasks, now: datetime) -> None:
    for kind, period in PERIODS.items():
        newest = next(iter(await tasks.list(limit=1, kind=kind)), None)
        if newest is None or newest.created_at <= now - period:
            await tasks.start(kind, {})
