"""What the fuzzer starts from: sound pictures of every format and mode, and the corpus where it is there."""

from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from tests.providers import drawing, variants
from tests.providers.drawing import encode, encode_animation
from tests.providers.gallery import CORPUS

SIZE = (72, 48)
LARGEST_BYTES = 4 * 1024**2
"""Of the corpus only smaller files: a mutant of a large one costs seconds."""


@dataclass(frozen=True)
class Seed:
    name: str
    body: bytes


@lru_cache(maxsize=1)
def drawn() -> tuple[Seed, ...]:
    picture = drawing.photo(1, SIZE)
    bodies = {
        **{f"plain.{fmt}": encode(picture, fmt) for fmt in drawing.FORMATS},
        **_jpegs(picture),
        **_others(picture),
        **{f"moving.{fmt}": _moving(fmt) for fmt in ("gif", "webp", "png", "avif")},
        "drawing.svg": _DRAWING,
    }
    return tuple(Seed(name, body) for name, body in bodies.items())


@lru_cache(maxsize=1)
def collected() -> tuple[Seed, ...]:
    """Of the corpus beside the project; nothing where it is not there."""
    files = sorted(file for folder in ("good", "hostile") for file in (CORPUS / folder).glob("*"))
    return tuple(Seed(file.name, file.read_bytes()) for file in files if file.stat().st_size <= LARGEST_BYTES)


def _jpegs(picture: Image.Image) -> dict[str, bytes]:
    return {
        "turned.jpeg": variants.oriented(picture, 6),
        "inked.jpeg": variants.inked(picture),
        "progressive.jpeg": variants.progressive(picture),
        "profiled.jpeg": variants.profiled(picture),
        "grey.jpeg": encode(variants.grey(picture), "jpeg"),
        "restarting.jpeg": encode(picture, "jpeg", restart_marker_rows=1),
    }


def _others(picture: Image.Image) -> dict[str, bytes]:
    translucent, indexed, deep = (
        make(picture) for make in (variants.translucent, variants.indexed, variants.deep)
    )
    return {
        "translucent.png": encode(translucent, "png"),
        "indexed.png": encode(indexed, "png"),
        "deep.png": encode(deep, "png"),
        "two-coloured.png": encode(picture.convert("1"), "png"),
        "translucent.webp": encode(translucent, "webp"),
        "lossless.webp": encode(translucent, "webp", lossless=True),
        "translucent.avif": encode(translucent, "avif"),
        "indexed.gif": encode(indexed, "gif"),
        "indexed.bmp": encode(indexed, "bmp"),
        "deep.tiff": encode(deep, "tiff"),
        "translucent.tiff": encode(translucent, "tiff"),
        "inked.tiff": encode(picture.convert("CMYK"), "tiff"),
        **{
            f"{kind}.tiff": encode(picture, "tiff", compression=kind)
            for kind in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
        },
        "translucent.ico": encode(translucent, "ico"),
    }


def _moving(fmt: str) -> bytes:
    frames = drawing.frames(1, count=4, size=SIZE)
    match fmt:
        case "gif":
            return encode_animation(frames, "gif")
        case "webp":
            return encode_animation(frames, "webp")
        case "png":
            return encode_animation(frames, "png")
        case _:
            return encode_animation(frames, "avif")


_DRAWING = b"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 72 48">
<defs><linearGradient id="a"><stop offset="0" stop-color="red"/><stop offset="1" stop-color="#00f8"/></linearGradient>
<filter id="b"><feGaussianBlur stdDeviation="3"/></filter><g id="c"><circle cx="9" cy="9" r="7"/></g></defs>
<rect width="72" height="48" fill="url(#a)"/><use xlink:href="#c" transform="scale(2) rotate(10)" filter="url(#b)"/>
<path d="M5 5 C 20 20, 40 20, 50 10 A 30 50 0 0 1 62 57 Z" stroke="green" stroke-dasharray="1 2"/>
<text x="3" y="20" font-size="9">Onesheet</text></svg>"""
