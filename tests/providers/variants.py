"""Drawn pictures in the forms that go wrong: turned, transparent, deep, inked, profiled."""

import io
import struct
from functools import lru_cache

from PIL import Image, ImageCms, ImageDraw

from tests.providers.drawing import encode

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


def oriented(upright: Image.Image, orientation: int) -> bytes:
    """A JPEG whose EXIF orientation is 1 to 8; whoever heeds it sees `upright` again."""
    stored = upright.transpose(_UNDO[orientation]) if orientation in _UNDO else upright
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = orientation
    return encode(stored, "jpeg", exif=exif, subsampling=0)


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


def grey(picture: Image.Image) -> Image.Image:
    return picture.convert("L")


def deep(picture: Image.Image) -> Image.Image:
    """16 bits of grey (mode I;16), for PNG and TIFF; black stays 0 and white becomes 65,535."""
    samples = grey(picture).tobytes()
    return Image.frombytes(
        "I;16", picture.size, struct.pack(f"<{len(samples)}H", *(257 * s for s in samples))
    )


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


def with_comment(jpeg: bytes, text: str) -> bytes:
    """The same JPEG with a comment inside: other bytes, the same picture, at no cost."""
    comment = text.encode()
    return jpeg[:2] + struct.pack(">HH", 0xFFFE, len(comment) + 2) + comment + jpeg[2:]


def cut(body: bytes, share: float = 0.5) -> bytes:
    """The first part of a file."""
    return body[: int(len(body) * share)]


def bomb(side_px: int = 16_384) -> bytes:
    """A PNG of a few kB that asks for `side_px` squared pixels (one bit each)."""
    body = io.BytesIO()
    Image.new("1", (side_px, side_px)).save(body, format="png", compress_level=9)
    return body.getvalue()
