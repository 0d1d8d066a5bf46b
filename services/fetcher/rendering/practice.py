"""Practice: a small picture of each format and mode gone through, so that decoders have loaded all of themselves.

Pillow imports parts of itself, and of Python, at the first picture that needs them.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image, ImageCms

from services.fetcher.rendering import heif
from services.fetcher.rendering.order import Order
from services.fetcher.rendering.render import render
from shared.pictures import Format, Rendition

_SIZE = (8, 6)
_SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="8" height="6"><rect width="4" height="3"/><text y="6">a</text></svg>"""
_MOVING: dict[str, Any] = {"save_all": True, "duration": 40, "loop": 0}
_QUALITY, _MAX_PIXELS = 50, 1_000_000
_EVERY = tuple(Rendition("thumbnail", format_) for format_ in Format)
_USUAL = (Rendition("thumbnail", Format.WEBP),)


def go_through_formats() -> None:
    """What cannot be gone through, for a codec or a directory is missing, is left to fail where it is wanted."""
    with suppress(OSError), TemporaryDirectory() as name:
        directory = Path(name)
        for original, renditions in _originals(directory):
            for bare in (False, True):
                with suppress(Exception):
                    order = Order(original, directory, renditions, _QUALITY, _MAX_PIXELS, bare=bare)
                    order = replace(order, described=renditions is _EVERY)
                    render(order)


def _originals(directory: Path) -> Iterator[tuple[Path, tuple[Rendition, ...]]]:
    """With what to make of it: a still one and a moving one into every format, which loads all of the encoders. Each of them
    into each would be a third of a start.
    """
    (directory / "svg").write_bytes(_SVG)
    (directory / "heic").write_bytes(heif.SAMPLE)
    yield from ((directory / "svg", _USUAL), (directory / "heic", _USUAL))
    for number, (format_, image, options) in enumerate(_samples()):
        path = directory / f"{number}-{format_}"
        with suppress(Exception):
            image.save(path, format_, **options)
            yield path, _EVERY if image.mode == "RGBA" or format_ == "GIF" else _USUAL


def _samples() -> Iterator[tuple[str, Image.Image, dict[str, Any]]]:
    colors = Image.new("RGB", _SIZE, "red")
    other = Image.new("RGB", _SIZE, "blue")
    told = {
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "exif": _exif(),
    }
    yield from (
        ("JPEG", colors, told),
        ("JPEG", colors.convert("CMYK"), {}),
        ("JPEG", colors, {"progressive": True}),
    )
    yield from (("PNG", colors, told), ("WEBP", colors, told), ("AVIF", colors, told), ("TIFF", colors, told))
    yield from (("BMP", colors, {}), ("ICO", colors, {"sizes": [_SIZE]}), ("GIF", colors, {}))
    for format_ in ("GIF", "PNG", "WEBP", "AVIF"):
        yield format_, colors, {**_MOVING, "append_images": [other]}
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        yield "PNG", Image.new(mode, _SIZE), {}
    for compression in ("jpeg", "tiff_adobe_deflate", "tiff_lzw", "packbits"):
        yield "TIFF", colors, {"compression": compression}
    yield "TIFF", _lab(colors), {}


def _lab(colors: Image.Image) -> Image.Image:
    to_lab = ImageCms.ImageCmsTransform(
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")),
        "RGB",
        "LAB",
    )
    return to_lab.apply(colors)


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()
