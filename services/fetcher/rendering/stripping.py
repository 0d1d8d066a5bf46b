"""Stripping: an original's file without whatever is not the picture: places, times, cameras, comments, and what
hangs behind its end. Its pixels are not touched; what turns it upright and says its colours stays.

Only for bytes that have been decoded.
"""

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from zlib import crc32

from PIL import Image

from services.fetcher.rendering import hidden
from services.fetcher.rendering.order import Unsound

ORIENTATION = 0x0112

_JPEG_END = b"\xff\xd9"
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
_APP0 = 0xE0
_METADATA_MARKERS = frozenset((*range(_APP0, _APP0 + 16), 0xFE))
"""Those of applications, and comments. Of them, these say how to show the picture:"""
_JPEG_KEPT = {_APP0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_JFIF_BYTES, _ADOBE_BYTES = 16, 14
_WITHOUT_LENGTH = frozenset({0x01, 0xD8})

_PNG_HEAD_BYTES = 8
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD pHYs acTL fcTL fdAT".split()
)

_PNG_DATA = frozenset([b"IDAT", b"fdAT"])
_PNG_MOST_BYTES = {
    b"IHDR": 13,
    b"PLTE": 768,
    b"tRNS": 256,
    b"cHRM": 32,
    b"gAMA": 4,
    b"sBIT": 4,
    b"sRGB": 1,
    b"cICP": 4,
    b"mDCV": 24,
    b"cLLI": 8,
    b"bKGD": 6,
    b"pHYs": 9,
    b"acTL": 8,
    b"fcTL": 26,
}
"""What these may have: more is no part of them."""

_WEBP_KEPT = hidden.WEBP_OF_FRAMES | {b"VP8X", b"ANIM", b"ICCP"}
_WEBP_MOST_BYTES = {b"VP8X": 10, b"ANIM": 6}
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04
"""Flags in the first byte of VP8X, which say that there are such chunks."""

_GIF_LOOPS = frozenset([b"NETSCAPE2.0", b"ANIMEXTS1.0"])
_GIF_EXTENSION, _GIF_IMAGE, _GIF_END = 0x21, 0x2C, 0x3B
_GIF_CONTROL, _GIF_TEXT, _GIF_APPLICATION = 0xF9, 0x01, 0xFF
_GIF_CONTROL_BYTES = 8


def can_strip(format_: str | None) -> bool:
    """By Pillow's name for a format."""
    return format_ in _STRIPPED


def stripped(body: bytes, image: Image.Image) -> bytes:
    """`image`: what Pillow made of `body`, of a format that can be stripped. Raise Unsound for a file that is not
    built as its format says, though a lenient decoder has read it.
    """
    orientation = image.getexif().get(ORIENTATION, 1)
    try:
        return _STRIPPED[image.format or ""](body, _exif(orientation))
    except (struct.error, LookupError, ValueError) as error:
        raise Unsound("The picture's metadata cannot be removed.") from error


def _exif(orientation: int) -> bytes:
    """Nothing but how to turn the picture; empty where it stands upright."""
    if orientation not in range(2, 9):
        return b""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif.tobytes()


def _jpeg(body: bytes, exif: bytes) -> bytes:
    """ISO/IEC 10918-1, annex B. The second pictures behind the end of the first have metadata of their own."""
    made = BytesIO()
    made.write(body[:2])
    at = 2
    has_exif = False
    while True:
        marker, start = _next_marker(body, at)
        if marker == _END_OF_IMAGE:
            made.write(_JPEG_END)
            return made.getvalue()
        if marker in _WITHOUT_LENGTH:
            raise ValueError("no segment")
        (length,) = struct.unpack_from(">H", body, start)
        segment = body[start : start + length]
        if exif and not has_exif and marker != _APP0:  # where readers look: at the front, after JFIF's
            made.write(b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif)
            has_exif = True
        if _is_kept(marker, segment):
            made.write(bytes((0xFF, marker)) + _without_tail(marker, segment))
        at = start + length
        if marker == _START_OF_SCAN:
            scanned, at = at, _end_of_scan(body, at)
            made.write(body[scanned:at])


def _next_marker(body: bytes, at: int) -> tuple[int, int]:
    """The marker and where its segment begins."""
    found = _JPEG_MARKER.match(body, at)
    if not found:
        raise ValueError("no marker")
    return found[1][0], found.end()


def _end_of_scan(body: bytes, at: int) -> int:
    found = _JPEG_MARKER.search(body, at)
    if not found:
        raise ValueError("no end")
    return found.start()


def _is_kept(marker: int, segment: bytes) -> bool:
    if marker not in _METADATA_MARKERS:
        return True
    return marker in _JPEG_KEPT and segment[2:].startswith(_JPEG_KEPT[marker])


def _without_tail(marker: int, segment: bytes) -> bytes:
    """Such as a thumbnail, which may show what was cut off the picture since (JFIF 1.02, page 5)."""
    if marker == _APP0:
        return struct.pack(">H", _JFIF_BYTES) + segment[2 : _JFIF_BYTES - 2] + bytes(2)
    if segment[2:].startswith(_JPEG_KEPT[0xEE]):
        return struct.pack(">H", _ADOBE_BYTES) + segment[2:_ADOBE_BYTES].ljust(_ADOBE_BYTES - 2, b"\0")
    return segment


