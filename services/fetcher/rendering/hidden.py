"""Hidden: what lies inside of the parts that make the picture and is not the picture, taken out of them.

Chunks inside of frames, bytes behind the end of a stream, rows behind the last, names and texts beside what counts.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence

from services.fetcher.rendering.colors import LARGEST_PROFILE_BYTES

WEBP_OF_FRAMES = frozenset([b"VP8 ", b"VP8L", b"ALPH"])
_FRAME_HEAD_BYTES, _RIFF_HEAD_BYTES = 16, 8

_GIF_LOOP_BLOCK, _GIF_LOOP_BYTES = 1, 3
_GIF_NAME_BYTES = 14
"""Of an application: the introducer, the label, and its name with the length before it."""

_PIECE_BYTES = 1024**2
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Where each pass begins, across and down, and its steps (PNG, section 8.1)."""

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def riff_chunks(body: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Up to where no head of another fits. Raise struct.error where the end is beyond the body's."""
    while at + _RIFF_HEAD_BYTES <= end:
        kind, length = struct.unpack_from("<4sI", body, at)
        at += _RIFF_HEAD_BYTES
        yield kind, body[at : at + length]
        at += length + length % 2


def riff_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def webp_frame(data: bytes) -> bytes:
    """Of a chunk ANMF: its head, and the chunks of its pixels (RFC 9649, section 2.7.1.1)."""
    chunks = riff_chunks(data, _FRAME_HEAD_BYTES, len(data))
    kept = (riff_chunk(kind, part) for kind, part in chunks if kind in WEBP_OF_FRAMES)
    return data[:_FRAME_HEAD_BYTES] + b"".join(kept)


def gif_loops(extension: bytes) -> bytes:
    """Of the extension that says how often a GIF is repeated: that block alone; nothing where there is none."""
    at = _GIF_NAME_BYTES
    while at < len(extension) and (length := extension[at]):
        block = extension[at + 1 : at + 1 + length]
        if len(block) >= _GIF_LOOP_BYTES and block[0] & 7 == _GIF_LOOP_BLOCK:
            return extension[:_GIF_NAME_BYTES] + bytes((_GIF_LOOP_BYTES, *block[:_GIF_LOOP_BYTES], 0))
        at += 1 + length
    return b""


def png_profile(data: bytes) -> bytes:
    """Of a chunk iCCP: the profile without its name, and without what hangs behind it. Raise ValueError."""
    _, _, packed = data.partition(b"\0")
    return b"ICC\0\0" + b"".join(of_stream([packed[1:]], LARGEST_PROFILE_BYTES))


def png_bytes(header: bytes, width: int, height: int) -> int:
    """How many the rows of a picture have, unpacked. `header`: IHDR's data."""
    bits = header[8] * _SAMPLES[header[9]]
    passes = _ADAM7 if header[12] else ((0, 0, 1, 1),)
    rows = 0
    for left, top, across, down in passes:
        wide, high = -(-(width - left) // across), -(-(height - top) // down)
        if wide > 0 and high > 0:
            rows += high * (1 + -(-wide * bits // 8))
    return rows


def of_stream(parts: Sequence[bytes], most_bytes: int) -> list[bytes]:
    """The parts of a zlib stream, without what hangs behind its end. Where more than `most_bytes` are in it, those,
    packed anew. Raise ValueError for what is no such stream.
    """
    stream = zlib.decompressobj()
    unpacked = behind = 0
    try:
        for part in parts:
            if stream.eof:
                behind += len(part)
                continue
            waiting = part
            while waiting and not stream.eof:
                unpacked += len(stream.decompress(waiting, _PIECE_BYTES))
                waiting = stream.unconsumed_tail
                if unpacked > most_bytes:
                    return [_packed_anew(parts, most_bytes)]
            behind += len(stream.unused_data)
        unpacked += len(stream.flush())
    except zlib.error as error:
        raise ValueError("no zlib stream") from error
    if unpacked > most_bytes:
        return [_packed_anew(parts, most_bytes)]
    return _cut(parts, sum(map(len, parts)) - behind)


def _packed_anew(parts: Sequence[bytes], most_bytes: int) -> bytes:
    unpacking, packing = zlib.decompressobj(), zlib.compressobj()
    made = []
    for part in parts:
        waiting = part
        while waiting and most_bytes and not unpacking.eof:
            rows = unpacking.decompress(waiting, min(_PIECE_BYTES, most_bytes))
            waiting = unpacking.unconsumed_tail
            most_bytes -= len(rows)
            made.append(packing.compress(rows))
    made.append(packing.compress(unpacking.flush()[:most_bytes]))
    return b"".join((*made, packing.flush()))


def _cut(parts: Sequence[bytes], length: int) -> list[bytes]:
    kept = []
    for part in parts:
        if length > 0:
            kept.append(part[:length])
        length -= len(part)
    return kept
