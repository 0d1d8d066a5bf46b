"""Ids in names, as `{imdb-tt0111161}`, `[tmdbid-278]`, `{tvdb-81189}` or a bare `tt0111161`."""

import os
import re
from collections.abc import Iterable, Mapping

from services.enricher.library.item import ItemIds
from services.enricher.library.same_title import plain

_TAG = re.compile(r"[\[{(]\s*(imdb|tmdb|tvdb)(?:id)?\s*[-=: ]\s*(tt\d{7,10}|\d{1,9})\s*[\]})]", re.IGNORECASE)
_BARE = re.compile(r"(?<![0-9a-z])tt\d{7,10}(?![0-9a-z])", re.IGNORECASE)


def ids_in(name: str) -> ItemIds:
    tags = {kind.lower(): value.lower() for kind, value in reversed(_TAG.findall(name))}
    if "imdb" not in tags and (bare := _BARE.search(name)):
        tags["imdb"] = bare[0].lower()
    return parsed_ids(tags)


def without_ids(name: str) -> str:
    return _BARE.sub(" ", _TAG.sub(" ", name))


def parsed_ids(said: Mapping[str, str]) -> ItemIds:
    """What is no id of its kind is left out."""
    imdb = said.get("imdb", "")
    return ItemIds(
        imdb if _BARE.fullmatch(imdb) else None, _number(said.get("tmdb")), _number(said.get("tvdb"))
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"\d{1,9}", text, re.ASCII) and int(text) else None


VIDEOS = frozenset(
    f".{ending}"
    for ending in [
        "3gp",
        "asf",
        "avi",
        "divx",
        "flv",
        "iso",
        "m2ts",
        "m4v",
        "mkv",
        "mov",
        "mp4",
        "mpeg",
        "mpg",
        "mts",
        "ogm",
        "ogv",
        "rmvb",
        "strm",
        "ts",
        "vob",
        "webm",
        "wmv",
    ]
)
DISCS = frozenset({"bdmv", "video_ts", "hvdvd_ts"})
"""A folder that holds one of these is one movie."""

_NOT_OURS = frozenset(
    {"@eadir", "#recycle", "#snapshot", "$recycle.bin", "lost+found", "system volume information"}
)
_EXTRAS = frozenset(
    [
        "behind the scenes",
        "deleted scenes",
        "featurette",
        "featurettes",
        "interview",
        "interviews",
        "scene",
        "scenes",
        "short",
        "shorts",
        "trailer",
        "trailers",
        "other",
        "extra",
        "extras",
        "bonus",
        "clip",
        "clips",
        "sample",
        "samples",
        "backdrops",
        "theme-music",
        "subs",
        "subtitles",
    ]
)
_EXTRA_FILE = re.compile(
    r"(?:^|(?P<sign>[-._ ]))(?:sample|trailer)$|-(?:behindthescenes|deleted|deletedscene|featurette|interview|scene|short"
    r"|other|extra|clip)\d?$",
    re.IGNORECASE,
)
_FEW_WORDS = 2


def is_hidden(folder: str) -> bool:
    return folder.startswith(".") or folder.lower() in _NOT_OURS or folder.lower().startswith(".trash")


def is_video(file: str) -> bool:
    return os.path.splitext(file)[1].lower() in VIDEOS and not file.startswith(".")


def is_extra(file: str, beside: Iterable[str] = (), *, folder: str = "") -> bool:
    """A trailer, a sample or the like, which is not the title itself. `beside`: the other videos in its folder.

    A film may be called so: one whose folder has that name, or whose name is a sentence that ends with the word.
    """
    stem = os.path.splitext(file)[0]
    found = _EXTRA_FILE.search(stem)
    if found is None or plain(folder).startswith(plain(stem)):
        return False
    title = plain(stem[: found.start()]) if found.start() else ""
    if found["sign"] in (None, "-") or any(
        plain(other).startswith(title) for other in beside if other != file
    ):
        return True
    return found["sign"] != " " and len(title.split()) <= _FEW_WORDS


def is_extras_folder(folder: str) -> bool:
    """Where it lies beside the videos of a title: elsewhere a folder may be called Shorts."""
    return folder.lower() in _EXTRAS


def legible(name: str) -> str:
    """A file's name as a title: bytes that are no UTF-8 are taken for Latin-1, white space and controls for a blank."""
    if name.isprintable():
        return " ".join(name.split())
    raw = os.fsencode(name)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def as_text(path: str) -> str:
    r"""A path as it is stored: bytes that are no UTF-8 are written `\xNN`."""
    return path if path.isascii() else os.fsencode(path).decode(errors="backslashreplace")