def _png(body: bytes, exif: bytes) -> bytes:
    """https://www.w3.org/TR/png-3/, section 5; the chunk eXIf is TIFF without the word before it."""
    made = [body[:_PNG_HEAD_BYTES]]
    header = body[_PNG_HEAD_BYTES + 8 : _PNG_HEAD_BYTES + 21]
    whole = size = struct.unpack_from(">2I", header)
    number = 0
    for kind, parts in _png_runs(body):
        if kind == b"IDAT":
            made.extend(
                _png_chunk(kind, part) for part in hidden.of_stream(parts, hidden.png_bytes(header, *whole))
            )
        elif kind == b"fdAT":
            for part in hidden.of_stream([part[4:] for part in parts], hidden.png_bytes(header, *size)):
                made.append(_png_chunk(kind, struct.pack(">I", number) + part))
                number += 1
        elif kind == b"fcTL":
            size = struct.unpack_from(">2I", parts[0], 4)
            made.append(_png_chunk(kind, struct.pack(">I", number) + parts[0][4 : _PNG_MOST_BYTES[kind]]))
            number += 1
        else:
            made.extend(_png_said(kind, parts[0]))
        if kind == b"IHDR" and exif:
            made.append(_png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    return b"".join(made)


def _png_runs(body: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    """What is kept: the data of one picture together, and of the other kinds, which stand once, the first."""
    at = _PNG_HEAD_BYTES
    seen: set[bytes] = set()
    run: list[bytes] = []
    before = b""
    while before != b"IEND":
        length, kind = struct.unpack_from(">I4s", body, at)
        data = body[at + 8 : at + 8 + length]
        at += length + 12
        if run and kind != before and (kind in _PNG_KEPT):
            yield before, run
            run = []
        if kind in _PNG_DATA:
            run.append(data)
        elif kind in _PNG_KEPT and (kind == b"fcTL" or kind not in seen):
            yield kind, [data]
        seen.add(kind)
        if kind in _PNG_KEPT:
            before = kind


def _png_said(kind: bytes, data: bytes) -> list[bytes]:
    """Nothing of a profile that is broken."""
    if kind != b"iCCP":
        return [_png_chunk(kind, data[: _PNG_MOST_BYTES.get(kind, 0)])]
    try:
        return [_png_chunk(kind, hidden.png_profile(data))]
    except ValueError:
        return []


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))


def _webp(body: bytes, exif: bytes) -> bytes:
    """RFC 9649, section 2. A picture in the simple form has no metadata."""
    (size,) = struct.unpack_from("<I", body, 4)
    chunks = _webp_kept(hidden.riff_chunks(body, 12, 8 + size))
    if chunks[0][0] == b"VP8X":
        head = chunks[0][1][: _WEBP_MOST_BYTES[b"VP8X"]]
        flags = head[0] & ~(_WEBP_EXIF | _WEBP_XMP) | (_WEBP_EXIF if exif else 0)
        chunks[0] = (b"VP8X", bytes((flags,)) + head[1:])
        if exif:
            chunks.append((b"EXIF", exif.removeprefix(b"Exif\0\0")))
    whole = b"WEBP" + b"".join(hidden.riff_chunk(kind, data) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(whole)) + whole


def _webp_kept(chunks: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Of what stands once, the first."""
    kept: list[tuple[bytes, bytes]] = []
    for kind, data in chunks:
        if kind == b"ANMF":
            kept.append((kind, hidden.webp_frame(data)))
        elif kind in _WEBP_KEPT and kind not in {before for before, _ in kept}:
            kept.append((kind, data[: _WEBP_MOST_BYTES.get(kind)]))
    return kept


def _gif(body: bytes, _exif: bytes) -> bytes:
    """GIF89a, appendix A. It has no EXIF; comments and XMP are extensions. Its plain text no browser shows."""
    at = 13 + _table_bytes(body[10])
    made = [body[:at]]
    control = b""
    while body[at] != _GIF_END:
        if body[at] == _GIF_IMAGE:
            end = _end_of_blocks(body, at + 11 + _table_bytes(body[at + 9]))
            made += (control, body[at:end])
            control = b""
        elif body[at] == _GIF_EXTENSION:
            end = _end_of_blocks(body, at + 2)
            if body[at + 1] == _GIF_CONTROL:
                control = body[at : at + _GIF_CONTROL_BYTES - 1] + b"\0"
            elif body[at + 1] == _GIF_TEXT:
                control = b""  # which was the text's
            elif body[at + 1] == _GIF_APPLICATION and body[at + 3 : at + 14] in _GIF_LOOPS:
                made.append(hidden.gif_loops(body[at:end]))
        else:
            raise ValueError("no block")
        at = end
    return b"".join((*made, bytes((_GIF_END,))))


def _table_bytes(flags: int) -> int:
    """Of a colour table, by the byte that says whether there is one."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of_blocks(body: bytes, at: int) -> int:
    while body[at]:
        at += body[at] + 1
    return at + 1


_STRIPPED: dict[str, Callable[[bytes, bytes], bytes]] = {
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "GIF": _gif,
}
