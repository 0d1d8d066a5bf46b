"""Uploads: pictures that an operator handed us. Their bytes are all there is: nobody can be asked for them again."""

import re
from dataclasses import dataclass
from typing import Self

from shared.pictures.identity import PictureId, picture_id
from shared.pictures.source import SourceUrl
from shared.pictures.text import TextValue

_PREFIX = "upload:"
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Upload(TextValue):
    """`upload:<SHA-256 of the bytes that were sent, hex>`: what an upload has in the place of a source URL."""

    sha256: str

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError("An upload is named by its SHA-256: 64 lower-case hex digits.")

    @classmethod
    def parse(cls, text: str) -> Self:
        if not text.startswith(_PREFIX):
            raise ValueError("An upload begins with upload:.")
        return cls(text.removeprefix(_PREFIX))

    @property
    def picture(self) -> PictureId:
        return picture_id(str(self))

    def __str__(self) -> str:
        return _PREFIX + self.sha256


Source = SourceUrl | Upload
"""Where a picture comes from. Only a SourceUrl can be asked."""


def parse_source(text: str) -> Source:
    """Raise ValueError for what is neither a URL nor an upload."""
    return Upload.parse(text) if text.startswith(_PREFIX) else SourceUrl.parse(text)
