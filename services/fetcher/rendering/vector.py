"""SVG: cleaned of whatever could act or ask somebody, measured, and drawn at the size of each rendition.

A drawing has no pixels that could be enlarged: a rendition fills its box, however small its natural size. Its text
is drawn in a font that comes with a package, and in those of a setting: what this machine has is a matter of chance.
"""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Self
from xml.etree import ElementTree as ET

import fontpkg_noto_sans
from PIL import Image
from py_svg_hush import filter_svg
from resvg_py import svg_to_bytes

from services.fetcher.rendering.confinement import allow_for_drawing
from services.fetcher.rendering.embedded import embedded
from services.fetcher.rendering.limits import ROOTS, SVG_NAMESPACE, Outline, check_memory, check_size
from services.fetcher.rendering.order import Order, Unsound
from services.fetcher.rendering.stylesheets import declared_plainly, is_reckoned, put_plainly, variables_of

MIME = "image/svg+xml"
_EMBEDDED = {"image": ["png", "jpeg", "gif", "webp"]}
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_TEXT = "<text"
_TEXT_TAG = f"{{{SVG_NAMESPACE}}}text"
_LAST_OF_FONT = "\u2e7f"
"""The package's font has letters of Europe's scripts, and signs; East Asia's begin behind it."""

_LINKING = frozenset({"a", "script", "metadata"})
_NOT_DRAWN_ANYWAY = frozenset(
    {"title", "desc", "metadata", "namedview", "RDF", "Work", "script", "view", "a"}
)
_NEVER_DRAWN = frozenset(
    {"animate", "animateColor", "animateMotion", "animateTransform", "set", "discard", "font", "cursor"}
)
"""What the cleaner keeps, and the renderer does not know."""

_NAMING = frozenset({"id", "class"})
_PRESENTING = frozenset(
    {"fill", "stroke", "stop-color", "flood-color", "lighting-color", "color", "filter", "mask", "clip-path"}
)
_LACKING_ATTRIBUTES = ("vector-effect", "pathLength")
_GEOMETRY = frozenset({"width", "height", "x", "y", "cx", "cy", "r", "rx", "ry", "d"})
_BACKGROUND = re.compile(
    r"(?:^|;)\s*background(?:-color)?\s*:\s*(#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,20})\s*(?:;|$)"
)
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_NOTES_AT_MOST = 20
_DPI = 96
"""Of CSS: how many pixels an inch has, by which all other lengths are measured."""

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
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, body: bytes, order: Order) -> Self:
        """Raise Unsound for what is no SVG, or an unreasonable one, before anything is drawn."""
        outline = Outline.of(body)
        root = ET.fromstring(body)  # noqa: S314 - the outline has been read: no entity is external or nested
        if root.tag not in ROOTS:
            raise Unsound("The bytes are not a picture that can be decoded (not SVG).")
        lost: set[str] = set()
        embedded_pixels = _take_references(root, order, lost)
        _put_plainly(root, lost)
        if order.bare:
            _drop_what_is_said(root)
        size = _natural_size(root)
        check_size(*size, order)
        ET.register_namespace("", SVG_NAMESPACE)
        try:
            document = filter_svg(ET.tostring(root), _EMBEDDED)
        except ValueError:
            raise Unsound("The bytes are not a picture that can be decoded (broken SVG).") from None
        lost |= _names(root) - _names(ET.fromstring(document)) - _NOT_DRAWN_ANYWAY  # noqa: S314 - our own
        lost |= _names(root) & _NEVER_DRAWN
        if "background" in root.get("style", "") and not _background(root):
            lost.add("the background")
        return cls(document, size, outline.depth, embedded_pixels, _notes(lost))

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
        text = ET.tostring(root, encoding="unicode")
        allow_for_drawing()
        try:
            png = svg_to_bytes(
                svg_string=text,
                background=_background(root),
                dpi=_DPI,
                languages=["en"],
                skip_system_fonts=True,
                **(_fonts(order) if _TEXT in text else {}),
            )
        except ValueError as error:
            raise Unsound(f"The drawing cannot be drawn: {error}.") from None
        image = Image.open(BytesIO(png), formats=("PNG",))
        return image.convert("RGBA")


def _fonts(order: Order) -> dict[str, Any]:
    """One family for all that names none of those that are there."""
    families = ("font_family", "serif_family", "sans_serif_family", "cursive_family", "fantasy_family")
    named = dict.fromkeys((*families, "monospace_family"), fontpkg_noto_sans.FAMILY)
    return {"font_dirs": [str(fontpkg_noto_sans.ROOT / "files"), *order.font_directories], **named}


