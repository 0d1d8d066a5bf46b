"""What of a local volume nothing else could make again: pins and uploads, and what names point to. Read while others write.

What is in `cache` is left out: it is fetched again when somebody asks.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shared.pictures import Name, PictureId, Tree
from shared.pictures.paths import POINTER
from shared.pictures.source import parse_picture_id
from shared.volume.local.layout import Layout

READ_AGAIN = 3
"""Times: of a picture that was changed while it was read."""

_REVISION = "[0-9a-f]{16}"
_PLACE = "[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{32}"
_FILE = re.compile(rf"{Tree.KEEP}/{_PLACE}/(?:{_REVISION}/)?[A-Za-z0-9]+(?:\.[a-z0-9]+)?", re.ASCII)
_POINTER = re.compile(rf"{Tree.KEEP}/{_PLACE}/{POINTER}", re.ASCII)
_NAME = re.compile(r"names/[a-z]+/(?:[A-Za-z0-9_.:%-]+/){3}[a-z]+", re.ASCII)
_PICTURE = re.compile(rf"(?:\.\./){{5}}(?:{Tree.KEEP}|{Tree.CACHE})/{_PLACE}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Piece:
    """A file with its bytes, or a link with what it points to. `path` is below the volume."""

    path: str
    content: bytes = b""
    points_to: str | None = None


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """Whole: its pointer comes last."""

    pieces: tuple[Piece, ...]


class LocalArchive:
    """Raises OSError where the volume cannot be read, or written."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @property
    def is_empty(self) -> bool:
        """Whether there is neither a picture nor a name."""
        root = self._layout.root
        return not any(
            next((root / directory).iterdir(), None)
            for directory in (*Tree, "names")
            if (root / directory).is_dir()
        )

    @property
    def videos(self) -> int:
        """How many there are, none of which is part of the archive."""
        return sum(1 for _ in (self._layout.root / "videos").glob("*/*.mp4"))

    def pictures(self) -> Iterator[KeptPicture]:
        """Pins and uploads."""
        for directory in sorted((self._layout.root / Tree.KEEP).glob("*/*/*")):
            if picture := self._read(directory):
                yield picture

    def names(self) -> Iterator[Piece]:
        for directory, _, _ in os.walk(self._layout.names):
            with os.scandir(directory) as entries:
                links = [entry.path for entry in entries if entry.is_symlink()]
            for link in sorted(map(Path, links)):
                yield Piece(self._relative(link), points_to=os.readlink(link))  # noqa: PTH115 - as it is written

    async def shown(self) -> AsyncIterator[tuple[Name, PictureId]]:
        """The names with the pictures that they show."""
        for piece in await asyncio.to_thread(lambda: list(self.names())):
            _, kind, _, _, id_, role = piece.path.split("/")
            with suppress(ValueError):  # of another version, or nothing of ours
                picture = parse_picture_id((piece.points_to or "").rpartition("/")[2])
                yield Name.parse(f"{kind}/{id_}/{role}"), picture

    def put(self, piece: Piece) -> None:
        """Raise ValueError for what is no part of an archive: it may come from anywhere."""
        target = self._layout.below(piece.path)
        if not _belongs(piece):
            raise ValueError(f"{piece.path[:200]!r} does not belong into a volume.")
        target.parent.mkdir(parents=True, exist_ok=True)
        if piece.points_to is not None:
            target.symlink_to(piece.points_to)
        else:
            with target.open("xb") as out:
                out.write(piece.content)

    def _read(self, directory: Path) -> KeptPicture | None:
        """None for what was removed meanwhile, or never completed."""
        for _ in range(READ_AGAIN):
            try:
                revision = (directory / POINTER).readlink().name
                files = [
                    *(entry for entry in sorted((directory / revision).iterdir()) if entry.is_file()),
                    *(
                        entry
                        for entry in sorted(directory.iterdir())
                        if entry.is_file() and not entry.is_symlink()
                    ),
                ]
                pieces = [Piece(self._relative(file), file.read_bytes()) for file in files]
                if (directory / POINTER).readlink().name == revision:
                    pointer = Piece(self._relative(directory / POINTER), points_to=revision)
                    return KeptPicture((*filter(_belongs, pieces), pointer))
            except FileNotFoundError:
                continue
        return None

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._layout.root).as_posix()


def _belongs(piece: Piece) -> bool:
    if piece.points_to is None:
        return bool(_FILE.fullmatch(piece.path)) and not piece.path.endswith(f"/{POINTER}")
    if _POINTER.fullmatch(piece.path):
        return bool(re.fullmatch(_REVISION, piece.points_to, re.ASCII))
    return bool(_NAME.fullmatch(piece.path) and _PICTURE.fullmatch(piece.points_to))
