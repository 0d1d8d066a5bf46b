"""AVIF and HEIF: what their boxes say of how to show the picture, beside what the decoders make of them.

ISO/IEC 14496-12 (boxes), 23008-12 (items and their properties), 23000-22 (which of them in what order).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from services.fetcher.rendering.color_spaces import SRGB_TRANSFER, ColorSpace

Box = tuple[int, int, int, int]

_MOST_BOXES = 10_000
_FOREVER = 0
_REPEATED = 1
_UNENDING = (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
_LIKE_SRGB = frozenset({1, 6, 11, 12, 14, 15})
"""Transfers of cameras: as stills, browsers show them as sRGB's."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A box. `start` and `end`: of what lies in it."""

    kind: bytes
    at: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Isobmff:
    """`space`: by code points, where there is no profile. `aperture`: of the whole, before it is turned, in
    pixels. `loops`: as WebP counts them. `size`: as it is said, before it is turned.
    """

    space: ColorSpace | None = None
    aperture: Box | None = None
    loops: int = _FOREVER
    size: tuple[int, int] | None = None

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Nothing, where the boxes cannot be followed: the decoder has the last word."""
        try:
            return cls._read(body)
        except (struct.error, IndexError, ValueError, ZeroDivisionError):
            return cls()

    @classmethod
    def _read(cls, body: bytes) -> Self:
        is_sequence = body[8:12] in (b"avis", b"hevc", b"msf1")
        properties = _of_track(body) if is_sequence else _of_primary_item(body)
        said: dict[bytes, _Part] = {}
        for part in properties:
            kind = part.kind
            if kind == b"colr":
                kind = body[part.start : part.start + 4]
            said.setdefault(kind, part)
        size = struct.unpack_from(">2I", body, said[b"ispe"].start + 4) if b"ispe" in said else None
        loops = _loops(body) if is_sequence else _FOREVER
        return cls(_space(body, said), _aperture(body, said), loops, size)


def with_one_association(body: bytes) -> bytes:
    """The same file, two `ipma` boxes of one kind, beside one another, made one: an encoder of some years ago
    wrote two wherever there was alpha, browsers read them, and the decoder does not.
    """
    try:
        return _with_one_association(body)
    except (struct.error, IndexError, ValueError):
        return body


def _with_one_association(body: bytes) -> bytes:
    around = _path(body, b"meta", b"iprp")
    associations = [part for part in _within(body, around) if part.kind == b"ipma"]
    if len(associations) != 2:  # noqa: PLR2004 - as that encoder wrote them
        return body
    one, other = associations
    are_alike = body[one.start : one.start + 4] == body[other.start : other.start + 4]
    if not are_alike or one.end != other.at or other.end != around.end:
        return body
    counts = [struct.unpack_from(">I", body, part.start + 4)[0] for part in associations]
    entries = body[one.start + 8 : one.end] + body[other.start + 8 : other.end]
    merged = struct.pack(">I4s", 16 + len(entries), b"ipma") + body[one.start : one.start + 4]
    merged += struct.pack(">I", sum(counts)) + entries
    left = other.end - one.at - len(merged)  # filled, so that positions further on stay as they are
    size = struct.pack(">I", around.end - around.at - left)
    head = body[: around.at] + size + body[around.at + 4 : one.at]
    return head + merged + struct.pack(">I4s", left, b"free").ljust(left, b"\0") + body[other.end :]


def _space(body: bytes, said: dict[bytes, _Part]) -> ColorSpace | None:
    if b"nclx" not in said:
        return None
    primaries, transfer = struct.unpack_from(">2H", body, said[b"nclx"].start + 4)
    return ColorSpace.of_code_points(
        primaries, SRGB_TRANSFER if transfer in _LIKE_SRGB else transfer, _peak_nits(body, said)
    )


def _peak_nits(body: bytes, said: dict[bytes, _Part]) -> float | None:
    if b"clli" in said:
        return struct.unpack_from(">H", body, said[b"clli"].start)[0] or None
    if b"mdcv" in said:
        return struct.unpack_from(">I", body, said[b"mdcv"].start + 16)[0] / 10_000 or None
    return None


def _aperture(body: bytes, said: dict[bytes, _Part]) -> Box | None:
    """Its middle is said from the picture's; what is no whole pixel is rounded."""
    if b"clap" not in said or b"ispe" not in said:
        return None
    whole = struct.unpack_from(">2I", body, said[b"ispe"].start + 4)
    numbers = struct.unpack_from(">iIiIiIiI", body, said[b"clap"].start)
    width, height, right, down = (Fraction(numbers[at], numbers[at + 1]) for at in range(0, 8, 2))
    left = (whole[0] - width) / 2 + right
    top = (whole[1] - height) / 2 + down
    box = (round(left), round(top), round(left + width), round(top + height))
    is_within = 0 <= box[0] < box[2] <= whole[0] and 0 <= box[1] < box[3] <= whole[1]
    return box if is_within and box != (0, 0, *whole) else None


