"""The export for media servers: the pictures of the shelf as files in a folder of the recordings, kept in step with what is stored."""

import asyncio
import errno
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import structlog
from sqlalchemy import Row, delete, insert, select

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database, DatabaseUnavailable
from services.enricher.streamers import naming, nfo
from services.enricher.streamers.pictures import ShelfPictures
from services.enricher.streamers.placing import (
    ExportFolder,
    Noted,
    OnStep,
    Placed,
    Prepared,
    WantedFile,
    identity_of,
)
from services.enricher.streamers.rows import ALL_AT_MOST, Streamer
from services.enricher.streamers.shelf import StreamShelf
from services.enricher.streamers.tables import exported_files
from shared.background import Background
from shared.contracts import Envelope, PictureStored, changed_pictures
from shared.pictures import ORIGINAL, Format, Kind, Name, PictureId, Rendition, parse_source
from shared.pictures.rendition import ORIGINAL_EXTENSIONS
from shared.queue import Queue, QueueError
from shared.telemetry import utc_now
from shared.volume import Revision, StoredFile

WHOLE_EVERY_S = 3600.0
SOON_S = 1.0
WHOLE_AGAIN_S = 2.0
"""At the earliest, however often something changes."""

AS_JPEG = Rendition("large", Format.JPG)
"""What is exported under `.jpg` where the original is something else."""

FROM_PROFILE = ("poster", "logo", "clearlogo", "season", "season-poster", "folder", "show")
FROM_BANNER = ("banner", "fanart")
FALLBACK = "fallback"
_OF_THE_WHOLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""What says nothing of one file: there is no room, or nothing can be written at all."""

_KINDS = frozenset({Kind.STREAMER, Kind.CATEGORY, Kind.STREAM})
NoteUse = Callable[[Mapping[PictureId, datetime]], Awaitable[None]]
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ExportedPicture:
    """A file that is to be there. `as_jpeg`: it is called .jpg, whatever the original is; else after what the bytes are."""

    path: str
    name: Name
    as_jpeg: bool = True


@dataclass(frozen=True, slots=True)
class Beside:
    """A streamer's own folder among the recordings, and those of its months."""

    streamer: Streamer
    folder: str
    seasons: tuple[nfo.StreamMonth, ...]


class ExportNotes:
    """The table of what we have put there. Raises DatabaseUnavailable. `of`: a word for the folder, where it is not the usual one."""

    def __init__(self, database: Database, of: str = "") -> None:
        self._database = database
        self._before = f"{of}:" if of else ""

    def elsewhere(self, of: str) -> Self:
        return type(self)(self._database, of)

    async def all(self) -> Mapping[str, Sequence[Noted]]:
        """By their paths."""
        notes: dict[str, list[Noted]] = defaultdict(list)
        columns = exported_files.c
        within = columns.path.startswith(self._before or f"{FALLBACK}:", autoescape=True)
        query = select(exported_files).where(within if self._before else ~within).order_by(columns.path)
        for row in await self._database.rows(query, _noted, of=exported_files, limit=20 * ALL_AT_MOST):
            one = replace(row, path=row.path.removeprefix(self._before))
            notes[one.path].append(one)
        return notes

    async def add(self, noted: Noted) -> None:
        columns, path = exported_files.c, self._before + noted.path
        same = (columns.path == path) & (columns.identity == noted.identity)
        values = {"path": path, "identity": noted.identity, "made_of": noted.made_of}

        async def writing(connection: AsyncConnection) -> None:
            await connection.execute(delete(exported_files).where(same))
            await connection.execute(insert(exported_files).values(**values))

        await self._database.write(writing)

    async def keep_only(self, path: str, identity: str | None) -> None:
        """Of what is noted of this path; None: nothing."""
        columns = exported_files.c
        others = delete(exported_files).where(
            columns.path == self._before + path, columns.identity != (identity or "")
        )
        await self._database.write(lambda connection: connection.execute(others))


def _noted(row: Row[Any]) -> Noted:
    return Noted(row.path, row.identity, row.made_of)


@dataclass(slots=True)
class ExportRound:
    """What became of the files of one round."""

    notes: ExportNotes
    placed: int = 0
    removed: int = 0
    foreign: set[str] = field(default_factory=set)


