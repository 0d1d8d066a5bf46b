"""Taking over StreamVault's folder of pictures: a task, which may be done again and again. Nothing in the folder is changed."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from services.enricher.finder.providers.errors import ProviderError
from services.enricher.finder.providers.twitch.client import in_requests
from services.enricher.library.listsync.importing import (
    EXTENSIONS,
    IN_A_JOB,
    JOBS_AT_ONCE,
    MAX_FILE_BYTES,
    Adopting,
)
from services.enricher.library.sync import several
from services.enricher.streamers import naming
from services.enricher.streamers.pictures import ShelfPictures
from services.enricher.streamers.refreshing import StreamerRefresh
from services.enricher.streamers.rows import Category, NewCategory
from services.enricher.streamers.shelf import StreamShelf
from services.enricher.streamers.tables import streamers, streams
from services.enricher.tasks.task import Progress, TaskFailed, patiently
from shared.contracts import AdoptedFile, AdoptPictures
from shared.pictures import Name, SourceUrl, Upload

_Thing = TypeVar("_Thing")
FOLDERS = (".images", ".media")
PATIENCE_S = 60.0
LATER = timedelta(hours=1)
"""Then Twitch is asked about what came with the files: by then they are here, and nothing is downloaded that lies there."""

_NUMBERED = (
    (re.compile(r"profiles/(?:profile_avatar|streamer)_([0-9]{1,20})", re.ASCII), naming.profile_of),
    (re.compile(r"banners/banner_([0-9]{1,20})", re.ASCII), naming.banner_of),
)
_ARTWORK = re.compile(r"artwork/(?:profile_avatar_|streamer_)?([0-9]{1,20})/stream_([0-9]{1,20})", re.ASCII)
_COVER = re.compile(r"categories/([^/]+)")
_LONGEST_NUMBER = 18
"""Digits of what can be a number of ours."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A picture in the folder. `path` is below it, without the extension."""

    file: Path
    path: str


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What it shows. `source` None: nobody knows where it came from; it is kept as bytes that nobody else has."""

    file: Path
    name: Name
    source: SourceUrl | None


class ImportStreamVault:
    """The work of a task: `directory`, a tree of StreamVault's; `ids`, whether numbers in its names are ours (`internal`) or Twitch's
    (`twitch`), or empty where that can be seen; `dry_run` only says what would come.
    """

    KIND = "import streamvault"

    def __init__(
        self, shelf: StreamShelf, pictures: ShelfPictures, refreshing: StreamerRefresh, adopting: Adopting
    ) -> None:
        self._shelf = shelf
        self._pictures = pictures
        self._refreshing = refreshing
        self._adopting = adopting

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        """Raise TaskFailed, having imported nothing."""
        dry_run = bool(arguments["dry_run"])
        found = await asyncio.to_thread(lambda: list(_files_in(Path(str(arguments["directory"])))))
        progress.total = len(found)
        by_twitch = await self._are_twitchs(str(arguments["ids"] or ""), found)
        if by_twitch and not dry_run:
            await self._add_streamers(_numbers(found))
        known = []
        for one in found:
            progress.step()
            file = await self._known(one, progress, by_twitch=by_twitch, dry_run=dry_run)
            if file is None:
                continue
            if await self._pictures.is_stored(file.name):
                progress.item(one.path, "picture was stored")
            elif dry_run:
                progress.item(one.path, "picture would be adopted")
            else:
                known.append(file)
        with_source = {one.source: one for one in known if one.source}
        batches = list(_batches(list(with_source.values())))
        await several(_each(batches), partial(self._adopt, progress=progress), progress, at_once=JOBS_AT_ONCE)
        await several(
            _each([one for one in known if one.source is None]),
            partial(self._upload, progress=progress),
            progress,
            at_once=JOBS_AT_ONCE,
        )
        self._refreshing.changed()

    async def _are_twitchs(self, ids: str, found: Sequence[FoundFile]) -> bool:
        numbers = _numbers(found)
        if ids or not numbers:
            return ids == "twitch"
        rows = await self._shelf.streamers.some()
        ours = numbers <= {str(one.id) for one in rows}
        twitchs = numbers <= {one.twitch_id for one in rows}
        if ours == twitchs:
            raise TaskFailed(
                "The files' names cannot tell whose numbers are in them: say ids, internal (the streamers' numbers here) or twitch."
            )
        return twitchs

    async def _add_streamers(self, numbers: Iterable[str]) -> None:
        """With where their pictures come from, as far as Twitch says it now."""
        added = await self._shelf.add_streamers(twitch_ids=sorted(numbers), check_in=LATER)
        new = [one for one in added if one.checked_at is None]
        with suppress(ProviderError):
            for some in in_requests(new):
                await self._refreshing.streamers(some, order=False)

    async def _known(
        self, one: FoundFile, progress: Progress, *, by_twitch: bool, dry_run: bool
    ) -> KnownFile | None:
        """What it shows; None: nothing that is here, which is told."""
        for pattern, named in _NUMBERED:
            if found := pattern.fullmatch(one.path):
                name = await self._of_streamer(found[1], by_twitch=by_twitch)
                return await self._sourced(one, named(name) if name else None, progress, "no such streamer")
        if found := _ARTWORK.fullmatch(one.path):
            number = await self._of_stream(found[2], by_twitch=by_twitch)
            name_of = naming.artwork_of(number) if number else None
            return await self._sourced(one, name_of, progress, "no such stream")
        if found := _COVER.fullmatch(one.path):
            category = await self._category(found[1], dry_run=dry_run)
            if category is None and dry_run:
                progress.item(one.path, "picture would be adopted")
                return None
            cover = naming.cover_of(category.cover_id) if category else None
            return await self._sourced(one, cover, progress, "no such category")
        progress.item(one.path, "not of StreamVault")
        return None

    async def _sourced(
        self, one: FoundFile, name: Name | None, progress: Progress, lack: str
    ) -> KnownFile | None:
        if name is None:
            progress.item(one.path, lack)
            return None
        return KnownFile(one.file, name, await self._shelf.source_of(name))

    async def _of_streamer(self, number: str, *, by_twitch: bool) -> int | None:
        if by_twitch:
            known = await self._shelf.streamers.one(streamers.c.twitch_id == number)
        else:
            known = await self._shelf.streamers.get(int(number)) if len(number) <= _LONGEST_NUMBER else None
        return known.id if known else None

    async def _of_stream(self, number: str, *, by_twitch: bool) -> int | None:
        stream = await self._shelf.streams.one(streams.c.twitch_id == number)
        if stream is None and not by_twitch and len(number) <= _LONGEST_NUMBER:
            stream = await self._shelf.streams.get(int(number))
        return stream.id if stream else None

    async def _category(self, file_name: str, *, dry_run: bool) -> Category | None:
        """The one whose file is called so: here, at Twitch, or else one of which nothing is known but its file."""
        if known := await self._shelf.category_called(file_name):
            return known
        if dry_run:
            return None
        name = file_name
        with suppress(ProviderError):
            for game in await self._refreshing.search(file_name.replace("_", " ")):
                with suppress(ValueError):
                    if naming.file_name_of(game.name) == file_name:
                        new = NewCategory(game.name, game.id, game.box_art_url)
                        return (await self._shelf.add_categories([new], check_in=LATER))[0]
        with suppress(ValueError):
            return (await self._shelf.add_categories([NewCategory(name)], check_in=LATER))[0]
        return None

    async def _adopt(self, batch: Sequence[KnownFile], progress: Progress) -> None:
        """As if they had been downloaded from where they come."""
        files, sizes, names = [], {}, {}
        for one in batch:
            if (body := await self._body(one, progress)) is None or one.source is None:
                continue
            files.append(
                AdoptedFile(
                    inbox=await self._adopting.inbox.put(body),
                    sha256=hashlib.sha256(body).hexdigest(),
                    source_url=one.source,
                    fetched_at=datetime.fromtimestamp(one.file.stat().st_mtime, UTC),
                )
            )
            sizes[one.source], names[one.source.picture] = len(body), one.name
        if not files:
            return
        job = AdoptPictures(files=tuple(files))
        stored = await self._adopting.syncing.adopt(
            sizes, partial(self._adopting.finder.adopt, job), progress
        )
        for picture in stored:
            await patiently(partial(self._adopting.finder.renew, names[picture]), progress)

    async def _upload(self, one: KnownFile, progress: Progress) -> None:
        """As bytes that nobody else has, until Twitch says where its own are."""
        if (body := await self._body(one, progress)) is None:
            return
        upload = Upload(hashlib.sha256(body).hexdigest())
        finder, inbox = self._adopting.finder, self._adopting.inbox
        async with finder.wait(picture=upload.picture) as waiter:
            await patiently(partial(finder.store, await inbox.put(body), upload), progress)
            try:
                failure = await waiter.outcome(PATIENCE_S)
            except TimeoutError:
                progress.item(str(one.name), "picture pending")
                return
        if failure:
            progress.item(str(one.name), "picture refused", failure=failure)
            return
        await patiently(partial(finder.point, one.name, upload.picture), progress)
        progress.item(str(one.name), "picture adopted", size=len(body))

    async def _body(self, one: KnownFile, progress: Progress) -> bytes | None:
        try:
            return await asyncio.to_thread(_read, one.file)
        except OSError as error:
            progress.item(str(one.name), "picture not readable")
            progress.error(str(one.name), f"{one.file.name}: {error}")
            return None


def _files_in(directory: Path) -> Iterator[FoundFile]:
    """Of the tree itself, or of what is hidden in it. Raise TaskFailed for what is no folder."""
    try:
        roots = [directory / one for one in FOLDERS if (directory / one).is_dir()] or [directory]
        is_there = directory.is_dir()
    except OSError:  # as of a name that is too long to be one
        is_there = False
    if not is_there:
        raise TaskFailed(f"There is no folder {directory}.")
    for root in roots:
        for folder in ("profiles", "banners", "categories", "artwork"):
            for file in sorted((root / folder).rglob("*")):
                if file.suffix.lower() in EXTENSIONS and not file.is_symlink() and file.is_file():
                    yield FoundFile(file, str(file.relative_to(root).with_suffix("")))


def _numbers(found: Iterable[FoundFile]) -> set[str]:
    """Of streamers, in the names of files."""
    numbers = {
        match[1] for one in found for pattern, _ in _NUMBERED if (match := pattern.fullmatch(one.path))
    }
    return numbers | {match[1] for one in found if (match := _ARTWORK.fullmatch(one.path))}


def _read(file: Path) -> bytes:
    """Raise OSError."""
    if file.stat().st_size > MAX_FILE_BYTES:
        raise OSError(f"The file has more than {MAX_FILE_BYTES} bytes.")
    return file.read_bytes()


def _batches(files: Sequence[KnownFile]) -> Iterator[Sequence[KnownFile]]:
    for first in range(0, len(files), IN_A_JOB):
        yield files[first : first + IN_A_JOB]


async def _each(things: Iterable[_Thing]) -> AsyncIterator[_Thing]:
    for thing in things:
        yield thing
