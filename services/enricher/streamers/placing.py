"""Files put into a folder that is not ours alone: whole or not there, and never in the place of somebody else's.

A file is ours where its identity on the file system was noted, which is done before it gets its name. Whatever ends us in between
leaves a note without a file, or a part under a name that nobody looks at; both go with the next round.
"""

import errno
import os
import re
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PART = ".onesheet-{}.part"
_PART = re.compile(r"\.onesheet-[0-9a-f]{32}\.part")
_NO_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}
)
"""A hard link cannot be had: of another file system, or not on this one."""


class PlacingStep(StrEnum):
    """Where tests end it."""

    MADE = "made"
    NOTED = "noted"
    PLACED = "placed"
    REMOVED = "removed"


OnStep = Callable[[PlacingStep], None]


class Placed(StrEnum):
    WAS_THERE = "was there"
    PLACED = "placed"
    NOT_OURS = "not ours"


@dataclass(frozen=True, slots=True)
class Noted:
    """A note of a file: its path, how the file system knows it, and what is in it."""

    path: str
    identity: str
    made_of: str


@dataclass(frozen=True, slots=True)
class WantedFile:
    """`path` below the folder. `content`: the bytes, or a file that has them and never changes."""

    path: str
    made_of: str
    content: Path | bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """A whole file that has no name yet. `over`: one of ours is where it goes."""

    part: Path
    target: Path
    over: bool
    noted: Noted

    def drop(self) -> None:
        self.part.unlink(missing_ok=True)


class ExportFolder:
    """Raises OSError where the folder cannot be written. Its methods block."""

    def __init__(self, root: Path, *, at: OnStep = lambda _step: None) -> None:
        self.root = root
        self._at = at

    def check(self) -> None:
        """Make it where it is not there. Raise OSError where nothing can be written in it."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._part(self.root, b"").unlink()

    def prepare(self, wanted: WantedFile, notes: Collection[Noted]) -> "Prepared | Placed":
        """The file under a name that nobody looks at, where it is not there yet, and nobody else's is. `notes`: of this path."""
        target = self.root / wanted.path
        there = identity_of(target)
        known = {one.identity: one.made_of for one in notes}
        if there is not None and there not in known:
            return Placed.NOT_OURS
        if there is not None and known[there] == wanted.made_of:
            return Placed.WAS_THERE
        self._make_folder(target.parent)
        part = self._part(target.parent, wanted.content)
        identity = identity_of(part)
        assert identity is not None
        self._at(PlacingStep.MADE)
        return Prepared(part, target, there is not None, Noted(wanted.path, identity, wanted.made_of))

    def place(self, prepared: "Prepared") -> Placed:
        """Give it its name, once it is noted durably."""
        self._at(PlacingStep.NOTED)
        placed = self._rename(prepared.part, prepared.target, over=prepared.over)
        prepared.drop()
        _flush(prepared.target.parent)
        self._at(PlacingStep.PLACED)
        return placed

    def remove(self, path: str, notes: Collection[Noted]) -> bool:
        """Where it is ours; with the folder that it was in, where nothing else is there. False: it is somebody else's by now."""
        target = self.root / path
        there = identity_of(target)
        if there is not None and there not in {one.identity for one in notes}:
            return False
        target.unlink(missing_ok=True)
        with suppress(OSError):
            if target.parent.parent != self.root:
                target.parent.rmdir()
        self._at(PlacingStep.REMOVED)
        return True

    def sweep(self, folder: Path) -> None:
        """Parts that were left there."""
        with suppress(OSError):
            for one in os.scandir(folder):
                if _PART.fullmatch(one.name) and one.is_file(follow_symlinks=False):
                    os.unlink(one.path)  # noqa: PTH108 - as scandir has it

    def _make_folder(self, folder: Path) -> None:
        """Raise OSError for one that leads elsewhere."""
        folder.mkdir(parents=True, exist_ok=True)
        below = folder.relative_to(self.root)
        for depth in range(1, len(below.parts) + 1):
            if (self.root / Path(*below.parts[:depth])).is_symlink():
                raise OSError(errno.ELOOP, "A folder of the export is a link to elsewhere", str(folder))

    def _part(self, folder: Path, content: Path | bytes) -> Path:
        """A whole file under a name of its own: a link where the file system allows, else a copy."""
        part = folder / PART.format(secrets.token_hex(16))
        if isinstance(content, Path):
            try:
                os.link(content, part)
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
            else:
                return part
        try:
            self._copy(content, part)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return part

    def _copy(self, content: Path | bytes, part: Path) -> None:
        body = content.read_bytes() if isinstance(content, Path) else content
        with open(part, "xb") as opened:  # noqa: PTH123 - with the descriptor
            opened.write(body)
            opened.flush()
            os.fchmod(opened.fileno(), 0o644)
            os.fsync(opened.fileno())

    def _rename(self, part: Path, target: Path, *, over: bool) -> Placed:
        """Where nothing was, nothing is replaced that came meanwhile."""
        if over:
            part.replace(target)
            return Placed.PLACED
        try:
            os.link(part, target)
        except FileExistsError:
            return Placed.NOT_OURS
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            if os.path.lexists(target):
                return Placed.NOT_OURS
            part.rename(
                target
            )  # without links there is no way that could not replace what comes at this moment
        return Placed.PLACED


def identity_of(path: Path) -> str | None:
    """How the file system tells it from what is put in its place, or written into it; None: there is nothing."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
