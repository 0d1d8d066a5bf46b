"""NFO files: XML as Kodi writes it, or any text with an address of IMDb, TMDB or TVDB in it; or the one after the other."""

import codecs
import contextlib
import html
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from services.enricher.library.item import ItemIds, MediaType
from services.enricher.library.scan.names import legible, parsed_ids

MAX_BYTES = 1024 * 1024
"""Real ones have some kilobytes; one with many actors a hundred."""

_ROOT = {MediaType.MOVIE: "movie", MediaType.TV: "tvshow"}
_ADDRESSES = {
    "imdb": re.compile(r"imdb\.com/(?:[a-z]{2}/)?title/(tt\d{7,10})"),
    "tvdb": re.compile(
        r"thetvdb\.com/(?:(?:index\.php)?\?(?:[a-z]+=[a-z]*&(?:amp;)?){0,4}(?:series)?id=|(?:dereferrer/)?(?:series|movie)/)"
        r"(\d{1,9})(?!\d)"
    ),
}
_TMDB_ADDRESS = {
    MediaType.MOVIE: re.compile(r"themoviedb\.org/movie/(\d{1,9})(?!\d)"),
    MediaType.TV: re.compile(r"themoviedb\.org/tv/(\d{1,9})(?!\d)"),
}
_PROVIDERS = {
    "imdb": "imdb",
    "tmdb": "tmdb",
    "themoviedb": "tmdb",
    "moviedb": "tmdb",
    "tvdb": "tvdb",
    "thetvdb": "tvdb",
}
"""By what programs call them in NFO files."""

_DATES = ("premiered", "releasedate", "aired", "firstaired", "release_date")
_ENDS = ("", "id", "_id")
_TAGS = (
    "title",
    "originaltitle",
    "year",
    "id",
    *_DATES,
    *(f"{kind}{end}" for kind in _PROVIDERS for end in _ENDS),
)
_TYPED = ("uniqueid", "id")
_ELEMENT = re.compile(
    rf"<(?P<tag>{'|'.join(sorted({*_TAGS, 'uniqueid'}, key=len, reverse=True))})(?P<attributes>\s[^<>]{{0,300}})?>"
    r"\s{0,50}+(?:<!\[CDATA\[(?P<cdata>[^\]<>]{0,1000}+)\]\]>\s{0,50}+|(?P<text>[^<>]{0,1000}+))</",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"""([\w:]{1,40})\s*=\s*["']([^"'<>]{0,100})["']""")
_DECLARATION = re.compile(r"\s*<\?xml[^>]{0,200}\?>")
_ENTITY = re.compile(r"&(?!amp;|lt;|gt;|quot;|apos;|#)[\w.-]+;")
_IMDB = re.compile(r"(?<![0-9A-Za-z])tt\d{7,10}(?![0-9A-Za-z])")
"""In a text that says no address."""

_LONGEST_TITLE = 500


@dataclass(frozen=True, slots=True)
class Nfo:
    """What an NFO file says."""

    ids: ItemIds = field(default_factory=ItemIds)
    title: str | None = None
    year: int | None = None
    broken: str | None = None
    """What is wrong with it, where it should be XML."""


@dataclass(frozen=True, slots=True)
class _Element:
    tag: str
    text: str
    attributes: Mapping[str, str]


def read_nfo(path: str, media_type: MediaType) -> Nfo:
    """Raise OSError for one that cannot be read, ValueError for one that is no file of a sensible size."""
    text = _decoded(_content(path))
    # After the XML there may be an address.
    said = _of_xml(text[: text.rfind(">") + 1], media_type)
    return said if said.ids else replace(said, ids=_of_text(text, media_type))


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


