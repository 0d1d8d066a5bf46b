"""NFO files beside recordings: what media servers read of a streamer and of a month, with pictures by relative paths."""

import re
from calendar import month_name
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

from services.enricher.streamers.rows import Streamer

_SEASON = re.compile(r"Season[ _]?(\d{4})-?(0[1-9]|1[0-2])", re.ASCII | re.IGNORECASE)
_NOT_OF_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What no XML 1.0 may hold, escaped or not."""


@dataclass(frozen=True, slots=True)
class StreamMonth:
    """A month of somebody's streams, and the folder that it is in: `Season 2026-03`."""

    folder: str
    year: int
    month: int

    @property
    def number(self) -> int:
        return self.year * 100 + self.month

    @property
    def title(self) -> str:
        return f"{month_name[self.month]} {self.year}"


def season_in(folder: str) -> StreamMonth | None:
    """None: the folder is of no month."""
    found = _SEASON.fullmatch(folder)
    return StreamMonth(folder, int(found[1]), int(found[2])) if found else None


@dataclass(frozen=True, slots=True)
class NfoPictures:
    """Paths as they are written beside the file that names them."""

    poster: str | None
    banner: str | None = None
    fanart: str | None = None


def tvshow_nfo(streamer: Streamer, pictures: NfoPictures) -> bytes:
    root = ET.Element("tvshow")
    _text(root, "title", streamer.username)
    _text(root, "plot", streamer.description or "")
    _text(root, "studio", "Twitch")
    if streamer.twitch_id:
        _text(root, "uniqueid", streamer.twitch_id, type="twitch", default="true")
    _thumbs(root, pictures)
    return _written(root)


def season_nfo(streamer: Streamer, season: StreamMonth, pictures: NfoPictures) -> bytes:
    root = ET.Element("season")
    _text(root, "title", season.title)
    _text(root, "seasonnumber", str(season.number))
    _text(root, "showtitle", streamer.username)
    _thumbs(root, pictures)
    return _written(root)


def from_folder(depth: int, path: str) -> str:
    """A path below the recordings, from a folder that lies so deep in them."""
    return str(PurePosixPath(*[".."] * depth, path))


def _thumbs(root: ET.Element, pictures: NfoPictures) -> None:
    for aspect, path in (("poster", pictures.poster), ("banner", pictures.banner)):
        if path:
            _text(root, "thumb", path, aspect=aspect)
    if pictures.fanart:
        _text(ET.SubElement(root, "fanart"), "thumb", pictures.fanart)


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = _NOT_OF_XML.sub("", text)


def _written(root: ET.Element) -> bytes:
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"
