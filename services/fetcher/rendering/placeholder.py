"""What a page shows before the picture is there: its average colour and its thumbhash."""

from base64 import b64encode

from PIL import Image
from thash import rgba_to_thumb_hash

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
    return b64encode(bytes(rgba_to_thumb_hash(*small.size, small.tobytes()))).decode()
