"""Pictures inside of a drawing: known by their bytes, whatever they are called, and given to the renderer as it knows them."""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from io import BytesIO
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from PIL import Image

from services.fetcher.rendering.colors import scalable, srgb
from services.fetcher.rendering.exif import with_orientation
from services.fetcher.rendering.limits import check_memory, check_size
from services.fetcher.rendering.order import Order, TooLarge, Unsound
from services.fetcher.rendering.original import OpenedOriginal, open_original

_DRAWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

_REDRAWN_BYTES = 24
"""For each pixel."""


class Embedded(NamedTuple):
    url: str
    pixels: int


def embedded(url: str, order: Order) -> Embedded | None:
    """As a `data:` URL that says what it is, without metadata where the order is so; None for what is no picture.
    Raise TooLarge for one over the limits.
    """
    body = _bytes_of(url)
    if not body:
        return None
    try:
        original = open_original(body)
        check_size(*original.size, order)
        with original.image:
            if original.media_type not in _DRAWN:
                check_memory(_REDRAWN_BYTES * original.size[0] * original.size[1], order)
                body, media_type = _redrawn(original), "image/png"
            else:
                media_type = original.media_type
                if order.bare and original.stripped:
                    body = original.stripped(with_orientation(original.orientation))
    except (TooLarge, Image.DecompressionBombError):
        raise
    except (Unsound, OSError, ValueError, SyntaxError, RuntimeError):
        return None
    size = original.size[0] * original.size[1]
    return Embedded(f"data:{media_type};base64,{b64encode(body).decode()}", size)


def _bytes_of(url: str) -> bytes | None:
    """RFC 2397. None for other URLs."""
    head, comma, data = url.strip().partition(",")
    if not comma or head[:5].lower() != "data:":
        return None
    raw = unquote_to_bytes(data)
    if not head.replace(" ", "").lower().endswith(";base64"):
        return raw
    try:
        packed = bytes(raw.translate(None, b" \t\r\n\f"))
        return b64decode(packed + b"=" * (-len(packed) % 4))
    except NotBase64:
        return None


def _redrawn(original: OpenedOriginal) -> bytes:
    made = BytesIO()
    srgb(scalable(original.pixels()), original.colors).save(made, "PNG")
    return made.getvalue()
