"""Importing what ListSync has: a task, which may be done again and again, and adds what is not there yet."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from services.enricher.finder import Finder
from services.enricher.library.library import Library
from services.enricher.library.listsync import reading
from services.enricher.library.sync import Syncing, several
from services.enricher.tasks.task import Progress, TaskFailed
from shared.contracts import AdoptedFile, AdoptPictures
from shared.contracts.jobs import ADOPTED_AT_ONCE
from shared.pictures import PictureId, SourceUrl
from shared.volume import Inbox, Pictures

MAX_FILE_BYTES = 50 * 1024 * 1024
IN_A_JOB, JOBS_AT_ONCE = ADOPTED_AT_ONCE, 4
Batch = Sequence[reading.ImportedPicture]
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".bmp", ".svg", ".img", ".bin", ""}
)

NoteUse = Callable[[Mapping[PictureId, datetime]], Awaitable[None]]
"""Have the catalog know of stored pictures that they were looked at by then."""


@dataclass(frozen=True, slots=True)
class Adopting:
    """What pictures are adopted with."""

    finder: Finder
    syncing: Syncing
    pictures: Pictures
    inbox: Inbox
    note_use: NoteUse


class ImportListSync:
    """The work of a task: `database`, a file, and `images`, the folder of its pictures, or none; `dry_run` only says what
    would come.
    """

    KIND = "import listsync"

    def __init__(self, library: Library, adopting: Adopting) -> None:
        self._library = library
        self._adopting = adopting

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        """First all items and lists in one write, then picture after picture. Raise TaskFailed, having imported nothing."""
        database, dry_run = Path(str(arguments["database"])), bool(arguments["dry_run"])
        images = Path(str(arguments["images"])) if arguments["images"] else None
        try:
            known = await asyncio.to_thread(reading.read_listsync, database)
            files = await asyncio.to_thread(_files_in, images) if images else {}
        except reading.NotListSync as error:
            raise TaskFailed(str(error)) from None
        entries = _each_once(known.entries)
        wanted = {picture: one for picture, one in known.pictures.items() if images or one.rowid is not None}
        progress.total = len(entries) + len(wanted)
        await self._take_in(known, entries, progress, dry_run=dry_run)
        for row, why in known.problems:
            progress.error(row, f"{row}: {why}")
        source = PictureFiles(database, wanted, files)
        await source.adopt(self._adopting, progress, dry_run=dry_run)

    async def _take_in(
        self,
        known: reading.ListSyncLibrary,
        entries: Sequence[reading.ImportedEntry],
        progress: Progress,
        *,
        dry_run: bool,
    ) -> None:
        extras = [_extras(one) for one in entries]
        taken = await self._library.take_in(
            [one.entry for one in entries], extras, known.lists, dry_run=dry_run
        )
        told = {
            "items added": taken.added,
            "items completed": taken.completed,
            "items unchanged": taken.unchanged,
        }
        progress.step(len(entries), **{name: count for name, count in told.items() if count})


def _each_once(entries: Sequence[reading.ImportedEntry]) -> Sequence[reading.ImportedEntry]:
    """By path, or by list and title."""
    once: dict[object, reading.ImportedEntry] = {}
    for one in entries:
        entry = one.entry
        key = entry.full_path or (entry.list_source, entry.media_type, entry.ids or (entry.title, entry.year))
        once.setdefault(key, one)
    return tuple(once.values())


def _extras(one: reading.ImportedEntry) -> dict[str, Any]:
    said = {
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "poster_cached_at": one.poster_cached_at if one.entry.poster_url else None,
    }
    return {name: at for name, at in said.items() if at is not None}


def _files_in(images: Path) -> dict[str, Path]:
    """By their names without extensions; also of ListSync's own folder, or its `data`. Raise NotListSync for what is no folder."""
    if not images.is_dir():
        raise reading.NotListSync(f"There is no folder {images}.")
    inside = (images / one for one in ("data/images", "images"))
    folder = next((one for one in inside if one.is_dir()), images)
    try:
        return {
            path.stem: path
            for path in sorted(folder.iterdir(), reverse=True)
            if path.suffix.lower() in EXTENSIONS and not path.is_symlink() and path.is_file()
        }
    except OSError as error:
        raise reading.NotListSync(f"The folder {folder} cannot be read: {error.strerror}.") from None


