"""Encoding: pixels alone, without a profile, EXIF or a comment: what a rendition needs is in its pixels."""

from pathlib import Path
from typing import Any

from PIL import Image

from services.fetcher.rendering.colors import flattened
from shared.pictures import Format

OPTIONS: dict[Format, tuple[str, dict[str, Any]]] = {
    Format.WEBP: ("WEBP", {"method": 2}),  # method 4 costs 1.5 times the CPU for 4 % smaller files
    Format.AVIF: (
        "AVIF",
        {
            "speed": 9,  # 8 costs three times the CPU, for an eighth smaller files
            "max_threads": 1,  # the other cores have renderers of their own
            "autotiling": False,  # tiles are for threads
            "advanced": {"tune": "ssim", "enable-cdef": "1"},  # which is off at this speed
        },
    ),
    Format.JPG: ("JPEG", {"progressive": True}),
    Format.PNG: ("PNG", {}),
}


_SAME_LOOK = (85, 70)
"""By SSIM, AVIF has the look of a WebP of the first quality with the second."""


def avif_quality(quality: int) -> int:
    """What looks like a WebP of this quality: in proportion up to the usual one, and from there to the best of both."""
    webp, avif = _SAME_LOOK
    if quality <= webp:
        return max(1, round(quality * avif / webp))
    return round(100 - (100 - quality) * (100 - avif) / (100 - webp))


def encode(image: Image.Image, format_: Format, into: Path, quality: int) -> None:
    """`image`: L, LA, RGB or RGBA."""
    if format_ is Format.JPG:
        image = flattened(image)
    image.info = {}
    encoder, options = OPTIONS[format_]
    if format_ is Format.AVIF:
        quality = avif_quality(quality)
    image.save(into, encoder, quality=quality, **options)
