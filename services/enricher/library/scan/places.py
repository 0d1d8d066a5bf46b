"""Which folders may be scanned, and where that is asked for."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.enricher.library.item import MediaType
from services.enricher.library.scan.names import as_text
from services.enricher.tasks.task import Task
from services.enricher.tasks.tasks import Tasks

KIND = "scan"
"""Of the tasks."""


class ScanRefused(Exception):
    """A folder that is not scanned; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A library as an operator names it: `/media/tv:tv`, or without what all in it is."""

    path: str
    media_type: MediaType | None = None

    @classmethod
    def of(cls, text: str) -> "Place":
        path, _, kind = text.rpartition(":")
        if path and kind in list(MediaType):
            return cls(path, MediaType(kind))
        return cls(text)


class Places:
    def __init__(self, roots: Iterable[str]) -> None:
        places = [Place.of(root) for root in roots]
        self._types = {Path(place.path).resolve(): place.media_type for place in places}
        self._paths = {os.path.abspath(place.path): place.media_type for place in places}

    @property
    def roots(self) -> tuple[Path, ...]:
        return tuple(self._types)

    def libraries(self) -> Mapping[str, MediaType | None]:
        """What all in each of them is, by the paths that a walk may meet them under."""
        return {str(path): kind for path, kind in self._types.items()} | self._paths

    def media_type(self, folder: str) -> MediaType | None:
        """That of the nearest library that it lies in."""
        path = Path(folder).resolve()
        around = [root for root in self._types if path.is_relative_to(root)]
        return self._types[max(around, key=lambda root: len(root.parts))] if around else None

    def checked(self, path: str) -> str:
        """The folder as it will be walked: absolute, links in it as they are.

        Raises ScanRefused where it lies outside of the places, or is no folder that can be read.
        """
        folder = os.path.abspath(path)
        if "\0" in path or not self._allows(folder):
            raise ScanRefused(self._why_not(path))
        try:
            os.scandir(folder).close()
        except OSError as error:
            raise ScanRefused(f"{path} cannot be read: {error.strerror}.") from error
        return folder

    def _allows(self, folder: str) -> bool:
        return any(Path(folder).resolve().is_relative_to(root) for root in self._types)

    def _why_not(self, path: str) -> str:
        if not self._types:
            return "No folder may be scanned: name those that may in LIBRARY_ROOTS."
        return f"{path} lies outside of LIBRARY_ROOTS."


class Scans:
    """Where scans are asked for."""

    def __init__(self, tasks: Tasks, places: Places) -> None:
        self._tasks = tasks
        self._places = places

    async def start(self, path: str) -> Task:
        """Raise ScanRefused for a folder that is not scanned, TaskRefused where too many tasks wait."""
        folder = await asyncio.to_thread(self._places.checked, path)
        return await self._tasks.start(KIND, {"path": as_text(folder)})
