"""Integrity: whether what the volume holds of a picture is what was put there, for whoever looks after it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from shared.pictures import Manifest, PictureId, RevisionId, Tree
from shared.pictures.manifest import MANIFEST
from shared.pictures.paths import POINTER, is_original
from shared.pictures.state import STATE


class What(StrEnum):
    EMPTY = "empty"
    TRUNCATED = "truncated"
    ALTERED = "altered"
    MISSING = "missing"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with one file or link, in one of the trees."""

    tree: Tree
    file_name: str
    what: What

    def __str__(self) -> str:
        return f"{self.file_name} {self.what}"


@dataclass(frozen=True, slots=True)
class Findings:
    """Of one picture. `bytes`: how many were read. Without a manifest it has no revision that can be served."""

    picture: PictureId
    revision: RevisionId | None
    manifest: Manifest | None
    damages: tuple[Damage, ...]
    bytes: int

    @property
    def is_sound(self) -> bool:
        return not self.damages

    @property
    def lost_original(self) -> bool:
        return any(is_original(damage.file_name) for damage in self.damages)

    @property
    def lost_renditions(self) -> tuple[str, ...]:
        others = (MANIFEST, POINTER, STATE)
        names = (damage.file_name for damage in self.damages)
        return tuple(dict.fromkeys(name for name in names if name not in others and not is_original(name)))


class Integrity(Protocol):
    async def examine(self, picture: PictureId) -> Findings:
        """Beside working fetchers: what is changed meanwhile, or is just being committed, is no damage."""


class Mending(Integrity, Protocol):
    """What the fetcher alone may do, under the picture's lock."""

    async def examine_locked(self, picture: PictureId) -> Findings:
        """The same, where nobody else can be committing: what lies there without a pointer is damage at once."""

    async def take_out(self, findings: Findings) -> None:
        """Take what is damaged out of sight; where another whole revision is left, it is pointed at."""
