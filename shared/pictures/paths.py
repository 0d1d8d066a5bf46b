"""Where things lie below the volume's root: a pure function of what is asked for.

nginx computes the same paths from the same request, which is why a hit needs neither Python nor a
database. All paths are relative, POSIX, and made of parts that are checked by their types.
"""

import hashlib
from enum import StrEnum

from shared.pictures.name import Name
from shared.pictures.rendition import ORIGINAL, ORIGINAL_EXTENSIONS, Rendition
from shared.pictures.source import PictureId

POINTER = "current"
"""The entry of a picture's directory that names its revision: switching it is the commit."""


_SPOOL = "spool"


class Tree(StrEnum):
    """`keep` holds uploads, pins and what was generated, and is never evicted; `cache` holds the rest."""

    KEEP = "keep"
    CACHE = "cache"


def picture_path(tree: Tree, picture: PictureId) -> str:
    """`cache/ab/cd/abcd…`: two levels of 256 keep every directory small."""
    return f"{tree}/{picture[:2]}/{picture[2:4]}/{picture}"


def file_names(rendition: Rendition) -> tuple[str, ...]:
    """What the file of a rendition may be called: one name, or one for each kind of original."""
    if rendition == ORIGINAL:
        return tuple(f"original.{extension}" for extension in ORIGINAL_EXTENSIONS)
    return (str(rendition),)


def is_original(file_name: str) -> bool:
    return file_name.partition(".")[0] in ("original", _SPOOL)


def is_spool(file_name: str) -> bool:
    return file_name.partition(".")[0] == _SPOOL


def spool_name(original_name: str) -> str:
    """What an original that is too large to keep is called while it is there."""
    return f"{_SPOOL}.{original_name.partition('.')[2]}"


def candidates(picture: PictureId, renditions: tuple[Rendition, ...]) -> tuple[str, ...]:
    """Every path the answer may lie at, the preferred first: each tree in turn, each rendition in order."""
    return tuple(
        f"{picture_path(tree, picture)}/{POINTER}/{file_name}"
        for tree in Tree
        for rendition in renditions
        for file_name in file_names(rendition)
    )


def spools(picture: PictureId, renditions: tuple[Rendition, ...]) -> tuple[str, ...]:
    """Where a spooled original may lie, which nginx never looks for: it must not be kept by anybody."""
    if ORIGINAL not in renditions:
        return ()
    return tuple(
        f"{picture_path(tree, picture)}/{POINTER}/{spool_name(name)}"
        for tree in Tree
        for name in file_names(ORIGINAL)
    )


def name_path(name: Name) -> str:
    """`names/series/ab/cd/tvdb:123/poster`, where ab and cd are the first two bytes of SHA-256 of the id."""
    digest = hashlib.sha256(name.id.encode()).hexdigest()
    return f"names/{name.kind}/{digest[:2]}/{digest[2:4]}/{name.id}/{name.role}"


def name_failure_path(name: Name) -> str:
    """Where it is written why the name points nowhere: beside the link, where no role can be."""
    return f"{name_path(name)}.json"
