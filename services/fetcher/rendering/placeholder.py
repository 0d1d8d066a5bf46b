"""What a page shows before the picture is there: its average colour and its thumbhash."""

import sys
from base64 import b64encode
from collections.abc import Callable
from functools import cache

from PIL import Image

from services.fetcher.rendering.colors import flattened
from shared.pictures.rendition import Box

BOX = Box(16, 16)
"""Enough for the waves that a thumbhash is made of: of none are there more than three to a side."""


def average_color(image: Image.Image) -> str:
    """`#rrggbb` of a picture in sRGB, on white where it is transparent."""
    red, green, blue = flattened(image).convert("RGB").resize((1, 1), Image.Resampling.BOX).tobytes()
    return f"#{red:02x}{green:02x}{blue:02x}"


def thumbhash(image: Image.Image) -> str:
    """https://evanw.github.io/thumbhash/ of a picture in sRGB, base64."""
    small = image.resize(BOX.fit(*image.size), Image.Resampling.BOX).convert("RGBA")
    return b64encode(bytes(_encoder()(*small.size, small.tobytes()))).decode()


@cache
def _encoder() -> Callable[..., list[int]]:
    """Thash's own arithmetic, the same wherever we run. NumPy, where it is installed, would be loaded with it, some 100 MB of address
    space, of which a renderer has little; its hashes may be others, and bytes are refused.
    """
    is_loaded = "numpy" in sys.modules
    if not is_loaded:
        sys.modules["numpy"] = None  # type: ignore[assignment] # as the import system says what is not there
    try:
        from thash import rgba_to_thumb_hash_pure  # noqa: PLC0415 - see above
    finally:
        if not is_loaded:
            del sys.modules["numpy"]
    return rgba_to_thumb_hash_pure