class Export:
    """`images` is the folder of pictures, in the folder of the recordings; `fallback` stands in where it cannot be written."""

    def __init__(
        self,
        images: Path,
        fallback: Path,
        shelf: StreamShelf,
        pictures: ShelfPictures,
        notes: ExportNotes,
        *,
        beside: bool,
        note_use: NoteUse,
        at: OnStep = lambda _step: None,
    ) -> None:
        self._wished, self._fallback = images, fallback
        self._shelf = shelf
        self._pictures = pictures
        self._notes = notes
        self._beside = beside
        self._note_use = note_use
        self._at = at
        self._wake = asyncio.Event()
        self._dirty: set[Name] = set()
        self._whole = True
        self._whole_at = float("-inf")
        self._shown: dict[PictureId, set[Name]] = defaultdict(set)
        self._warned: set[tuple[str, str]] = set()
        self.obstacle: str | None = None
        """Why it is not as it is set, for who looks after the server."""
        self.foreign: frozenset[str] = frozenset()
        """Paths where somebody else's files are."""

    def changed(self) -> None:
        """Something on the shelf is not what it was."""
        self._whole = True
        self._wake.set()

    @asynccontextmanager
    async def keeping_up(self, queue: Queue, background: Background) -> AsyncIterator[None]:
        async with (
            queue.listen(self._hear),
            background.repeating(
                "exporting for media servers",
                self.round,
                every_s=WHOLE_EVERY_S,
                soon_s=SOON_S,
                wake=self._wake,
                expected=(DatabaseUnavailable, QueueError, OSError),
            ),
        ):
            yield

    async def _hear(self, event: Envelope) -> None:
        payload = event.payload
        if isinstance(payload, PictureStored) and payload.name and payload.name.kind in _KINDS:
            self._dirty.add(payload.name)
        for picture in changed_pictures(payload):
            self._dirty |= self._shown.get(picture, set())
        if self._dirty:
            self._wake.set()

    async def round(self) -> bool:
        """What changed, or all of it where that is not known. Whether there is more to do. Raise OSError where nothing can be
        written.
        """
        now = asyncio.get_running_loop().time()
        whole = self._whole and now - self._whole_at >= WHOLE_AGAIN_S
        dirty, self._dirty = self._dirty, set()
        if not (whole or dirty):
            if self._whole:
                return True  # soon
            whole = True  # nothing happened: the hourly look
        if whole:
            self._whole, self._whole_at = False, now
        try:
            await self.bring_up_to_date(None if whole else dirty)
        except BaseException:
            self._whole = True
            raise
        return self._whole or bool(self._dirty)

    async def bring_up_to_date(self, only: set[Name] | None = None) -> ExportRound:
        """All files, or those that show one of these names."""
        folder = await asyncio.to_thread(self._folder)
        done = ExportRound(self._notes_of(folder))
        notes = await done.notes.all()
        besides = await self._besides(folder)
        wanted = [*await self._wanted(), *(one for beside in besides for one in _of_beside(beside))]
        paths: set[str] = set()
        try:
            for one in wanted:
                if only is None or one.name in only:
                    await asyncio.sleep(0)  # looking at the volume lets nobody else go on
                    paths |= await self._export(one, folder, notes, done)
            for beside in besides:
                for file in await self._nfo_of(beside):
                    paths.add(file.path)
                    await self._place(file, folder, notes, done)
            if only is None:
                await self._remove_others(paths, wanted, folder, notes, done)
                await self._note_use(dict.fromkeys(self._shown, utc_now()))
        except OSError as error:
            self.obstacle = f"{folder.root}: {error.strerror}."
            raise
        self._tell(done, whole=only is None)
        return done

    def _notes_of(self, folder: ExportFolder) -> ExportNotes:
        return self._notes if folder.root == self._wished.parent else self._notes.elsewhere(FALLBACK)

    def _folder(self) -> ExportFolder:
        """Raise OSError where not even the fallback can be written."""
        wished = ExportFolder(self._wished.parent, at=self._at)
        try:
            ExportFolder(self._wished).check()
        except OSError as error:
            fallback = ExportFolder(self._fallback, at=self._at)
            ExportFolder(self._fallback / self._wished.name).check()
            self.obstacle = (
                f"{self._wished} cannot be written ({error.strerror}): it is exported to {self._fallback}."
            )
            return fallback
        self.obstacle = None
        return wished

    async def _wanted(self) -> Sequence[ExportedPicture]:
        images = self._wished.name
        wanted = []
        for streamer in await self._shelf.streamers.some():
            wanted.append(
                ExportedPicture(
                    f"{images}/profiles/profile_avatar_{streamer.id}", naming.profile_of(streamer.id)
                )
            )
            if streamer.offline_source:
                wanted.append(
                    ExportedPicture(f"{images}/banners/banner_{streamer.id}", naming.banner_of(streamer.id))
                )
        wanted += [
            ExportedPicture(f"{images}/categories/{one.file_name}", naming.cover_of(one.cover_id))
            for one in await self._shelf.categories.some()
        ]
        wanted += [
            ExportedPicture(
                f"{images}/artwork/{naming.artwork_folder(one.streamer_id)}/stream_{one.id}",
                naming.artwork_of(one.id),
            )
            for one in await self._shelf.streams.some()
            if one.artwork_source
        ]
        return wanted

    async def _besides(self, folder: ExportFolder) -> Sequence[Beside]:
        """Folders that are there already, among the recordings themselves, and are called as a streamer is; where two are called so,
        they are of the one who came first.
        """
        if not self._beside or folder.root != self._wished.parent:
            return ()
        there = dict(await asyncio.to_thread(_folders_in, folder.root))
        found = []
        for streamer in await self._shelf.streamers.some():
            for name in (streamer.display_name, streamer.login):
                if name and (called := there.pop(name.casefold(), None)):
                    inside = await asyncio.to_thread(_folders_in, folder.root / called)
                    seasons = tuple(season for one in inside.values() if (season := nfo.season_in(one)))
                    found.append(Beside(streamer, called, seasons))
                    break
        return found

    async def _export(
        self,
        one: ExportedPicture,
        folder: ExportFolder,
        notes: Mapping[str, Sequence[Noted]],
        done: ExportRound,
    ) -> set[str]:
        """The path that it has. Where nothing is stored, or not as it has to be, what is there stays."""
        name = await self._shown_by(one)
        revision = await self._pictures.revision(name)
        if revision is None:
            return {path for path in notes if path.rpartition(".")[0] == one.path}
        self._shown[revision.picture].add(name)
        file = await self._file_of(revision, as_jpeg=one.as_jpeg)
        if file is None:
            await self._have_jpeg(name, revision)
            return {path for path in notes if path.rpartition(".")[0] == one.path}
        path = f"{one.path}.{file.extension}"
        if not one.as_jpeg and (others := await asyncio.to_thread(_others, folder, path, notes)):
            done.foreign |= others
            return set()
        content = Path(file.local.path) if file.local else await file.content.whole()
        await self._place(WantedFile(path, f"{revision.id}/{file.file_name}", content), folder, notes, done)
        return {path}

    async def _shown_by(self, one: ExportedPicture) -> Name:
        """The banner's place is the profile's where there is no picture of who is offline."""
        if one.path.rpartition("/")[2] not in FROM_BANNER or await self._pictures.is_stored(one.name):
            return one.name
        return naming.profile_of(one.name.id)

    async def _file_of(self, revision: Revision, *, as_jpeg: bool) -> StoredFile | None:
        file = await self._pictures.stored.find(revision.picture, (ORIGINAL,))
        if file and not file.is_spooled and (not as_jpeg or file.extension == Format.JPG):
            return file
        return await self._pictures.stored.find(revision.picture, (AS_JPEG,))

    async def _have_jpeg(self, name: Name, revision: Revision) -> None:
        """Made; the event that tells of it brings us here again."""
        source = parse_source(revision.manifest.source_url)
        await self._pictures.finder.make(source, AS_JPEG, name)

    async def _nfo_of(self, beside: Beside) -> Sequence[WantedFile]:
        """Written once there is a picture that they can name."""
        streamer = beside.streamer
        profile = await self._pictures.revision(naming.profile_of(streamer.id))
        if profile is None:
            return ()
        image = f"{self._wished.name}/profiles/profile_avatar_{streamer.id}.jpg"
        art = await self._pictures.revision(naming.banner_of(streamer.id)) or profile
        file = await self._file_of(art, as_jpeg=False)
        extension = file.extension if file else Format.JPG.value
        show = nfo.NfoPictures(nfo.from_folder(1, image), f"banner.{extension}", f"fanart.{extension}")
        month = nfo.NfoPictures(nfo.from_folder(2, image))
        written = [_text_file(f"{beside.folder}/tvshow.nfo", nfo.tvshow_nfo(streamer, show))]
        written += [
            _text_file(f"{beside.folder}/{season.folder}/season.nfo", nfo.season_nfo(streamer, season, month))
            for season in beside.seasons
        ]
        return written

    async def _place(
        self,
        wanted: WantedFile,
        folder: ExportFolder,
        notes: Mapping[str, Sequence[Noted]],
        done: ExportRound,
    ) -> None:
        try:
            prepared = await asyncio.to_thread(folder.prepare, wanted, notes.get(wanted.path, ()))
            if isinstance(prepared, Prepared):
                placed = await self._name(prepared, folder, done)
            else:
                placed = prepared
        except FileNotFoundError:
            self._whole = True  # another revision took the place of what was to be linked
            return
        except OSError as error:
            if error.errno in _OF_THE_WHOLE:
                raise
            self._warn(wanted.path, error.strerror or str(error))
            return
        if placed is Placed.NOT_OURS:
            done.foreign.add(wanted.path)
        elif placed is Placed.PLACED:
            done.placed += 1

    def _warn(self, path: str, reason: str) -> None:
        """Once of each folder: every round tries again."""
        about = (path.rpartition("/")[0], reason)
        if about not in self._warned:
            self._warned.add(about)
            _log.warning("not exported", path=path, reason=reason)

    async def _name(self, prepared: Prepared, folder: ExportFolder, done: ExportRound) -> Placed:
        noted = prepared.noted
        try:
            await done.notes.add(noted)
            placed = await asyncio.to_thread(folder.place, prepared)
        finally:
            prepared.drop()
        if placed is Placed.PLACED:
            await done.notes.keep_only(noted.path, noted.identity)
        return placed

    async def _remove_others(
        self,
        paths: set[str],
        wanted: Iterable[ExportedPicture],
        folder: ExportFolder,
        notes: Mapping[str, Sequence[Noted]],
        done: ExportRound,
    ) -> None:
        """What nothing on the shelf has any more, as far as it is ours; and parts that were left."""
        for path, known in notes.items():
            if path in paths:
                continue
            if await asyncio.to_thread(folder.remove, path, known):
                done.removed += 1
            else:
                done.foreign.add(path)
            await done.notes.keep_only(path, None)
        folders = {folder.root / Path(one.path).parent for one in wanted}
        for one in sorted(folders | {folder.root, folder.root / self._wished.name}):
            await asyncio.to_thread(folder.sweep, one)

    def _tell(self, done: ExportRound, *, whole: bool) -> None:
        if whole:
            self.foreign = frozenset(done.foreign)
        if done.placed or done.removed or done.foreign:
            _log.info("exported", placed=done.placed, removed=done.removed, not_ours=len(done.foreign))


