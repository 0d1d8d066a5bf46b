"""Renditions: the sizes and formats a picture is kept in. The set is closed, so nobody can fill the disk."""

import math
from dataclasses import dataclass
from typing import Self

from shared.pictures.formats import Format, parse_format
from shared.pictures.text import TextValue

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
