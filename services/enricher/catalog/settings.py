"""What can be set of the catalog and of the disk that pictures may take."""

from datetime import timedelta

from pydantic import Field

from shared.settings import Settings
from shared.volume import Extent, FloorSettings


class CatalogSettings(Settings):
    room: FloorSettings = Field(default_factory=FloorSettings)
    budget_gb: float = Field(50, validation_alias="DISK_BUDGET_GB", ge=0)
    """0: no limit."""
    budget_files: int = Field(0, validation_alias="DISK_BUDGET_FILES", ge=0)
    """Files, directories and links; 0: no limit."""
    grace_s: float = Field(600, validation_alias="EVICTION_GRACE", ge=0)
    """A picture younger than this is never evicted."""
    sweep_every_s: float = Field(900, validation_alias="CATALOG_SWEEP_EVERY", gt=0)

    @property
    def budget(self) -> Extent:
        """A part that is 0 has no limit."""
        return Extent(int(self.budget_gb * 1024**3), self.budget_files)

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.grace_s)
