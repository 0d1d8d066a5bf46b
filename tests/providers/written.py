"""Pictures written by hand, byte by byte: what no encoder at hand writes, and browsers show."""

import struct
import zlib
from collections.abc import Sequence

from PIL import Image

from tests.providers.drawing import encode

Color = Sequence[int]
Chunk = tuple[bytes, bytes]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}
PALETTE = ((200, 30, 40), (30, 160, 60), (40, 60, 200), (250, 250, 240))
"""Of the GIFs."""


def chunk(kind: bytes, data: bytes, checksum: int | None = None) -> bytes:
    right = zlib.crc32(kind + data)
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", right if checksum is None else checksum)
    )


def png(
    size: tuple[int, int],
    pixels: bytes,
    *before: Chunk | bytes,
    color: int = 2,
    depth: int = 8,
    behind: bytes = b"",
    end: bool = True,
) -> bytes:
    """`pixels`: packed rows without their filter bytes; `before` and `behind` the pixels."""
    head = chunk(b"IHDR", struct.pack(">2I5B", *size, depth, color, 0, 0, 0))
    chunks = b"".join(each if isinstance(each, bytes) else chunk(*each) for each in before)
    data = chunk(b"IDAT", packed(size, pixels, color, depth))
    return _SIGNATURE + head + chunks + data + behind + (chunk(b"IEND", b"") if end else b"")


