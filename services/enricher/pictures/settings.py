"""Where pages find us."""

from pydantic import Field

from shared.settings import CommaList, Settings

_ORIGIN = r"^$|^https?://[^\s?#]+[^\s?#/]$"


class PictureUrlSettings(Settings):
    public_url: str = Field("", validation_alias="PUBLIC_URL", pattern=_ORIGIN)
    """Origin and sub-path that we are seen under; empty: URLs are handed out without an origin."""
    cdn_base_url: str = Field("", validation_alias="CDN_BASE_URL", pattern=_ORIGIN)
    """What stands before pictures' URLs instead of `public_url`."""
    signing_keys: CommaList = Field((), validation_alias="SIGNING_KEYS")

    @property
    def before_pictures(self) -> str:
        return self.cdn_base_url or self.public_url
