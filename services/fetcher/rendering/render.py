"""Rendering: an original looked at, decoded once, and made into renditions. Runs in a process that can be killed.

Nothing here is trusted: the bytes are a stranger's until all of them have been decoded.
"""

import errno
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from PIL import Image

from services.fetcher.rendering import faces
from services.fetcher.rendering.animation import encode_animation, stays_animated
from services.fetcher.rendering.colors import Colors, scalable, srgb
from services.fetcher.rendering.decode import decode, draft, resized
from services.fetcher.rendering.encode import encode
from services.fetcher.rendering.exif import with_orientation
from services.fetcher.rendering.limits import check_memory, check_pieces, check_size, memory_needed
from services.fetcher.rendering.measure import SIDE, sharpness, within_side
from services.fetcher.rendering.order import Order, RenderResult, TooLarge, Unsound
from services.fetcher.rendering.original import OpenedOriginal, open_original
from services.fetcher.rendering.placeholder import BOX, average_color, thumbhash
from services.fetcher.rendering.scale import Size, scaled
from services.fetcher.rendering.vector import MIME as SVG
from services.fetcher.rendering.vector import Drawing, may_be_svg
from shared.pictures import Format, Measure, Rendition, media_type_of
from shared.pictures.rendition import SIZES

__all__ = ["Order", "RenderResult", "TooLarge", "Unsound", "render"]

_HEAD_BYTES = 256
_DRAWN_AS = "large"
"""The size of a drawing that is to be kept as something else: it has none of its own."""

_TURNED = frozenset({5, 6, 7, 8})
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_NOT_THE_PICTURE = frozenset(
    {
        *(errno.ENOENT, errno.EACCES, errno.EIO, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE),
    }
)


