"""Which title of TMDB's somebody means who may have misread it: how alike it is is told, and a likeness is never rounded up."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import floor

from pydantic import BaseModel, Field

from services.enricher.characters.matching import is_called, words_of
from services.enricher.finder.metadata.outcomes import Found, Outcome, Pending, Unavailable
from services.enricher.finder.metadata.tmdb_cache import TmdbMetadata
from services.enricher.finder.providers.models import TitleKind
from services.enricher.finder.providers.tmdb import resources
from services.enricher.finder.providers.tmdb.models.titles import MultiEntry, MultiPage

ENOUGH = 95.0
"""Of 100: with less it is told apart, and not taken for the title."""

FAINT = 60.0
"""With less it is told to nobody."""

ALIKE = 80.0
"""With less it is looked for in yet another way."""

SEARCHES_AT_MOST = 8
CAST_AT_MOST = 20
_LEAST_WORD = 3


class TitleCastMember(BaseModel):
    id: int
    name: str
    character: str | None = None
    profile_path: str | None = Field(None, description="The whole URL")


class TmdbResult(BaseModel):
    id: int
    title: str
    media_type: str = Field(description="movie or tv")
    cast: list[TitleCastMember] = Field(default_factory=list)
    poster_path: str | None = Field(None, description="The whole URL")


class ExtractedTitle(BaseModel):
    """`tmdb_result` only where the likeness is 95 or more; else the nearest, which may be another one, is told in `nearest`."""

    extracted_title: str = Field(description="As the model read it; empty: it could not tell")
    tmdb_result: TmdbResult | None = None
    likeness: float = Field(0, description="Of 100, of the title that was read and the one that was found")
    nearest: TmdbResult | None = None
    reason: str | None = Field(None, description="Why there is no result")


@dataclass(frozen=True, slots=True)
class Likely:
    entry: MultiEntry
    likeness: float


class TitleMatcher:
    """`image_url`: before the widths of TMDB's pictures."""

    def __init__(self, tmdb: TmdbMetadata, image_url: str) -> None:
        self._tmdb = tmdb
        self._image_url = image_url.rstrip("/")

    async def match(self, said: str) -> ExtractedTitle:
        if not words_of(said):
            return ExtractedTitle(extracted_title=said, reason="The model could not tell which title it is.")
        entries, why = await self._searched(said)
        best = likeliest(said, entries)
        if best is None:
            reason = why or "TMDB knows no title like it."
            return ExtractedTitle(extracted_title=said, reason=reason)
        told = await self._told(best.entry)
        likeness = floor(best.likeness * 10) / 10  # never up
        if best.likeness >= ENOUGH:
            return ExtractedTitle(extracted_title=said, tmdb_result=told, likeness=likeness)
        reason = f"The likeness of the nearest title is {likeness}, below {ENOUGH:.0f}."
        return ExtractedTitle(extracted_title=said, likeness=likeness, nearest=told, reason=reason)

    async def _searched(self, said: str) -> tuple[Sequence[MultiEntry], str | None]:
        """What TMDB finds by the title; where that is not it, without each of its words, and at last by how the longest one begins:
        for one may be misread, and TMDB knows none of those.
        """
        entries: list[MultiEntry] = []
        why: str | None = None
        for queries, enough in (
            ([said], ENOUGH),
            (without_each_word(said), ALIKE),
            (shortened(said), ALIKE),
        ):
            asked = list(queries)[:SEARCHES_AT_MOST]
            more, why_not = _entries(await asyncio.gather(*map(self._search, asked)))
            entries, why = [*entries, *more], why or why_not
            best = likeliest(said, entries)
            if best and best.likeness >= enough:
                break
        return entries, why

    async def _search(self, query: str) -> Outcome[MultiPage]:
        return await self._tmdb.get(resources.search_multi(query[: resources.MAX_QUERY]))

    async def _told(self, entry: MultiEntry) -> TmdbResult:
        kind = TitleKind.MOVIE if entry.media_type == "movie" else TitleKind.TV
        of_title = await self._tmdb.get(resources.title_credits(kind, entry.id))
        cast = of_title.value.cast[:CAST_AT_MOST] if isinstance(of_title, Found) else ()
        return TmdbResult(
            id=entry.id,
            title=entry.title or entry.name or "",
            media_type=entry.media_type,
            poster_path=self._picture(entry.poster_path),
            cast=[
                TitleCastMember(
                    id=one.id,
                    name=one.name,
                    character=one.character,
                    profile_path=self._picture(one.profile_path),
                )
                for one in cast
            ],
        )

    def _picture(self, path: str | None) -> str | None:
        return f"{self._image_url}/w500{path}" if path else None


