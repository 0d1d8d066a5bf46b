"""Title and year in a name: where the name is plain enough to be read without guessing."""

import re
from dataclasses import dataclass

from services.enricher.library.item import MediaType
from services.enricher.library.scan import releases
from services.enricher.library.scan.names import without_ids
from services.enricher.library.scan.seasons import end_of_series, numbered
from shared.telemetry import utc_now


@dataclass(frozen=True, slots=True)
class Titled:
    title: str
    year: int | None = None


_BRACKETS = re.compile(r"\[[^\]]*\]|\{[^}]*\}|【[^】]*】")
_YEAR = r"(?:18[89]|19\d|20\d)\d"
_SPAN = re.compile(rf"[(\[]{_YEAR}\s?[-–]\s?(?:{_YEAR}|\d\d|present|now)?\s?[)\]]", re.IGNORECASE)
_PLAIN = re.compile(rf"(?P<title>\S.*?) \((?P<year>{_YEAR})\)")
_ENCLOSED = re.compile(
    rf"[ ._\-]*[(\[]\s?(?P<year>{_YEAR})(?:\s?[-–]\s?(?:{_YEAR}|\d\d|present|now)?)?\s?[)\]]", re.IGNORECASE
)
_BARE = re.compile(rf"(?<=[ ._\-,])(?P<year>{_YEAR})(?:[-–]{_YEAR})?(?=[ ._\-,]|$)")
_YEAR_FIRST = re.compile(rf"[(\[](?P<year>{_YEAR})[)\]][ ._\-]*(?=[^\W_])")
_SITE = re.compile(
    r"\[?\s*(?:www\.[\w.\-]+\.[a-z]{2,6}|[\w\-]+\.(?:com|org|net|to|ws|io))\s*\]?\s*-?\s+", re.IGNORECASE
)
_SITE_AFTER = re.compile(
    r"\s+-?\s*\[?(?:www\.[\w.\-]+\.[a-z]{2,6}|[\w\-]+\.(?:com|org|net))\s*\]?$", re.IGNORECASE
)
_GROUP = re.compile(r"\s*(?:\[[^\]]+\]|【[^】]+】)[ _.]*(?=.*[^\W\d_]{2})")
_GROUPED_EPISODE = re.compile(r"\s*\[[^\]]+\][ _]*(?=[^\W_][^\[]*[ _]-[ _]\d{2,4})")
_GROUP_SIGNS = re.compile(r"[ _]-[ _]\d{2,4}|[\[(].*[\])]\s*$")
_VERSION = re.compile(r"[ _]v\d(?=[ _]*(?:[\[(]|$))")
_HAS_LETTER = re.compile(r"[^\W_]")
_AHEAD = 1
"""Years that a title may be ahead of us."""


def plainly(name: str) -> Titled | None:
    """Of `Title (Year)`, with or without ids and nothing else; None for all others."""
    found = _PLAIN.fullmatch(" ".join(without_ids(name).split()))
    if not found or _BRACKETS.match(name) or _ENCLOSED.search(found["title"], 1):
        return None
    return Titled(found["title"], int(found["year"]))


def surely(name: str, media_type: MediaType, *, is_folder: bool = False) -> Titled | None:
    """None where it is not clear which part of the name is the title."""
    text = _without_frame(name)
    if first := _YEAR_FIRST.match(text):
        rest = text[first.end() :]
        return None if _ENCLOSED.search(rest) else Titled(cleaned(rest), int(first["year"]))
    ends = [
        end for end in (_enclosed(text), _series(text, media_type, is_folder=is_folder)) if end is not None
    ]
    sure = releases.SURE.search(text)
    if sure is not None and _HAS_LETTER.search(text[: sure.start()]):
        ends.append(sure.start())
    end = min(ends, default=len(text))
    # A series that is written out (`Reply 1988`) may be called so; as it is shared, a bare year is its year.
    is_written_out = media_type is MediaType.TV and sure is None and " " in text[:end].strip()
    return _before(
        text, end, at_release=sure is not None and end == sure.start(), is_written_out=is_written_out
    )


