"""SVG: cleaned of whatever could act or ask somebody, measured, and drawn at the size of each rendition.

A drawing has no pixels that could be enlarged: a rendition fills its box, however small its natural size. It is
drawn without fonts, for those of this machine would be a matter of chance: text shows where it is made of shapes.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from io import BytesIO
from typing import Self
from xml.etree import ElementTree as ET

from PIL import Image
from py_svg_hush import filter_svg
from resvg_py import svg_to_bytes

from services.fetcher.rendering.limits import check_memory, check_size
from services.fetcher.rendering.order import Order, Unsound
from services.fetcher.rendering.stripping import stripped
from services.fetcher.rendering.xml_limits import ROOTS, SVG_NAMESPACE, Outline

MIME = "image/svg+xml"
_EMBEDDED = {"image": ["png", "jpeg", "gif", "webp"]}
_EMBEDDED_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_BYTES_PER_PIXEL = 4
_SAID = frozenset(f"{{{SVG_NAMESPACE}}}{name}" for name in ("title", "desc", "metadata"))
_SAID_BY_ATTRIBUTES = ("data-", "aria-")
_DEFAULT_SIZE = (300.0, 150.0)
"""Of a drawing that says nothing (CSS 2.2, section 10.3.2)."""

_LENGTH = re.compile(
    r"\s*\+?(\d*\.?\d+(?:e\+?\d{1,3})?)\s*(px|in|cm|mm|q|pt|pc|)\s*", re.IGNORECASE | re.ASCII
)
_PIXELS = {"": 1, "px": 1, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4, "q": 96 / 101.6, "pt": 4 / 3, "pc": 16}


def may_be_svg(head: bytes) -> bool:
    """Whether the first bytes may be XML's: no other picture begins like that."""
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return True
    return head.removeprefix(BOM_UTF8).lstrip(b" \t\r\n").startswith(b"<")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A checked and cleaned SVG. `size` is its natural one, in pixels."""

    document: bytes
    size: tuple[int, int]
    layers: int
    """How many may lie within one another, each as large as what is drawn."""
    embedded_pixels: int

    @classmethod
    def read(cls, body: bytes, order: Order) -> Self:
        """Raise Unsound for what is no SVG, or an unreasonable one, before anything is drawn."""
        outline = Outline.of(body)
        root = ET.fromstring(body)  # noqa: S314 - the outline has been read: no entity is external or nested
        if root.tag not in ROOTS:
            raise Unsound("The bytes are not a picture that can be decoded (not SVG).")
        embedded_pixels = _drop_references(root, order)
        if order.bare:
            _drop_what_is_said(root)
        size = _natural_size(root)
        check_size(*size, order)
        ET.register_namespace("", SVG_NAMESPACE)
        try:
            document = filter_svg(ET.tostring(root), _EMBEDDED)
        except ValueError:
            raise Unsound("The bytes are not a picture that can be decoded (broken SVG).") from None
        return cls(document, size, outline.depth, embedded_pixels)

    def drawn(self, size: tuple[int, int], order: Order) -> Image.Image:
        """RGBA of exactly this size."""
        check_size(*size, order)
        needed = (self.layers + 4) * size[0] * size[1] + 2 * self.embedded_pixels
        check_memory(needed * _BYTES_PER_PIXEL, order)
        root = ET.fromstring(self.document)  # noqa: S314 - our own
        if "viewBox" not in root.attrib:
            root.set("viewBox", f"0 0 {self.size[0]} {self.size[1]}")
        root.set("width", str(size[0]))
        root.set("height", str(size[1]))
        try:
            png = svg_to_bytes(svg_string=ET.tostring(root, encoding="unicode"), skip_system_fonts=True)
        except ValueError as error:
            raise Unsound(f"The drawing cannot be drawn: {error}.") from None
        image = Image.open(BytesIO(png), formats=("PNG",))
        return image.convert("RGBA")


def _drop_references(root: ET.Element, order: Order) -> int:
    """Leave those to what lies in the document itself. Return how many pixels are embedded in it."""
    pixels = 0
    for element in root.iter():
        for name in [name for name in element.attrib if name.rpartition("}")[2] == "href"]:
            target = element.attrib[name].strip()
            if target.startswith("#"):
                continue
            embedded = _embedded_size(target)
            if embedded is None:
                del element.attrib[name]
            else:
                check_size(*embedded, order)
                pixels += embedded[0] * embedded[1]
                if order.bare:
                    element.attrib[name] = _bared(target)
    return pixels


def _drop_what_is_said(root: ET.Element) -> None:
    """Of an upload: titles, descriptions and what programs write beside a drawing."""
    for element in root.iter():
        for child in [child for child in element if child.tag in _SAID]:
            element.remove(child)
        for name in [name for name in element.attrib if name.startswith(_SAID_BY_ATTRIBUTES)]:
            del element.attrib[name]


def _bared(target: str) -> str:
    """A picture inside the drawing without its metadata. Raise Unsound for one that cannot be decoded."""
    head, _, data = target.partition(",")
    body = b64decode(data)
    try:
        with Image.open(BytesIO(body), formats=_EMBEDDED_FORMATS) as image:
            image.load()
            return f"{head},{b64encode(stripped(body, image)).decode()}"
    except (OSError, ValueError, SyntaxError) as error:
        raise Unsound("A picture in the drawing cannot be decoded.") from error


def _embedded_size(target: str) -> tuple[int, int] | None:
    """Of a picture inside the drawing; None for anything else."""
    kind, comma, data = target.partition(",")
    if not comma or not kind.startswith("data:image/") or not kind.endswith(";base64"):
        return None
    try:
        with Image.open(BytesIO(b64decode(data)), formats=_EMBEDDED_FORMATS) as image:
            return image.size
    except (NotBase64, OSError, ValueError, SyntaxError):
        return None


def _natural_size(root: ET.Element) -> tuple[int, int]:
    """As a page would lay it out (CSS Images 3, section 5): by its size, else by its view box."""
    width, height = _length(root.get("width")), _length(root.get("height"))
    box = _view_box(root.get("viewBox"))
    across, down = box or (width or _DEFAULT_SIZE[0], height or _DEFAULT_SIZE[1])
    if width is None:
        width = height * across / down if height is not None and box else across
    if height is None:
        height = width * down / across if box else down
    if not width or not height:
        raise Unsound("The drawing has no size.")
    return max(1, round(width)), max(1, round(height))


def _length(text: str | None) -> float | None:
    """Pixels; None for what depends on where the drawing stands, or says nothing."""
    match = _LENGTH.fullmatch(text or "")
    return float(match[1]) * _PIXELS[match[2].lower()] if match else None


def _view_box(text: str | None) -> tuple[float, float] | None:
    try:
        _, _, width, height = map(float, (text or "").replace(",", " ").split())
    except ValueError:
        return None
    return (width, height) if 0 < width < float("inf") and 0 < height < float("inf") else None
