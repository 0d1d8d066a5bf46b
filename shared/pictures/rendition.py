"""Formats, sizes and renditions."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from shared.pictures.source import TextValue


class Format(StrEnum):
    """A format that renditions are made in; its value is the file's extension."""

    WEBP = "webp"
    AVIF = "avif"
    JPG = "jpg"
    PNG = "png"


def parse_format(text: str) -> Format:
    """Raise ValueError, with a sentence for the user, for a format that renditions are not made in."""
    try:
        return Format(text)
    except ValueError:
        raise ValueError(f"There is no format {text[:40]!r}: use {', '.join(Format)}.") from None


_MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "png": "image/png",
    "avif": "image/avif",
    "gif": "image/gif",
    "svg": "image/svg+xml",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "ico": "image/vnd.microsoft.icon",
    "heic": "image/heic",
}

_ALSO_CALLED = {"jpeg": "jpg", "jfif": "jpg", "apng": "png", "tif": "tiff", "heif": "heic"}

ORIGINAL_EXTENSIONS = tuple(_MEDIA_TYPES)
"""What an original can be, the most frequent first: the order in which a reader looks."""


def media_type_of(extension: str) -> str:
    return _MEDIA_TYPES[extension]


def named_media_type(extension: str) -> str | None:
    """What a file of this name should be, whoever named it; None where the name says nothing of pictures."""
    return _MEDIA_TYPES.get(_ALSO_CALLED.get(extension, extension))


def extension_of(media_type: str) -> str:
    """Raise ValueError for a media type that no original has."""
    for extension, known in _MEDIA_TYPES.items():
        if known == media_type:
            return extension
    raise ValueError(f"no original is {media_type}")


LONGEST_SIDE = 16_383
"""Of a rendition, in pixels: no WebP has a longer one."""


@dataclass(frozen=True, slots=True)
class Box:
    """What a rendition fits inside, in pixels; None: that side is free."""

    width: int | None
    height: int | None

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """The size of a `width` × `height` picture in this box: same shape, never enlarged, at least 1 × 1."""
        return self._scaled(width, height, at_most=1.0)

    def fill(self, width: int, height: int) -> tuple[int, int]:
        """The same for a drawing, which is as sharp in any size: enlarged until it touches the box."""
        return self._scaled(width, height, at_most=math.inf)

    def _scaled(self, width: int, height: int, *, at_most: float) -> tuple[int, int]:
        scale = min(at_most, (self.width or LONGEST_SIDE) / width, (self.height or LONGEST_SIDE) / height)
        scale = min(scale, LONGEST_SIDE / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))


STANDARD_SIZES = ("large", "medium", "small", "thumbnail")
"""The sizes that every stored picture gets, the largest first."""

SIZES = {
    "large": Box(1920, 1080),
    "medium": Box(1280, 720),
    "small": Box(640, 360),
    "thumbnail": Box(300, 169),
    # The width tokens of TMDB's picture host, which sites already have in their pages.
    **{f"w{width}": Box(width, None) for width in (45, 92, 154, 185, 300, 342, 500, 780, 1280)},
    "h632": Box(None, 632),
}


@dataclass(frozen=True, slots=True)
class Rendition(TextValue):
    """A size in a format, `medium.webp`; or the original as it is, which has no format of its own."""

    size: str
    format: Format | None

    def __post_init__(self) -> None:
        if self.size == "original":
            if self.format is not None:
                raise ValueError("The original is served as it is: leave out the format.")
        elif self.size not in SIZES:
            raise ValueError(f"There is no size {self.size[:40]!r}: use original, {', '.join(SIZES)}.")
        elif self.format is None:
            raise ValueError("A rendition has a format.")

    @classmethod
    def parse(cls, text: str) -> Self:
        size, dot, extension = text.partition(".")
        return cls(size, parse_format(extension) if dot else None)

    @property
    def box(self) -> Box:
        return SIZES[self.size]

    def __str__(self) -> str:
        return self.size if self.format is None else f"{self.size}.{self.format}"


ORIGINAL = Rendition("original", None)
