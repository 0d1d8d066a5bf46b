"""Pictures the project draws itself: no rights to clear, the same bytes for the same seed.

Colour fields, shapes, texture and a little grain, so that they compress about as photographs do:
a poster is some 250 kB of JPEG, a 6-megapixel photo some 1 MB.
"""

import io
from functools import lru_cache
from random import Random
from typing import Literal, get_args

from PIL import Image, ImageDraw, ImageFilter

Size = tuple[int, int]
Format = Literal["jpeg", "png", "webp", "avif", "gif", "bmp", "tiff", "ico"]
AnimatedFormat = Literal["gif", "webp", "png", "avif"]
FORMATS: tuple[Format, ...] = get_args(Format)

POSTER: Size = (1000, 1500)
BACKDROP: Size = (3840, 2160)
PHOTO: Size = (3000, 2000)

_SHAPES = 14
_OPTIONS: dict[Format, dict[str, object]] = {
    "jpeg": {"quality": 85},
    "png": {"compress_level": 1},
    "webp": {"quality": 82, "method": 0},
    "avif": {"quality": 60, "speed": 10},
    "tiff": {"compression": "tiff_adobe_deflate"},
    "ico": {"sizes": [(16, 16), (32, 32), (256, 256)]},
}


def poster(seed: int, size: Size = POSTER) -> Image.Image:
    """An upright picture, RGB."""
    return _drawn(f"poster {seed}", size).copy()


def portraits(count: int) -> Image.Image:
    """So many drawn people side by side, whose faces YuNet finds."""
    picture = Image.new("RGB", (240 * count, 320), (90, 110, 130))
    pen = ImageDraw.Draw(picture)
    for number in range(count):
        x, y = 240 * number + 120, 153
        pen.ellipse((x - 70, y - 105, x + 70, y + 80), fill=(60, 40, 25))
        pen.rectangle((x - 28, y + 70, x + 28, y + 130), fill=(200, 155, 125))
        pen.rectangle((x - 110, y + 120, x + 110, 320), fill=(40, 50, 90))
        pen.ellipse((x - 60, y - 80, x + 60, y + 92), fill=(224, 180, 150))
        for side in (x - 26, x + 26):
            pen.ellipse((side - 14, y - 22, side + 14, y - 6), fill=(250, 250, 250))
            pen.ellipse((side - 6, y - 21, side + 6, y - 7), fill=(50, 30, 20))
            pen.arc((side - 18, y - 42, side + 18, y - 18), 200, 340, fill=(70, 45, 30), width=5)
        pen.polygon([(x, y - 8), (x - 12, y + 26), (x + 12, y + 26)], fill=(200, 150, 125))
        pen.ellipse((x - 26, y + 44, x + 26, y + 60), fill=(180, 70, 70))
        pen.line((x - 26, y + 52, x + 26, y + 52), fill=(120, 40, 40), width=2)
    return picture.filter(ImageFilter.GaussianBlur(2))


def backdrop(seed: int, size: Size = BACKDROP) -> Image.Image:
    """A wide picture, RGB."""
    return _drawn(f"backdrop {seed}", size).copy()


def photo(seed: int, size: Size = PHOTO) -> Image.Image:
    """A picture as a camera would make it: 6 megapixels unless told otherwise, RGB."""
    return _drawn(f"photo {seed}", size).copy()


def frames(seed: int, count: int = 8, size: Size = (320, 180)) -> list[Image.Image]:
    """The pictures of an animation: one scene that a white square moves across."""
    scene = _drawn(f"frames {seed}", size)
    side = size[1] // 4
    pictures = []
    for number in range(count):
        picture = scene.copy()
        left = number * (size[0] - side) // max(1, count - 1)
        ImageDraw.Draw(picture).rectangle((left, side, left + side, 2 * side), fill="white")
        pictures.append(picture)
    return pictures


def encode(picture: Image.Image, fmt: Format, **options: object) -> bytes:
    """The picture as a file. `options` are Pillow's for that format and win over the fast ones chosen here."""
    body = io.BytesIO()
    picture.save(body, format=fmt, **(_OPTIONS.get(fmt, {}) | options))
    return body.getvalue()


def encode_animation(
    pictures: list[Image.Image],
    fmt: AnimatedFormat = "gif",
    frame_ms: int | list[int] = 80,
    loop: int | None = 0,
) -> bytes:
    """The pictures as one animated file, which repeats for ever unless told otherwise; None: it does not say."""
    first, *rest = pictures
    times = frame_ms[0] if isinstance(frame_ms, list) and not rest else frame_ms
    options = {} if loop is None else {"loop": loop}
    return encode(first, fmt, save_all=True, append_images=rest, duration=times, **options)


@lru_cache(maxsize=6)
def _drawn(name: str, size: Size) -> Image.Image:
    dice = Random(name)  # a string seeds the same in every process, unlike its hash
    picture = _colour_field(dice, size)
    _draw_shapes(dice, picture)
    picture = Image.blend(picture, _texture(dice, size, grain_px=6), 0.08)
    return Image.blend(picture, _texture(dice, size, grain_px=1), 0.035)


def _colour_field(dice: Random, size: Size) -> Image.Image:
    few = (4, 5)
    return Image.frombytes("RGB", few, dice.randbytes(few[0] * few[1] * 3)).resize(
        size, Image.Resampling.BICUBIC
    )


def _draw_shapes(dice: Random, picture: Image.Image) -> None:
    width, height = picture.size
    pen = ImageDraw.Draw(picture, "RGBA")
    for _ in range(_SHAPES):
        colour = (*dice.randbytes(3), dice.randrange(60, 220))
        x, y = dice.randrange(width), dice.randrange(height)
        across, down = dice.randrange(width // 3 + 1), dice.randrange(height // 3 + 1)
        if dice.random() < 0.5:
            pen.ellipse((x, y, x + across, y + down), fill=colour)
        else:
            pen.polygon([(x, y), (x + across, y + down // 2), (x + across // 3, y + down)], fill=colour)


def _texture(dice: Random, size: Size, *, grain_px: int) -> Image.Image:
    width, height = (max(1, side // grain_px) for side in size)
    grain = Image.frombytes("L", (width, height), dice.randbytes(width * height))
    return grain.resize(size, Image.Resampling.BICUBIC).convert("RGB")
