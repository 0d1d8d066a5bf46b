"""Decoding: all of the bytes, once, no larger than the largest rendition needs; and pictures made smaller."""

import math

from PIL import Image

from services.fetcher.rendering.colors import scalable
from services.fetcher.rendering.original import OpenedOriginal

try:
    import cykooz_resizer
except ImportError:  # not every machine has a wheel of it: Pillow does the same, in five times the time
    cykooz_resizer = None

OVERSAMPLING = 2
"""Reducing may go by whole factors only while at least twice the target remains: below that it costs sharpness."""

_OF_JPEG = 1.5
"""The same of a JPEG's decoder, which leaves away the finest waves instead of averaging: so much keeps SSIM to 0.001."""

_BY_SIMD = frozenset({"L", "RGB", "RGBa", "CMYK"})
"""Pillow's modes of whole bytes, none of which has to be multiplied by another first."""


Extent = tuple[float, float]
"""How much of what was decoded is the picture, in pixels from its top left corner: half of an odd width is
half a pixel less than what is decoded of it.
"""


def draft(image: Image.Image, largest: tuple[int, int]) -> Extent | None:
    """Have a JPEG decoded at the smallest scale that still leaves one and a half times the largest target. None: all of
    what is decoded is the picture.
    """
    drafted = image.draft(None, (math.ceil(largest[0] * _OF_JPEG), math.ceil(largest[1] * _OF_JPEG)))
    extent = drafted[1][2:] if drafted else image.size
    return None if extent == image.size else extent


def decode(original: OpenedOriginal) -> Image.Image:
    """`original`: opened and drafted. In a mode that `colors.srgb` takes."""
    return scalable(original.pixels())


def resized(image: Image.Image, size: tuple[int, int], extent: Extent | None = None) -> Image.Image:
    """By Lanczos. `image` as `colors.scalable` gives it, and no smaller than `size`; `extent`: as `draft` told, of
    what was decoded.
    """
    if cykooz_resizer is None or image.mode not in _BY_SIMD:
        box = (0, 0, *extent) if extent else None
        return image.resize(size, Image.Resampling.LANCZOS, box, reducing_gap=OVERSAMPLING)
    lanczos = cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.lanczos3)
    box = cykooz_resizer.CropBox(0, 0, *extent) if extent else None
    small = Image.new(image.mode, size)
    cykooz_resizer.Resizer().resize_pil(
        image, small, cykooz_resizer.ResizeOptions(resize_alg=lanczos, crop_box=box)
    )
    return small
