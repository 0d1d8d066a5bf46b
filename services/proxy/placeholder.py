"""What a browser's image shows while the picture is on its way: small, and never kept as the picture."""

from base64 import b64decode
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

from shared.pictures import Manifest
from shared.pictures.rendition import Box

_BOX = Box(32, 32)
_KEPT = 1024


@dataclass(frozen=True, slots=True)
class PlaceholderImage:
    media_type: str
    body: bytes


UNKNOWN = PlaceholderImage(
    "image/gif", b64decode("R0lGODlhAQABAIAAAM7OzgAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==")
)
"""One grey pixel, which fills whatever box the page gives it."""


def placeholder_of(manifest: Manifest) -> PlaceholderImage:
    """The picture itself, as blurred as its thumbhash remembers it, in its own shape."""
    thumbhash, original = manifest.placeholder.thumbhash, manifest.original
    if thumbhash is None:
        return UNKNOWN
    return _drawn(thumbhash, _BOX.fit(original.width, original.height))


@lru_cache(_KEPT)
def _drawn(thumbhash: str, size: tuple[int, int]) -> PlaceholderImage:
    """A few milliseconds. What draws is loaded with the first one: most proxies draw none, and stay small."""
    from PIL import Image  # noqa: PLC0415 - see above
    from thash import thumb_hash_to_rgba  # noqa: PLC0415 - see above

    width, height, pixels = thumb_hash_to_rgba(b64decode(thumbhash))
    body = BytesIO()
    picture = Image.frombytes("RGBA", (width, height), pixels).resize(size)
    opaque = picture.getchannel("A").getextrema() == (255, 255)
    (picture.convert("RGB") if opaque else picture).save(body, "PNG", optimize=True)
    return PlaceholderImage("image/png", body.getvalue())
