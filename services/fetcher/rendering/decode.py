"""Decoding: all of the bytes, once, no larger than the largest rendition needs; and pictures made smaller."""

from PIL import Image

from services.fetcher.rendering.colors import scalable
from services.fetcher.rendering.original import OpenedOriginal

try:
    import cykooz_resizer
except ImportError:  # not every machine has a wheel of it: Pillow does the same, in five times the time
    cykooz_resizer = None

OVERSAMPLING = 2
"""Decoding and reducing may go by whole factors only while at least twice the target remains: below that it
costs sharpness."""

_BY_SIMD = frozenset({"L", "RGB", "RGBa", "CMYK"})
"""Pillow's modes of whole bytes, none of which has to be multiplied by another first."""


def draft(image: Image.Image, largest: tuple[int, int]) -> None:
    """Have a JPEG decoded at the smallest scale that still leaves twice the largest target."""
    image.draft(None, (largest[0] * OVERSAMPLING, largest[1] * OVERSAMPLING))


def decode(original: OpenedOriginal) -> Image.Image:
    """`original`: opened and drafted. In a mode that `colors.srgb` takes."""
    return scalable(original.pixels())


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """By Lanczos. `image` as `colors.scalable` gives it, and no smaller than `size`."""
    if cykooz_resizer is None or image.mode not in _BY_SIMD:
        return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=OVERSAMPLING)
    lanczos = cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.lanczos3)
    small = Image.new(image.mode, size)
    cykooz_resizer.Resizer().resize_pil(image, small, cykooz_resizer.ResizeOptions(resize_alg=lanczos))
    return small
