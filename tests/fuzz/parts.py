"""Files taken apart into what their format makes them of: chunks, segments, boxes, blocks."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xDA)})
_START_OF_SCAN = 0xDA


def parts_of(body: bytes) -> list[bytes]:
    """What joins to the body again. Of formats without parts, and where lengths lie, the last one is the rest."""
    if body.startswith(_PNG):
        return [_PNG, *_cut(body, 8, _png_chunk)]
    if body.startswith(b"\xff\xd8"):
        return list(_cut(body, 0, _jpeg_segment))
    if body.startswith(b"RIFF"):
        return [body[:12], *_cut(body, 12, _riff_chunk)]
    if body[4:8] == b"ftyp":
        return list(_cut(body, 0, _box))
    if body.lstrip().startswith(b"<"):
        return re.split(rb"(?=<)", body)
    return [body[start : start + 16] for start in range(0, len(body), 16)]


def with_checksums(body: bytes) -> bytes:
    """A PNG whose chunks are believed: decoders look at nothing else of a chunk that fails its checksum."""
    if not body.startswith(_PNG):
        return body
    chunks = parts_of(body)[1:]
    return _PNG + b"".join(
        chunk[:-4] + struct.pack(">I", zlib.crc32(chunk[4:-4])) if len(chunk) >= 12 else chunk
        for chunk in chunks
    )


def _cut(body: bytes, start: int, length_at: Callable[[bytes, int], int]) -> Iterator[bytes]:
    while start < len(body):
        end = start + max(1, length_at(body, start))
        yield body[start:end]
        start = end


def _png_chunk(body: bytes, start: int) -> int:
    return 12 + _number(">I", body, start)


def _riff_chunk(body: bytes, start: int) -> int:
    length = _number("<I", body, start + 4)
    return 8 + length + length % 2


def _box(body: bytes, start: int) -> int:
    """The box of all boxes is opened, for in it lies what is worth changing."""
    return 12 if body[start + 4 : start + 8] == b"meta" else _number(">I", body, start) or len(body)


def _jpeg_segment(body: bytes, start: int) -> int:
    marker = body[start + 1] if start + 1 < len(body) else 0
    if marker == _START_OF_SCAN:
        return len(body)
    return 2 if marker in _BARE_MARKERS else 2 + _number(">H", body, start + 2)


def _number(form: str, body: bytes, start: int) -> int:
    """0 where the body ends before it."""
    if start + struct.calcsize(form) > len(body):
        return 0
    number: int = struct.unpack_from(form, body, start)[0]
    return number
