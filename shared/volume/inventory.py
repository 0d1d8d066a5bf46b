"""The ports for who keeps the volume: what is there and how much it takes, and whether it is what it should be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType, Protocol

from shared.pictures import Manifest, PictureId, RevisionId, State, Tree
from shared.pictures.manifest import MANIFEST, STATE
from shared.pictures.paths import POINTER, is_original

Mark = NewType("Mark", int)
"""Of a picture: changes whenever a revision, a rendition or its state comes, goes or is replaced."""

UNMARKED = Mark(0)
"""The mark of what is still changing: equal to no other."""

ABSENT = Mark(-1)
"""Of a part of a shelf that has nothing in it."""

PARTS = 256
"""Of a shelf: by the two digits that follow its name in its pictures' ids."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What something takes on the disk: allocated bytes, as `du` counts them, and files, directories and links."""

    bytes: int = 0
    files: int = 0

    def __add__(self, other: "Extent") -> "Extent":
        return Extent(self.bytes + other.bytes, self.files + other.files)

    def __mul__(self, share: float) -> "Extent":
        return Extent(int(self.bytes * share), int(self.files * share))


NOTHING = Extent()


@dataclass(frozen=True, slots=True)
class Holding:
    """All that the volume holds of one picture. No revision: only what is remembered of a failure."""

    picture: PictureId
    revision: RevisionId | None
    tree: Tree
    """Where it is served from."""
    manifest: Manifest | None
    state: State
    cached: Extent
    kept: Extent
    mark: Mark


@dataclass(frozen=True, slots=True)
class Space:
    """What is left on the disk. `files` None: the file system counts none."""

    bytes: int
    files: int | None


def lacking(space: Space, floor: Extent) -> Extent:
    """How much more would have to be free; an empty extent where enough is."""
    files = 0 if space.files is None else max(0, floor.files - space.files)
    return Extent(max(0, floor.bytes - space.bytes), files)


class Inventory(Protocol):
    """Each method reads the volume, and may take as long as the disk does. Raises OSError where it cannot be read."""

    @property
    def shelves(self) -> Sequence[str]:
        """The parts of the volume, in the order of their pictures' ids, each of which begins with its shelf's name."""

    async def parts(self, shelf: str) -> Sequence[Mark]:
        """The mark of each part of a shelf: it changes whenever a picture comes or goes there, or a fetcher changes one.
        Far cheaper than to look for the marks of all.
        """

    async def marks(self, shelf: str) -> Mapping[PictureId, Mark]:
        """Every picture on a shelf, or in one part of it, or trace of one. Far cheaper than looking at each."""

    async def holdings(self, pictures: Sequence[PictureId]) -> Mapping[PictureId, Holding]:
        """What is held of these. One that is left out is not there."""

    async def shelving(self, pictures: int) -> Extent:
        """What the directories take, about, that so many pictures lie in, beside what is theirs alone; and what is
        remembered of names that have none.
        """

    async def space(self) -> Space: ...


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
