"""What a page shows before the picture is there: its average colour and its thumbhash."""

import math
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from operator import mul

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
    return b64encode(_encoded(*small.size, small.tobytes())).decode()


_NOISE = 1e-9
"""What the waves of one colour come to, for which floating point is to blame."""

Channel = Sequence[float]


def _encoded(width: int, height: int, pixels: bytes) -> bytes:
    """As `thash` does it in three times the time, for it computes each wave for each pixel. `pixels`: RGBA."""
    red, green, blue, alpha = ([value / 255 for value in pixels[channel::4]] for channel in range(4))
    has_alpha = min(alpha) < 1
    if has_alpha:
        red, green, blue = (_on_average(channel, alpha) for channel in (red, green, blue))
    most, longer = 5 if has_alpha else 7, max(width, height)
    across, down = (max(1, round(most * side / longer)) for side in (width, height))
    lightness = [(r + g + b) / 3 for r, g, b in zip(red, green, blue, strict=True)]
    yellow = [(r + g) / 2 - b for r, g, b in zip(red, green, blue, strict=True)]
    redness = [r - g for r, g in zip(red, green, strict=True)]
    light, light_waves, light_scale = _waves(lightness, width, max(3, across), max(3, down))
    warm, warm_waves, warm_scale = _waves(yellow, width, 3, 3)
    reddish, reddish_waves, reddish_scale = _waves(redness, width, 3, 3)
    is_landscape = width > height
    head = (
        round(63 * light)
        | round(31.5 + 31.5 * warm) << 6
        | round(31.5 + 31.5 * reddish) << 12
        | round(31 * light_scale) << 18
        | has_alpha << 23
        | (down if is_landscape else across) << 24
        | round(63 * warm_scale) << 27
        | round(63 * reddish_scale) << 33
        | is_landscape << 39
    ).to_bytes(5, "little")
    waves = [*light_waves, *warm_waves, *reddish_waves]
    if has_alpha:
        clear, clear_waves, clear_scale = _waves(alpha, width, 5, 5)
        waves = [clear, clear_scale, *waves, *clear_waves]
    return head + _in_halves([round(15 * wave) for wave in waves])


def _on_average(channel: Channel, alpha: Channel) -> list[float]:
    """On the average of what is seen of it."""
    seen = sum(alpha)
    average = sum(map(mul, channel, alpha)) / seen if seen else 0.0
    return [average * (1 - clear) + clear * value for value, clear in zip(channel, alpha, strict=True)]


def _waves(channel: Channel, width: int, across: int, down: int) -> tuple[float, Channel, float]:
    """The average, the waves from 0 to 1, and what 1 stands for. First along the rows, and then down what comes of that."""
    height = len(channel) // width
    rows = [channel[first : first + width] for first in range(0, len(channel), width)]
    along = [[sum(map(mul, row, cosine)) for row in rows] for cosine in _cosines(width, across)]
    average, *found = (
        sum(map(mul, along[x], cosine)) / (width * height)
        for y, cosine in enumerate(_cosines(height, down))
        for x in range(across)
        if x * down < across * (down - y)
    )
    scale = max(map(abs, found))
    if scale < _NOISE:
        return average, [0.0] * len(found), 0.0
    return average, [0.5 + 0.5 / scale * wave for wave in found], scale


@lru_cache(maxsize=256)
def _cosines(length: int, count: int) -> Sequence[Channel]:
    return [
        [math.cos(math.pi / length * wave * (place + 0.5)) for place in range(length)]
        for wave in range(count)
    ]


def _in_halves(numbers: list[int]) -> bytes:
    """Two in each byte, the first one in its lower half."""
    numbers += [0] * (len(numbers) % 2)
    return bytes(low | high << 4 for low, high in zip(numbers[::2], numbers[1::2], strict=True))
