"""Names: what a picture shows, `series / tvdb:123 / poster`."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from shared.pictures.source import TextValue

LONGEST_ID = 128
ID_PATTERN = f"[A-Za-z0-9][A-Za-z0-9._:-]{{0,{LONGEST_ID - 1}}}"
_ID = re.compile(ID_PATTERN, re.ASCII)


PRIVATE_PREFIX = "private_"
"""Of the ids of uploads that are shown to nobody without a signature."""


class Kind(StrEnum):
    SERIES = "series"
    MOVIE = "movie"
    EPISODE = "episode"
    SEASON = "season"
    PERSON = "person"
    STREAMER = "streamer"
    CATEGORY = "category"
    STREAM = "stream"
    CHARACTER = "character"
    USER = "user"
    UPLOAD = "upload"
    BOOK = "book"
    COLLECTION = "collection"


class Role(StrEnum):
    POSTER = "poster"
    BANNER = "banner"
    FANART = "fanart"
    IMAGE = "image"
    THUMBNAIL = "thumbnail"
    LOGO = "logo"
    STILL = "still"
    PROFILE = "profile"
    ARTWORK = "artwork"
    AVATAR = "avatar"
    PORTRAIT = "portrait"
    COVER = "cover"


@dataclass(frozen=True, slots=True)
class Name(TextValue):
    """Points to a picture. The id is the only free part, and is held to a set that is safe in any path."""

    kind: Kind
    id: str
    role: Role

    def __post_init__(self) -> None:
        check_id(self.id)

    @property
    def is_private(self) -> bool:
        """Whether it must be signed, whoever asks."""
        return self.kind is Kind.UPLOAD and self.id.startswith(PRIVATE_PREFIX)

    @classmethod
    def parse(cls, text: str) -> Self:
        try:
            kind, id_, role = text.split("/")
            known_kind, known_role = Kind(kind), Role(role)
        except ValueError:
            raise ValueError("A name is kind/id/role, of the known kinds and roles.") from None
        return cls(known_kind, id_, known_role)

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}/{self.role}"


def check_id(text: str) -> None:
    """Raise ValueError, with a sentence for the user, for what cannot be the id in a name."""
    if not _ID.fullmatch(text):
        raise ValueError(
            f"An id has 1 to {LONGEST_ID} letters, digits, dots, underscores, colons or hyphens, "
            "and starts with a letter or digit."
        )


LONGEST_FILE_BYTES = 250
"""Of a file's name without its extension, in UTF-8: what file systems have room for."""

HASHED = "file:"
"""Before what the hash of a file's name makes of it."""

_NO_FILE = re.compile(r"\.*|.*[/\\\x00-\x1f\x7f].*", re.DOTALL)


def file_id(file: str) -> str:
    """The id of what somebody's library calls by this file name, without its extension: the name itself where that can be an
    id, else what its hash makes of it. Names that only differ in how their letters are composed are one.

    Raise ValueError, with a sentence for the user, for what no file is called.
    """
    composed = unicodedata.normalize("NFC", file)
    try:
        encoded = composed.encode()
    except UnicodeEncodeError:
        raise ValueError("A file's name is text in UTF-8.") from None
    if _NO_FILE.fullmatch(composed) or len(encoded) > LONGEST_FILE_BYTES:
        raise ValueError(
            f"A file's name has 1 to {LONGEST_FILE_BYTES} bytes, more than dots, and neither slashes nor control characters."
        )
    if _ID.fullmatch(composed):
        return composed
    return HASHED + hashlib.sha256(encoded).hexdigest()[:32]
