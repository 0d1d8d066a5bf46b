"""An original as it is opened: by its bytes alone, each format by who reads it, the decoder seeing no more than pixels."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO

from PIL import Image

from services.fetcher.rendering import bmp, heif, icons, tiff
from services.fetcher.rendering.animation import Animation, SoughtFrames
from services.fetcher.rendering.colors import Colors
from services.fetcher.rendering.exif import orientation_of
from services.fetcher.rendering.gif import Gif
from services.fetcher.rendering.isobmff import Box, Isobmff, with_one_association
from services.fetcher.rendering.jpeg import START, Jpeg
from services.fetcher.rendering.order import TooLarge, Unsound
from services.fetcher.rendering.png import SIGNATURE, Png
from services.fetcher.rendering.webp import WebP

Stripped = Callable[[bytes], bytes]
"""A file without metadata, but for the EXIF that is given."""


@dataclass(frozen=True, slots=True)
class OpenedOriginal:
    """`image`: opened, not decoded. `size`: of what is shown of it, before it is turned."""

    image: Image.Image
    media_type: str
    size: tuple[int, int]
    colors: Colors = None
    orientation: int = 1
    aperture: Box | None = None
    film: Animation | None = None
    notes: tuple[str, ...] = ()
    loaded: Callable[[Image.Image], Image.Image] | None = None
    """How it is decoded, where that is not what the decoder does by itself."""
    pixel_bytes: int = 0
    """What decoding takes for each pixel, besides what is usual."""
    stripped: Stripped | None = field(default=None, repr=False)
    """None where it cannot be."""
    body: bytes = field(default=b"", repr=False)
    """What the decoder is given."""

    @property
    def frames(self) -> int:
        return self.film.frames if self.film else 1

    def pixels(self) -> Image.Image:
        """All of them, in whatever mode."""
        if self.loaded:
            return self.loaded(self.image)
        self.image.load()
        return self.image.crop(self.aperture) if self.aperture else self.image


def open_original(body: bytes) -> OpenedOriginal:
    """Raise Unsound, or what decoders raise, for what is no picture that we show."""
    for beginnings, opened in _READERS:
        if body.startswith(beginnings):
            return opened(body)
    return _isobmff(body) if body[4:8] == b"ftyp" else _icon(body)


def _jpeg(body: bytes) -> OpenedOriginal:
    jpeg = Jpeg.read(body)
    given = jpeg.for_decoder()
    image = Image.open(BytesIO(given), formats=("JPEG",))
    return OpenedOriginal(
        image,
        "image/jpeg",  # of several pictures (depth, gain map) the first
        image.size,
        colors=image.info.get("icc_profile"),
        orientation=orientation_of(jpeg.exif),
        notes=jpeg.notes,
        loaded=None if jpeg.has_end else _checked(jpeg),
        pixel_bytes=0 if jpeg.has_end else 4,
        stripped=jpeg.stripped,
        body=given,
    )


def _checked(jpeg: Jpeg) -> Callable[[Image.Image], Image.Image]:
    def loaded(image: Image.Image) -> Image.Image:
        jpeg.check_whole()
        image.load()
        return image

    return loaded


def _png(body: bytes) -> OpenedOriginal:
    png = Png.read(body)
    film = png.film
    alone = film if film and film.frames == 1 else None
    return OpenedOriginal(
        png.opened(),
        "image/png",
        png.size,
        colors=png.colors,
        orientation=orientation_of(png.exif),
        film=None if alone else film,
        notes=png.notes,
        loaded=(lambda _: alone.frame(0)) if alone else png.decoded,
        pixel_bytes=(8 if png.has_key else 0) + (12 if film else 0),
        stripped=png.stripped,
    )


def _gif(body: bytes) -> OpenedOriginal:
    try:
        gif = Gif.read(body)
    except (struct.error, IndexError):
        raise Unsound("The bytes are not a picture that can be decoded (GIF without a header).") from None
    return OpenedOriginal(
        gif.opened(),
        "image/gif",
        gif.film.screen,
        film=gif.film,
        notes=gif.notes,
        loaded=None if gif.is_covered else lambda _: gif.film.frame(0),
        pixel_bytes=12,
        stripped=lambda _: gif.stripped,
    )


def _webp(body: bytes) -> OpenedOriginal:
    webp = WebP.read(body)
    image = Image.open(BytesIO(webp.for_decoder()), formats=("WEBP",))
    frames = getattr(image, "n_frames", 1)
    return OpenedOriginal(
        image,
        "image/webp",
        image.size,
        colors=image.info.get("icc_profile"),
        orientation=orientation_of(webp.exif),
        film=SoughtFrames(image, frames, int(image.info.get("loop", 0))) if frames > 1 else None,
        notes=webp.notes,
        stripped=webp.stripped,
    )


AVIF_PIXELS_AT_MOST = 16_384**2
"""libavif's own limit, beyond which it says no more than that it cannot read it."""


def _isobmff(body: bytes) -> OpenedOriginal:
    """AVIF or HEIF. Of these, the decoders know how to turn the picture, and EXIF and XMP have no say."""
    said = Isobmff.read(body)
    if heif.is_heif(body):
        image = heif.opened(body)
        return OpenedOriginal(
            image,
            heif.MEDIA_TYPE,
            image.size,
            colors=image.info.get("icc_profile") or said.space,
            loaded=heif.decoded,
        )
    if said.size and math.prod(said.size) > AVIF_PIXELS_AT_MOST:
        raise TooLarge(
            f"The picture has more than {AVIF_PIXELS_AT_MOST} pixels, which no decoder of AVIF takes."
        )
    image = Image.open(BytesIO(with_one_association(body)), formats=("AVIF",))
    frames = getattr(image, "n_frames", 1)
    box = said.aperture if frames == 1 else None
    return OpenedOriginal(
        image,
        "image/avif",
        (box[2] - box[0], box[3] - box[1]) if box else image.size,
        colors=image.info.get("icc_profile") or said.space,
        orientation=orientation_of(image.info.get("exif")),
        aperture=box,
        film=SoughtFrames(image, frames, said.loops) if frames > 1 else None,
    )


def _tiff(body: bytes) -> OpenedOriginal:
    """The first page. The decoder turns it by itself, in its header already."""
    image = Image.open(BytesIO(body), formats=("TIFF",))
    image.info.pop("xmp", None)  # by which it would be turned, too
    profile = image.info.get("icc_profile")
    return OpenedOriginal(image, "image/tiff", image.size, colors=profile, loaded=tiff.how_loaded(image))


def _bmp(body: bytes) -> OpenedOriginal:
    image, loaded = bmp.how_opened(body)
    return OpenedOriginal(image, "image/bmp", image.size, loaded=loaded, pixel_bytes=8 if loaded else 0)


def _icon(body: bytes) -> OpenedOriginal:
    """Raise UnidentifiedImageError for what is none, and so for anything that is no picture."""
    image = Image.open(BytesIO(body), formats=("ICO",))
    return OpenedOriginal(image, "image/vnd.microsoft.icon", image.size, loaded=icons.decoded)


_READERS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes], OpenedOriginal]], ...] = (
    (START, _jpeg),
    (SIGNATURE, _png),
    ((b"GIF87a", b"GIF89a"), _gif),
    (b"RIFF", _webp),
    (b"BM", _bmp),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
)
