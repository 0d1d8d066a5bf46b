"""Rendering without a sandbox, and references to compare with: full decodes, put right by the plainest code."""

import struct
from collections.abc import Callable, Sequence
from io import BytesIO
from math import dist
from multiprocessing.connection import Connection
from pathlib import Path

from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat

from services.fetcher.rendering.render import Order, RenderResult, Unsound, render
from shared.pictures import Rendition

MEGABYTE = 1024**2
Render = Callable[..., tuple[RenderResult, dict[str, Image.Image]]]
_SRGB, _LAB = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")


def rendered_in(
    directory: Path, body: bytes, *names: str, max_pixels: int = 10**8, memory_mb: int = 1024
) -> tuple[RenderResult, dict[str, Image.Image]]:
    """What the bytes turned out to be, and the named renditions as pictures."""
    original = directory / "download"
    original.write_bytes(body)
    renditions = tuple(Rendition.parse(name) for name in names)
    order = Order(
        original,
        directory,
        renditions,
        quality=85,
        max_pixels=max_pixels,
        memory_bytes=memory_mb * MEGABYTE,
    )
    said = render(order)
    return said, {name: Image.open(BytesIO((directory / name).read_bytes())) for name in names}


def measured(told: Connection, original: Path, into: Path, max_pixels: int, names: Sequence[str]) -> None:
    """In a process of its own: say what came of it, and by how many MB the process grew at most."""
    order = Order(original, into, tuple(map(Rendition.parse, names)), quality=85, max_pixels=max_pixels)
    before = _peak_mb()
    try:
        said = render(order)
        outcome = f"{said.width}x{said.height}"
    except Unsound as error:
        outcome = type(error).__name__
    told.send((outcome, _peak_mb() - before))


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of the samples, 0 to 255, of the worst channel."""
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


def delta_e(one: Image.Image, other: Image.Image) -> float:
    """Mean CIE76 difference of two pictures in sRGB, on white, looked at from afar: 2.3 is just noticeable."""
    small = (32, 32)
    labs = [_lab(on_white(picture).resize(small, Image.Resampling.BOX)) for picture in (one, other)]
    return sum(dist(*pair) for pair in zip(*labs, strict=True)) / (small[0] * small[1])


def _lab(picture: Image.Image) -> list[tuple[float, float, float]]:
    lab = ImageCms.profileToProfile(picture, _SRGB, _LAB, outputMode="LAB")
    assert lab is not None
    data = lab.tobytes()
    signed = [value - 256 if value > 127 else value for value in data]
    return [(data[i] / 2.55, signed[i + 1], signed[i + 2]) for i in range(0, len(data), 3)]


def on_white(picture: Image.Image) -> Image.Image:
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def reference(body: bytes) -> Image.Image:
    """The whole picture, upright, RGBA in sRGB."""
    with Image.open(BytesIO(body)) as picture:
        picture.load()
        profile = picture.info.get("icc_profile")
        upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I"):
        samples = struct.unpack(f"={upright.width * upright.height}i", upright.convert("I").tobytes())
        upright = Image.frombytes("L", upright.size, bytes(sample >> 8 for sample in samples))
    if profile and upright.mode in ("L", "RGB", "CMYK"):
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        converted = ImageCms.profileToProfile(upright, source, _SRGB, outputMode="RGB")
        assert converted is not None
        upright = converted
    return upright.convert("RGBA")
