"""Picture ids and revision ids: hashes, so that any process finds a path without asking anybody."""

import hashlib
import re
from typing import NewType

PictureId = NewType("PictureId", str)
"""The first 32 hex digits of SHA-256 of the exact source URL string."""

RevisionId = NewType("RevisionId", str)
"""The first 16 hex digits of SHA-256 of the original's bytes."""

_PICTURE_ID = re.compile(r"[0-9a-f]{32}")
_REVISION_ID = re.compile(r"[0-9a-f]{16}")


def picture_id(source_url: str) -> PictureId:
    return PictureId(hashlib.sha256(source_url.encode()).hexdigest()[:32])


def revision_id(sha256_hex: str) -> RevisionId:
    """The revision of an original whose whole SHA-256 (hex) is known."""
    return parse_revision_id(sha256_hex[:16])


def parse_picture_id(text: str) -> PictureId:
    """Raise ValueError for anything but 32 lower-case hex digits."""
    if not _PICTURE_ID.fullmatch(text):
        raise ValueError("a picture id is 32 lower-case hex digits")
    return PictureId(text)


def parse_revision_id(text: str) -> RevisionId:
    """Raise ValueError for anything but 16 lower-case hex digits."""
    if not _REVISION_ID.fullmatch(text):
        raise ValueError("a revision id is 16 lower-case hex digits")
    return RevisionId(text)
