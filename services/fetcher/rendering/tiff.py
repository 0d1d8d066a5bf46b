"""TIFF: what the decoder does not heed of it: samples that grow darker, and those of a pixel that lie far apart."""

from collections.abc import Callable

from PIL import Image, ImageChops, TiffImagePlugin

from services.fetcher.rendering.colors import scalable

_BITS, _PHOTOMETRIC, _PLANAR = 258, 262, 284
_WHITE_IS_ZERO = 0
_APART = 2
_HALVES = {"<": "L;16", ">": "L;16B"}
_DEEP = 16


def how_loaded(image: Image.Image) -> Callable[[Image.Image], Image.Image] | None:
    """None where the decoder has it right."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    if _is_far_apart(image):
        return _put_together
    if image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and image.mode not in ("1", "L", "P"):
        return _inverted
    return None


def _inverted(image: Image.Image) -> Image.Image:
    image.load()
    return ImageChops.invert(scalable(image))


def _is_far_apart(image: TiffImagePlugin.TiffImageFile) -> bool:
    """Whether its bands lie one behind another in a form of which the decoder takes one for another."""
    bits = image.tag_v2.get(_BITS, (1,))
    return (
        image.tag_v2.get(_PLANAR) == _APART
        and all(tile.codec_name == "raw" for tile in image.tile)
        and (bits[0] == _DEEP or image.mode in ("LA", "La"))
    )


def _put_together(image: Image.Image) -> Image.Image:
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    bands = image.getbands()
    count = len(image.tile) // len(bands)
    deep = image.tag_v2.get(_BITS, (1,))[0] == _DEEP
    form = _HALVES[image.tag_v2._endian] if deep else "L"  # noqa: SLF001 - no other way to it
    fp = image.fp
    assert fp is not None
    made = []
    for number in range(len(bands)):
        band = Image.new("L", image.size)
        for tile in image.tile[number * count : (number + 1) * count]:
            assert tile.extents
            left, top, right, bottom = tile.extents
            size = (right - left, bottom - top)
            stride = size[0] * (2 if deep else 1)
            fp.seek(tile.offset)
            part = Image.frombytes("L", size, fp.read(stride * size[1]), "raw", form, stride)
            band.paste(part, (left, top))
        made.append(band)
    return Image.merge(image.mode, made)
