"""Copying a volume into another, while the site runs on the first one; done again, it does what is left."""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from services.command.server import CommandFailed, sentences_in
from shared.pictures import Name, PictureId
from shared.pictures.paths import is_spool
from shared.volume import (
    Draft,
    PictureStore,
    Revision,
    RevisionGone,
    StoredFile,
    StoredVideo,
    Superseded,
    VideoFiles,
    VolumeAway,
    VolumeSettings,
    WriteVolume,
    volume_to_write,
)

T = TypeVar("T")
AT_ONCE = 8
PIECE_BYTES = 1024 * 1024
AGAIN_AFTER_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""A store that wants to be asked less, or is away for a moment, ends no copy of hours."""


def copy(source: str, target: str, *, on_picture: Callable[[], object]) -> Counter[str]:
    """From URL to URL; how many pictures and names were `copied`, were `there`, or `changed` meanwhile. `on_picture` hears of each.

    Raises CommandFailed for what is no volume, VolumeRefused, VolumeAway and OSError.
    """
    if source == target:
        raise CommandFailed("Both are the same volume.")
    here, there = _settings(source), _settings(target)
    if here.objects is None and not here.root.is_dir():
        raise CommandFailed(f"There is no volume at {source}: {here.root} is no directory.")
    return asyncio.run(_copy(here, there, on_picture))


def _settings(url: str) -> VolumeSettings:
    try:
        return VolumeSettings(volume_url=url)
    except ValidationError as error:
        raise CommandFailed(f"{url} is no volume. {' '.join(sentences_in(error))}") from None


async def _copy(
    source: VolumeSettings, target: VolumeSettings, on_picture: Callable[[], object]
) -> Counter[str]:
    with volume_to_write(source) as old, volume_to_write(target) as new:
        return await copy_all(old, new, on_picture=on_picture)


async def copy_all(old: WriteVolume, new: WriteVolume, *, on_picture: Callable[[], object]) -> Counter[str]:
    """Pictures first, and then the names: what a name shows is there. Videos last, which take longest."""
    done: Counter[str] = Counter()
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(picture: PictureId) -> None:
        try:
            done[await _patiently(partial(copy_picture, old, new, picture))] += 1
        except (FileNotFoundError, Superseded, RevisionGone):
            done["changed"] += 1
        finally:
            limit.release()
            on_picture()

    try:
        async with asyncio.TaskGroup() as group:
            async for picture in old.pictures.pictures():
                await limit.acquire()
                group.create_task(one(picture))
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    async for name, picture in old.shown():
        if await _patiently(partial(copy_name, new, name, picture)):
            done["names"] += 1
    for video in await old.videos.all():
        if await _patiently(partial(copy_video, video, new.videos)):
            done["videos"] += 1
            on_picture()
    return done


async def _patiently(copying: Callable[[], Awaitable[T]]) -> T:
    """Raise VolumeAway where one of the volumes is away for longer than a minute."""
    for again_after_s in AGAIN_AFTER_S:
        try:
            return await copying()
        except VolumeAway:
            await asyncio.sleep(again_after_s)
    return await copying()


async def copy_name(new: WriteVolume, name: Name, picture: PictureId) -> bool:
    """False: it shows that already."""
    if await new.names.picture(name) == picture:
        return False
    await new.names.point(name, picture)
    return True


async def copy_video(video: StoredVideo, into: VideoFiles) -> bool:
    """As old as it is, where the other volume can tell. False: it is there already."""
    if await into.find(video.name) is not None:
        return False
    draft = into.draft()
    try:
        with draft.open("wb") as out:
            for first in range(0, video.size, PIECE_BYTES):
                async for piece in video.content.part(first, min(PIECE_BYTES, video.size - first)):
                    out.write(piece)
        os.utime(draft, (video.modified_s, video.modified_s))
        await into.put(video.name, draft, is_private=video.is_private)
        return True
    finally:
        draft.unlink(missing_ok=True)


async def copy_picture(old: WriteVolume, new: WriteVolume, picture: PictureId) -> str:
    """`copied`, `there`, or `nothing`, where only a failure is remembered."""
    revision = await old.pictures.current(picture)
    if revision is None:
        return "nothing"
    there, pins = await new.pictures.current(picture), await old.pins.names(picture)
    held = there.files if there and there.id == revision.id else frozenset[str]()
    lacking = {name for name in revision.files - held if not is_spool(name)}
    if lacking or not held:
        async with new.pictures.draft() as draft:
            await _fill(draft, old.pictures, revision, lacking)
            await new.pictures.commit(
                picture,
                revision.id,
                draft,
                revision.manifest,
                await old.pictures.state(picture),
                expected=there.id if there else None,
                into=revision.tree,
            )
    unpinned = [name for name in pins if not await new.pins.holds(picture, name)]
    for name in unpinned:
        await new.pins.pin(picture, name)
    return "copied" if lacking or not held or unpinned else "there"


async def _fill(draft: Draft, pictures: PictureStore, revision: Revision, names: set[str]) -> None:
    for name in sorted(names):
        file = await pictures.at(revision.picture, revision.id, name)
        if file is None:
            raise FileNotFoundError(name)
        await _write(file, draft.directory / name)


async def _write(file: StoredFile, target: Path) -> None:
    """In one request of a store, which sends it piece by piece; of a file, in as many reads as that takes."""
    at_once = PIECE_BYTES if file.local else file.bytes
    with target.open("wb") as out:
        for first in range(0, file.bytes, at_once):
            async for piece in file.content.part(first, min(at_once, file.bytes - first)):
                out.write(piece)
