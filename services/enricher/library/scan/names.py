"""What the names of files and folders say by the conventions of Plex, Jellyfin, Emby and Kodi."""

import os
import re

from services.enricher.library.same_title import plain

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
    r"(?:^|[-._ ])(?:sample|trailer)$|-(?:behindthescenes|deleted|deletedscene|featurette|interview|scene|short|other"
    r"|extra|clip)$",
    re.IGNORECASE,
)
SPECIALS = "specials"
_SEASON = re.compile(
    r"(?:season|series|saison|staffel|temporada|stagione|seizoen|sæson|säsong|s)[ ._-]*\d{1,4}(?:[\W_].*)?",
    re.IGNORECASE,
)
_EPISODE = re.compile(
    r"(?:^|[ ._\-\[(])(?:s\d{1,4}[ ._-]?e\d{1,4}|\d{1,2}x\d{2,3})(?!\d)",
    re.IGNORECASE,
)


def is_hidden(folder: str) -> bool:
    return folder.startswith(".") or folder.lower() in _NOT_OURS or folder.lower().startswith(".trash")


def is_video(file: str) -> bool:
    return os.path.splitext(file)[1].lower() in VIDEOS and not file.startswith(".")


def is_extra(file: str) -> bool:
    """A trailer, a sample or the like, which is not the title itself."""
    return _EXTRA_FILE.search(os.path.splitext(file)[0]) is not None


def is_extras_folder(folder: str) -> bool:
    """Where it lies beside the videos of a title: elsewhere a folder may be called Shorts."""
    return folder.lower() in _EXTRAS


def is_season(folder: str) -> bool:
    return _SEASON.fullmatch(folder) is not None


def may_be_season(folder: str) -> bool:
    """Where it lies beside seasons with numbers; else it holds what its own name says."""
    return folder.lower() == SPECIALS


def series_of_episode(file: str) -> str | None:
    """What stands before the episode's number, as it is compared, which may be nothing; None for no episode."""
    found = _EPISODE.search(file)
    return found and (plain(file[: found.start()]) if found.start() else "")


def legible(name: str) -> str:
    """A file's name as a title: bytes that are no UTF-8 are taken for Latin-1, white space and controls for a blank."""
    raw = os.fsencode(name)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def as_text(path: str) -> str:
    r"""A path as it is stored: bytes that are no UTF-8 are written `\xNN`."""
    return os.fsencode(path).decode(errors="backslashreplace")