def render(order: Order) -> RenderResult:
    """Raise Unsound for whatever cannot be decoded, OSError when the volume fails us or the original went away."""
    try:
        with _pillow_looking_too(order.max_pixels):
            return _render(order)
    except (Unsound, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise TooLarge(f"The picture has more than {order.max_pixels} pixels.") from None
    except Exception as error:
        # Decoders raise anything at all for broken bytes; these say nothing about the bytes.
        if isinstance(error, OSError) and error.errno in _NOT_THE_PICTURE:
            raise
        raise Unsound(f"The bytes are not a picture that can be decoded ({type(error).__name__}).") from None


@contextmanager
def _pillow_looking_too(max_pixels: int) -> Iterator[None]:
    """At what takes memory before we can look, and at frames larger than the first: it raises at twice its limit."""
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = -(-max_pixels // 2)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _render(order: Order) -> RenderResult:
    body = order.original.read_bytes()
    if may_be_svg(body[:_HEAD_BYTES]):
        return _render_drawing(body, order)
    check_pieces(body)
    original = open_original(body)
    with original.image:
        return _render_picture(original, order)


def _render_drawing(body: bytes, order: Order) -> RenderResult:
    drawing = Drawing.read(body, order)
    for rendition in order.renditions:
        picture = drawing.drawn(rendition.box.fill(*drawing.size), order)
        _save(picture, rendition, order)
    if order.bare and order.kept_as:
        whole = drawing.drawn(SIZES[_DRAWN_AS].fill(*drawing.size), order)
        said = _described(resized(whole, BOX.fit(*whole.size)), SVG, whole.size)
        return _redrawn(replace(said, notes=drawing.notes), whole, order)
    sanitised = order.into / "sanitised.svg"
    sanitised.write_bytes(drawing.document)
    small = drawing.drawn(BOX.fill(*drawing.size), order) if order.described else None
    return replace(_described(small, SVG, drawing.size), sanitised=sanitised, notes=drawing.notes)


def _render_picture(original: OpenedOriginal, order: Order) -> RenderResult:
    image = original.image
    check_size(*image.size, order)
    check_size(*original.size, order)
    stage = _Stage.of(original)
    targets = {rendition: stage.stored(rendition.box.fit(*stage.size)) for rendition in order.renditions}
    moving = _moving(original, targets)
    largest = max(targets.values(), default=BOX.fit(*image.size))
    whole = image.size
    is_redrawn = order.bare and (original.stripped is None or _is_another(original.media_type, order.kept_as))
    extent = None if original.loaded or is_redrawn else draft(image, largest)
    check_memory(memory_needed(original, whole, whole if is_redrawn else largest), order)
    decoded = decode(original)
    seen = decoded
    stills = {rendition: size for rendition, size in targets.items() if rendition not in moving}
    for rendition, pixels in scaled(decoded, stills, extent):
        _save(stage.shown(pixels), rendition, order)
        seen = pixels if max(pixels.size) >= SIDE else seen
    if original.film:
        for rendition, size in moving.items():
            into = order.into / str(rendition)
            encode_animation(original.film, stage.frames(size), into, order.quality)
    said = RenderResult(original.media_type, *stage.size, original.frames, "", "")
    if order.described:
        said = _seen(seen, stage, said, with_faces=order.faces)
    said = replace(said, notes=original.notes)
    if is_redrawn:
        return _redrawn(said, stage.shown(decoded), order)
    return _stripped(said, original, order) if order.bare else said


def _seen(pixels: Image.Image, stage: "_Stage", said: RenderResult, *, with_faces: bool) -> RenderResult:
    """What is seen in the smallest copy that shows enough, said, too. The placeholder is made of what is measured."""
    near = within_side(pixels)
    small = stage.shown(resized(near, BOX.fit(*near.size)))
    found = faces.counted(stage.shown(pixels)) if with_faces else None
    measure = Measure(sharpness=sharpness(stage.shown(near)), faces=found)
    return replace(said, color=average_color(small), thumbhash=thumbhash(small), measure=measure)


def _stripped(said: RenderResult, original: OpenedOriginal, order: Order) -> RenderResult:
    assert original.stripped
    kept = order.into / "stripped"
    kept.write_bytes(original.stripped(with_orientation(original.orientation)))
    return replace(said, sanitised=kept)


def _redrawn(said: RenderResult, picture: Image.Image, order: Order) -> RenderResult:
    """For what few browsers show, nobody takes apart, or is wanted in another format: the same pixels, upright and in
    sRGB, as a PNG where nothing is said.
    """
    kept, format_ = order.into / "redrawn", order.kept_as or Format.PNG
    encode(picture, format_, kept, order.quality)
    return replace(said, sanitised=kept, mime=media_type_of(format_), frames=1)


def _is_another(media_type: str, wanted: Format | None) -> bool:
    return wanted is not None and media_type != media_type_of(wanted)


def _moving(original: OpenedOriginal, targets: dict[Rendition, Size]) -> dict[Rendition, Size]:
    if not stays_animated(original.size, original.frames):
        return {}
    return {rendition: size for rendition, size in targets.items() if rendition.format is Format.WEBP}


@dataclass(frozen=True, slots=True)
class _Stage:
    """How an original's pixels are to be shown: upright, in its colours. `size`: of the upright whole."""

    size: Size
    orientation: int
    colors: Colors

    @classmethod
    def of(cls, original: OpenedOriginal) -> "_Stage":
        size = original.size[::-1] if original.orientation in _TURNED else original.size
        return cls((size[0], size[1]), original.orientation, original.colors)

    def stored(self, size: Size) -> Size:
        """An upright size as the original lies in its file."""
        return (size[1], size[0]) if self.orientation in _TURNED else size

    def shown(self, pixels: Image.Image) -> Image.Image:
        """What was scaled, as a rendition has it."""
        picture = srgb(pixels, self.colors)
        turn = _TURNS.get(self.orientation)
        return picture if turn is None else picture.transpose(turn)

    def frames(self, size: Size) -> Callable[[Image.Image], Image.Image]:
        def shown(frame: Image.Image) -> Image.Image:
            return self.shown(resized(scalable(frame), size)).convert("RGBA")

        return shown


def _save(picture: Image.Image, rendition: Rendition, order: Order) -> None:
    assert rendition.format is not None
    encode(picture, rendition.format, order.into / str(rendition), order.quality)


def _described(small: Image.Image | None, mime: str, size: Size) -> RenderResult:
    color, hashed = (average_color(small), thumbhash(small)) if small else ("", "")
    return RenderResult(mime, *size, 1, color, hashed)
