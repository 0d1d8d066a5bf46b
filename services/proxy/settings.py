"""What can be set of the proxy."""

from typing import Literal

from pydantic import Field

from shared.pictures import Format
from shared.settings import HostSettings, KeyList, Settings

# As deploy/nginx/render takes it: the same text is hashed there.
_PLAIN_URL = (
    r"^https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?$"
)


class ProxySettings(Settings):
    hosts: HostSettings = Field(default_factory=HostSettings)
    miss_wait_s: float = Field(5, validation_alias="MISS_WAIT", gt=0)
    """How long a browser's image waits for a miss."""
    miss_wait_others_s: float = Field(15, validation_alias="MISS_WAIT_OTHERS", gt=0)
    """How long anybody else waits: a media server would keep a missing picture for ever."""
    max_waiting: int = Field(2000, validation_alias="MAX_WAITING", gt=0)
    fetch_timeout_s: float = Field(60, validation_alias="FETCH_TIMEOUT", gt=0)
    miss_fallback: Literal["answer", "redirect"] = Field("answer", validation_alias="MISS_FALLBACK")
    """redirect: send who waited in vain to the source, where the provider's policy allows it."""
    signing_keys: KeyList = Field((), validation_alias="SIGNING_KEYS")
    """The first signs, all verify. Set: every picture URL must be signed."""
    upload_signing_keys: KeyList = Field((), validation_alias="UPLOAD_SIGNING_KEYS")
    """The same of private uploads, which are always signed; empty: SIGNING_KEYS are."""
    poster_keys: KeyList = Field((), validation_alias="POSTER_KEYS")
    """Each opens `/{key}/imdb/poster-default/…` and the like, and nothing else; there it stands in for a signature."""
    image_format: Format = Field(Format.WEBP, validation_alias="IMAGE_FORMAT")
    """What a client gets that says nothing of formats."""
    hot_cache_mb: int = Field(64, validation_alias="HOT_CACHE_MB", ge=0)
    send_files: Literal["direct", "accel"] = Field("direct", validation_alias="SEND_FILES")
    """accel: behind the delivered nginx, which then sends the larger files itself."""
    cors_origin: str = Field(
        "*", validation_alias="CORS_ORIGIN", pattern=r"^[!-~]+$", examples=["https://app.example"]
    )
    """`Access-Control-Allow-Origin` of pictures; `none`: that header is left out."""
    allow_svg: bool = Field(default=False, validation_alias="ALLOW_SVG")
    """Serve the originals of SVGs: cleaned, and in a sandbox."""
    tmdb_image_url: str = Field(
        "https://image.tmdb.org/t/p",
        validation_alias="TMDB_IMAGE_URL",
        pattern=_PLAIN_URL,
        examples=["https://image.tmdb.org/t/p"],
    )
    access_log_address: str = Field(
        "",
        validation_alias="ACCESS_LOG_ADDRESS",
        pattern=r"^$|^.+:([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$",
        examples=["127.0.0.1:5140"],
    )
    """`host:port` where nginx's sampled access log comes in, by UDP; empty: nowhere."""