@dataclass(frozen=True, slots=True)
class PictureFiles:
    """ListSync's pictures: files that are called by the first 32 hex digits of their URL's SHA-256, which is our picture id;
    of some older ones the bytes are in the database.
    """

    database: Path
    pictures: Mapping[PictureId, reading.ImportedPicture]
    files: Mapping[str, Path]

    async def adopt(self, adopting: Adopting, progress: Progress, *, dry_run: bool) -> None:
        """Those that are not stored yet, some at once, and when each was looked at there is kept."""
        missing = await self._missing(adopting.pictures, progress, dry_run=dry_run)
        batches = [missing[first : first + IN_A_JOB] for first in range(0, len(missing), IN_A_JOB)]
        await several(
            _each(batches),
            lambda batch: self._adopt(batch, adopting, progress),
            progress,
            at_once=JOBS_AT_ONCE,
        )
        for name in sorted(self.files.keys() - self.pictures.keys()):
            progress.error(
                self.files[name].name, f"{self.files[name].name}: no row says where this picture is from."
            )

    async def _missing(
        self, pictures: Pictures, progress: Progress, *, dry_run: bool
    ) -> Sequence[reading.ImportedPicture]:
        """What is to be adopted; of all else it is told what becomes of it."""
        missing = []
        for picture, known in self.pictures.items():
            progress.step()
            if await pictures.current(picture):
                progress.item(str(known.source), "picture was stored")
            elif picture not in self.files and known.rowid is None:
                downloaded = known.path or known.fetched_at
                outcome = "picture file missing" if downloaded else "picture not downloaded there"
                progress.item(str(known.source), outcome)
            elif dry_run:
                progress.item(str(known.source), "picture would be adopted")
            else:
                missing.append(known)
        return missing

    async def _adopt(
        self, batch: Sequence[reading.ImportedPicture], adopting: Adopting, progress: Progress
    ) -> None:
        sent: list[tuple[reading.ImportedPicture, int, str]] = []
        unreadable: list[tuple[SourceUrl, OSError | reading.NotListSync]] = []

        def bodies() -> Iterator[bytes]:
            for known in batch:
                try:
                    body = self._body(known)
                except (OSError, reading.NotListSync) as error:
                    unreadable.append((known.source, error))
                else:
                    sent.append((known, len(body), hashlib.sha256(body).hexdigest()))
                    yield body

        inbox_ids = await adopting.inbox.put_all(bodies())
        for source, error in unreadable:
            progress.item(str(source), "picture not readable")
            progress.error(str(source), f"{source}: {error}")
        if not sent:
            return
        job = AdoptPictures(
            files=tuple(
                AdoptedFile(inbox=id_, sha256=sha256, source_url=known.source, fetched_at=known.fetched_at)
                for id_, (known, _, sha256) in zip(inbox_ids, sent, strict=True)
            )
        )
        sizes = {known.source: size for known, size, _ in sent}
        stored = await adopting.syncing.adopt(sizes, partial(adopting.finder.adopt, job), progress)
        looked_at = {picture: self.pictures[picture].accessed_at for picture in stored}
        await adopting.note_use({picture: at for picture, at in looked_at.items() if at})

    def _body(self, known: reading.ImportedPicture) -> bytes:
        """Raise OSError and NotListSync."""
        file = self.files.get(known.source.picture)
        if file is None:
            return reading.picture_in(self.database, known.rowid or 0) or b""
        if file.stat().st_size > MAX_FILE_BYTES:
            raise OSError(f"The file has more than {MAX_FILE_BYTES} bytes.")
        return file.read_bytes()


async def _each(batches: Sequence[Batch]) -> AsyncIterator[Batch]:
    for batch in batches:
        yield batch
