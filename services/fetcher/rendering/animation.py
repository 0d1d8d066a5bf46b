"""Animations: made frame by frame, for all of them together would not fit in memory."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from services.fetcher.rendering.encode import OPTIONS
from shared.pictures import Format

_FORMATS = frozenset({"GIF", "PNG", "WEBP", "AVIF"})

MAX_FRAMES = 1000
MAX_FRAME_PIXELS = 40_000_000
"""Of all frames together: four renditions of so many take about as long as a renderer has."""

_FOREVER, _ONCE, _OFTENEST = 0, 1, 65_535
"""How often an animation is shown; no WebP can say more."""


def count_frames(image: Image.Image) -> int:
    """1 for a still. The pages of a TIFF and the sizes of an icon are no frames."""
    return getattr(image, "n_frames", 1) - _skipped(image) if image.format in _FORMATS else 1


def stays_animated(image: Image.Image, frames: int) -> bool:
    """Whether its WebP renditions move: they show the first frame where they would cost too much."""
    return 1 < frames <= MAX_FRAMES and frames * image.width * image.height <= MAX_FRAME_PIXELS


def encode_animation(
    image: Image.Image,
    frames: int,
    made: Callable[[Image.Image], Image.Image],
    into: Path,
    quality: int,
) -> None:
    """WebP with the durations and the loops of `image`. `made`: a frame as the rendition shows it, RGB or RGBA."""
    film = _Film(image, frames, made)
    encoder, options = OPTIONS[Format.WEBP]
    film.save(
        into,
        encoder,
        save_all=True,
        quality=quality,
        duration=film.durations,
        loop=_loops(image),
        background=(0, 0, 0, 0),
        **options,
    )


class _Film(Image.Image):
    """What Pillow's encoder seeks through: each frame is made when it comes to it, and its duration noted."""

    def __init__(self, source: Image.Image, frames: int, made: Callable[[Image.Image], Image.Image]) -> None:
        super().__init__()
        self.n_frames = frames
        self.durations: list[int] = []
        self._source = source
        self._made = made
        self.seek(0)
        self.durations.clear()

    def seek(self, frame: int) -> None:
        self._source.seek(frame + _skipped(self._source))
        self._source.load()
        picture = self._made(self._source.copy())
        self.im, self._mode, self._size = picture.im, picture.mode, picture.size
        self.durations.append(int(self._source.info.get("duration", 0)))

    def tell(self) -> int:
        return 0


def _skipped(image: Image.Image) -> int:
    """An animated PNG may begin with a picture for who cannot show animations."""
    return 1 if getattr(image, "default_image", False) else 0


def _loops(image: Image.Image) -> int:
    """As WebP counts them: how often it is shown; 0: for ever. A GIF says how often it is repeated."""
    if image.format != "GIF":
        return min(int(image.info.get("loop", _FOREVER)), _OFTENEST)
    repeats = image.info.get("loop")
    return _ONCE if repeats is None else _FOREVER if repeats == 0 else min(int(repeats) + 1, _OFTENEST)
