"""PNG: its chunks read here, so that the decoder sees those of the pixels alone and nothing else can cost the picture.

https://www.w3.org/TR/png-3/, with what APNG says of frames in section 13.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Self
from zlib import crc32

from PIL import Image, ImageChops

from services.fetcher.rendering import hidden
from services.fetcher.rendering.animation import LONGEST_FRAME_MS, Cel, Composed, Disposal
from services.fetcher.rendering.color_spaces import ColorSpace, Primaries
from services.fetcher.rendering.colors import LARGEST_PROFILE_BYTES, Colors
from services.fetcher.rendering.order import TooLarge, Unsound

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 500_000

_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD pHYs acTL fcTL fdAT".split()
)
"""What says how to show the picture."""

_OF_FRAMES = frozenset({b"acTL", b"fcTL", b"fdAT"})
_MOST_BYTES = {
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

_BEFORE_PIXELS = frozenset(b"PLTE tRNS cHRM gAMA iCCP sRGB cICP mDCV cLLI acTL".split())
_UNCHECKED = frozenset({b"IDAT", b"fdAT"})
"""Whose checksums the decoder leaves alone, too: compressed data has one of its own."""

_GREY, _RGB, _INDEXED = 0, 2, 3
_DEEP = 16
_FRAME = struct.Struct(">5I2H2B")
_DISPOSALS = {1: Disposal.IS_CLEARED, 2: Disposal.IS_UNDONE}
_OVER = 1


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    data: bytes

    @property
    def written(self) -> bytes:
        return written(self.kind, self.data)


@dataclass(slots=True)
class _Frame:
    """`data`: its pixels, compressed; empty for what has none yet."""

    size: tuple[int, int]
    at: tuple[int, int]
    duration_ms: int
    disposal: int
    blending: int
    data: list[bytes] = field(default_factory=list)

    def cel(self, png: "Png") -> Cel:
        disposal = _DISPOSALS.get(self.disposal, Disposal.STAYS)
        return Cel(
            self.size, self.at, self.duration_ms, disposal, self.blending == _OVER, lambda: png.frame(self)
        )


@dataclass(frozen=True, slots=True)
class Png:
    """What a PNG says, all but its pixels understood. `film`: where it is animated."""

    header: bytes
    size: tuple[int, int]
    chunks: tuple[_Chunk, ...]
    colors: Colors
    exif: bytes
    film: Composed | None
    notes: tuple[str, ...]

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Raise Unsound for what is not built as a PNG, TooLarge for too many pieces."""
        notes: list[str] = []
        chunks = tuple(_chunks(body, notes))
        if not chunks or chunks[0].kind != b"IHDR" or len(chunks[0].data) < 13:  # noqa: PLR2004 - section 11.2.1
            raise Unsound("The bytes are not a picture that can be decoded (PNG without a header).")
        header = chunks[0].data[:13]
        size = struct.unpack_from(">2I", header)
        said = _PngSaid.of(chunks)
        exif = next((chunk.data for chunk in chunks if chunk.kind == b"eXIf"), b"")
        made = cls(header, size, chunks, said.colors(notes), exif, None, ())
        film = _film(made, said, notes)
        return cls(header, size, chunks, made.colors, exif, film, tuple(dict.fromkeys(notes)))

    def opened(self) -> Image.Image:
        """What is shown where nothing moves, not yet decoded."""
        data = [chunk.data for chunk in self.chunks if chunk.kind == b"IDAT"]
        return Image.open(BytesIO(self._of_pixels(self.size, data)), formats=("PNG",))

    @property
    def has_key(self) -> bool:
        """Whether one colour of 16 bits is clear, which the decoder cannot tell from its neighbours."""
        return self._depth == _DEEP and self._key() is not None

    def decoded(self, image: Image.Image) -> Image.Image:
        """`image`: as `opened` gave it."""
        return self._keyed(self.size, [c.data for c in self.chunks if c.kind == b"IDAT"], image)

    def frame(self, frame: _Frame) -> Image.Image:
        with Image.open(BytesIO(self._of_pixels(frame.size, frame.data)), formats=("PNG",)) as image:
            return self._keyed(frame.size, frame.data, image)

    def stripped(self, exif: bytes) -> bytes:
        """The file without whatever is not the picture. `exif`: to be put in. Raise Unsound for what cannot be read."""
        made = [SIGNATURE, written(b"IHDR", self.header)]
        if exif:
            made.append(written(b"eXIf", exif.removeprefix(b"Exif\0\0")))
        try:
            made.extend(self._bare())
        except (ValueError, struct.error, LookupError):
            raise Unsound("The picture's metadata cannot be removed.") from None
        return b"".join((*made, written(b"IEND", b"")))

    def _bare(self) -> Iterator[bytes]:
        """The chunks between the first and the last, without what hides within them."""
        size, number = self.size, 0
        for kind, parts in _runs([c for c in self.chunks if self.film or c.kind not in _OF_FRAMES]):
            if kind == b"IDAT":
                for part in hidden.of_stream(parts, hidden.png_bytes(self.header, *self.size)):
                    yield written(kind, part)
            elif kind == b"fdAT":
                for part in hidden.of_stream(parts, hidden.png_bytes(self.header, *size)):
                    yield written(kind, struct.pack(">I", number) + part)
                    number += 1
            elif kind == b"fcTL":
                size = struct.unpack_from(">2I", parts[0], 4)
                yield written(kind, struct.pack(">I", number) + parts[0][4 : _MOST_BYTES[kind]])
                number += 1
            elif kind != b"iCCP":
                yield written(kind, parts[0][: _MOST_BYTES[kind]])
            elif _profile(parts[0]):
                yield written(kind, hidden.png_profile(parts[0]))

    @property
    def _depth(self) -> int:
        return self.header[8]

    @property
    def _kind(self) -> int:
        return self.header[9]

    def _of_pixels(self, size: tuple[int, int], data: list[bytes]) -> bytes:
        head = struct.pack(">2I", *size) + self.header[8:]
        made = [SIGNATURE, written(b"IHDR", head)]
        made.extend(chunk.written for chunk in self.chunks if chunk.kind == b"PLTE")
        if transparency := self._transparency():
            made.append(written(b"tRNS", transparency))
        return b"".join((*made, *(written(b"IDAT", piece) for piece in data), written(b"IEND", b"")))

    def _transparency(self) -> bytes | None:
        """As the decoder takes it: with the values that samples have once they are brought to 8 bits."""
        if self._kind == _INDEXED:
            return next((chunk.data for chunk in self.chunks if chunk.kind == b"tRNS"), None)
        key = self._key()
        if key is None or self._depth == _DEEP:
            return None
        scale = 1 if self._depth == 1 else 255 // (2**self._depth - 1)
        return struct.pack(f">{len(key)}H", *(value * scale for value in key))

    def _key(self) -> tuple[int, ...] | None:
        """The samples of what is clear, in the file's own depth."""
        samples = {_GREY: 1, _RGB: 3}.get(self._kind)
        data = next((chunk.data for chunk in self.chunks if chunk.kind == b"tRNS"), None)
        if not samples or data is None or len(data) < 2 * samples:
            return None
        return tuple(value & (2**self._depth - 1) for value in struct.unpack_from(f">{samples}H", data))

    def _keyed(self, size: tuple[int, int], data: list[bytes], image: Image.Image) -> Image.Image:
        key = self._key() if self._depth == _DEEP else None
        if key is None:
            image.load()
            return image
        high, low = (self._bytes_of(size, data, half) for half in (0, 1))
        differs = Image.new("L", size)
        for half, shift in ((high, 8), (low, 0)):
            for band, value in zip(half.split(), key, strict=True):
                wanted = value >> shift & 0xFF
                differs = ImageChops.lighter(differs, band.point([255 * (v != wanted) for v in range(256)]))
        high.putalpha(differs)
        return high

    def _bytes_of(self, size: tuple[int, int], data: list[bytes], half: int) -> Image.Image:
        """The high bytes of samples of 16 bits, or the low ones."""
        mode, halves = ("L", ("L;16B", "L;16")) if self._kind == _GREY else ("RGB", ("RGB;16B", "RGB;16L"))
        image = Image.open(BytesIO(self._of_pixels(size, data)), formats=("PNG",))
        image._mode = mode  # noqa: SLF001 - as the decoder is told, which has no other way
        image.tile = [tile._replace(args=halves[half]) for tile in image.tile]
        image.load()
        return image


