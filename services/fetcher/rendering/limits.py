"""Limits: what a picture's header, structure or XML may ask for before anything is decoded."""

from typing import Self
from xml.parsers import expat

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from services.fetcher.rendering.order import Order, TooLarge, Unsound
from services.fetcher.rendering.original import OpenedOriginal

MAX_SCANS = 200
"""Of a progressive JPEG, each of which goes over the whole picture. Encoders make about ten."""

MAX_GIF_BLOCKS = 10_000
"""Frames, comments and what else a GIF is made of."""

MAX_GIF_PARTS = 1_000_000
"""Of all blocks together: a full one has 255 bytes, so that 50 MB have a fifth of this."""

_JPEG, _GIF = b"\xff\xd8", b"GIF8"
_START_OF_SCAN = b"\xff\xda"  # inside of a scan, 0xff is always followed by a zero
_EXTENSION, _FRAME, _END = 0x21, 0x2C, 0x3B


def check_pieces(body: bytes) -> None:
    """Raise TooLarge. What is malformed is left to the decoder."""
    if body.startswith(_JPEG) and body.count(_START_OF_SCAN) > MAX_SCANS:
        raise TooLarge(f"The picture is made of more than {MAX_SCANS} scans.")
    if body.startswith(_GIF):
        _check_gif(body)


def _check_gif(gif: bytes) -> None:
    """GIF89a, sections 15 to 26: blocks, each a head and parts that begin with their length, up to an empty one."""
    at = 13 + _table_bytes(gif[10:11])
    blocks = parts = 0
    while at < len(gif) and gif[at] != _END:
        if gif[at] == _FRAME:
            at += 11 + _table_bytes(gif[at + 9 : at + 10])
        else:
            at += 2 if gif[at] == _EXTENSION else 1
        while at < len(gif) and gif[at]:
            at += gif[at] + 1
            parts += 1
            if parts > MAX_GIF_PARTS:
                raise TooLarge(f"The animation is made of more than {MAX_GIF_PARTS} parts.")
        at += 1
        blocks += 1
        if blocks > MAX_GIF_BLOCKS:
            raise TooLarge(f"The animation is made of more than {MAX_GIF_BLOCKS} blocks.")


def _table_bytes(flags: bytes) -> int:
    """Of the colour table that a byte of flags announces."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


SVG_NAMESPACE = "http://www.w3.org/2000/svg"
ROOTS = (f"{{{SVG_NAMESPACE}}}svg", "svg")

DOCUMENT_BYTES = 10 * 1024**2
ELEMENTS = 100_000
DEPTH = 200
TEXT_CHARACTERS = 2 * DOCUMENT_BYTES
"""Of all text and all attributes, entities replaced."""


class Outline:
    """What one reading of a document says of it, nothing of it kept."""

    def __init__(self) -> None:
        self.depth = 0
        """Of the deepest element."""
        self._at = 0
        self._elements = 0
        self._characters = 0

    @classmethod
    def of(cls, document: bytes) -> Self:
        """Raise TooLarge where a limit is passed, Unsound for what is not well-formed or names other documents."""
        if len(document) > DOCUMENT_BYTES:
            raise TooLarge(f"The drawing has more than {DOCUMENT_BYTES} bytes.")
        outline = cls()
        parser = expat.ParserCreate()
        parser.StartElementHandler = outline._start
        parser.EndElementHandler = outline._end
        parser.CharacterDataHandler = outline._text
        parser.EntityDeclHandler = outline._entity
        try:
            parser.Parse(document, True)
        except expat.ExpatError:
            raise Unsound("The bytes are not a picture that can be decoded (broken XML).") from None
        return outline

    def _start(self, _name: str, attributes: dict[str, str]) -> None:
        self._at += 1
        self._elements += 1
        self.depth = max(self.depth, self._at)
        if self._elements > ELEMENTS or self._at > DEPTH:
            raise TooLarge("The drawing has too many elements.")
        self._text("".join(attributes.values()))

    def _end(self, _name: str) -> None:
        self._at -= 1

    def _text(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > TEXT_CHARACTERS:
            raise TooLarge("The drawing has too much text.")

    def _entity(
        self,
        _name: str,
        is_parameter: int,
        value: str | None,
        _base: str | None,
        _system: str | None,
        _public: str | None,
        _notation: str | None,
    ) -> None:
        """Drawing programs abbreviate namespaces by entities; those that hold others grow without end."""
        if is_parameter or value is None or "&" in value:
            raise Unsound("The drawing has entities that are external or nested.")


LONGEST_SIDE = 65_535
"""No JPEG has a longer one."""

STEEPEST_RATIO = 1000
"""Of the longer side to the shorter."""

RESERVED_BYTES = 160 * 1024**2
"""What a renderer takes before it decodes anything: the interpreter and the libraries."""

_ENCODER_BYTES = 64
"""For each pixel of the largest rendition: its scaled copies, and the encoder's (AVIF's takes most)."""

_DECODER_BYTES = {"WEBP": 12, "AVIF": 12, "HEIF": 12, "TIFF": 8, "ICO": 4}
"""For each pixel, besides the picture itself: whole canvases, frames before, strips as large as the picture."""

_COEFFICIENT_BYTES = 2
_STORED_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}
_CONVERTED_BYTES = {"P": 4, "PA": 4, "LA": 4, "RGBA": 4, "I;16": 9, "I;16B": 9, "I": 5, "F": 5}
"""For each pixel of a mode that is brought to another one before it is scaled."""


def check_size(width: int, height: int, order: Order) -> None:
    """Raise TooLarge, or Unsound for what has no size."""
    if width < 1 or height < 1:
        raise Unsound("The picture has no size.")
    if width * height > order.max_pixels:
        raise TooLarge(f"The picture has more than {order.max_pixels} pixels.")
    if max(width, height) > LONGEST_SIDE:
        raise TooLarge(f"A side of the picture is longer than {LONGEST_SIDE} pixels.")
    if max(width, height) > STEEPEST_RATIO * min(width, height):
        raise TooLarge(f"One side of the picture is more than {STEEPEST_RATIO} times the other.")


def check_memory(needed_bytes: int, order: Order) -> None:
    if RESERVED_BYTES + needed_bytes > order.memory_bytes:
        raise TooLarge("The picture needs more memory than a renderer has.")


def memory_needed(original: OpenedOriginal, whole: tuple[int, int], largest: tuple[int, int]) -> int:
    """Bytes for decoding an original, whose image's size is what will be decoded of the `whole`, and for making
    `largest` of it.
    """
    image = original.image
    pixel = _STORED_BYTES.get(image.mode, 4) + _DECODER_BYTES.get(image.format or "", original.pixel_bytes)
    pixel += _CONVERTED_BYTES.get(image.mode, 4 if "transparency" in image.info else 0)
    pixels = max(image.width * image.height, original.size[0] * original.size[1])
    decoded = pixels * pixel
    return decoded + _coefficients(image, whole) + largest[0] * largest[1] * _ENCODER_BYTES


def _coefficients(image: Image.Image, whole: tuple[int, int]) -> int:
    """A progressive JPEG keeps those of the whole picture until its last scan, however small it is decoded."""
    if not isinstance(image, JpegImageFile) or "progressive" not in image.info:
        return 0
    densest = max(h for _, h, _, _ in image.layer) * max(v for _, _, v, _ in image.layer)
    samples = sum(h * v for _, h, v, _ in image.layer) / densest
    return int(whole[0] * whole[1] * samples * _COEFFICIENT_BYTES)
