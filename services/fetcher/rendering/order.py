"""An order to render, what comes of it, and how it fails: what the parent and the sandbox say to one another."""

from dataclasses import dataclass
from pathlib import Path

from shared.pictures import Format, Measure, Rendition


@dataclass(frozen=True, slots=True)
class Order:
    """What to make, of which file, and where to put it. Without renditions: only look whether it is sound."""

    original: Path
    into: Path
    renditions: tuple[Rendition, ...]
    quality: int
    max_pixels: int
    memory_bytes: int = 1024**3
    """What the whole process may take."""
    bare: bool = False
    """Give back an original without metadata."""
    kept_as: Format | None = None
    """Of a bare original: in this format, whatever it was."""
    described: bool = True
    """Say its colour and thumbhash, too."""
    faces: bool = False
    """And how many faces it shows."""
    font_directories: tuple[str, ...] = ()
    """Of fonts for drawings, besides the one that is always there."""


@dataclass(frozen=True, slots=True)
class RenderResult:
    """What the original turned out to be. Width and height in pixels, upright; frames: 1 for a still."""

    mime: str
    width: int
    height: int
    frames: int
    color: str
    """`#rrggbb`, sRGB; empty where nobody wanted to know."""
    thumbhash: str
    """base64; likewise."""
    notes: tuple[str, ...] = ()
    """What of the original is not shown, a sentence each."""
    measure: Measure | None = None
    """Likewise."""
    sanitised: Path | None = None
    """The file to keep in the original's place, where that is not safe to be handed out as it is."""


class Unsound(Exception):
    """The bytes are no picture that we can serve. The text says why, for users."""


class TooLarge(Unsound):
    """It may be a picture, but one over our limits."""
