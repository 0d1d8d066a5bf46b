"""Colours: whatever the original's mode and profile, a rendition is 8-bit sRGB, grey, or either with alpha."""

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageCms

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
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode == "F":
        return image.convert("L")
    if image.mode == "LAB":
        return _of_lab(image)
    if image.mode == "P" or "transparency" in image.info:
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode in _PLAIN:
        image = image.convert(_PLAIN[image.mode])
    return image.convert(_PREMULTIPLIED[image.mode]) if image.mode in _PREMULTIPLIED else image


def srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """L, LA, RGB or RGBA in sRGB, of what `scalable` gave: by the profile, where that is of any use."""
    if image.mode in _STRAIGHT:
        image = image.convert(_STRAIGHT[image.mode])
    if image.mode not in ("LA", "RGBA"):
        return _opaque_srgb(image, profile)
    *colors, alpha = image.split()
    opaque = Image.merge("RGB", colors) if len(colors) > 1 else colors[0]
    converted = _opaque_srgb(opaque, profile)
    converted.putalpha(alpha)
    return converted


def flattened(image: Image.Image) -> Image.Image:
    """On white, for a format without alpha."""
    if image.mode not in ("LA", "RGBA"):
        return image
    white = Image.new(image.mode[:-1], image.size, "white")
    white.paste(image.convert(white.mode), mask=image.getchannel("A"))
    return white


def _opaque_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
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