def _of_primary_item(body: bytes) -> Iterator[_Part]:
    (version,) = struct.unpack_from(">B", body, _path(body, b"meta", b"pitm").start)
    primary = struct.unpack_from(">I" if version else ">H", body, _path(body, b"meta", b"pitm").start + 4)[0]
    properties = list(_within(body, _path(body, b"meta", b"iprp", b"ipco")))
    for part in _within(body, _path(body, b"meta", b"iprp")):
        if part.kind == b"ipma":
            for number in _associated(body, part, primary):
                if 0 < number <= len(properties):
                    yield properties[number - 1]


def _associated(body: bytes, ipma: _Part, item: int) -> Iterator[int]:
    """The numbers of an item's properties, the first 1."""
    version_and_flags, entries = struct.unpack_from(">2I", body, ipma.start)
    at = ipma.start + 8
    id_form, id_bytes = (">I", 4) if version_and_flags >> 24 else (">H", 2)
    form, size, mask = (">H", 2, 0x7FFF) if version_and_flags & 1 else (">B", 1, 0x7F)
    for _ in range(entries):
        if at >= ipma.end:
            return
        (of,) = struct.unpack_from(id_form, body, at)
        count = body[at + id_bytes]
        at += id_bytes + 1
        if of == item:
            for number in range(count):
                yield struct.unpack_from(form, body, at + size * number)[0] & mask
        at += size * count


def _of_track(body: bytes) -> Iterator[_Part]:
    """Of the first track's sample entry: as for items, but for its size, which is of another form."""
    stsd = _path(body, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    entry = next(_boxes(body, stsd.start + 8, stsd.end))
    return _boxes(body, entry.start + 78, entry.end)


def _loops(body: bytes) -> int:
    """Of an edit list that says whether it is repeated, and of how long the track lasts with that."""
    try:
        elst = _path(body, b"moov", b"trak", b"edts", b"elst")
    except ValueError:
        return _FOREVER
    version_and_flags, entries = struct.unpack_from(">2I", body, elst.start)
    if not version_and_flags & _REPEATED:
        return 1
    lasts = struct.unpack_from(">Q" if version_and_flags >> 24 else ">I", body, elst.start + 8)[0]
    tkhd = _path(body, b"moov", b"trak", b"tkhd")
    long = body[tkhd.start]
    whole = struct.unpack_from(">Q" if long else ">I", body, tkhd.start + (28 if long else 20))[0]
    if entries != 1 or not lasts or whole in _UNENDING:
        return _FOREVER
    return int(-(-whole // lasts))


def _path(body: bytes, *kinds: bytes) -> _Part:
    """The first of each kind within the one before. Raise ValueError where there is none."""
    at = _Part(b"", 0, 0, len(body))
    for kind in kinds:
        found = next((part for part in _within(body, at) if part.kind == kind), None)
        if found is None:
            raise ValueError("no such box")
        at = found
    return at


def _within(body: bytes, part: _Part) -> Iterator[_Part]:
    return _boxes(body, part.start + (4 if part.kind == b"meta" else 0), part.end)


def _boxes(body: bytes, at: int, end: int) -> Iterator[_Part]:
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", body, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", body, at + 8)
            head = 16
        elif size == 0:
            size = end - at
        if size < head:
            raise ValueError("no box")
        yield _Part(kind, at, at + head, min(at + size, end))
        at += size
