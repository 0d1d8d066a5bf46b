"""JPEG: its head read here, so that the decoder sees the segments of the pixels and what says how to show them.

ISO/IEC 10918-1, annex B.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Self

from PIL import Image

from services.fetcher.rendering.exif import is_readable
from services.fetcher.rendering.order import Unsound

START = b"\xff\xd8"
_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
_APP0, _EXIF_OR_XMP = 0xE0, 0xE1
_METADATA_MARKERS = frozenset((*range(_APP0, _APP0 + 16), 0xFE))
"""Those of applications, and comments. Of them, these say how to show the picture:"""
_KEPT = {_APP0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = frozenset({0x01, 0xD8})
_JFIF_BYTES, _ADOBE_BYTES = 16, 14
_ICC_HEAD_BYTES = 16
"""Its length, its name, and its number of how many."""

_NOT_SCANNED = b"\xa5\x5a\x3c\xc3" * 64
"""Any bytes: a decoder that lacks some of a scan takes them for it."""


@dataclass(frozen=True, slots=True)
class Jpeg:
    """`segments`: of the head, with their markers, up to where the first scan begins."""

    body: bytes
    segments: tuple[tuple[int, bytes], ...]
    scans_at: int
    notes: tuple[str, ...]

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Raise Unsound where no scan begins."""
        segments: list[tuple[int, bytes]] = []
        at = len(START)
        for marker, start, end in _segments(body, at):
            at = end
            if marker == _START_OF_SCAN:
                at = body.rindex(bytes((0xFF, marker)), 0, start)
                break
            segments.append((marker, body[start:end]))
        else:
            raise Unsound("The bytes are not a picture that can be decoded (JPEG without a scan).")
        made = cls(body, tuple(segments), at, ())
        notes = []
        if made.exif and not is_readable(made.exif):
            notes.append("EXIF that cannot be read was left out.")
        if made._has_broken_profile:
            notes.append("A colour profile that cannot be read was left out.")
        if not made.has_end:
            notes.append("The end marker is missing.")
        return cls(body, made.segments, made.scans_at, tuple(notes))

    @property
    def exif(self) -> bytes:
        """The first, where there are several."""
        for marker, segment in self.segments:
            if marker == _EXIF_OR_XMP and segment[2:].startswith(b"Exif\0\0"):
                return segment[2:]
        return b""

    @property
    def has_end(self) -> bool:
        return self.body.rfind(_END) > self.scans_at

    def for_decoder(self) -> bytes:
        """With an end, where it has none."""
        return self._ended_by(b"" if self.has_end else _END)

    def check_whole(self) -> None:
        """Raise Unsound for a picture that is cut off in its data: then other data behind it makes another picture."""
        if not self.has_end and _luma(self.for_decoder()) != _luma(self._ended_by(_NOT_SCANNED + _END)):
            raise Unsound("The bytes are not a picture that can be decoded (JPEG without an end).")

    def stripped(self, exif: bytes) -> bytes:
        """The file without whatever is not the picture. The second pictures behind the end of the first have
        metadata of their own. `exif`: to be put in, where readers look: at the front, after JFIF's segment.
        """
        made = BytesIO()
        made.write(START)
        has_exif = not exif
        for marker, segment in self.segments:
            if not has_exif and marker != _APP0:
                made.write(_written(_EXIF_OR_XMP, exif))
                has_exif = True
            made.write(_shown(marker, segment))
        if not has_exif:
            made.write(_written(_EXIF_OR_XMP, exif))
        for marker, start, end in _segments(self.body, self.scans_at):
            if marker == _END_OF_IMAGE:
                break
            made.write(_shown(marker, self.body[start:end]))
            if marker == _START_OF_SCAN:
                found = _MARKER.search(self.body, end)
                made.write(self.body[end : found.start() if found else None])
        made.write(_END)
        return made.getvalue()

    @property
    def _has_broken_profile(self) -> bool:
        parts = [segment for marker, segment in self.segments if _is_profile(marker, segment)]
        numbers = [part[14] for part in parts if len(part) > _ICC_HEAD_BYTES]
        return bool(parts) and sorted(numbers) != list(range(1, len(parts) + 1))

    def _ended_by(self, end: bytes) -> bytes:
        head = b"".join(_shown(marker, segment) for marker, segment in self.segments)
        return b"".join((START, head, self.body[self.scans_at :], end))


def _segments(body: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """The marker, and where its segment lies, length and all. What lies between two is passed over."""
    while found := _MARKER.search(body, at):
        marker, start = found[1][0], found.end()
        if marker in _WITHOUT_LENGTH:
            at = start
            continue
        if marker == _END_OF_IMAGE:
            yield marker, start, start
            return
        if start + 2 > len(body):
            return
        (length,) = struct.unpack_from(">H", body, start)
        at = start + max(length, 2)
        yield marker, start, at


def _is_profile(marker: int, segment: bytes) -> bool:
    return marker == 0xE2 and segment[2:].startswith(_KEPT[0xE2])  # noqa: PLR2004 - APP2


def _shown(marker: int, segment: bytes) -> bytes:
    """As it is written; nothing for what is not the picture."""
    if marker in _METADATA_MARKERS and not (marker in _KEPT and segment[2:].startswith(_KEPT[marker])):
        return b""
    if _is_profile(marker, segment) and len(segment) <= _ICC_HEAD_BYTES:
        return b""
    if marker == _APP0:  # without its thumbnail, which may show what was cut off since (JFIF 1.02, page 5)
        segment = struct.pack(">H", _JFIF_BYTES) + segment[2 : _JFIF_BYTES - 2].ljust(12, b"\0") + bytes(2)
    if marker == 0xEE and len(segment) > _ADOBE_BYTES:  # noqa: PLR2004 - APP14
        segment = struct.pack(">H", _ADOBE_BYTES) + segment[2:_ADOBE_BYTES]
    return bytes((0xFF, marker)) + segment


def _written(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def _luma(body: bytes) -> bytes:
    """What can be told apart of it."""
    with Image.open(BytesIO(body), formats=("JPEG",)) as image:
        image.draft("L", image.size)
        return sha256(image.tobytes()).digest()
