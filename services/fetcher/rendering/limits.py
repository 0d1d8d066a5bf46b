"""Limits: what a picture may be, and may need, judged by its header alone, before anything is decoded."""

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from services.fetcher.rendering.order import Order, TooLarge, Unsound
from services.fetcher.rendering.original import Original

LONGEST_SIDE = 65_535
"""No JPEG has a longer one."""

STEEPEST_RATIO = 1000
"""Of the longer side to the shorter."""

RESERVED_BYTES = 160 * 1024**2
"""What a renderer takes before it decodes anything: the interpreter and the libraries."""

_ENCODER_BYTES = 64
"""For each pixel of the largest rendition: its scaled copies, and the encoder's (AVIF's takes most)."""

_DECODER_BYTES = {"WEBP": 12, "AVIF": 12, "HEIF": 12, "TIFF": 8, "ICO": 4}
"""For each pixel, besides the picture itself: whole canvases, frames before, strips as large as the picture."""

_COEFFICIENT_BYTES = 2
_STORED_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}
_CONVERTED_BYTES = {"P": 4, "PA": 4, "LA": 4, "RGBA": 4, "I;16": 9, "I;16B": 9, "I": 5, "F": 5}
"""For each pixel of a mode that is brought to another one before it is scaled."""


def check_size(width: int, height: int, order: Order) -> None:
    """Raise TooLarge, or Unsound for what has no size."""
    if width < 1 or height < 1:
        raise Unsound("The picture has no size.")
    if width * height > order.max_pixels:
        raise TooLarge(f"The picture has more than {order.max_pixels} pixels.")
    if max(width, height) > LONGEST_SIDE:
        raise TooLarge(f"A side of the picture is longer than {LONGEST_SIDE} pixels.")
    if max(width, height) > STEEPEST_RATIO * min(width, height):
        raise TooLarge(f"One side of the picture is more than {STEEPEST_RATIO} times the other.")


def check_memory(needed_bytes: int, order: Order) -> None:
    if RESERVED_BYTES + needed_bytes > order.memory_bytes:
        raise TooLarge("The picture needs more memory than a renderer has.")


def memory_needed(original: Original, whole: tuple[int, int], largest: tuple[int, int]) -> int:
    """Bytes for decoding an original, whose image's size is what will be decoded of the `whole`, and for making
    `largest` of it.
    """
    image = original.image
    pixel = _STORED_BYTES.get(image.mode, 4) + _DECODER_BYTES.get(image.format or "", original.pixel_bytes)
    pixel += _CONVERTED_BYTES.get(image.mode, 4 if "transparency" in image.info else 0)
    pixels = max(image.width * image.height, original.size[0] * original.size[1])
    decoded = pixels * pixel
    return decoded + _coefficients(image, whole) + largest[0] * largest[1] * _ENCODER_BYTES


def _coefficients(image: Image.Image, whole: tuple[int, int]) -> int:
    """A progressive JPEG keeps those of the whole picture until its last scan, however small it is decoded."""
    if not isinstance(image, JpegImageFile) or "progressive" not in image.info:
        return 0
    densest = max(h for _, h, _, _ in image.layer) * max(v for _, _, v, _ in image.layer)
    samples = sum(h * v for _, h, v, _ in image.layer) / densest
    return int(whole[0] * whole[1] * samples * _COEFFICIENT_BYTES)
