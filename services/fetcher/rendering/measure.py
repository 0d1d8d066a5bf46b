"""How good a portrait a picture would be: how sharp it is, at the size that faces are shown in."""

from PIL import Image, ImageFilter, ImageStat

from services.fetcher.rendering.colors import flattened
from services.fetcher.rendering.decode import resized
from shared.pictures.rendition import Box

SIDE = 256
"""Pixels at most."""

_BOX = Box(SIDE, SIDE)
_MIDDLE = 128
_LAPLACIAN = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=_MIDDLE)


def within_side(pixels: Image.Image) -> Image.Image:
    """What is measured of a picture: no more pixels than that takes. In the mode of `colors.scalable`, as `pixels`."""
    return resized(pixels, _BOX.fit(*pixels.size))


def sharpness(small: Image.Image) -> float:
    """Of a picture in sRGB, `within_side`."""
    return round(_variance(flattened(small).convert("L")), 1)


def _variance(grey: Image.Image) -> float:
    """The variance of its Laplacian; of what is too small to have one, 0."""
    if min(grey.size) < 3:  # noqa: PLR2004 - as the kernel is
        return 0.0
    inner = (1, 1, grey.width - 1, grey.height - 1)
    return ImageStat.Stat(grey.filter(_LAPLACIAN).crop(inner)).var[0]
