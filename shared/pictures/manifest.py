"""The manifest: what a revision says of itself. Written once, with the revision, and never changed."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.pictures.formats import extension_of

MANIFEST = "manifest.json"


class Original(BaseModel):
    """What the downloaded bytes are. Width and height in pixels, upright; frames: 1 for a still."""

    model_config = ConfigDict(frozen=True)

    mime: str
    bytes: int = Field(gt=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frames: int = Field(default=1, gt=0)

    @property
    def extension(self) -> str:
        return extension_of(self.mime)

    @property
    def file_name(self) -> str:
        return f"original.{self.extension}"


class Placeholder(BaseModel):
    """What a page can show before the picture is there."""

    model_config = ConfigDict(frozen=True)

    color: str = Field(pattern=r"^#[0-9a-f]{6}$")
    """The average colour, sRGB."""
    thumbhash: str | None = None
    """https://evanw.github.io/thumbhash/, base64; absent in revisions made before there was one."""


class Manifest(BaseModel):
    model_config = ConfigDict(frozen=True)

    source_url: str
    provider: str | None
    original: Original
    placeholder: Placeholder
    fetched_at: AwareDatetime
    notes: tuple[str, ...] = ()
    """What of the original is not shown, a sentence each; none in revisions made before there were any."""