def _take_references(root: ET.Element, order: Order, lost: set[str]) -> int:
    """Leave those to what lies in the document itself. Return how many pixels are embedded in it."""
    pixels = 0
    for element in root.iter():
        if "href" in element.attrib:
            element.attrib.pop(_XLINK_HREF, None)
        for name in [name for name in element.attrib if name.rpartition("}")[2] == "href"]:
            target = element.attrib[name].strip()
            if target.startswith("#"):
                continue
            picture = embedded(target, order)
            if picture is None:
                del element.attrib[name]
                if element.tag.rpartition("}")[2] not in _LINKING:
                    lost.add("what lies elsewhere" if not target.startswith("data:") else "an embedded file")
            else:
                element.attrib[name] = picture.url
                pixels += picture.pixels
    return pixels


def _put_plainly(root: ET.Element, lost: set[str]) -> None:
    """In words that the cleaner keeps and the renderer has."""
    sheets = [element for element in root.iter() if element.tag.rpartition("}")[2] == "style"]
    variables: dict[str, str] = {}
    for sheet in sheets:
        variables |= variables_of("".join(sheet.itertext()))
    for element in root.iter():
        variables |= variables_of(element.get("style", ""))
    for sheet in sheets:
        text = put_plainly("".join(sheet.itertext()), variables, lost)
        for child in list(sheet):
            sheet.remove(child)
        sheet.text = _ascii(text)
    for element in root.iter():
        _put_attributes_plainly(element, variables, lost)
    if any(letter > _LAST_OF_FONT for text in root.iter(_TEXT_TAG) for letter in "".join(text.itertext())):
        lost.add("text in scripts for which there is no font")


def _put_attributes_plainly(element: ET.Element, variables: dict[str, str], lost: set[str]) -> None:
    for name, value in element.attrib.items():
        if name in _NAMING or value.startswith("#") or "url(" in value:
            element.attrib[name] = _ascii(value)
        if name in _PRESENTING and ("(" in value or "rebeccapurple" in value.lower()):
            element.attrib[name] = declared_plainly(element.attrib[name], variables, lost)
    lost.update(name for name in _LACKING_ATTRIBUTES if name in element.attrib)
    if is_reckoned(" ".join(element.get(name, "") for name in _GEOMETRY)):
        lost.add("calc()")
    if element.get("clip-path", "none").partition("(")[0].strip() not in ("none", "url"):
        lost.add("clip-path")
    if "paint-order" in element.attrib:  # which the cleaner keeps in a style alone
        element.set("style", f"paint-order: {element.get('paint-order')}; {element.get('style', '')}")
    if style := element.get("style"):
        element.set("style", _styled(element, declared_plainly(style, variables, lost)))


def _styled(element: ET.Element, style: str) -> str:
    """Without what the renderer knows as attributes alone, which become that."""
    left = []
    for declaration in style.split(";"):
        name, _, value = declaration.partition(":")
        if name.strip().lower() in _GEOMETRY and "(" not in value.replace("path(", ""):
            value = value.strip().removeprefix("path(").removesuffix(")").strip("\"'")
            element.set(name.strip().lower(), value)
        else:
            left.append(declaration)
    return ";".join(left)


def _ascii(text: str) -> str:
    """Names in letters that the cleaner keeps, the same for the same."""
    return _BEYOND_ASCII.sub(lambda found: f"_u{ord(found[0]):x}_", text)


def _names(root: ET.Element) -> set[str]:
    """Of what is there to be seen."""
    return {element.tag.rpartition("}")[2] for element in root.iter() if isinstance(element.tag, str)}


def _notes(lost: set[str]) -> tuple[str, ...]:
    return tuple(f"Not drawn: {what}."[:200] for what in sorted(lost)[:_NOTES_AT_MOST])


def _background(root: ET.Element) -> str | None:
    found = _BACKGROUND.search(root.get("style", ""))
    return found[1] if found else None


def _drop_what_is_said(root: ET.Element) -> None:
    """Of an upload: titles, descriptions and what programs write beside a drawing."""
    for element in root.iter():
        for child in [child for child in element if child.tag in _SAID]:
            element.remove(child)
        for name in [name for name in element.attrib if name.startswith(_SAID_BY_ATTRIBUTES)]:
            del element.attrib[name]


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
