"""Pictures made smaller, each from the smallest that has all its detail."""

from collections.abc import Iterator, Mapping

from PIL import Image

from services.fetcher.rendering.decode import Extent, resized
from shared.pictures import Rendition

Size = tuple[int, int]

STEP = 1.5
"""A copy scaled with Lanczos has all the detail for another one that is smaller by this factor."""


def scaled(
    decoded: Image.Image, targets: Mapping[Rendition, Size], extent: Extent | None = None
) -> Iterator[tuple[Rendition, Image.Image]]:
    """Each target in its size, the largest first. `extent`: as `decode.draft` told."""
    made = [decoded]
    for rendition, size in sorted(targets.items(), key=lambda item: item[1], reverse=True):
        source = next(pixels for pixels in reversed(made) if pixels is decoded or _serves(pixels, size))
        made.append(resized(source, size, extent if source is decoded else None))
        yield rendition, made[-1]


def _serves(pixels: Image.Image, size: Size) -> bool:
    return pixels.size == size or (pixels.size[0] >= STEP * size[0] and pixels.size[1] >= STEP * size[1])