def roughly(name: str) -> Titled:
    """What stands before the year or the first word about quality. Never empty, and sometimes wrong."""
    text = _BRACKETS.sub(" ", without_ids(name)).strip()
    years = list(_ENCLOSED.finditer(text)) or list(_BARE.finditer(text))
    end = years[-1] if years else releases.SURE.search(text)
    title = cleaned(text[: end.start()] if end else text)
    return Titled(title or name, int(years[-1]["year"]) if years else None)


def cleaned(title: str) -> str:
    """Without the signs that stand for blanks, and those at its ends."""
    bare = _BRACKETS.sub(" ", title)
    keeps = _BRACKETS.match(title) if not re.search(r"[^\W\d_]", bare) else None
    text = (title if keeps else bare).strip()
    if " " not in text:
        text = (text.replace("_", " ") if "_" in text else text.replace(".", " ")).strip()
    elif text.count("_") > text.count(" "):
        text = text.replace("_", " ")
    text = " ".join(text.split()).strip(" _-–,").rstrip(" ._-–,([")
    return text.lstrip("([") if text.count("(") > text.count(")") else text


def _without_frame(name: str) -> str:
    """Without ids, the address of a site, and the group that stands first where anime is shared."""
    text = " ".join(without_ids(name).split())
    text = _SITE_AFTER.sub("", _SITE.sub("", text, count=1) if _SITE.match(text) else text)
    group = _GROUP.match(text)
    if group is None and (episode := _GROUPED_EPISODE.match(text)):
        return text[episode.end() :]
    if group and _GROUP_SIGNS.search(text, group.end()):
        return _VERSION.sub("", text[group.end() :])
    return text


def _enclosed(text: str) -> int | None:
    return next(
        (found.start() for found in _ENCLOSED.finditer(text) if _HAS_LETTER.search(text[: found.start()])),
        None,
    )


def _series(text: str, media_type: MediaType, *, is_folder: bool) -> int | None:
    """Where a series' title ends by the number of a season or an episode."""
    if media_type is MediaType.MOVIE:
        return None
    if is_folder:
        end = end_of_series(text)
    else:
        found = numbered(text)
        end = None if found is None else len(found.title)
    return end or None


def _before(text: str, end: int, *, at_release: bool, is_written_out: bool) -> Titled | None:
    """The title that ends there at last, or at a year before."""
    enclosed = _ENCLOSED.match(text, end)
    head = text[:end]
    year: int | None
    years = [found for found in _BARE.finditer(head) if _is_year(found, head)]
    if enclosed:
        title, year = head, int(enclosed["year"])
    elif (
        years
        and not is_written_out
        and (at_release or releases.begins_with_release_word(head[years[-1].end() :]))
    ):
        year = int(years[-1]["year"])
        title = releases.without_release_words(head[: years[-1].start()], cuts_only=True)
    elif years and end == len(text) and " " not in head:
        return None
    else:
        year = _year_behind(text, end) if at_release else None
        bare = _BRACKETS.sub(" ", head)
        bare = bare if _HAS_LETTER.search(bare) else head
        title = releases.without_release_words(bare) if at_release else head
        if end == len(text) and releases.ends_with_release_word(cleaned(head)):
            return None
    title = cleaned(title)
    return Titled(title, year) if _HAS_LETTER.search(title) else None


def _year_behind(text: str, end: int) -> int | None:
    found = _ENCLOSED.search(text, end) or _BARE.search(text, end)
    return int(found["year"]) if found else None


def _is_year(found: re.Match[str], head: str) -> bool:
    """One that has been, or begins soon, and has a title before it."""
    this_year = utc_now().year
    before = re.findall(r"\w+", head[: found.start()])
    may_end = bool(before) and not releases.leads_on(before[-1], after=len(before) - 1)
    return int(found["year"]) <= this_year + _AHEAD and may_end


def has_span(name: str) -> bool:
    """Of years, as only what goes on has it."""
    return _SPAN.search(name) is not None
