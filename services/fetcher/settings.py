"""What can be set of the fetcher."""

import os
from datetime import timedelta

from pydantic import Field, field_validator

from shared.http.outbound import OutboundSettings
from shared.pictures import Format
from shared.pictures.hosts import parse_pair
from shared.pictures.rendition import parse_format
from shared.redis import RedisSettings
from shared.settings import ONESHEET_VERSION, CommaList, HostSettings, Settings, UserAgent
from shared.volume import FloorSettings


class DownloadSettings(Settings):
    """Whom we ask, and how long and how much we take."""

    hosts: HostSettings = Field(default_factory=HostSettings)
    outbound: OutboundSettings = Field(default_factory=OutboundSettings)
    allow_private: CommaList = Field((), validation_alias="ALLOW_PRIVATE")
    user_agent: UserAgent = Field(f"Onesheet/{ONESHEET_VERSION}", validation_alias="USER_AGENT")
    max_body_mb: int = Field(50, validation_alias="MAX_BODY_MB", gt=0)
    host_concurrency: int = Field(8, validation_alias="HOST_CONCURRENCY", gt=0)
    connect_timeout_s: float = Field(5, validation_alias="CONNECT_TIMEOUT", gt=0)
    read_timeout_s: float = Field(10, validation_alias="READ_TIMEOUT", gt=0)
    fetch_timeout_s: float = Field(60, validation_alias="FETCH_TIMEOUT", gt=0)
    lowest_rate_kb_s: float = Field(1, validation_alias="LOWEST_RATE_KB_S", ge=0)
    """Over each `READ_TIMEOUT` of a body."""
    max_redirects: int = Field(10, validation_alias="MAX_REDIRECTS", ge=0, le=50)
    host_failures: int = Field(5, validation_alias="HOST_FAILURES", gt=0)
    """Of different pictures in a row, then the host is paused."""

    @field_validator("allow_private")
    @classmethod
    def _with_ports(cls, pairs: tuple[str, ...]) -> tuple[str, ...]:
        for pair in pairs:
            if parse_pair(pair)[1] is None:
                raise ValueError(f"{pair!r} names no port.")
        return pairs


class RenderSettings(Settings):
    """What is made of an original, and what that may cost."""

    image_format: Format = Field(Format.WEBP, validation_alias="IMAGE_FORMAT")
    image_formats: CommaList = Field((), validation_alias="IMAGE_FORMATS")
    quality: int = Field(85, validation_alias="IMAGE_QUALITY", ge=1, le=100)
    ahead: bool = Field(default=True, validation_alias="ENABLE_IMAGE_OPTIMIZATION")
    """Make the standard renditions before anybody asks."""
    processes: int = Field(os.cpu_count() or 1, validation_alias="RENDER_PROCESSES", gt=0, le=1024)
    when_idle: bool = Field(default=True, validation_alias="RENDER_WHEN_IDLE")
    """Renderers have what nobody else wants of the processor; otherwise about as much as anybody else."""
    timeout_s: float = Field(20, validation_alias="RENDER_TIMEOUT", gt=0)
    max_pixels: int = Field(120_000_000, validation_alias="MAX_PIXELS", gt=0)
    memory_mb: int = Field(1024, validation_alias="RENDER_MEMORY_MB", ge=128)
    """Of one renderer. What a decode will need is estimated, and refused before it starts."""
    font_directories: CommaList = Field((), validation_alias="SVG_FONTS")
    """Of fonts for the text of drawings, besides the one that is always there."""
    faces: bool = Field(default=False, validation_alias="CHARACTER_FACES")
    """Count the faces in what is fetched: for how good a portrait it is."""
    max_kept_mb: int = Field(10, validation_alias="MAX_IMAGE_FILE_SIZE_MB", gt=0)
    """A larger original is not kept: its renditions are, and itself for a minute. A larger upload is refused."""

    @property
    def max_kept_bytes(self) -> int:
        return self.max_kept_mb * 1024 * 1024

    @property
    def memory_bytes(self) -> int:
        return self.memory_mb * 1024 * 1024

    @field_validator("faces")
    @classmethod
    def _installed(cls, wanted: bool) -> bool:
        if wanted:
            from services.fetcher.rendering import faces  # noqa: PLC0415 - it loads Pillow, which only renderers have

            if lacking := faces.missing():
                raise ValueError(f"{', '.join(lacking)} must be installed to count faces: the extra faces.")
        return wanted

    @field_validator("image_formats")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(parse_format(name) for name in names)

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats made ahead: `IMAGE_FORMATS`, or else the one `IMAGE_FORMAT`."""
        return tuple(map(Format, self.image_formats)) or (self.image_format,)


class FetcherSettings(Settings):
    download: DownloadSettings = Field(default_factory=DownloadSettings)
    render: RenderSettings = Field(default_factory=RenderSettings)
    concurrency: int = Field(32, validation_alias="FETCH_CONCURRENCY", gt=0)
    lock_patience_s: float = Field(90, validation_alias="LOCK_PATIENCE", gt=0)
    room: FloorSettings = Field(default_factory=FloorSettings)
    redis: RedisSettings = Field(default_factory=RedisSettings)

    @property
    def lock_patience(self) -> timedelta:
        return timedelta(seconds=self.lock_patience_s)
