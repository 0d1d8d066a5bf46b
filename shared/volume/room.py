"""Room: how much of the disk is to stay free, which the fetcher stops at and the enricher makes."""

from pydantic import Field

from shared.settings import Settings
from shared.volume.inventory import Extent, Space


class FloorSettings(Settings):
    free_gb: float = Field(5, validation_alias="DISK_FREE_FLOOR_GB", ge=0)
    free_files: int = Field(1000, validation_alias="DISK_FREE_FLOOR_FILES", ge=0)
    """Where the file system can have only so many."""

    @property
    def floor(self) -> Extent:
        return Extent(int(self.free_gb * 1024**3), self.free_files)


def lacking(space: Space, floor: Extent) -> Extent:
    """How much more would have to be free; an empty extent where enough is."""
    files = 0 if space.files is None else max(0, floor.files - space.files)
    return Extent(max(0, floor.bytes - space.bytes), files)
