"""Title and year in a name: where the name is plain enough to be read without guessing."""

import re
from dataclasses import dataclass

from services.enricher.library.scan.tagged import without_ids


@dataclass(frozen=True, slots=True)
class Titled:
    title: str
    year: int | None = None


_BRACKETS = re.compile(r"\[[^\]]*\]|\{[^}]*\}")
_YEAR = r"(?:18|19|20)\d\d"
_PLAIN = re.compile(rf"(?P<title>\S.*?) \((?P<year>{_YEAR})\)")
_IN_PARENTHESES = re.compile(rf"\((?P<year>{_YEAR})\)")
_BARE = re.compile(rf"(?<=[ ._-])(?P<year>{_YEAR})(?=[ ._-]|$)")
_QUALITY = re.compile(
    r"(?<=[ ._\-\[(])(?:2160p|1080[pi]|720p|576p|480p|4k|uhd|blu-?ray|bdrip|brrip|web-?dl|web-?rip|hdtv|dvdrip|dvd|remux"
    r"|x26[45]|h\.?26[45]|hevc|proper|repack|extended|unrated)(?=[ ._\-\])]|$)",
    re.IGNORECASE,
)


def plainly(name: str) -> Titled | None:
    """Of `Title (Year)`, with or without ids and nothing else; None for all others."""
    found = _PLAIN.fullmatch(" ".join(without_ids(name).split()))
    return found and Titled(found["title"], int(found["year"]))


def roughly(name: str) -> Titled:
    """What stands before the year or the first word about quality. Never empty, and sometimes wrong."""
    text = _BRACKETS.sub(" ", without_ids(name)).strip()
    years = list(_IN_PARENTHESES.finditer(text)) or list(_BARE.finditer(text))
    end = years[-1] if years else _QUALITY.search(text)
    title = text[: end.start()] if end else text
    if " " not in title.strip():
        title = title.replace(".", " ").replace("_", " ")
    title = " ".join(title.split()).strip(" -._([")
    return Titled(title or name, int(years[-1]["year"]) if years else None)
