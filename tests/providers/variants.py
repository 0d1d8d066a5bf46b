"""Drawn pictures in the forms that go wrong: turned, transparent, deep, inked, profiled."""

import struct
import zlib
from functools import cache, lru_cache

from PIL import Image, ImageCms, ImageDraw

from tests.providers.drawing import Format, encode
from tests.providers.written import chunk

_ORIENTATION_TAG = 0x0112
_UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def oriented(upright: Image.Image, orientation: int, fmt: Format = "jpeg") -> bytes:
    """A file whose EXIF orientation is 1 to 8; whoever heeds it sees `upright` again."""
    stored = upright.transpose(_UNDO[orientation]) if orientation in _UNDO else upright
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = orientation
    options = {"subsampling": 0} if fmt == "jpeg" else {}
    return encode(stored, fmt, exif=exif, **options)


def translucent(picture: Image.Image) -> Image.Image:
    """RGBA: opaque in an ellipse, clear in the corners, half clear at its edge."""
    alpha = Image.new("L", picture.size, 0)
    ImageDraw.Draw(alpha).ellipse((0, 0, *picture.size), fill=255, outline=128, width=4)
    result = picture.convert("RGBA")
    result.putalpha(alpha)
    return result


def indexed(picture: Image.Image, colours: int = 64) -> Image.Image:
    """A palette picture (mode P)."""
    return picture.quantize(colours)


def indexed_translucent(picture: Image.Image) -> bytes:
    """A palette PNG one of whose colours is clear: that of the corners."""
    palette = indexed(picture, 255)
    palette.paste(255, (0, 0, picture.width // 4, picture.height // 4))
    return encode(palette, "png", transparency=255)


def grey(picture: Image.Image) -> Image.Image:
    return picture.convert("L")


def deep(picture: Image.Image) -> Image.Image:
    """16 bits of grey (mode I;16), for PNG and TIFF; black stays 0 and white becomes 65,535."""
    samples = grey(picture).tobytes()
    return Image.frombytes(
        "I;16", picture.size, struct.pack(f"<{len(samples)}H", *(257 * s for s in samples))
    )


def deep_colors(picture: Image.Image) -> bytes:
    """A PNG with 16 bits for each colour, written by hand: Pillow does not."""
    width, height = picture.size
    samples = b"".join(bytes((sample, sample)) for sample in picture.convert("RGB").tobytes())
    row = 6 * width
    rows = b"".join(b"\0" + samples[top : top + row] for top in range(0, row * height, row))
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def wide_gamut(picture: Image.Image) -> bytes:
    """A JPEG whose profile has the most saturated red, green and blue further out than sRGB: it says so, and is duller."""
    return encode(picture, "jpeg", icc_profile=_widened_profile(), subsampling=0)


def inked(picture: Image.Image) -> bytes:
    """A CMYK JPEG, as printers send them."""
    return encode(picture.convert("CMYK"), "jpeg")


def progressive(picture: Image.Image) -> bytes:
    """A JPEG that sharpens as it arrives."""
    return encode(picture, "jpeg", progressive=True)


def profiled(picture: Image.Image) -> bytes:
    """A JPEG that shows `picture` only to who heeds its ICC profile; others see red and blue exchanged."""
    red, green, blue = picture.split()
    exchanged = Image.merge("RGB", (blue, green, red))
    return encode(exchanged, "jpeg", icc_profile=exchanging_profile(), subsampling=0)


@lru_cache(maxsize=1)
def exchanging_profile() -> bytes:
    """sRGB, but with the colours of the red and the blue channel exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2024, 1, 1, 0, 0, 0)  # its birthday would differ at every run
    profile[84:100] = bytes(16)  # no checksum is allowed, a wrong one is not
    directory_end = 132 + 12 * struct.unpack_from(">I", profile, 128)[0]
    directory = bytes(profile[132:directory_end])
    for one, other in ((b"rXYZ", b"bXYZ"), (b"rTRC", b"bTRC")):
        directory = directory.replace(one, b"####").replace(other, one).replace(b"####", other)
    profile[132:directory_end] = directory
    return bytes(profile)


@lru_cache(maxsize=1)
def _widened_profile() -> bytes:
    """sRGB, whose red takes some of green's place and green some of red's: sums stay, so white stays white."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[84:100] = bytes(16)
    offsets = {}
    for entry in range(struct.unpack_from(">I", profile, 128)[0]):
        tag, offset, _ = struct.unpack_from(">4sII", profile, 132 + 12 * entry)
        offsets[tag] = offset + 8
    red = struct.unpack_from(">3i", profile, offsets[b"rXYZ"])
    green = struct.unpack_from(">3i", profile, offsets[b"gXYZ"])
    shift = [round(0.15 * (r - g)) for r, g in zip(red, green, strict=True)]
    struct.pack_into(">3i", profile, offsets[b"rXYZ"], *(r + d for r, d in zip(red, shift, strict=True)))
    struct.pack_into(">3i", profile, offsets[b"gXYZ"], *(g - d for g, d in zip(green, shift, strict=True)))
    return bytes(profile)


def with_comment(jpeg: bytes, text: str) -> bytes:
    """The same JPEG with a comment inside: other bytes, the same picture, at no cost."""
    comment = text.encode()
    return jpeg[:2] + struct.pack(">HH", 0xFFFE, len(comment) + 2) + comment + jpeg[2:]


def cut(body: bytes, share: float = 0.5) -> bytes:
    """The first part of a file."""
    return body[: int(len(body) * share)]


def with_size(bmp: bytes, side_px: int) -> bytes:
    """The same BMP, whose header says that each side has so many pixels."""
    return bmp[:18] + struct.pack("<ii", side_px, side_px) + bmp[26:]


@cache
def bomb(side_px: int = 16_384) -> bytes:
    """A PNG of a few kB that asks for `side_px` squared pixels (one bit each)."""
    header = struct.pack(">IIBBBBB", side_px, side_px, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + (side_px + 7) // 8) * side_px))
    return b"".join((b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")))
