"""Animations: made frame by frame, for all of them together would not fit in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from PIL import Image

from services.fetcher.rendering.encode import OPTIONS
from shared.pictures import Format

MAX_FRAMES = 1000
MAX_FRAME_PIXELS = 40_000_000
"""Of all frames together: four renditions of so many take about as long as a renderer has."""

LONGEST_FRAME_MS = 16_777_215
OFTENEST = 65_535
"""No WebP can say more."""

_CLEAR = (0, 0, 0, 0)
_FLAGS_AT, _ALPHA = 20, 0x10
"""Of a WebP (RFC 9649, section 2.7.1)."""


class Animation(Protocol):
    """`loops`: how often it is shown; 0: for ever."""

    @property
    def frames(self) -> int: ...
    @property
    def loops(self) -> int: ...

    def frame(self, number: int) -> Image.Image:
        """As it is seen, in full; cheapest one after another."""

    def duration_ms(self, number: int) -> int:
        """Of a frame that has been asked for."""


class Disposal(Enum):
    """What becomes of a frame before the next one comes."""

    STAYS = auto()
    IS_CLEARED = auto()
    IS_UNDONE = auto()


@dataclass(frozen=True, slots=True)
class Cel:
    """One frame as its file has it: a part of the screen, over what lies there, or in its place."""

    size: tuple[int, int]
    at: tuple[int, int]
    duration_ms: int
    disposal: Disposal
    lies_over: bool
    picture: Callable[[], Image.Image]


@dataclass(slots=True)
class Composed:
    """A film of cels, put over one another as browsers do it, to the alpha value."""

    screen: tuple[int, int]
    cels: Sequence[Cel]
    loops: int
    _number: int = field(default=-1, init=False)
    _canvas: Image.Image | None = field(default=None, init=False)

    @property
    def frames(self) -> int:
        return len(self.cels)

    def duration_ms(self, number: int) -> int:
        return self.cels[number].duration_ms

    def frame(self, number: int) -> Image.Image:
        """RGBA."""
        if self._canvas is None or number <= self._number:
            self._number, self._canvas = -1, Image.new("RGBA", self.screen, _CLEAR)
        while True:
            self._number += 1
            shown, self._canvas = self._lain(self._canvas, self.cels[self._number])
            if self._number == number:
                return shown

    def _lain(self, canvas: Image.Image, cel: Cel) -> tuple[Image.Image, Image.Image]:
        """What is seen, and what it leaves behind."""
        left, top = cel.at
        right, bottom = min(left + cel.size[0], self.screen[0]), min(top + cel.size[1], self.screen[1])
        if left >= right or top >= bottom:
            return canvas.copy(), canvas
        before = canvas.copy() if cel.disposal is Disposal.IS_UNDONE else canvas
        picture = cel.picture().convert("RGBA").crop((0, 0, right - left, bottom - top))
        if cel.lies_over:
            canvas.alpha_composite(picture, cel.at)
        else:
            canvas.paste(picture, cel.at)
        shown = canvas.copy()
        if cel.disposal is Disposal.IS_CLEARED:
            canvas.paste(_CLEAR, (left, top, right, bottom))
        return shown, before


@dataclass(frozen=True, slots=True)
class SoughtFrames:
    """A film whose frames the decoder composes."""

    image: Image.Image
    frames: int
    loops: int

    def frame(self, number: int) -> Image.Image:
        self.image.seek(number)
        self.image.load()
        return self.image.copy()

    def duration_ms(self, number: int) -> int:  # noqa: ARG002 - of where it has been sought to
        return min(int(self.image.info.get("duration", 0)), LONGEST_FRAME_MS)


def stays_animated(size: tuple[int, int], frames: int) -> bool:
    """Whether its WebP renditions move: they show the first frame where they would cost too much."""
    return 1 < frames <= MAX_FRAMES and frames * size[0] * size[1] <= MAX_FRAME_PIXELS


def encode_animation(
    film: Animation, made: Callable[[Image.Image], Image.Image], into: Path, quality: int
) -> None:
    """WebP with the durations and the loops of `film`. `made`: a frame as the rendition shows it, RGB or RGBA."""
    reel = _Reel(film, made)
    encoder, options = OPTIONS[Format.WEBP]
    reel.save(
        into,
        encoder,
        save_all=True,
        quality=quality,
        duration=reel.durations,
        loop=min(film.loops, OFTENEST),
        background=_CLEAR,
        **options,
    )
    if reel.has_alpha:
        _say_alpha(into)


def _say_alpha(webp: Path) -> None:
    """The encoder says that there is some where a frame has it, and not where a frame that was cleared leaves it."""
    with webp.open("r+b") as file:
        head = file.read(_FLAGS_AT + 1)
        if head[12:16] == b"VP8X":
            file.seek(_FLAGS_AT)
            file.write(bytes((head[_FLAGS_AT] | _ALPHA,)))


class _Reel(Image.Image):
    """What Pillow's encoder seeks through: each frame is made when it comes to it, and its duration noted."""

    def __init__(self, film: Animation, made: Callable[[Image.Image], Image.Image]) -> None:
        super().__init__()
        self.n_frames = film.frames
        self.durations: list[int] = []
        self.has_alpha = False
        self._film = film
        self._made = made
        self.seek(0)
        self.durations.clear()

    def seek(self, frame: int) -> None:
        picture = self._made(self._film.frame(frame))
        if not self.has_alpha and picture.mode == "RGBA":
            self.has_alpha = picture.getchannel("A").getextrema() != (255, 255)
        self.im, self._mode, self._size = picture.im, picture.mode, picture.size
        self.durations.append(self._film.duration_ms(frame))

    def tell(self) -> int:
        return 0
