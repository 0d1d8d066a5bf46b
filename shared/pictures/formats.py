"""Formats: what we write, and what an original may be. The extension always says what the bytes are."""

from enum import StrEnum


class Format(StrEnum):
    """A format that renditions are made in; its value is the file's extension."""

    WEBP = "webp"
    AVIF = "avif"
    JPG = "jpg"
    PNG = "png"


def parse_format(text: str) -> Format:
    """Raise ValueError, with a sentence for the user, for a format that renditions are not made in."""
    try:
        return Format(text)
    except ValueError:
        raise ValueError(f"There is no format {text[:40]!r}: use {', '.join(Format)}.") from None


_MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "png": "image/png",
    "avif": "image/avif",
    "gif": "image/gif",
    "svg": "image/svg+xml",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "ico": "image/vnd.microsoft.icon",
    "heic": "image/heic",
}

_ALSO_CALLED = {"jpeg": "jpg", "jfif": "jpg", "apng": "png", "tif": "tiff", "heif": "heic"}

ORIGINAL_EXTENSIONS = tuple(_MEDIA_TYPES)
"""What an original can be, the most frequent first: the order in which a reader looks."""


def media_type_of(extension: str) -> str:
    return _MEDIA_TYPES[extension]


def named_media_type(extension: str) -> str | None:
    """What a file of this name should be, whoever named it; None where the name says nothing of pictures."""
    return _MEDIA_TYPES.get(_ALSO_CALLED.get(extension, extension))


def extension_of(media_type: str) -> str:
    """Raise ValueError for a media type that no original has."""
    for extension, known in _MEDIA_TYPES.items():
        if known == media_type:
            return extension
    raise ValueError(f"no original is {media_type}")
