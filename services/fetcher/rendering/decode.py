"""Decoding: all of the bytes, once, no larger than the largest rendition needs."""

from dataclasses import dataclass
from io import BytesIO
from typing import Protocol, Self

from PIL import Image, JpegImagePlugin
from PIL.JpegImagePlugin import JpegImageFile

from services.fetcher.rendering.colors import scalable
from services.fetcher.rendering.original import OpenedOriginal

OVERSAMPLING = 2
"""Decoding and reducing may go by whole factors only while at least twice the target remains: below that it
costs sharpness."""

_QUARTER_COLORS = 2
"""Pillow's name for 4:2:0."""


class Pixels(Protocol):
    """A decoded picture, or a smaller copy of it."""

    @property
    def size(self) -> tuple[int, int]: ...

    def scaled(self, size: tuple[int, int]) -> "Pixels": ...

    def image(self) -> Image.Image:
        """In a mode that `colors.srgb` takes."""


@dataclass(frozen=True, slots=True)
class Whole:
    pixels: Image.Image

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.size

    def scaled(self, size: tuple[int, int]) -> "Whole":
        return Whole(self.pixels.resize(size, Image.Resampling.LANCZOS, reducing_gap=OVERSAMPLING))

    def image(self) -> Image.Image:
        return self.pixels


@dataclass(frozen=True, slots=True)
class Planes:
    """A JPEG as it was stored: brightness in full, colours at half the width and height.

    Scaling them apart takes two thirds of the time that scaling what they are together takes.
    """

    luma: Image.Image
    blue: Image.Image
    red: Image.Image

    @classmethod
    def of(cls, luma: Image.Image, body: bytes) -> Self:
        with Image.open(BytesIO(body), formats=("JPEG",)) as image:
            image.draft("YCbCr", (max(1, luma.width // 2), max(1, luma.height // 2)))
            _, blue, red = image.split()
            return cls(luma, blue, red)

    @property
    def size(self) -> tuple[int, int]:
        return self.luma.size

    def scaled(self, size: tuple[int, int]) -> "Planes":
        luma = self.luma.resize(size, Image.Resampling.LANCZOS, reducing_gap=OVERSAMPLING)
        is_half = self.blue.size != self.luma.size  # and of odd sizes, half a sample is beyond the edge
        box = (0, 0, self.luma.width / 2, self.luma.height / 2) if is_half else (0, 0, *self.luma.size)
        blue, red = (
            plane.resize(size, Image.Resampling.BILINEAR, box=box) for plane in (self.blue, self.red)
        )
        return Planes(luma, blue, red)

    def image(self) -> Image.Image:
        return Image.merge("YCbCr", (self.luma, self.blue, self.red)).convert("RGB")


def draft(image: Image.Image, largest: tuple[int, int]) -> bool:
    """Have a JPEG decoded at the smallest scale that still leaves twice the largest target.

    Return whether it shall be decoded as planes: where all of it is decoded, and not twice what could be had
    at once.
    """
    least = (largest[0] * OVERSAMPLING, largest[1] * OVERSAMPLING)
    in_full = image.width < 2 * least[0] or image.height < 2 * least[1]
    in_planes = in_full and _has_planes(image)
    image.draft("L" if in_planes else None, least)
    return in_planes


def decode(original: OpenedOriginal, *, in_planes: bool) -> Pixels:
    """`original`: opened and drafted."""
    pixels = original.pixels()
    return Planes.of(pixels, original.body) if in_planes else Whole(scalable(pixels))


def _has_planes(image: Image.Image) -> bool:
    """Not a progressive one, for which decoding takes longer than scaling, and it would be decoded twice."""
    return (
        isinstance(image, JpegImageFile)
        and image.mode == "RGB"
        and "progressive" not in image.info
        and ("jfif" in image.info or image.info.get("adobe_transform") == 1)
        and JpegImagePlugin.get_sampling(image) == _QUARTER_COLORS
    )
