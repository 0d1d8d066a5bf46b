"""Names, the inbox and the pauses of hosts, as links and small files."""

import asyncio
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from shared.pictures import Failure, Name, PictureId, Tree, name_failure_path, name_path, picture_path
from shared.pictures.source import parse_picture_id
from shared.volume.local.durable import flush, make_directories, read_whole, replace_link, replace_text
from shared.volume.local.layout import Layout
from shared.volume.local.pins import pinned_names
from shared.volume.local.refusals import Refusals
from shared.volume.port import HostPause

REMEMBERED_AT_MOST = 4096
"""Names whose places are not worked out anew."""


class LocalNames:
    """`Names` below one directory. Looking takes microseconds, so it stays on the event loop."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._refusals = Refusals(layout)
        self._link = lru_cache(REMEMBERED_AT_MOST)(self._link_of)
        self._refusal = lru_cache(REMEMBERED_AT_MOST)(self._refusal_of)

    async def picture(self, name: Name) -> PictureId | None:
        return self._shown(name)

    def _shown(self, name: Name) -> PictureId | None:
        points_to = _target_of(self._link(name))
        try:
            return parse_picture_id(points_to.rpartition("/")[2]) if points_to else None
        except ValueError:
            return None

    async def failure(self, name: Name) -> Failure | None:
        if failure := self._refusals.find(name):
            return failure
        try:  # as an earlier version wrote it
            return Failure.model_validate_json(read_whole(self._refusal(name)))
        except (OSError, ValidationError):
            return None

    def _link_of(self, name: Name) -> str:
        return self._layout.place_below(name_path(name))

    def _refusal_of(self, name: Name) -> str:
        return self._layout.place_below(name_failure_path(name))


class LocalNameStore(LocalNames):
    """`NameStore` below one directory."""

    async def point(self, name: Name, picture: PictureId) -> None:
        if not self._shows(name, picture):
            await asyncio.to_thread(self._point, name, picture)

    def _shows(self, name: Name, picture: PictureId) -> bool:
        """Already, as its commit leaves it, and nothing is remembered against it."""
        return (
            _target_of(link := self._link(name)) == self._target(link, picture)
            and not self._refusals.find(name)
            and not os.path.lexists(self._refusal(name))
        )

    def _point(self, name: Name, picture: PictureId) -> None:
        for one in self.put(name, picture):
            flush(one)

    def put_unless_pinned(self, name: Name, picture: PictureId) -> Sequence[Path]:
        """The same for a name that does not show what is pinned to it."""
        shown = self._shown(name)
        if shown and shown != picture and name in pinned_names(self._layout, shown):
            return ()
        return self.put(name, picture)

    def put(self, name: Name, picture: PictureId) -> Sequence[Path]:
        """Point it, in a thread. What is to be flushed then."""
        link, unflushed = self._link(name), list[Path]()
        target = self._target(link, picture)
        if _target_of(link) != target:
            put = partial(replace_link, Path(link), target, aside=self._layout.scratch)
            unflushed = _put(Path(link).parent, put)
        self._forget(name)
        return unflushed

    def _target(self, link: str, picture: PictureId) -> str:
        kept = os.path.isdir(self._layout.picture_at(Tree.KEEP, picture))  # noqa: PTH112 - for each miss by name
        place = f"{self._layout.root}/{picture_path(Tree.KEEP if kept else Tree.CACHE, picture)}"
        return os.path.relpath(place, link.rpartition("/")[0])

    async def refuse(self, name: Name, failure: Failure) -> None:
        await asyncio.to_thread(self._refuse, name, failure)

    def _refuse(self, name: Name, failure: Failure) -> None:
        self._refusals.put(name, failure)
        Path(self._refusal(name)).unlink(missing_ok=True)

    async def remove(self, name: Name) -> None:
        await asyncio.to_thread(self._remove, name)

    def _remove(self, name: Name) -> None:
        link = Path(self._link(name))
        self._forget(name)
        if link.parent.is_dir():
            link.unlink(missing_ok=True)
            flush(link.parent)

    def _forget(self, name: Name) -> None:
        self._refusals.forget(name)
        Path(self._refusal(name)).unlink(missing_ok=True)


def _target_of(link: str) -> str | None:
    try:
        return os.readlink(link)  # noqa: PTH115 - who waits for a name looks again and again
    except OSError:
        return None


def _put(directory: Path, put: Callable[[], None]) -> list[Path]:
    """Have something put into a directory that may not be there yet; once more where it was swept away, being empty. What is to be
    flushed then.
    """
    for is_last in (False, True):
        unflushed = make_directories(directory)
        try:
            put()
        except FileNotFoundError:
            if is_last:
                raise
        else:
            return [*unflushed, directory]
    raise AssertionError


_PLAIN = re.compile(r"[a-z0-9][a-z0-9.:_-]{0,199}", re.ASCII)


class LocalInbox:
    """`Inbox` in one directory."""

    def __init__(self, layout: Layout) -> None:
        self._directory = layout.inbox

    async def put(self, body: bytes) -> str:
        return (await self.put_all([body]))[0]

    async def put_all(self, bodies: Iterable[bytes]) -> Sequence[str]:
        return await asyncio.to_thread(self._put_all, bodies)

    def _put_all(self, bodies: Iterable[bytes]) -> Sequence[str]:
        inbox_ids = [self._written(body) for body in bodies]
        flush(self._directory)
        return inbox_ids

    def _written(self, body: bytes) -> str:
        inbox_id = uuid.uuid4().hex
        file = self._directory / inbox_id
        try:
            file.write_bytes(body)
            flush(file)
        except OSError:  # a full disk takes no leftovers
            file.unlink(missing_ok=True)
            raise
        return inbox_id

    async def copy(self, inbox_id: str, into: Path) -> bool:
        return bool(await self.copy_all({inbox_id: into}))

    async def copy_all(self, wanted: Mapping[str, Path]) -> Collection[str]:
        return await asyncio.to_thread(self._copy_all, wanted)

    def _copy_all(self, wanted: Mapping[str, Path]) -> Collection[str]:
        there = []
        for inbox_id, into in wanted.items():
            with suppress(FileNotFoundError):
                _link_or_copy(self._file(inbox_id), into)
                there.append(inbox_id)
        return there

    async def remove(self, inbox_id: str) -> None:
        self._file(inbox_id).unlink(missing_ok=True)

    def _file(self, inbox_id: str) -> Path:
        return self._directory / uuid.UUID(inbox_id).hex


def _link_or_copy(file: Path, into: Path) -> None:
    """Nobody writes to either: what is on the disk already need not be written, nor flushed, once more."""
    into.unlink(missing_ok=True)
    try:
        os.link(file, into)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links
        shutil.copyfile(file, into)


class PauseFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    host: str
    until: AwareDatetime
    in_a_row: int = 0
    failing: bool = False

    @property
    def pause(self) -> HostPause:
        return HostPause(self.until, self.in_a_row, self.failing)


class LocalHostPauses:
    """`HostPauses` below one directory."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    async def pause_of(self, authority: str) -> HostPause | None:
        try:
            return PauseFile.model_validate_json(self._file(authority).read_bytes()).pause
        except (OSError, ValidationError):
            return None

    async def pause(self, authority: str, pause: HostPause) -> None:
        stored = PauseFile(host=authority, until=pause.until, in_a_row=pause.in_a_row, failing=pause.failing)
        target, text = self._file(authority), stored.model_dump_json()
        await asyncio.to_thread(replace_text, target, text, aside=self._layout.scratch)

    async def forget(self, authority: str) -> None:
        self._file(authority).unlink(missing_ok=True)

    async def all(self) -> Mapping[str, HostPause]:
        return await asyncio.to_thread(self._all)

    def _all(self) -> Mapping[str, HostPause]:
        found = {}
        for file in self._layout.hosts.glob("*.json"):
            with suppress(OSError, ValidationError):
                stored = PauseFile.model_validate_json(file.read_bytes())
                found[stored.host] = stored.pause
        return found

    def _file(self, authority: str) -> Path:
        """Named by the host where that is a plain name; an address in brackets or an overlong one is hashed."""
        plain = _PLAIN.fullmatch(authority)
        stem = authority if plain else hashlib.sha256(authority.encode()).hexdigest()
        return self._layout.hosts / f"{stem}.json"