def _decoded(content: bytes) -> str:
    """By its mark, or what its first line says; what is not of that encoding is taken for Latin-1."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    for start, encoding in ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be")):
        if content.startswith(start):
            return content.decode(encoding, errors="replace")
    said = re.match(rb"\s*<\?xml[^>]{0,100}encoding=[\"']([\w.-]{1,40})", content)
    for encoding in (said[1].decode() if said else "utf-8", "utf-8-sig"):
        with contextlib.suppress(LookupError, ValueError):
            return content.decode(encoding).removeprefix("\ufeff")
    return content.decode("latin-1")


def _of_xml(text: str, media_type: MediaType) -> Nfo:
    """What is no sound XML is read piece by piece, and entities never: none of these files need them."""
    root = _ROOT[media_type]
    try:
        tree = fromstring(_DECLARATION.sub("", text, count=1), forbid_dtd=True)
    except ParseError as error:
        broken = str(error)
    except (DefusedXmlException, ValueError, RecursionError) as error:
        broken = "it has a document type" if isinstance(error, DefusedXmlException) else str(error)
    else:
        return _said(_elements_of(tree), media_type) if _tag(tree) == root else Nfo()
    begins = re.search(rf"<{root}[\s>]", text, re.IGNORECASE)
    if begins is None:
        return Nfo()
    return replace(_said(_pieces(text[begins.end() :]), media_type), broken=broken)


def _elements_of(root: Element) -> list[_Element]:
    elements = [*root, *root.iterfind("ids/entry")]
    found = [_Element(_tag(e), (e.text or "").strip(), _lower(e.attrib)) for e in elements]
    found += [
        _Element("uniqueid", (entry.findtext("value") or "").strip(), {"type": entry.findtext("key") or ""})
        for entry in root.iterfind("ids/entry")
    ]
    return found


def _tag(element: Element) -> str:
    """Without a namespace."""
    return str(element.tag).rpartition("}")[2].lower()


def _pieces(text: str) -> list[_Element]:
    found = []
    for match in _ELEMENT.finditer(text):
        attributes = _lower(dict(_ATTRIBUTE.findall(match["attributes"] or "")))
        value = (match["cdata"] or html.unescape(match["text"] or "")).strip()
        found.append(_Element(match["tag"].lower(), "" if _ENTITY.search(value) else value, attributes))
    return found


def _lower(attributes: Mapping[str, str]) -> Mapping[str, str]:
    return {name.lower(): value for name, value in attributes.items()}


def _said(elements: Sequence[_Element], media_type: MediaType) -> Nfo:
    first: dict[str, str] = {}
    for element in elements:
        if element.text and not (element.tag in _TYPED and element.attributes):
            first.setdefault(element.tag, element.text)
    title = legible(first.get("title") or first.get("originaltitle", ""))[:_LONGEST_TITLE]
    return Nfo(_ids(elements, first, media_type), title or None, _year(first))


def _year(said: Mapping[str, str]) -> int | None:
    years = (said.get("year", ""), *(said.get(tag, "")[:4] for tag in _DATES))
    return next((int(year) for year in years if re.fullmatch(r"[12]\d{3}", year, re.ASCII)), None)


def _ids(elements: Sequence[_Element], first: Mapping[str, str], media_type: MediaType) -> ItemIds:
    plain_id = first.get("id", "")
    # Of a series, older versions of Kodi wrote the TVDB id as <id>.
    said = {"imdb" if plain_id.startswith("tt") else "tvdb" if media_type is MediaType.TV else "": plain_id}
    for name, kind in _PROVIDERS.items():
        for tag in (f"{name}{end}" for end in _ENDS):
            said |= {kind: first[tag]} if first.get(tag) and (tag != name or not said.get(kind)) else {}
    for element in elements:
        if element.tag in _TYPED:
            said |= dict(_typed(element, media_type))
    return parsed_ids(said)


def _typed(element: _Element, media_type: MediaType) -> Iterable[tuple[str, str]]:
    """`<uniqueid type="tmdb">603`, `<id moviedb="tmdb">603`, `<id TMDB="603">tt0133093`."""
    attributes = element.attributes
    for name in ("imdb", "tmdb", "tvdb"):
        if attributes.get(name):
            yield name, attributes[name]
    called = attributes.get("type") or attributes.get("moviedb") or ""
    kind = _PROVIDERS.get(called.lower())
    if kind is not None:
        yield kind, element.text
    elif element.tag == "id" and attributes and not called:
        yield (
            ("imdb" if element.text.startswith("tt") else "tvdb" if media_type is MediaType.TV else ""),
            element.text,
        )


def _of_text(text: str, media_type: MediaType) -> ItemIds:
    addresses = _ADDRESSES | {"tmdb": _TMDB_ADDRESS[media_type]}
    found = {kind: match[1] for kind, address in addresses.items() if (match := address.search(text))}
    alone = set(_IMDB.findall(text))
    if not found and "<" not in text and len(alone) == 1:
        found = {"imdb": alone.pop()}
    return parsed_ids(found)
