"""Rendering: an original looked at, decoded once, and made into renditions. Runs in a process that can be killed.

Nothing here is trusted: the bytes are a stranger's until all of them have been decoded.
"""

import errno
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from PIL import Image, ImageOps

from services.fetcher.rendering.animation import count_frames, encode_animation, stays_animated
from services.fetcher.rendering.bounded_reader import BytesThere
from services.fetcher.rendering.colors import scalable, srgb
from services.fetcher.rendering.decode import Pixels, Whole, decode, draft
from services.fetcher.rendering.encode import encode
from services.fetcher.rendering.limits import check_memory, check_size, memory_needed
from services.fetcher.rendering.order import Order, RenderResult, TooLarge, Unsound
from services.fetcher.rendering.placeholder import BOX, average_color, thumbhash
from services.fetcher.rendering.scale import Size, scaled
from services.fetcher.rendering.stripping import ORIENTATION, can_strip, stripped
from services.fetcher.rendering.structure_limits import check_pieces
from services.fetcher.rendering.vector import MIME as SVG
from services.fetcher.rendering.vector import Drawing, may_be_svg
from shared.pictures import Format, Rendition

__all__ = ["Order", "RenderResult", "TooLarge", "Unsound", "render"]

# What is opened, by the bytes alone; the names are Pillow's. Whatever else it could read, we do not offer it.
_MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # a JPEG with a second picture behind it (depth, gain map): we take the first
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "ICO": "image/vnd.microsoft.icon",
}
_HEAD_BYTES = 256
_TURNED = frozenset({5, 6, 7, 8})

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
    with BytesThere(order.original) as file:
        if may_be_svg(file.read(_HEAD_BYTES)):
            file.seek(0)
            return _render_drawing(file.read(), order)
        with Image.open(file, formats=tuple(set(_MEDIA_TYPES) - {"MPO"})) as image:
            return _render_picture(image, order)


def _render_drawing(body: bytes, order: Order) -> RenderResult:
    drawing = Drawing.read(body, order)
    for rendition in order.renditions:
        picture = drawing.drawn(rendition.box.fill(*drawing.size), order)
        _save(picture, rendition, order)
    sanitised = order.into / "sanitised.svg"
    sanitised.write_bytes(drawing.document)
    small = drawing.drawn(BOX.fill(*drawing.size), order)
    return replace(_described(small, SVG, drawing.size), sanitised=sanitised)


def _render_picture(image: Image.Image, order: Order) -> RenderResult:
    check_size(*image.size, order)
    check_pieces(order.original, image.format)
    if image.format == "PNG":  # whose EXIF may come last: asking for it decodes all of it
        check_memory(memory_needed(image, image.size, (0, 0)), order)
    stage = _Stage.of(image)
    frames = count_frames(image)
    targets = {rendition: stage.stored(rendition.box.fit(*stage.size)) for rendition in order.renditions}
    moving = _moving(image, frames, targets)
    largest = max(targets.values(), default=BOX.fit(*image.size))
    whole = image.size
    in_planes = draft(image, largest)
    is_redrawn = order.bare and not can_strip(image.format)
    check_memory(memory_needed(image, whole, whole if is_redrawn else largest), order)
    decoded = decode(image, order.original, in_planes=in_planes)
    smallest = decoded
    for rendition, pixels in scaled(decoded, {r: size for r, size in targets.items() if r not in moving}):
        _save(stage.shown(pixels), rendition, order)
        smallest = pixels
    small = stage.shown(smallest.scaled(BOX.fit(*smallest.size)))
    for rendition, size in moving.items():
        encode_animation(image, frames, stage.frames(size), order.into / str(rendition), order.quality)
    said = _described(small, _MEDIA_TYPES[image.format or ""], stage.size, frames)
    if is_redrawn:
        return _redrawn(said, stage.shown(decoded), order)
    return _stripped(said, image, order) if order.bare else said


def _stripped(said: RenderResult, image: Image.Image, order: Order) -> RenderResult:
    kept = order.into / "stripped"
    kept.write_bytes(stripped(order.original.read_bytes(), image))
    return replace(said, sanitised=kept)


def _redrawn(said: RenderResult, picture: Image.Image, order: Order) -> RenderResult:
    """For what few browsers show, or nobody takes apart: the same pixels, upright and in sRGB, as a PNG."""
    kept = order.into / "redrawn"
    encode(picture, Format.PNG, kept, order.quality)
    return replace(said, sanitised=kept, mime=_MEDIA_TYPES["PNG"], frames=1)


def _moving(image: Image.Image, frames: int, targets: dict[Rendition, Size]) -> dict[Rendition, Size]:
    if not stays_animated(image, frames):
        return {}
    return {rendition: size for rendition, size in targets.items() if rendition.format is Format.WEBP}


@dataclass(frozen=True, slots=True)
class _Stage:
    """How an original's pixels are to be shown: upright, by its profile. `size`: of the upright whole."""

    size: Size
    orientation: int
    profile: bytes | None

    @classmethod
    def of(cls, image: Image.Image) -> "_Stage":
        # Pillow turns a TIFF by itself, in its header already.
        orientation = 1 if image.format == "TIFF" else image.getexif().get(ORIENTATION, 1)
        size = image.size[::-1] if orientation in _TURNED else image.size
        return cls((size[0], size[1]), orientation, image.info.get("icc_profile"))

    def stored(self, size: Size) -> Size:
        """An upright size as the original lies in its file."""
        return (size[1], size[0]) if self.orientation in _TURNED else size

    def shown(self, pixels: Pixels) -> Image.Image:
        """What was scaled, as a rendition has it."""
        picture = srgb(pixels.image(), self.profile)
        picture.getexif()[ORIENTATION] = self.orientation
        return ImageOps.exif_transpose(picture)

    def frames(self, size: Size) -> Callable[[Image.Image], Image.Image]:
        def shown(frame: Image.Image) -> Image.Image:
            return self.shown(Whole(scalable(frame)).scaled(size)).convert("RGBA")

        return shown


def _save(picture: Image.Image, rendition: Rendition, order: Order) -> None:
    assert rendition.format is not None
    encode(picture, rendition.format, order.into / str(rendition), order.quality)


def _described(small: Image.Image, mime: str, size: Size, frames: int = 1) -> RenderResult:
    return RenderResult(mime, *size, frames, average_color(small), thumbhash(small))
