"""The pictures that are there without anybody putting them: drawn ones and those of the corpus.

| path | what |
|---|---|
| `/poster/17.jpg`, `/backdrop/3.webp`, `/photo/1.png` | drawn from the seed in the path; the extension picks the format |
| `/poster/17-500x750.jpg` | the same, in another size |
| `/animation/4.gif` | eight frames (gif, webp, png, avif) |
| `/many/123456.jpg` | one poster with a comment: other bytes at every number, without drawing each |
| `/t/p/original/poster17.jpg`, `…/backdrop3.jpg` | the same drawings, where the stand-in for TMDB says they are |
| `/corpus/photo.webp` | a file of the corpus folder `good/` |
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

from tests.providers import drawing
from tests.providers.variants import with_comment

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"

_DRAWN = re.compile(r"/(poster|backdrop|photo|animation|many)/(\d{1,9})(?:-(\d{1,4})x(\d{1,4}))?\.(\w{2,5})")
_AS_TMDB = re.compile(r"/t/p/original/(poster|backdrop)(\d{1,9})[a-z]{0,4}\.jpg")
_FORMATS: dict[str, drawing.Format] = {
    **{name: name for name in drawing.FORMATS},
    "jpg": "jpeg",
    "tif": "tiff",
}
_ANIMATED = ("gif", "webp", "png", "avif")
_SIZES = {
    "poster": drawing.POSTER,
    "backdrop": drawing.BACKDROP,
    "photo": drawing.PHOTO,
    "animation": (320, 180),
}


def picture_at(path: str) -> bytes | None:
    """The bytes at a path, or None when there is no such picture. Draws at the first asking: up to a second of CPU."""
    if path.startswith("/corpus/"):
        return _from_corpus(path.removeprefix("/corpus/"))
    if not (match := _DRAWN.fullmatch(_AS_TMDB.sub(r"/\1/\2.jpg", path))):
        return None
    kind, seed, width, height, extension = match.groups()
    if (fmt := _FORMATS.get(extension.lower())) is None:
        return None
    if kind == "many":
        base = drawn_file("poster", 0, drawing.POSTER, "jpeg")
        return with_comment(base, seed) if base and fmt == "jpeg" else None
    size = (int(width), int(height)) if width else _SIZES[kind]
    return drawn_file(kind, int(seed), size, fmt) if min(size) > 0 else None


@lru_cache(maxsize=256)
def drawn_file(kind: str, seed: int, size: drawing.Size, fmt: drawing.Format) -> bytes | None:
    """An encoded drawing; the same bytes whenever it is asked for."""
    if kind == "animation":
        animated = cast("Literal['gif', 'webp', 'png', 'avif']", fmt)
        return (
            drawing.encode_animation(drawing.frames(seed, size=size), animated) if fmt in _ANIMATED else None
        )
    draw = {"poster": drawing.poster, "backdrop": drawing.backdrop, "photo": drawing.photo}[kind]
    return drawing.encode(draw(seed, size), fmt)


def _from_corpus(name: str) -> bytes | None:
    folder = (CORPUS / "good").resolve()
    file = (folder / name).resolve()
    return file.read_bytes() if file.is_relative_to(folder) and file.is_file() else None