def packed(size: tuple[int, int], pixels: bytes, color: int = 2, depth: int = 8) -> bytes:
    row = -(-size[0] * _SAMPLES[color] * depth // 8)
    return zlib.compress(b"".join(b"\0" + pixels[at : at + row] for at in range(0, row * size[1], row)))


def flat_png(color: Color, *before: Chunk | bytes, side: int = 16) -> bytes:
    """Of one colour: grey, RGB, or RGBA."""
    kind = {1: 0, 3: 2, 4: 6}[len(color)]
    return png((side, side), bytes(color) * side * side, *before, color=kind)


def deep_png(samples: Sequence[int], color: int, *before: Chunk) -> bytes:
    """A row of 16-bit samples."""
    width = len(samples) // _SAMPLES[color]
    return png((width, 1), struct.pack(f">{len(samples)}H", *samples), *before, color=color, depth=16)


def frame(
    number: int,
    side: int,
    color: Color,
    *,
    at: tuple[int, int] = (0, 0),
    disposal: int = 0,
    over: bool = False,
) -> tuple[bytes, bytes]:
    """An animated PNG's frame of one colour in RGBA: its control, and its pixels as they are compressed."""
    control = struct.pack(">5I2H2B", number, side, side, *at, 1, 10, disposal, over)
    return chunk(b"fcTL", control), packed((side, side), bytes(color) * side * side, 6)


def apng(
    side: int, *frames: tuple[bytes, bytes], hidden: Color | None = None, announced: int = 0, plays: int = 0
) -> bytes:
    """`hidden`: the colour of a default picture that is none of the frames; `announced` frames, or as many as are."""
    head = chunk(b"IHDR", struct.pack(">2I5B", side, side, 8, 6, 0, 0, 0))
    made = _SIGNATURE + head + chunk(b"acTL", struct.pack(">2I", announced or len(frames), plays))
    if hidden is not None:
        made += chunk(b"IDAT", packed((side, side), bytes(hidden) * side * side, 6))
    for index, (control, data) in enumerate(frames):
        (number,) = struct.unpack_from(">I", control, 8)
        is_default = index == 0 and hidden is None
        made += control + (
            chunk(b"IDAT", data) if is_default else chunk(b"fdAT", struct.pack(">I", number + 1) + data)
        )
    return made + chunk(b"IEND", b"")


def gif(size: tuple[int, int], *blocks: bytes, end: bool = True) -> bytes:
    palette = b"".join(map(bytes, PALETTE))
    return b"GIF89a" + struct.pack("<2H", *size) + b"\x81\0\0" + palette + b"".join(blocks) + b";" * end


def gif_frame(
    index: int,
    box: tuple[int, int, int, int],
    *,
    disposal: int = 1,
    clear: int | None = None,
    hundredths: int = 10,
) -> bytes:
    """`box`: left, top, width, height; `clear`: the index that is transparent."""
    flags = disposal << 2 | (clear is not None)
    control = b"!\xf9\4" + bytes([flags]) + struct.pack("<H", hundredths) + bytes([clear or 0]) + b"\0"
    codes = [4]
    for count in range(box[2] * box[3]):
        codes += [index, 4] if count % 2 else [index]
    bits = sum(code << 3 * at for at, code in enumerate([*codes, 5]))
    data = bits.to_bytes(-(-3 * (len(codes) + 1) // 8), "little")
    parts = b"".join(
        bytes([len(data[at : at + 255])]) + data[at : at + 255] for at in range(0, len(data), 255)
    )
    return control + b"," + struct.pack("<4H", *box) + b"\0\2" + parts + b"\0"


def gif_loops(repeats: int, name: bytes = b"NETSCAPE2.0") -> bytes:
    return b"!\xff\x0b" + name + b"\3\1" + struct.pack("<H", repeats) + b"\0"


def avif_of(color: Color, primaries: int, transfer: int) -> bytes:
    """Of one colour, which is said by code points."""
    body = encode(Image.new("RGB", (16, 16), tuple(color)), "avif", quality=100, subsampling="4:4:4")
    at = body.index(b"colrnclx") + 8
    return body[:at] + struct.pack(">2H", primaries, transfer) + body[at + 4 :]


def with_property(avif: bytes, box: bytes) -> bytes:
    """A still AVIF as Pillow writes it, whose picture has one property more."""
    meta, iprp, ipco, ipma, iloc = (
        avif.index(name) - 4 for name in (b"meta", b"iprp", b"ipco", b"ipma", b"iloc")
    )
    end = ipco + struct.unpack_from(">I", avif, ipco)[0]
    at, number = ipco + 8, 1
    while at < end:
        at += struct.unpack_from(">I", avif, at)[0]
        number += 1
    counts = ipma + 18
    behind = counts + 1 + avif[counts]
    made = avif[:end] + box + avif[end:counts] + bytes([avif[counts] + 1]) + avif[counts + 1 : behind]
    made += bytes([0x80 | number]) + avif[behind:]
    grown = {meta: len(box) + 1, iprp: len(box) + 1, ipco: len(box), ipma + len(box): 1}
    for where, by in grown.items():
        made = _replaced(made, where, struct.unpack_from(">I", made, where)[0] + by)
    pixels = avif.index(b"mdat") + 4
    position = made.index(struct.pack(">I", pixels), iloc)
    return _replaced(made, position, pixels + len(box) + 1)


def with_two_associations(avif: bytes) -> bytes:
    """A still AVIF with alpha, the properties of whose two items are said in a box for each."""
    meta, iprp, ipma, iloc = (avif.index(name) - 4 for name in (b"meta", b"iprp", b"ipma", b"iloc"))
    end = ipma + struct.unpack_from(">I", avif, ipma)[0]
    entries = avif[ipma + 16 : end]
    first = 3 + entries[2]
    boxes = b"".join(
        struct.pack(">I4s2I", 16 + len(each), b"ipma", 0, 1) + each
        for each in (entries[:first], entries[first:])
    )
    by = len(boxes) - (end - ipma)
    made = bytearray(avif[:ipma] + boxes + avif[end:])
    for at in (meta, iprp):
        struct.pack_into(">I", made, at, struct.unpack_from(">I", made, at)[0] + by)
    pixels = avif.index(b"mdat") + 4
    for at in (iloc + 22, iloc + 36):  # of each item, where its data lies
        (position,) = struct.unpack_from(">I", avif, at)
        assert position >= pixels
        struct.pack_into(">I", made, at, position + by)
    return bytes(made)


def aperture(size: tuple[int, int], right: int, down: int) -> bytes:
    """A `clap` box; how far its middle lies from the picture's, in half pixels."""
    return struct.pack(">I4s8i", 40, b"clap", size[0], 1, size[1], 1, right, 2, down, 2)


def _replaced(body: bytes, at: int, value: int) -> bytes:
    return body[:at] + struct.pack(">I", value) + body[at + 4 :]


def tiff(
    order: str,
    tags: Sequence[tuple[int, int | Sequence[int | None]]],
    strips: Sequence[Sequence[int]],
    *,
    sample: str = "H",
) -> bytes:
    """Samples of 16 bits (or as `struct` calls them) in `order` (`<` or `>`); where the strips lie is filled in for None."""
    short = f"{order}H"
    data = [b"".join(struct.pack(order + sample, value) for value in strip) for strip in strips]
    directory = 8
    behind = directory + 2 + 12 * len(tags) + 4
    lists, entries = b"", b""
    places = iter(range(len(data)))
    starts = behind + 200
    for tag, said in tags:
        values = [said] if isinstance(said, int) else list(said)
        filled = [
            starts + sum(map(len, data[: next(places)])) if value is None else value for value in values
        ]
        packed_values = b"".join(struct.pack(short, value) for value in filled)
        if len(packed_values) > 4:
            entries += struct.pack(f"{order}2H2I", tag, 3, len(filled), behind + len(lists))
            lists += packed_values
        else:
            entries += struct.pack(f"{order}2HI", tag, 3, len(filled)) + packed_values.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, directory)
    head += struct.pack(short, len(tags)) + entries + bytes(4) + lists
    return head.ljust(starts, b"\0") + b"".join(data)
