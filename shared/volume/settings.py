"""Where things are kept, as whom, and how much of the disk stays free."""

from pathlib import Path

from pydantic import Field, field_validator

from shared.settings import Settings
from shared.volume.inventory import Extent


class VolumeSettings(Settings):
    volume_url: str = Field("file:data", validation_alias="VOLUME_URL")
    state_directory: Path | None = Field(None, validation_alias="STATE_DIR")
    umask: str = Field("022", validation_alias="UMASK", pattern=r"^[0-7]{3,4}$", examples=["022"])
    user_id: int | None = Field(None, validation_alias="PUID", gt=0)
    group_id: int | None = Field(None, validation_alias="PGID", gt=0)

    @field_validator("volume_url")
    @classmethod
    def _known_scheme(cls, url: str) -> str:
        if not url.startswith("file:") or url == "file:":
            raise ValueError("must be file:<directory>")
        return url

    @property
    def root(self) -> Path:
        return Path(self.volume_url.removeprefix("file://").removeprefix("file:")).absolute()

    @property
    def state_dir(self) -> Path:
        """Beside the volume where nothing else is said."""
        return (self.state_directory or self.root.parent / "state").absolute()


class FloorSettings(Settings):
    """How much of the disk is to stay free, which the fetcher stops at and the enricher makes."""

    free_gb: float = Field(5, validation_alias="DISK_FREE_FLOOR_GB", ge=0)
    free_files: int = Field(1000, validation_alias="DISK_FREE_FLOOR_FILES", ge=0)
    """Where the file system can have only so many."""

    @property
    def floor(self) -> Extent:
        return Extent(int(self.free_gb * 1024**3), self.free_files)
