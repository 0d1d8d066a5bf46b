"""NFO files: XML as Kodi writes it, or any text with an address of IMDb, TMDB or TVDB in it; or the one after the other."""

import os
import re
import stat
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from services.enricher.library.item import ItemIds, MediaType
from services.enricher.library.scan.names import legible
from services.enricher.library.scan.tagged import parsed_ids

MAX_BYTES = 1024 * 1024
"""Real ones have some kilobytes; one with many actors a hundred."""

_ROOT = {MediaType.MOVIE: "movie", MediaType.TV: "tvshow"}
_ADDRESSES = {
    "imdb": re.compile(r"imdb\.com/(?:[a-z]{2}/)?title/(tt\d{7,10})"),
    "tvdb": re.compile(r"thetvdb\.com/(?:\?tab=series&id=|(?:dereferrer/)?(?:series|movie)/)(\d{1,9})(?!\d)"),
}
_TMDB_ADDRESS = {
    MediaType.MOVIE: re.compile(r"themoviedb\.org/movie/(\d{1,9})(?!\d)"),
    MediaType.TV: re.compile(r"themoviedb\.org/tv/(\d{1,9})(?!\d)"),
}


@dataclass(frozen=True, slots=True)
class Nfo:
    """What an NFO file says."""

    ids: ItemIds = field(default_factory=ItemIds)
    title: str | None = None
    year: int | None = None


def read_nfo(path: str, media_type: MediaType) -> Nfo:
    """Raise OSError for one that cannot be read, ValueError for one that is no file of a sensible size."""
    content = _content(path)
    # After the XML there may be an address.
    said = _of_xml(content[: content.rfind(b">") + 1], media_type)
    return said if said.ids else Nfo(_of_text(content, media_type), said.title, said.year)


def _content(path: str) -> bytes:
    # Not through a link, which could lead anywhere, and without waiting for somebody to write into a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a file")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    return content


def _of_xml(content: bytes, media_type: MediaType) -> Nfo:
    """Nothing where it is no XML, or has entities or a document type: none of these files need them."""
    try:
        root = fromstring(content, forbid_dtd=True)
    except (
        ParseError,
        DefusedXmlException,
        ValueError,
        LookupError,
    ):  # the last two: an encoding that is none
        return Nfo()
    if root.tag != _ROOT[media_type]:
        return Nfo()
    year = _text(root, "year") or _text(root, "premiered")[:4]
    title = legible(_text(root, "title"))
    return Nfo(
        _ids(root, media_type),
        title or None,
        int(year) if re.fullmatch(r"[12]\d{3}", year, re.ASCII) else None,
    )


def _ids(root: Element, media_type: MediaType) -> ItemIds:
    plain_id = _text(root, "id")
    # Of a series, older versions of Kodi wrote the TVDB id as <id>.
    kind = "imdb" if plain_id.startswith("tt") else "tvdb" if media_type is MediaType.TV else ""
    said = {kind: plain_id}
    for kind in ("imdb", "tmdb", "tvdb"):
        for tag in (f"{kind}_id", f"{kind}id"):
            said |= {kind: text} if (text := _text(root, tag)) else {}
    for unique in root.iterfind("uniqueid"):
        said[unique.get("type", "").lower()] = (unique.text or "").strip()
    return parsed_ids(said)


def _text(root: Element, tag: str) -> str:
    return (root.findtext(tag) or "").strip()


def _of_text(content: bytes, media_type: MediaType) -> ItemIds:
    text = content.decode("latin-1")
    addresses = _ADDRESSES | {"tmdb": _TMDB_ADDRESS[media_type]}
    found = {kind: address.search(text) for kind, address in addresses.items()}
    return parsed_ids({kind: match[1] for kind, match in found.items() if match})
