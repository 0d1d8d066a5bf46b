"""The outline of an XML document: how large, how deep, and whether it is safe to be built in memory."""

from typing import Self
from xml.parsers import expat

from services.fetcher.rendering.order import TooLarge, Unsound

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
