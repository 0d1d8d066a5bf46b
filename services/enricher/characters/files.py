"""Pictures that an operator puts into folders, found by their files' names; watched without a look at a disk in the loop."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Self

import structlog

from services.enricher.characters.matching import folded
from shared.background import Background

EXTENSIONS = ("jpg", "png", "jpeg", "webp", "avif", "gif", "bmp", "heic", "heif", "tif", "tiff", "svg")
"""As they are preferred where a picture is there twice."""

PATTERNS = ("character_specific_image_{name}", "{name}_profile", "{name}")
ACTOR_PATTERN = "actor_specific_image_{name}"
MAX_FILES = 100_000
TOLD_AT_ONCE = 1000
MAX_BYTES = 50 * 1024 * 1024
LOOK_EVERY_S = 30.0
"""Where a change was not heard of: on file systems of a network nobody hears of any."""

HEAR_EVERY_MS = 2000
"""How often it is looked whether the folders are those that are watched."""

LOOK_SOON_S = 0.2
"""After a change: several come together."""

_log = structlog.get_logger()


def described(name: str) -> str:
    """As SceneXtras writes a name in a file's: lower case, spaces and slashes as underscores."""
    return re.sub(r"[ /]", "_", name.strip().lower())


@dataclass(frozen=True, slots=True)
class CharacterFile:
    path: Path
    size: int
    changed_ns: int

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True, slots=True)
class FileIndex:
    """Files by their names without extensions, as they are written and without case, accents and punctuation."""

    by_stem: Mapping[str, CharacterFile] = field(default_factory=dict)
    by_words: Mapping[str, CharacterFile] = field(default_factory=dict)
    by_name: Mapping[str, CharacterFile] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Iterable[CharacterFile]) -> Self:
        """Of several of one name the first, by extension and then as they come."""

        def key(file: CharacterFile) -> int:
            return EXTENSIONS.index(file.path.suffix[1:].lower())

        by_stem: dict[str, CharacterFile] = {}
        by_words: dict[str, CharacterFile] = {}
        by_name: dict[str, CharacterFile] = {}
        for file in sorted(files, key=key):
            by_stem.setdefault(file.path.stem.lower(), file)
            by_words.setdefault(folded(file.path.stem), file)
            by_name.setdefault(file.name, file)
        return cls(by_stem, by_words, by_name)

    def find(self, pattern: str, name: str) -> CharacterFile | None:
        exact = self.by_stem.get(pattern.format(name=described(name)))
        words = folded(name)
        return exact or (self.by_words.get(folded(pattern.format(name=words))) if words else None)


class CharacterFiles:
    """Of folders, the first of which counts more. `on_change` hears of every change, once there is something else."""

    def __init__(self, folders: Sequence[Path], on_change: Callable[[], None] = lambda: None) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._index = FileIndex()
        self._on_change = on_change
        self._changed = asyncio.Event()
        self._came: dict[str, CharacterFile] = {}
        self._has_looked = False

    @asynccontextmanager
    async def watching(self, background: Background) -> AsyncIterator[Self]:
        """Know what is there, and learn of changes within seconds, while the context lasts."""
        await self.look()
        async with AsyncExitStack() as stack:
            looking = background.repeating(
                "looking at characters' files",
                self.look,
                every_s=LOOK_EVERY_S,
                soon_s=LOOK_SOON_S,
                wake=self._changed,
                at_once=False,
            )
            hearing = background.repeating(
                "hearing of characters' files", self.hear, every_s=HEAR_EVERY_MS / 1000
            )
            await stack.enter_async_context(looking)
            await stack.enter_async_context(hearing)
            yield self

    async def look(self) -> None:
        found = await asyncio.to_thread(lambda: FileIndex.of(_files(self._folders)))
        if found != self._index:
            before, self._index = self._index.by_name, found
            came = {name: file for name, file in found.by_name.items() if before.get(name) != file}
            if self._has_looked and len(came) <= TOLD_AT_ONCE:
                self._came |= came
            self._on_change()
        self._has_looked = True

    def what_came(self) -> Sequence[CharacterFile]:
        """Files that are new, or others, since this was asked, but for those that came all at once, as at the start."""
        came, self._came = list(self._came.values()), {}
        return came

    def of_character(self, name: str) -> str | None:
        return _name(self._first(PATTERNS, name))

    def of_cast_member(
        self, media_id: str, actor_id: str, character: str | None, actor: str | None
    ) -> Iterator[str]:
        """The files for somebody in a cast, the most telling first."""
        exact = self._index.by_stem.get(f"{media_id}_{actor_id}".lower())
        files = [
            exact,
            self._index.find(PATTERNS[0], character) if character else None,
            self._index.find(ACTOR_PATTERN, actor) if actor else None,
        ]
        return (file.name for file in files if file)

    def of_title(self, title: str, poster: str | None, cover: str | None) -> Iterator[str]:
        """The files for a title's poster: a generated cover, one for the title, its poster's own name, another cover."""
        files = [
            self._index.by_name.get(cover) if cover else None,
            self._index.find(PATTERNS[0], title),
            self._index.by_name.get(poster.rpartition("/")[2]) if poster else None,
            self._index.find("{name}_cover", title),
        ]
        return (file.name for file in files if file)

    def of_stem(self, stem: str) -> CharacterFile | None:
        """The file of this name, whatever its extension."""
        return self._index.by_stem.get(stem.lower())

    def called(self, file_name: str) -> CharacterFile | None:
        return self._index.by_name.get(file_name)

    @property
    def names(self) -> Iterable[str]:
        return self._index.by_name

    def _first(self, patterns: Sequence[str], name: str) -> CharacterFile | None:
        return next((file for pattern in patterns if (file := self._index.find(pattern, name))), None)

    async def hear(self) -> None:
        """Until another of the folders is there, or one is not any more."""
        there = await asyncio.to_thread(self._there)
        if not there:
            return
        self._changed.set()  # what came before it is listened
        from watchfiles import awatch  # noqa: PLC0415 - where there is a directory to be watched

        changes = awatch(
            *there, recursive=False, watch_filter=None, yield_on_timeout=True, rust_timeout=HEAR_EVERY_MS
        )
        async for changed in changes:
            if changed:
                self._changed.set()
            if await asyncio.to_thread(self._there) != there:
                self._changed.set()
                return

    def _there(self) -> list[Path]:
        return [folder for folder in self._folders if folder.is_dir()]


def _name(file: CharacterFile | None) -> str | None:
    return file.name if file else None


def _files(folders: Sequence[Path]) -> Iterator[CharacterFile]:
    """Plain files with a picture's extension, no links: nothing outside of the folders can be shown by putting one there."""
    count = 0
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.rpartition(".")[2].lower() not in EXTENSIONS:
                        continue
                    said = entry.stat(follow_symlinks=False)
                    if S_ISREG(said.st_mode) and 0 < said.st_size <= MAX_BYTES and count < MAX_FILES:
                        count += 1
                        yield CharacterFile(Path(entry.path), said.st_size, said.st_mtime_ns)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                _log.warning(
                    "a folder of characters' files cannot be read", folder=str(folder), error=str(error)
                )
