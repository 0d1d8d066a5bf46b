"""Stripping: an original's file without whatever is not the picture: places, times, cameras, comments, and what
hangs behind its end. Its pixels are not touched; what turns it upright and says its colours stays.

Only for bytes that have been decoded.
"""

import re
import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from zlib import crc32

from PIL import Image

from services.fetcher.rendering.order import Unsound

ORIENTATION = 0x0112

_JPEG_END = b"\xff\xd9"
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
_APP0 = 0xE0
_METADATA_MARKERS = frozenset((*range(_APP0, _APP0 + 16), 0xFE))
"""Those of applications, and comments. Of them, these say how to show the picture:"""
_JPEG_KEPT = {_APP0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_JFIF_BYTES = 16
_WITHOUT_LENGTH = frozenset({0x01, 0xD8})

_PNG_HEAD_BYTES = 8
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD pHYs acTL fcTL fdAT".split()
)

_WEBP_KEPT = frozenset([b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"])
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04
"""Flags in the first byte of VP8X, which say that there are such chunks."""

_GIF_LOOPS = frozenset([b"NETSCAPE2.0", b"ANIMEXTS1.0"])
_GIF_EXTENSION, _GIF_IMAGE, _GIF_END = 0x21, 0x2C, 0x3B
_GIF_CONTROL, _GIF_TEXT, _GIF_APPLICATION = 0xF9, 0x01, 0xFF


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
    except (struct.error, IndexError, ValueError) as error:
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
            kept = _without_thumbnail(segment) if marker == _APP0 else segment
            made.write(bytes((0xFF, marker)) + kept)
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


def _without_thumbnail(jfif: bytes) -> bytes:
    """Which may show what was cut off the picture since (JFIF 1.02, page 5)."""
    return struct.pack(">H", _JFIF_BYTES) + jfif[2 : _JFIF_BYTES - 2] + bytes(2)


def _png(body: bytes, exif: bytes) -> bytes:
    """https://www.w3.org/TR/png-3/, section 5; the chunk eXIf is TIFF without the word before it."""
    made = [body[:_PNG_HEAD_BYTES]]
    at = _PNG_HEAD_BYTES
    while True:
        length, kind = struct.unpack_from(">I4s", body, at)
        chunk = body[at : at + length + 12]
        if kind in _PNG_KEPT:
            made.append(chunk)
        if kind == b"IHDR" and exif:
            made.append(_png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
        if kind == b"IEND":
            return b"".join(made)
        at += length + 12


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))


def _webp(body: bytes, exif: bytes) -> bytes:
    """RFC 9649, section 2. A picture in the simple form has no metadata."""
    made = [_webp_chunk(kind, data) for kind, data in _riff(body) if kind in _WEBP_KEPT]
    first = made[0]
    if first.startswith(b"VP8X"):
        flags = first[8] & ~(_WEBP_EXIF | _WEBP_XMP) | (_WEBP_EXIF if exif else 0)
        made[0] = first[:8] + bytes((flags,)) + first[9:]
        if exif:
            made.append(_webp_chunk(b"EXIF", exif.removeprefix(b"Exif\0\0")))
    whole = b"WEBP" + b"".join(made)
    return b"RIFF" + struct.pack("<I", len(whole)) + whole


def _riff(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    (size,) = struct.unpack_from("<I", body, 4)
    at, end = 12, 8 + size
    while at < end:
        kind, length = struct.unpack_from("<4sI", body, at)
        yield kind, body[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _webp_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _gif(body: bytes, _exif: bytes) -> bytes:
    """GIF89a, appendix A. It has no EXIF; comments and XMP are extensions."""
    at = 13 + _table_bytes(body[10])
    made = [body[:at]]
    while body[at] != _GIF_END:
        if body[at] == _GIF_IMAGE:
            end = _end_of_blocks(body, at + 11 + _table_bytes(body[at + 9]))
            made.append(body[at:end])
        elif body[at] == _GIF_EXTENSION:
            end = _end_of_blocks(body, at + 2)
            if _is_shown(body[at + 1], body[at + 3 : at + 14]):
                made.append(body[at:end])
        else:
            raise ValueError("no block")
        at = end
    return b"".join((*made, bytes((_GIF_END,))))


def _is_shown(label: int, application: bytes) -> bool:
    return label in (_GIF_CONTROL, _GIF_TEXT) or (label == _GIF_APPLICATION and application in _GIF_LOOPS)


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