def _runs(chunks: list[_Chunk]) -> Iterator[tuple[bytes, list[bytes]]]:
    """What is kept: the data of one picture together, and of the other kinds, which stand once, the first."""
    seen = {b"IHDR", b"fdAT"}
    frame: list[bytes] = []
    for chunk in chunks:
        if chunk.kind == b"fdAT":
            frame.append(chunk.data[4:])
        elif chunk.kind == b"fcTL":
            if frame:
                yield b"fdAT", frame
            frame = []
            yield chunk.kind, [chunk.data]
        elif chunk.kind in _KEPT - seen:
            seen.add(chunk.kind)
            is_data = chunk.kind == b"IDAT"
            yield chunk.kind, [c.data for c in chunks if c.kind == b"IDAT"] if is_data else [chunk.data]
    if frame:
        yield b"fdAT", frame


def written(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))


def _chunks(body: bytes, notes: list[str]) -> Iterator[_Chunk]:
    """Those that count, up to the end; what is damaged and not of the pixels is left out."""
    at, count, has_pixels = len(SIGNATURE), 0, False
    while at + 8 <= len(body):
        length, kind = struct.unpack_from(">I4s", body, at)
        count += 1
        if count > MAX_CHUNKS:
            raise TooLarge(f"The picture is made of more than {MAX_CHUNKS} chunks.")
        if kind == b"IEND":
            return
        data = body[at + 8 : at + 8 + length]
        at += 12 + length
        chunk = _checked(kind, data, body[at - 4 : at], notes)
        if chunk and not (has_pixels and kind in _BEFORE_PIXELS):
            has_pixels = has_pixels or kind == b"IDAT"
            yield chunk
    if not has_pixels:
        raise Unsound("The bytes are not a picture that can be decoded (PNG without an end).")
    notes.append("The end marker is missing.")


