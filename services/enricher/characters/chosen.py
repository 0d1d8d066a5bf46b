"""What is done with a character's picture once it is chosen: it is stored ahead, and measured when it is; or pinned."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import structlog
from cachetools import LRUCache

from services.enricher.characters.chain import CharacterCandidate, ImageSource
from services.enricher.characters.files import CharacterFile, CharacterFiles
from services.enricher.characters.urls import CharacterUrls
from services.enricher.database.database import DatabaseUnavailable
from shared.pictures import Kind, Name, PictureId, Role, SourceUrl
from shared.queue import QueueError

WATCHED_AT_MOST = 10_000
MEASURED_AT_ONCE = 200
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PictureWork:
    """What others do with a picture that was chosen."""

    fetch: Callable[[SourceUrl], Awaitable[None]]
    pin: Callable[[Name, bytes], Awaitable[None]]
    """Have bytes stored and shown under a name, for good."""
    known: Callable[[Name], Awaitable[bool]]
    """Whether somebody has asked for a name before."""
    measure: Callable[[PictureId], Awaitable[float | None]]
    """What its measure takes away; None where it is not stored."""


class ChosenPictures:
    """Raises QueueError for nothing: a picture that cannot be queued is fetched when it is asked for."""

    def __init__(self, files: CharacterFiles, urls: CharacterUrls, work: PictureWork) -> None:
        self._files = files
        self._urls = urls
        self._work = work
        self.measure = work.measure
        self._pinned: dict[str, str] = {}
        self._watched: LRUCache[PictureId, None] = LRUCache(WATCHED_AT_MOST)
        """Those that are not stored yet."""
        self._came: set[PictureId] = set()
        self.wake = asyncio.Event()

    def hear(self, picture: PictureId) -> None:
        """That it is stored."""
        if picture in self._watched:
            self._came.add(picture)
            self.wake.set()

    async def take(self, character_id: str, chosen: CharacterCandidate) -> None:
        """Have its picture stored, so that it is there, and is measured, soon."""
        if chosen.source is ImageSource.CHARACTER_SPECIFIC:
            await self._pin(character_id, chosen.image_url)
        elif chosen.picture_id and chosen.penalty is None:
            self._watched[PictureId(chosen.picture_id)] = None
            try:
                await self._work.fetch(SourceUrl.parse(self._urls.fetched_from(chosen.image_url)))
            except (QueueError, ValueError) as error:
                _log.info("a character's picture is not fetched ahead", error=str(error))

    async def _pin(self, character_id: str, image_url: str) -> None:
        """Once for each state of the file."""
        file = self._files.called(self._urls.own_file(image_url) or "")
        if file is None:
            return
        state = f"{file.path}:{file.size}:{file.changed_ns}"
        if self._pinned.get(character_id) == state:
            return
        try:
            body = await asyncio.to_thread(file.path.read_bytes)
            await self._work.pin(Name(Kind.CHARACTER, character_id, Role.PORTRAIT), body)
        except (OSError, QueueError, DatabaseUnavailable) as error:
            _log.warning("a character's file is not shown", file=file.name, error=str(error))
        else:
            self._pinned[character_id] = state

    def that_came(self) -> Iterator[PictureId]:
        """Some of those that were stored since, each once."""
        for picture in list(self._came)[:MEASURED_AT_ONCE]:
            self._came.discard(picture)
            self._watched.pop(picture, None)
            yield picture

    @property
    def more_came(self) -> bool:
        return bool(self._came)

    async def show_again(self, file: CharacterFile) -> None:
        """Where somebody has asked for the file by its own name before, who had another one, or none."""
        try:
            name = own_name(file)
            if await self._work.known(name):
                await self._work.pin(name, await asyncio.to_thread(file.path.read_bytes))
        except (ValueError, OSError, QueueError) as error:
            _log.info("a file is not shown by its name", file=file.name, reason=str(error))


def own_name(file: CharacterFile) -> Name:
    """By which `/api/image-no-auth/{file}` asks for it. Raise ValueError for what stands in no path as it is."""
    return Name(Kind.UPLOAD, file.path.stem, Role.IMAGE)
