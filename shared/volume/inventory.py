"""The inventory: what the volume holds, and what that takes, for whoever keeps a catalog of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NewType, Protocol

from shared.pictures import Manifest, PictureId, RevisionId, State, Tree

Mark = NewType("Mark", int)
"""Of a picture: changes whenever a revision, a rendition or its state comes, goes or is replaced."""

UNMARKED = Mark(0)
"""The mark of what is still changing: equal to no other."""


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

    async def marks(self, shelf: str) -> Mapping[PictureId, Mark]:
        """Every picture on a shelf, or trace of one. Far cheaper than looking at each."""

    async def holdings(self, pictures: Sequence[PictureId]) -> Mapping[PictureId, Holding]:
        """What is held of these. One that is left out is not there."""

    async def shelving(self, pictures: int) -> Extent:
        """What the directories take, about, that so many pictures lie in, beside what is theirs alone; and what is
        remembered of names that have none.
        """

    async def space(self) -> Space: ...