def _checked(kind: bytes, data: bytes, checksum: bytes, notes: list[str]) -> _Chunk | None:
    if kind in _UNCHECKED or struct.pack(">I", crc32(kind + data)) == checksum:
        return _Chunk(kind, data)
    if not kind[0] & 0x20:  # of the pixels
        raise Unsound("The bytes are not a picture that can be decoded (PNG with a wrong checksum).")
    notes.append(_left_out(kind))
    return None


def _left_out(kind: bytes) -> str:
    return f"A damaged {kind.decode('ascii', 'replace')[:4]!r} was left out."


@dataclass(frozen=True, slots=True)
class _PngSaid:
    """The first of each kind of chunk ahead of the pixels."""

    first: dict[bytes, bytes]

    @classmethod
    def of(cls, chunks: tuple[_Chunk, ...]) -> Self:
        first: dict[bytes, bytes] = {}
        for chunk in chunks:
            if chunk.kind in _BEFORE_PIXELS:
                first.setdefault(chunk.kind, chunk.data)
        return cls(first)

    def colors(self, notes: list[str]) -> Colors:
        """What counts most, first (section 4.3)."""
        points = self._read(b"cICP", ">4B", notes)
        if points and points[2] == 0:
            return ColorSpace.of_code_points(points[0], points[1], self._peak_nits(notes))
        if b"iCCP" in self.first:
            if profile := _profile(self.first[b"iCCP"]):
                return profile
            notes.append("A colour profile that cannot be read was left out.")
        if b"sRGB" in self.first:
            return None
        gamma = self._read(b"gAMA", ">I", notes)
        return ColorSpace.of_gamma(gamma[0] / 100_000, self._primaries(notes)) if gamma and gamma[0] else None

    def _primaries(self, notes: list[str]) -> Primaries | None:
        said = self._read(b"cHRM", ">8I", notes)
        if not said:
            return None
        white, red, green, blue = ((said[at] / 100_000, said[at + 1] / 100_000) for at in range(0, 8, 2))
        return Primaries(red, green, blue, white)

    def _peak_nits(self, notes: list[str]) -> float | None:
        if light := self._read(b"cLLI", ">2I", notes):
            return light[0] / 10_000 or None
        display = self._read(b"mDCV", ">8H2I", notes)
        return display[8] / 10_000 or None if display else None

    def _read(self, kind: bytes, form: str, notes: list[str]) -> tuple[int, ...] | None:
        if kind not in self.first:
            return None
        try:
            return struct.unpack_from(form, self.first[kind])
        except struct.error:
            notes.append(_left_out(kind))
            return None


def _profile(iccp: bytes) -> bytes | None:
    name, end, packed = iccp.partition(b"\0")
    if not end or not name or packed[:1] != b"\0":
        return None
    inflating = zlib.decompressobj()
    try:
        profile = inflating.decompress(packed[1:], LARGEST_PROFILE_BYTES)
    except zlib.error:
        return None
    return None if inflating.unconsumed_tail else profile


def _film(png: Png, said: _PngSaid, notes: list[str]) -> Composed | None:
    """None for a still, and for what is not numbered or measured as it should be: then its default counts."""
    if b"acTL" not in said.first:
        return None
    try:
        announced, loops = struct.unpack_from(">2I", said.first[b"acTL"])
        frames = _frames(png)[:announced]
    except (struct.error, ValueError, IndexError):
        frames, announced = [], 1
    if not frames or len(frames) < announced:
        notes.append("The animation is broken: its first picture is shown.")
        return None
    return Composed(png.size, [frame.cel(png) for frame in frames], loops)


def _frames(png: Png) -> list[_Frame]:
    """Raise ValueError, IndexError or struct.error where one is wrong."""
    frames: list[_Frame] = []
    awaited = 0
    for chunk in png.chunks:
        if chunk.kind in (b"fcTL", b"fdAT"):
            if struct.unpack_from(">I", chunk.data)[0] != awaited:
                raise ValueError("out of order")
            awaited += 1
        if chunk.kind == b"fcTL":
            _check_has_pixels(frames[-1:])
            frames.append(_framed(chunk.data, png.size))
        elif chunk.kind == b"fdAT":
            frames[-1].data.append(chunk.data[4:])
        elif chunk.kind == b"IDAT" and len(frames) == 1:
            if frames[0].size != png.size:
                raise ValueError("smaller than the picture")
            frames[0].data.append(chunk.data)
    _check_has_pixels(frames)
    return frames


def _check_has_pixels(frames: list[_Frame]) -> None:
    if any(not frame.data for frame in frames):
        raise ValueError("without pixels")


def _framed(control: bytes, canvas: tuple[int, int]) -> _Frame:
    _, width, height, x, y, numerator, denominator, disposal, blending = _FRAME.unpack_from(control)
    if not width or not height or x + width > canvas[0] or y + height > canvas[1]:
        raise ValueError("beyond the picture")
    duration_ms = min(round(1000 * numerator / (denominator or 100)), LONGEST_FRAME_MS)
    return _Frame((width, height), (x, y), duration_ms, disposal, blending)
