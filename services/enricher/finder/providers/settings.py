"""What can be set of the providers: with what key and where each is asked, and how patiently."""

import re

from pydantic import Field, HttpUrl, SecretStr, TypeAdapter, field_validator

from shared.http.outbound import OutboundSettings
from shared.settings import ONESHEET_VERSION, Settings

_URL = TypeAdapter(HttpUrl)
_V4_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


def _base_url(url: str) -> str:
    _URL.validate_python(url)
    return url.rstrip("/")


class AskingSettings(Settings):
    """How any provider is asked."""

    outbound: OutboundSettings = Field(default_factory=OutboundSettings)
    user_agent: str = Field(f"Onesheet/{ONESHEET_VERSION}", validation_alias="USER_AGENT")
    connect_timeout_s: float = Field(5, validation_alias="CONNECT_TIMEOUT", gt=0)
    timeout_s: float = Field(20, validation_alias="PROVIDER_TIMEOUT", gt=0)
    """One request from beginning to end. Longer than a page waits: what comes late is kept for the next one."""
    max_body_mb: float = Field(8, validation_alias="PROVIDER_MAX_BODY_MB", gt=0)

    @property
    def max_bytes(self) -> int:
        return int(self.max_body_mb * 1024 * 1024)


class TraktSettings(Settings):
    client_id: SecretStr | None = Field(None, validation_alias="TRAKT_CLIENT_ID")
    base_url: str = Field("https://api.trakt.tv", validation_alias="TRAKT_BASE_URL")

    _checked = field_validator("base_url")(_base_url)


class TmdbSettings(Settings):
    api_key: SecretStr | None = Field(None, validation_alias="TMDB_API_KEY")
    base_url: str = Field("https://api.themoviedb.org/3", validation_alias="TMDB_BASE_URL")
    image_url: str = Field("https://image.tmdb.org/t/p", validation_alias="TMDB_IMAGE_URL")

    _checked = field_validator("base_url", "image_url")(_base_url)

    @property
    def credential(self) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and query parameters: a v4 token (three parts, as JSON Web Tokens have) or else a v3 key."""
        secret = self.api_key.get_secret_value() if self.api_key else ""
        if _V4_TOKEN.fullmatch(secret):
            return {"Authorization": f"Bearer {secret}"}, {}
        return {}, {"api_key": secret}


class TvdbSettings(Settings):
    api_key: SecretStr | None = Field(None, validation_alias="TVDB_API_KEY")
    pin: SecretStr | None = Field(None, validation_alias="TVDB_PIN")
    """Of a subscriber, which keys for users' own subscriptions need."""
    base_url: str = Field("https://api4.thetvdb.com/v4", validation_alias="TVDB_BASE_URL")

    _checked = field_validator("base_url")(_base_url)


class FanartSettings(Settings):
    api_key: SecretStr | None = Field(None, validation_alias="FANART_API_KEY")
    base_url: str = Field("https://webservice.fanart.tv/v3", validation_alias="FANART_BASE_URL")

    _checked = field_validator("base_url")(_base_url)


class ProviderSettings(Settings):
    asking: AskingSettings = Field(default_factory=AskingSettings)
    trakt: TraktSettings = Field(default_factory=TraktSettings)
    tmdb: TmdbSettings = Field(default_factory=TmdbSettings)
    tvdb: TvdbSettings = Field(default_factory=TvdbSettings)
    fanart: FanartSettings = Field(default_factory=FanartSettings)
