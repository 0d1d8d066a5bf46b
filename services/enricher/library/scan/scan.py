"""The work of a scan: what lies in a folder is read, and what is new in it kept. It is loaded where a folder is scanned."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import structlog

from services.enricher.database.database import Database, DatabaseUnavailable
from services.enricher.guessing.guesser import Guess, Guesser
from services.enricher.library.scan.names import as_text
from services.enricher.library.scan.places import Places, ScanRefused
from services.enricher.library.scan.reading import (
    AT_ONCE,
    PathReading,
    RememberedFiles,
    Scanned,
    read,
    unread,
)
from services.enricher.library.scan.tree import FolderVisit, Sighting, walk
from services.enricher.tasks.task import Progress, TaskFailed
from shared.telemetry import utc_now


class Seen:
    """What a scan has seen: by hashes, of which a million take some 100 MB."""

    def __init__(self, root: str) -> None:
        self._root = as_text(root)
        self._paths: set[int] = set()
        self._folders: set[int] = set()
        self._unreadable: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._paths)

    def add(self, path: str) -> bool:
        """Whether it is seen for the first time."""
        text = as_text(path)
        if hash(text) in self._paths:
            return False
        self._paths.add(hash(text))
        for folder in self._above(text):
            if hash(folder) in self._folders:
                break
            self._folders.add(hash(folder))
        return True

    def could_not_read(self, folder: str) -> None:
        self._unreadable.add(hash(as_text(folder)))

    def vanished(self, known: Sequence[Scanned]) -> list[int]:
        """The ids of those that are below the root and are no more. Asks the disk, but only about these."""
        return [row.id for row in known if self._is_below(row.full_path) and self._has_vanished(row)]

    def _has_vanished(self, row: Scanned) -> bool:
        if hash(row.full_path) in self._paths:
            return False
        above = self._above(row.full_path)
        if any(hash(folder) in self._unreadable for folder in (row.full_path, *above)):
            return False
        left = next((folder for folder in above if os.path.isdir(folder)), None)
        return left is not None and (hash(left) in self._folders or _device(left) == row.scan_device)

    def _is_below(self, path: str) -> bool:
        return path == self._root or path.startswith(self._root.rstrip("/") + "/")

    def _above(self, path: str) -> list[str]:
        """The folders that it is in, the nearest first, up to the root."""
        folders = []
        while path != self._root and self._is_below(path):
            path = os.path.dirname(path)
            folders.append(path)
        return folders


def _device(folder: str) -> int | None:
    """An unmounted disk leaves a folder that lies on another one."""
    try:
        return os.stat(folder).st_dev
    except OSError:
        return None


_log = structlog.get_logger()

GUESSED_AT_ONCE = 100
"""So that a scan can be cancelled within some seconds."""


class Scan:
    """The work of a scan."""

    def __init__(self, database: Database, places: Places, *, now: Callable[[], datetime] = utc_now) -> None:
        self._remembered = RememberedFiles(database, now=now)
        self._places = places

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        try:
            root = await asyncio.to_thread(self._places.checked, str(arguments["path"]))
        except ScanRefused as error:
            raise TaskFailed(str(error)) from error
        seen = Seen(root)
        visits = walk(
            root,
            allowed=self._places.roots,
            libraries=self._places.libraries(),
            media_type=self._places.media_type(root),
        )
        progress.step(files=0, changed=0, guessed=0, removed=0)
        async with Guesser.ready() as guesser:
            while batch := await asyncio.to_thread(_some, visits):
                for sightings in _in_parts(_sightings(batch, seen, progress)):
                    await self._take_in(sightings, root, guesser, progress)
        await self._take_out(root, seen, progress)

    async def _take_in(
        self, sightings: Sequence[Sighting], root: str, guesser: Guesser, progress: Progress
    ) -> None:
        if changed := await self._remembered.changed(sightings):
            readings, problems = await asyncio.to_thread(_read_all, changed, root)
            for path, problem in problems:
                progress.error(path, problem)
            await self._keep(await _titled(readings, guesser, progress), progress)
        progress.step(len(sightings), changed=len(changed))

    async def _keep(self, readings: Sequence[PathReading], progress: Progress) -> None:
        """All in one write; where that cannot be, each by itself, so that one costs only itself."""
        try:
            await self._remembered.keep(
                [each.entry() for each in readings], [each.sighting for each in readings]
            )
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - what is wrong with one must not end the scan
            if len(readings) == 1:
                path = as_text(readings[0].sighting.path)
                _log.exception("scan_item_failed", path=path)
                progress.error(path, f"{path} cannot be kept: {_why(error)}.")
                return
            for reading in readings:
                await self._keep([reading], progress)

    async def _take_out(self, root: str, seen: Seen, progress: Progress) -> None:
        after = ""
        while known := await self._remembered.below(root, after=after):
            if not seen:
                raise TaskFailed(
                    f"There is nothing in {as_text(root)}: is its disk mounted? Nothing was removed."
                )
            vanished = await asyncio.to_thread(seen.vanished, known)
            if vanished:
                await self._remembered.forget(vanished)
            progress.step(removed=len(vanished))
            after = known[-1].full_path


def _read_all(sightings: Sequence[Sighting], root: str) -> tuple[list[PathReading], list[tuple[str, str]]]:
    """What they say, and by their paths what could not be read."""
    readings, problems = [], []
    for sighting in sightings:
        path = as_text(sighting.path)
        try:
            reading = read(sighting, root=root)
        except Exception as error:  # noqa: BLE001 - whatever a name does to us must not end the scan
            reading = unread(sighting)
            problems.append((path, f"{path} is taken by its name alone: {_why(error)}."))
        if reading.problem:
            problems.append((path, reading.problem))
        readings.append(reading)
    return readings, problems


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


async def _titled(
    readings: Sequence[PathReading], guesser: Guesser, progress: Progress
) -> Sequence[PathReading]:
    """In the same order, with what could be guessed."""
    untitled = [(reading.to_guess, reading.kind) for reading in readings if reading.titled is None]
    guesses: list[Guess | None] = []
    for start in range(0, len(untitled), GUESSED_AT_ONCE):
        guesses += await guesser.guess(untitled[start : start + GUESSED_AT_ONCE])
        progress.step(guessed=len(guesses) - start)
    waiting = iter(guesses)
    return [reading.guessed(next(waiting)) if reading.titled is None else reading for reading in readings]


def _some(visits: Iterator[FolderVisit]) -> list[FolderVisit]:
    """So many folders that they are worth a transaction. The last ones may be none."""
    batch: list[FolderVisit] = []
    found = 0
    for visit in visits:
        batch.append(visit)
        found += len(visit.sightings)
        if max(found, len(batch)) >= AT_ONCE:
            break
    return batch


def _sightings(batch: Sequence[FolderVisit], seen: Seen, progress: Progress) -> Sequence[Sighting]:
    """Each once: a series is met in every season."""
    for visit in batch:
        if visit.problem is not None:
            seen.could_not_read(visit.folder)
            folder = as_text(visit.folder)
            progress.error(folder, f"{folder} cannot be read: {visit.problem}.")
    found = [sighting for visit in batch for sighting in visit.sightings]
    progress.step(files=sum(sighting.files for sighting in found))
    if extras := sum(visit.extras for visit in batch):
        progress.step(extras=extras)
    return [sighting for sighting in found if seen.add(sighting.path)]


def _in_parts(sightings: Sequence[Sighting]) -> Iterator[Sequence[Sighting]]:
    for start in range(0, len(sightings), AT_ONCE):
        yield sightings[start : start + AT_ONCE]