def likeliest(said: str, entries: Iterable[MultiEntry]) -> Likely | None:
    """The first of those that are most alike; None where none is. Where several are alike in the same way, and are no better
    than alike, it is none of them for sure.
    """
    rated = [
        Likely(entry, likeness_of(said, names))
        for entry in {(one.media_type, one.id): one for one in entries}.values()
        if entry.media_type in ("movie", "tv") and (names := _names(entry))
    ]
    rated.sort(key=lambda one: -one.likeness)
    if not rated or rated[0].likeness < FAINT:
        return None
    best = rated[0]
    rivals = [one for one in rated[1:] if one.likeness >= ENOUGH]
    misread = best.likeness < 100.0  # noqa: PLR2004 - the same words
    if misread and rivals:
        return Likely(best.entry, min(best.likeness, ENOUGH - 1))
    return best


def likeness_of(said: str, names: Iterable[str]) -> float:
    """Of 100. The same words are 100; one letter that is wrong in a long word is `ENOUGH`; another number is never enough."""
    from rapidfuzz import fuzz  # noqa: PLC0415 - 2 MB of memory, where the studio is used

    asked = words_of(said)
    best = 0.0
    for name in names:
        words = words_of(name)
        if not words:
            continue
        if words == asked:
            return 100.0
        ratio = fuzz.ratio(" ".join(asked), " ".join(words))
        if is_called(said, name):
            ratio = max(ratio, ENOUGH)
        elif ratio >= ENOUGH and not _misread(asked, words):
            ratio = ENOUGH - 1
        best = max(best, ratio)
    return best


def without_each_word(said: str) -> Iterator[str]:
    """The longest word left out first: it is the likeliest to be misread."""
    words = words_of(said)
    places = sorted(range(len(words)), key=lambda place: -len(words[place]))
    for place in places:
        rest = [*words[:place], *words[place + 1 :]]
        if any(len(word) >= _LEAST_WORD for word in rest):
            yield " ".join(rest)


def shortened(said: str) -> Iterator[str]:
    """With the longest word cut shorter and shorter."""
    words = words_of(said)
    place = max(range(len(words)), key=lambda place: len(words[place]), default=None)
    if place is None:
        return
    longest = words[place]
    for length in range(len(longest) - 1, 1, -1):
        yield " ".join([*words[:place], longest[:length], *words[place + 1 :]])


def _misread(asked: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """Whether what differs may be a slip: a short word, or a number, that differs is another title."""
    if len(asked) != len(words):
        return " ".join(asked).replace(" ", "") == " ".join(words).replace(" ", "")
    differing = [(one, other) for one, other in zip(asked, words, strict=True) if one != other]
    return all(
        min(len(one), len(other)) > _LEAST_WORD and one.isalpha() and other.isalpha() and one[0] == other[0]
        for one, other in differing
    )


def _names(entry: MultiEntry) -> list[str]:
    names = (entry.title, entry.name, entry.original_title, entry.original_name)
    return [name for name in names if name]


def _entries(outcomes: Iterable[Outcome[MultiPage]]) -> tuple[list[MultiEntry], str | None]:
    """All that were found, and why some were not."""
    entries: list[MultiEntry] = []
    why = None
    for outcome in outcomes:
        match outcome:
            case Found(value=page):
                entries += page.results
            case Unavailable(reason=reason):
                why = reason
            case Pending():
                why = "TMDB did not answer in time."
    return entries, why
