"""WebP: its chunks read here, so that the decoder sees those of the pixels (RFC 9649, section 2)."""

import struct
from dataclasses import dataclass
from typing import Self

from services.fetcher.rendering import hidden
from services.fetcher.rendering.exif import is_readable

_KEPT = hidden.WEBP_OF_FRAMES | {b"VP8X", b"ANIM", b"ANMF", b"ICCP"}
_MOST_BYTES = {b"VP8X": 10, b"ANIM": 6}
_EXIF, _XMP = 0x08, 0x04
"""Flags in the first byte of VP8X, which say that there are such chunks."""


@dataclass(frozen=True, slots=True)
class WebP:
    chunks: tuple[tuple[bytes, bytes], ...]
    notes: tuple[str, ...]

    @classmethod
    def read(cls, body: bytes) -> Self:
        """What is cut off at the end, or goes on behind it, is for the decoder to judge."""
        (size,) = struct.unpack_from("<I", body, 4)
        chunks = tuple(hidden.riff_chunks(body, 12, min(8 + size, len(body))))
        exif = next((data for kind, data in chunks if kind == b"EXIF"), b"")
        notes = ["EXIF that cannot be read was left out."] if exif and not is_readable(exif) else []
        return cls(chunks, tuple(notes))

    @property
    def exif(self) -> bytes:
        return next((data for kind, data in self.chunks if kind == b"EXIF"), b"")

    def for_decoder(self) -> bytes:
        return _written([(kind, data) for kind, data in self.chunks if kind in _KEPT], b"")

    def stripped(self, exif: bytes) -> bytes:
        """The file without whatever is not the picture; one in the simple form has no metadata. `exif`: to be
        put in.
        """
        kept: list[tuple[bytes, bytes]] = []
        for kind, data in self.chunks:
            if kind == b"ANMF":
                kept.append((kind, hidden.webp_frame(data)))
            elif kind in _KEPT and all(
                kind != before for before, _ in kept
            ):  # of what stands once, the first
                kept.append((kind, data[: _MOST_BYTES.get(kind)]))
        return _written(kept, exif)


def _written(chunks: list[tuple[bytes, bytes]], exif: bytes) -> bytes:
    made = [hidden.riff_chunk(kind, data) for kind, data in chunks]
    if made and made[0].startswith(b"VP8X"):
        first = made[0]
        flags = first[8] & ~(_EXIF | _XMP) | (_EXIF if exif else 0)
        made[0] = first[:8] + bytes((flags,)) + first[9:]
        if exif:
            made.append(hidden.riff_chunk(b"EXIF", exif.removeprefix(b"Exif\0\0")))
    whole = b"WEBP" + b"".join(made)
    return b"RIFF" + struct.pack("<I", len(whole)) + whole
