"""BMP: samples by masks of any layout, the one of alpha as well, where the decoder knows some layouts and no alpha.

https://learn.microsoft.com/windows/win32/api/wingdi: BITMAPINFOHEADER, BITMAPV5HEADER.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from io import BytesIO
from typing import Self

from PIL import Image, ImageChops

_FILE_HEAD_BYTES = 14
_PLAIN_HEAD_BYTES = 40
_WITH_ALPHA_BYTES = 56
"""Of the heads that have a mask for alpha; the older ones may have three masks behind them, or four."""

_BITFIELDS, _ALPHA_BITFIELDS = 3, 6
_FULL = 255
_AS_THE_DECODER_KNOWS = {16: (0xF800, 0x7E0, 0x1F), 32: (0xFF0000, 0xFF00, 0xFF)}


@dataclass(frozen=True, slots=True)
class Bitfields:
    """`masks`: red, green, blue and alpha, 0 where there is none."""

    body: bytes
    bits: int
    masks: tuple[int, int, int, int]
    pixels_at: int

    @classmethod
    def read(cls, body: bytes) -> Self | None:
        """None for a BMP that has no masks, or whose header cannot be read."""
        try:
            (at,) = struct.unpack_from("<I", body, 10)
            (head_bytes,) = struct.unpack_from("<I", body, _FILE_HEAD_BYTES)
            bits, compression = struct.unpack_from("<HI", body, _FILE_HEAD_BYTES + 14)
            if head_bytes < _PLAIN_HEAD_BYTES or compression not in (_BITFIELDS, _ALPHA_BITFIELDS):
                return None
            count = 4 if head_bytes >= _WITH_ALPHA_BYTES or compression == _ALPHA_BITFIELDS else 3
            masks = (*struct.unpack_from(f"<{count}I", body, _FILE_HEAD_BYTES + _PLAIN_HEAD_BYTES), 0)
        except struct.error:
            return None
        if bits not in _AS_THE_DECODER_KNOWS or any(not _is_mask(mask, bits) for mask in masks[:4]):
            return None
        return cls(body, bits, (masks[0], masks[1], masks[2], masks[3]), at)

    def opened(self) -> Image.Image:
        """Not decoded: its masks changed to those that the decoder knows."""
        masks = struct.pack("<3I", *_AS_THE_DECODER_KNOWS[self.bits])
        head = bytearray(self.body[: _FILE_HEAD_BYTES + _PLAIN_HEAD_BYTES] + masks)
        struct.pack_into("<I", head, _FILE_HEAD_BYTES, _PLAIN_HEAD_BYTES)
        struct.pack_into("<I", head, 10, len(head))
        struct.pack_into("<I", head, _FILE_HEAD_BYTES + 16, _BITFIELDS)
        return Image.open(BytesIO(bytes(head) + self.body[self.pixels_at :]), formats=("BMP",))

    def decoded(self, image: Image.Image) -> Image.Image:
        """Raise ValueError for one that is cut off."""
        (height,) = struct.unpack_from("<i", self.body, _FILE_HEAD_BYTES + 8)
        stride = -(-image.width * self.bits // 32) * 4
        data = self.body[self.pixels_at :][: stride * image.height]
        direction = -1 if height > 0 else 1
        if self.bits == 16:  # noqa: PLR2004 - two bytes, the low one first
            forms = ("L;16B", "L;16")
            planes = [
                Image.frombytes("L", image.size, data, "raw", form, stride, direction) for form in forms
            ]
        else:
            planes = list(Image.frombytes("RGBA", image.size, data, "raw", "RGBA", stride, direction).split())
        bands = [_band(planes, mask) for mask in self.masks[:3]]
        if not self.masks[3]:
            return Image.merge("RGB", bands)
        alpha = _band(planes, self.masks[3])
        if alpha.getextrema() == (0, 0):  # written by who left it out
            return Image.merge("RGB", bands)
        return Image.merge("RGBA", (*bands, alpha))


def _is_mask(mask: int, bits: int) -> bool:
    """Whether its bits are beside one another, and within the pixel; none is one, too."""
    lowest = mask & -mask
    return mask < 2**bits and (not mask or (mask // lowest + 1) & (mask // lowest) == 0)


def _band(planes: list[Image.Image], mask: int) -> Image.Image:
    """Brought to eight bits: what each byte has of the sample, added up."""
    if not mask:
        return Image.new("L", planes[0].size)
    parts = (plane.point(_share(mask, 8 * at)) for at, plane in enumerate(planes) if mask >> 8 * at & 0xFF)
    return reduce(ImageChops.add, parts)


def _share(mask: int, shift: int) -> list[int]:
    whole, lowest = mask // (mask & -mask), mask & -mask
    return [round(_FULL * (((value << shift) & mask) // lowest) / whole) for value in range(256)]


def how_opened(body: bytes) -> tuple[Image.Image, Callable[[Image.Image], Image.Image] | None]:
    """And how it is decoded, where the decoder has it wrong."""
    fields = Bitfields.read(body)
    if fields is None:
        return Image.open(BytesIO(body), formats=("BMP",)), None
    return fields.opened(), fields.decoded
