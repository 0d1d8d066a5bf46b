"""Colours: whatever the original's mode and profile, a rendition is 8-bit sRGB, with alpha where there is any."""

from io import BytesIO

from PIL import Image, ImageCms

_SRGB = ImageCms.createProfile("sRGB")
_SIXTEEN_BIT = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})


def true_color(image: Image.Image) -> Image.Image:
    """A mode that can be scaled: palettes looked up, 16 bits brought to 8 by their tone, CMYK left alone."""
    if image.mode in _SIXTEEN_BIT:
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode == "F":
        return image.convert("L")
    if image.mode == "P" or "transparency" in image.info:
        return _as(image, "RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("1", "LAB", "HSV", "YCbCr", "RGBX", "La", "RGBa", "PA"):
        return _as(image, {"1": "L", "La": "LA", "RGBa": "RGBA", "PA": "RGBA"}.get(image.mode, "RGB"))
    return image


def srgb(image: Image.Image) -> Image.Image:
    """RGB or RGBA in sRGB: by the embedded profile where there is a usable one."""
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    opaque = image.convert("RGB" if image.mode == "RGBA" else "L") if alpha else image
    converted = _by_profile(opaque, image.info.get("icc_profile")) or opaque.convert("RGB")
    if alpha:
        converted.putalpha(alpha)
    return converted


def flattened(image: Image.Image) -> Image.Image:
    """On white, for a format without alpha."""
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def average_color(image: Image.Image) -> str:
    """`#rrggbb` of the whole picture, on white where it is transparent."""
    small = flattened(srgb(image.reduce(max(1, min(image.size) // 64))))
    red, green, blue = small.resize((1, 1), Image.Resampling.BOX).tobytes()
    return f"#{red:02x}{green:02x}{blue:02x}"


def _by_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    if not profile:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        return ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None  # a broken profile, or one of another colour space: the numbers are taken as they are


def _as(image: Image.Image, mode: str) -> Image.Image:
    converted = image.convert(mode)
    converted.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return converted
