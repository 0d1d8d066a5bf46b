"""Pictures made smaller: for a rendition, and for the placeholder."""

from base64 import b64encode
from collections.abc import Iterator, Mapping

from PIL import Image
from thash import rgba_to_thumb_hash

from services.fetcher.rendering.colors import flattened
from services.fetcher.rendering.decode import Pixels
from shared.pictures import Rendition
from shared.pictures.rendition import Box

Size = tuple[int, int]

STEP = 1.5
"""A copy scaled with Lanczos has all the detail for another one that is smaller by this factor."""


def scaled(decoded: Pixels, targets: Mapping[Rendition, Size]) -> Iterator[tuple[Rendition, Pixels]]:
    """Each target in its size, the largest first."""
    made = [decoded]
    for rendition, size in sorted(targets.items(), key=lambda item: item[1], reverse=True):
        source = next(pixels for pixels in reversed(made) if pixels is decoded or _serves(pixels, size))
        made.append(source.scaled(size))
        yield rendition, made[-1]


def _serves(pixels: Pixels, size: Size) -> bool:
    return pixels.size == size or (pixels.size[0] >= STEP * size[0] and pixels.size[1] >= STEP * size[1])


BOX = Box(24, 24)
"""Enough for the waves that a thumbhash is made of, of which none is shorter than a seventh of a side."""


def average_color(image: Image.Image) -> str:
    """`#rrggbb` of a picture in sRGB, on white where it is transparent."""
    red, green, blue = flattened(image).convert("RGB").resize((1, 1), Image.Resampling.BOX).tobytes()
    return f"#{red:02x}{green:02x}{blue:02x}"


def thumbhash(image: Image.Image) -> str:
    """https://evanw.github.io/thumbhash/ of a picture in sRGB, base64."""
    small = image.resize(BOX.fit(*image.size), Image.Resampling.BOX).convert("RGBA")
    return b64encode(bytes(rgba_to_thumb_hash(*small.size, small.tobytes()))).decode()
