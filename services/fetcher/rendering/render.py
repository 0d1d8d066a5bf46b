"""Rendering: one decode of an original, and the renditions made of it. Runs in a process that can be killed.

Nothing here is trusted: the bytes are a stranger's until Pillow has decoded all of them.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from services.fetcher.rendering.colors import average_color, flattened, srgb, true_color
from shared.pictures import Format, Rendition

# What is opened, by the bytes alone; the names are Pillow's. Whatever else it could read, we do not offer it.
_MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # a JPEG with a second picture behind it (depth, gain map): we take the first
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "ICO": "image/vnd.microsoft.icon",
}
_ORIENTATION = 0x0112
_TURNED = frozenset({5, 6, 7, 8})
_OVERSAMPLING = 2
"""Decoding and resizing may go by whole factors only while at least twice the target remains: below that
it costs sharpness."""

_NOT_THE_PICTURE = frozenset(
    {
        *(errno.ENOENT, errno.EACCES, errno.EIO, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE),
    }
)

_ENCODING: dict[Format, tuple[str, dict[str, Any]]] = {
    Format.WEBP: ("WEBP", {"method": 2}),  # method 4 costs 1.5 times the CPU for 4 % smaller files
    Format.AVIF: ("AVIF", {"speed": 8}),
    Format.JPG: ("JPEG", {"progressive": True}),
    Format.PNG: ("PNG", {}),
}

Image.MAX_IMAGE_PIXELS = None  # `Order.max_pixels` is checked instead, before anything is decoded


@dataclass(frozen=True, slots=True)
class Order:
    """What to make, of which file, and where to put it. Without renditions: only look whether it is sound."""

    original: Path
    into: Path
    renditions: tuple[Rendition, ...]
    quality: int
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the original turned out to be. Width and height in pixels, upright; color is `#rrggbb`."""

    mime: str
    width: int
    height: int
    frames: int
    color: str


class Unsound(Exception):
    """The bytes are no picture that we can serve. The text says why, for users."""


class TooLarge(Unsound):
    """It may be a picture, but one over our limits."""


def render(order: Order) -> Rendered:
    """Raise Unsound for whatever cannot be decoded, OSError when the volume fails us or the original went away."""
    try:
        with Image.open(order.original, formats=tuple(set(_MEDIA_TYPES) - {"MPO"})) as image:
            return _render(image, order)
    except (Unsound, MemoryError):
        raise
    except Exception as error:
        # Decoders raise anything at all for broken bytes; these say nothing about the bytes.
        if isinstance(error, OSError) and error.errno in _NOT_THE_PICTURE:
            raise
        raise Unsound(f"The bytes are not a picture that can be decoded ({type(error).__name__}).") from None


def _render(image: Image.Image, order: Order) -> Rendered:
    if image.width * image.height > order.max_pixels:
        raise TooLarge(f"The picture has more than {order.max_pixels} pixels.")
    mime = _MEDIA_TYPES[image.format or ""]
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    orientation = image.getexif().get(_ORIENTATION, 1)
    turned = orientation in _TURNED
    width, height = (image.height, image.width) if turned else image.size
    targets = {rendition: rendition.box.fit(width, height) for rendition in order.renditions}
    largest = max(targets.values(), default=(64, 64))
    decoded = _decode(image, largest[::-1] if turned else largest)
    smallest = decoded
    for rendition, scaled in _scaled(decoded, targets, turned=turned):
        upright = ImageOps.exif_transpose(_with_orientation(srgb(scaled), orientation))
        _save(upright, rendition, order)
        smallest = scaled
    return Rendered(mime, width, height, frames, average_color(smallest))


def _decode(image: Image.Image, largest: tuple[int, int]) -> Image.Image:
    """All of the bytes, JPEGs at the smallest scale that still leaves twice the largest target."""
    image.draft(None, (largest[0] * _OVERSAMPLING, largest[1] * _OVERSAMPLING))
    image.load()
    return true_color(image)


def _scaled(
    decoded: Image.Image, targets: dict[Rendition, tuple[int, int]], *, turned: bool
) -> Iterator[tuple[Rendition, Image.Image]]:
    """Each target from the smallest picture made so far that has twice its size, the largest target first."""
    made = [decoded]
    for rendition, target in sorted(targets.items(), key=lambda item: item[1], reverse=True):
        size = target[::-1] if turned else target
        source = next(
            (
                s
                for s in reversed(made)
                if s.width >= _OVERSAMPLING * size[0] and s.height >= _OVERSAMPLING * size[1]
            ),
            decoded,
        )
        scaled = source.resize(size, Image.Resampling.LANCZOS, reducing_gap=_OVERSAMPLING)
        scaled.info = dict(decoded.info)
        made.append(scaled)
        yield rendition, scaled


def _with_orientation(image: Image.Image, orientation: int) -> Image.Image:
    image.getexif()[_ORIENTATION] = orientation
    return image


def _save(image: Image.Image, rendition: Rendition, order: Order) -> None:
    assert rendition.format is not None
    if rendition.format is Format.JPG:
        image = flattened(image)
    image.info = {}  # no EXIF, no profile, no comment: what a rendition needs is in its pixels
    encoder, options = _ENCODING[rendition.format]
    image.save(order.into / str(rendition), encoder, quality=order.quality, **options)