def _of_beside(beside: Beside) -> Iterator[ExportedPicture]:
    profile, banner = naming.profile_of(beside.streamer.id), naming.banner_of(beside.streamer.id)
    for called in FROM_PROFILE:
        yield ExportedPicture(f"{beside.folder}/{called}", profile, as_jpeg=False)
    for called in FROM_BANNER:
        yield ExportedPicture(f"{beside.folder}/{called}", banner, as_jpeg=False)
    for season in beside.seasons:
        yield ExportedPicture(f"{beside.folder}/season{season.number}-poster", profile, as_jpeg=False)
        yield ExportedPicture(f"{beside.folder}/{season.folder}/poster", profile, as_jpeg=False)


def _folders_in(folder: Path) -> Mapping[str, str]:
    """By their names without regard to case; hidden ones are none."""
    try:
        return {
            one.name.casefold(): one.name
            for one in os.scandir(folder)
            if one.is_dir() and not one.name.startswith(".")
        }
    except OSError:
        return {}


def _others(folder: ExportFolder, path: str, notes: Mapping[str, Sequence[Noted]]) -> set[str]:
    """Somebody else's pictures that are called the same but for what they are: there ours would only be in the way."""
    stem = path.rpartition(".")[0]
    others = {f"{stem}.{extension}" for extension in ORIGINAL_EXTENSIONS}
    return {one for one in others if one not in notes and identity_of(folder.root / one) is not None}


def _text_file(path: str, body: bytes) -> WantedFile:
    return WantedFile(path, f"text:{sha256(body).hexdigest()[:16]}", body)
