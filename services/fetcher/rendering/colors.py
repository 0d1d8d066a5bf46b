"""Colours: whatever the original's mode and profile, a rendition is 8-bit sRGB, grey, or either with alpha."""

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageCms

from services.fetcher.rendering.color_spaces import ColorSpace, profile_of, tone_mapping
from services.fetcher.rendering.order import Unsound

Colors = bytes | ColorSpace | None
"""What an original's samples mean: by an ICC profile, by numbers, or as sRGB has them."""

_SIXTEEN_BIT = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
_PLAIN = {"1": "L", "La": "LA", "RGBa": "RGBA", "PA": "RGBA", "HSV": "RGB", "YCbCr": "RGB", "RGBX": "RGB"}
_PREMULTIPLIED = {"LA": "La", "RGBA": "RGBa"}
_STRAIGHT = {"La": "LA", "RGBa": "RGBA"}

LARGEST_PROFILE_BYTES = 4 * 1024**2
"""Those of printing presses have a megabyte or two."""

_KEPT_PROFILES = 8


def scalable(image: Image.Image) -> Image.Image:
    """In a mode whose samples can be averaged: palettes looked up, 16 bits brought to 8 by their tone, colours
    multiplied by their alpha, so that what is clear does not darken its neighbours. CMYK is left alone.
    """
    if image.mode in _SIXTEEN_BIT:
        return _of_sixteen_bits(image)
    if image.mode == "F":
        return _of_floats(image)
    if image.mode == "LAB":
        return _of_lab(image)
    if image.mode == "P" or "transparency" in image.info:
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode in _PLAIN:
        image = image.convert(_PLAIN[image.mode])
    return image.convert(_PREMULTIPLIED[image.mode]) if image.mode in _PREMULTIPLIED else image


def srgb(image: Image.Image, colors: Colors) -> Image.Image:
    """L, LA, RGB or RGBA in sRGB, of what `scalable` gave: by its profile, where that is of any use."""
    if image.mode in _STRAIGHT:
        image = image.convert(_STRAIGHT[image.mode])
    if image.mode not in ("LA", "RGBA"):
        return _opaque_srgb(image, colors)
    *bands, alpha = image.split()
    opaque = Image.merge("RGB", bands) if len(bands) > 1 else bands[0]
    converted = _opaque_srgb(opaque, colors)
    converted.putalpha(alpha)
    return converted


def flattened(image: Image.Image) -> Image.Image:
    """On white, for a format without alpha."""
    if image.mode not in ("LA", "RGBA"):
        return image
    white = Image.new(image.mode[:-1], image.size, "white")
    white.paste(image.convert(white.mode), mask=image.getchannel("A"))
    return white


def _of_sixteen_bits(image: Image.Image) -> Image.Image:
    deep = image.convert("I")
    if not image.mode.startswith("I;16"):
        least, most = _extrema(deep)
        if least < 0 or most > 65_535:  # noqa: PLR2004 - 16 bits
            raise Unsound("The picture's samples have more than 16 bits.")
    return deep.point(lambda value: value * (1 / 256)).convert("L")


def _of_floats(image: Image.Image) -> Image.Image:
    """From 0 to 1, as floats usually are, or to 255: what lies elsewhere measures something, and shows nothing."""
    least, most = _extrema(image)
    if not (least >= 0 and most <= 255):  # noqa: PLR2004 - not a number is neither
        raise Unsound("The picture's samples are not within 0 and 1.")
    scale = 255 if most <= 1 else 1
    return image.point(lambda value: value * scale + 0.5).convert("L")


def _extrema(image: Image.Image) -> tuple[float, float]:
    least, most = image.getextrema()
    assert isinstance(least, int | float)
    assert isinstance(most, int | float)
    return least, most


def _opaque_srgb(image: Image.Image, colors: Colors) -> Image.Image:
    if isinstance(colors, ColorSpace) and image.mode not in ("L", "RGB"):  # inks
        colors = None
    if isinstance(colors, ColorSpace) and colors.is_hdr:
        converted = image.convert("RGB").filter(tone_mapping(colors))
        return converted.convert("L") if image.mode == "L" else converted
    profile = profile_of(colors, grey=image.mode == "L") if isinstance(colors, ColorSpace) else colors
    if profile and len(profile) <= LARGEST_PROFILE_BYTES and (transform := _to_srgb(profile, image.mode)):
        converted = transform.apply(image)
        return converted.convert("L") if image.mode == "L" else converted
    return image if image.mode == "L" else image.convert("RGB")


@lru_cache(_KEPT_PROFILES)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None for a profile that is broken, or of another colour space: the numbers are then taken as they are."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        return ImageCms.ImageCmsTransform(source, _srgb_profile(), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _of_lab(image: Image.Image) -> Image.Image:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return ImageCms.ImageCmsTransform(lab, _srgb_profile(), "LAB", "RGB").apply(image)


@lru_cache(1)
def _srgb_profile() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
