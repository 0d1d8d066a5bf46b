"""WebP: its chunks read here, so that the decoder sees those of the pixels (RFC 9649, section 2)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from services.fetcher.rendering.exif import is_readable

_KEPT = frozenset([b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"])
_EXIF, _XMP = 0x08, 0x04
"""Flags in the first byte of VP8X, which say that there are such chunks."""


@dataclass(frozen=True, slots=True)
class WebP:
    chunks: tuple[tuple[bytes, bytes], ...]
    notes: tuple[str, ...]

    @classmethod
    def read(cls, body: bytes) -> Self:
        """What is cut off at the end, or goes on behind it, is for the decoder to judge."""
        chunks = tuple(_riff(body))
        exif = next((data for kind, data in chunks if kind == b"EXIF"), b"")
        notes = ["EXIF that cannot be read was left out."] if exif and not is_readable(exif) else []
        return cls(chunks, tuple(notes))

    @property
    def exif(self) -> bytes:
        return next((data for kind, data in self.chunks if kind == b"EXIF"), b"")

    def stripped(self, exif: bytes) -> bytes:
        """The file without whatever is not the picture; one in the simple form has no metadata. `exif`: to be
        put in.
        """
        made = [_written(kind, data) for kind, data in self.chunks if kind in _KEPT]
        if made and made[0].startswith(b"VP8X"):
            first = made[0]
            flags = first[8] & ~(_EXIF | _XMP) | (_EXIF if exif else 0)
            made[0] = first[:8] + bytes((flags,)) + first[9:]
            if exif:
                made.append(_written(b"EXIF", exif.removeprefix(b"Exif\0\0")))
        whole = b"WEBP" + b"".join(made)
        return b"RIFF" + struct.pack("<I", len(whole)) + whole


def _riff(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    (size,) = struct.unpack_from("<I", body, 4)
    at, end = 12, min(8 + size, len(body))
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", body, at)
        yield kind, body[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _written(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
