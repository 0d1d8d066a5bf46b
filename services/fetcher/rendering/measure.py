"""How good a portrait a picture would be: how sharp it is, and how many faces it shows."""

from PIL import Image, ImageFilter, ImageStat

from services.fetcher.rendering import faces
from services.fetcher.rendering.colors import flattened
from services.fetcher.rendering.decode import resized
from shared.pictures import Measure
from shared.pictures.rendition import Box

SIDE = 256
"""Pixels at most: what is sharp at the size that faces are shown in."""

_BOX = Box(SIDE, SIDE)
_MIDDLE = 128
_LAPLACIAN = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=_MIDDLE)


def measured(image: Image.Image, *, with_faces: bool = False) -> Measure:
    """Of a picture in sRGB."""
    small = flattened(resized(image, _BOX.fit(*image.size))).convert("L")
    found = faces.counted(image) if with_faces else None
    return Measure(sharpness=round(_sharpness(small), 1), faces=found)


def _sharpness(grey: Image.Image) -> float:
    """The variance of its Laplacian; of what is too small to have one, 0."""
    if min(grey.size) < 3:  # noqa: PLR2004 - as the kernel is
        return 0.0
    inner = (1, 1, grey.width - 1, grey.height - 1)
    return ImageStat.Stat(grey.filter(_LAPLACIAN).crop(inner)).var[0]
