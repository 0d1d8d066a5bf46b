"""GIF: its blocks read here, so that the decoder sees those of the pixels (GIF89a, sections 17 to 26)."""

import struct
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Self

from PIL import Image

from services.fetcher.rendering import hidden
from services.fetcher.rendering.animation import Cel, Composed, Disposal
from services.fetcher.rendering.order import Unsound

_LOOPS = frozenset([b"NETSCAPE2.0", b"ANIMEXTS1.0"])
_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOP_BLOCK = 1
_FOREVER, _ONCE = 0, 1
_IMAGE_HEAD_BYTES = 11
_DISPOSALS = {2: Disposal.IS_CLEARED, 3: Disposal.IS_UNDONE, 4: Disposal.IS_UNDONE}
"""4 is what some encoders wrote for 3, and browsers take it for that."""


@dataclass(frozen=True, slots=True)
class Gif:
    body: bytes
    film: Composed
    kept: tuple[slice | bytes, ...]
    """What is left without comments and texts, and without what other programs wrote into it."""
    notes: tuple[str, ...]

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Raise Unsound where there is no frame; IndexError or struct.error for less than a header."""
        at = 13 + _table_bytes(body[10])
        head = body[:at]
        kept: list[slice | bytes] = [slice(0, at)]
        cels: list[Cel] = []
        control = b""
        repeats: int | None = None
        while at < len(body) and body[at] != _END:
            end = _end_of(body, at)
            block = slice(at, end)
            if body[at] == _IMAGE and end - at >= _IMAGE_HEAD_BYTES:
                kept += (_written(control), block)
                cels.append(_cel(head, control, body, block))
                control = b""
            elif body[at] == _EXTENSION and end - at > 2:  # noqa: PLR2004 - its label, and something
                if body[at + 1] == _CONTROL:  # of the next picture, as browsers read it: they show no text
                    control = body[block].ljust(8, b"\0")
                elif body[at + 1] == _APPLICATION and body[at + 3 : at + 14] in _LOOPS:
                    kept.append(hidden.gif_loops(body[block]))
                    repeats = _repeats(body[block]) if repeats is None else repeats
            at = end
        if not cels:
            raise Unsound("The bytes are not a picture that can be decoded (GIF without a frame).")
        notes = () if body[at : at + 1] else ("The end marker is missing.",)
        return cls(body, Composed(_screen(head, cels[0]), cels, _loops(repeats)), tuple(kept), notes)

    @property
    def stripped(self) -> bytes:
        return b"".join(
            (*(self.body[part] if isinstance(part, slice) else part for part in self.kept), bytes((_END,)))
        )

    def opened(self) -> Image.Image:
        """The first frame, not yet decoded."""
        return self.film.cels[0].picture()

    @property
    def is_covered(self) -> bool:
        """Whether the first frame is all that is seen at first."""
        return self.film.cels[0].at == (0, 0) and self.film.cels[0].size == self.film.screen


def _screen(head: bytes, first: Cel) -> tuple[int, int]:
    """As it is said; but some say less than the first frame has, which browsers then show in full."""
    width, height = struct.unpack_from("<2H", head, 6)
    return max(width, first.at[0] + first.size[0]), max(height, first.at[1] + first.size[1])


def _loops(repeats: int | None) -> int:
    """How often it is shown: a GIF says how often it is repeated."""
    return _ONCE if repeats is None else _FOREVER if repeats == 0 else repeats + 1


def _cel(head: bytes, control: bytes, body: bytes, image: slice) -> Cel:
    left, top, width, height = struct.unpack_from("<4H", body, image.start + 1)
    duration_ms = 10 * struct.unpack_from("<H", control, 4)[0] if control else 0
    disposal = _DISPOSALS.get(control[3] >> 2 & 7, Disposal.STAYS) if control else Disposal.STAYS
    alone = head[:6] + struct.pack("<2H", width, height) + head[10:] + control + body[image][:1] + bytes(4)
    picture = partial(_opened, alone, body, slice(image.start + 5, image.stop))
    return Cel((width, height), (left, top), duration_ms, disposal, lies_over=True, picture=picture)


def _opened(head: bytes, body: bytes, rest: slice) -> Image.Image:
    """A frame as a GIF of its own, of which it is all."""
    return Image.open(BytesIO(head + body[rest] + bytes((0, _END))), formats=("GIF",))


def _end_of(body: bytes, at: int) -> int:
    """The file's, where the block is cut off: what of it can be decoded is for the decoder to say."""
    try:
        if body[at] == _IMAGE:
            return _end_of_parts(body, at + 11 + _table_bytes(body[at + 9]))
        return _end_of_parts(body, at + 2) if body[at] == _EXTENSION else at + 1
    except IndexError:
        return len(body)


def _written(control: bytes) -> bytes:
    """Of an extension for the next picture, what such a one has."""
    return b"\x21\xf9\x04" + control[3:7] + b"\0" if control else b""


def _repeats(extension: bytes) -> int | None:
    """Of the extension that says so: wherever it stands, as browsers read it."""
    at = 14
    while at + 3 < len(extension) and extension[at]:
        if extension[at] >= 3 and extension[at + 1] & 7 == _LOOP_BLOCK:  # noqa: PLR2004 - the block, and its number
            return int(struct.unpack_from("<H", extension, at + 2)[0])
        at += extension[at] + 1
    return None


def _table_bytes(flags: int) -> int:
    """Of a colour table, by the byte that says whether there is one."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of_parts(body: bytes, at: int) -> int:
    while body[at]:
        at += body[at] + 1
    return at + 1
