"""Which part of a cast somebody means by a character's name, as people write names: ambiguous is said, and not guessed.

Names are compared as words, without case, accents and punctuation. rapidfuzz finds misspellings; a score alone says nothing
(`Adriana` is no `Adrian`, `Part II` no `Part III`), so that a word may differ in its middle only, and numbers never.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.enricher.finder.artwork.casts import CastPart
from shared import letters

ENOUGH = 95.0
"""Of 100: with less a name is another one."""

WHOLE, OTHERWISE_WRITTEN, PLAIN, IN_PART = 100.0, 99.0, 98.0, 96.0
"""The name itself or one of several that stand there; the same words in another order; without what somebody is addressed by;
some of its words, which no other character of the title has.
"""

REMEMBERED_AT_MOST = 20_000
_LEAST_WORD = 3
"""Letters of a word that can stand for a whole name."""

_MISSPELT_WORD = 5
"""Letters of a word in which one may be wrong."""

_NOTES = re.compile(
    r"\((?:[^()]*\b)?(?:voice|uncredited|credit only|archive footage|archival|motion capture|singing|deleted)\b[^()]*\)",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"[\"\u201c\u201d\u201e«»]([^\"\u201c\u201d\u201e«»]+)[\"\u201c\u201d\u201e«»]|(?<!\w)['\u2018\u2019]([^'\u2018\u2019]+)['\u2018\u2019](?!\w)|\(([^()]+)\)"
)
_SEVERAL = re.compile(r"\s*(?:/|\||;|,\s*(?:aka|a\.k\.a\.)|\baka\b|\ba\.k\.a\.|\balias\b)\s*", re.IGNORECASE)
_SELF = re.compile(
    r"^(?:self|himself|herself|themselves|themself|itself)(?:\s*[-\u2013\u2014:,(].*)?$", re.IGNORECASE
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ADDRESSED = _words(
    "agent captain capt chief colonel commander corporal count countess detective det doctor dr father general inspector "
    "king lady lieutenant lt lord madame major master miss mister monsieur mr mrs ms officer prince princess prof professor "
    "private queen sergeant sgt sheriff sir sister the uncle aunt special"
)
_IN_FULL = {
    "capt": "captain",
    "cmdr": "commander",
    "cpl": "corporal",
    "det": "detective",
    "dr": "doctor",
    "jr": "junior",
    "lt": "lieutenant",
    "mr": "mister",
    "prof": "professor",
    "pvt": "private",
    "sgt": "sergeant",
    "sr": "senior",
    "st": "saint",
}
"""What is as often written short."""

_AGES = _words("young old little baby teen teenage child adult future past")
"""Words for somebody at another time: who is asked for without them is meant without them."""

_OTHER_THAN = _words(
    "younger older elder evil fake clone jr sr junior senior ii iii iv "
    "wife husband mother father mom dad son daughter brother boyfriend girlfriend friend assistant secretary guard driver "
    "double stunt ghost soldier man woman boy girl"
)
"""Words by which one is told from another of the same name."""


@lru_cache(REMEMBERED_AT_MOST)
def words_of(text: str) -> tuple[str, ...]:
    """Without case, accents and punctuation; of scripts without them as they are."""
    return tuple(letters.words_in(letters.bare(text).translate(_LETTERS)))


_LETTERS = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "\u0131": "i",
        "'": "",
        "\u2019": "",
        "_": " ",
    }
)
"""Letters that are no other with a mark; and apostrophes, which are within words."""


def folded(text: str) -> str:
    """What names have in common that are the same."""
    return " ".join(words_of(text))


def is_self(character: str) -> bool:
    """Whether somebody plays nobody but themselves."""
    return bool(_SELF.match(character.strip()))


@lru_cache(REMEMBERED_AT_MOST)
def names_in(character: str) -> frozenset[tuple[str, ...]]:
    """Every name that a part's line has: `Tony Stark / Iron Man`, `Robert "Bob" Parr (Mr. Incredible)`."""
    return frozenset(words for one in _spelled(_NOTES.sub(" ", character)) if (words := words_of(one)))


def _spelled(character: str) -> Iterator[str]:
    yield character
    for one in _SEVERAL.split(character):
        yield one
        quoted = [next(part for part in found.groups() if part) for found in _QUOTED.finditer(one)]
        yield from quoted
        if quoted:
            rest = _QUOTED.sub(" ", one)
            yield rest
            family = words_of(rest)[-1:]
            yield from (f"{name} {' '.join(family)}" for name in quoted if len(words_of(name)) == 1)


def _plain(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without what somebody is addressed by; as it is where nothing would be left."""
    rest = words
    while rest and rest[0] in _ADDRESSED:
        rest = rest[1:]
    return rest or words


def _addressed_alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether who is addressed so may be who is addressed otherwise, or not at all: `Mr. White` is not `Mrs. White`."""
    mine, its = _ADDRESSED.intersection(one), _ADDRESSED.intersection(other)
    return not mine or not its or mine <= its or its <= mine


def _is_telling(asked: tuple[str, ...]) -> bool:
    return any(len(word) >= _LEAST_WORD and not word.isdecimal() for word in asked)


def _is_part(asked: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """Whether it is the first or the last name of somebody, and nothing else makes that another one."""
    rest = set(name) - set(asked)
    return (
        _is_telling(asked)
        and set(asked) < set(name)
        and not rest & (_OTHER_THAN | _AGES)
        and not any(map(str.isdecimal, rest))
        and (name[: len(asked)] == asked or name[-len(asked) :] == asked)
    )


def _is_misspelt(asked: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """One letter within one long word; neither its first nor its last, and no number."""
    if len(asked) != len(name):
        return False
    differing = [(one, other) for one, other in zip(asked, name, strict=True) if one != other]
    if len(differing) != 1:
        return False
    ((one, other),) = differing
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 - 2 MB of memory, where somebody asks for characters

    long_enough = min(len(one), len(other)) >= _MISSPELT_WORD and one.isalpha() and other.isalpha()
    return (
        long_enough
        and one[0] == other[0]
        and one[-2:] == other[-2:]
        and Levenshtein.distance(one, other) == 1
    )


def _in_full(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_IN_FULL.get(word, word) for word in words if word != "and")


def _is_written_otherwise(asked: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """`J.A.R.V.I.S.` and `Jarvis`, `Spider-Man` and `Spiderman`; numbers stay apart as they are. Both in full."""
    return asked == name or ("".join(asked) == "".join(name) and _numbers(asked) == _numbers(name))


def _numbers(words: tuple[str, ...]) -> list[str]:
    return [number for word in words for number in re.findall(r"\d+", word)]


def score(asked: tuple[str, ...], character: str) -> float:
    """How sure a part's line means this name: 0, or `ENOUGH` to 100."""
    names = names_in(character)
    if asked in names:
        return WHOLE
    if sorted(asked) in map(sorted, names):
        return OTHERWISE_WRITTEN
    asked, names = _in_full(asked), frozenset(map(_in_full, names))
    if any(_is_written_otherwise(asked, name) for name in names):
        return OTHERWISE_WRITTEN
    plain = _plain(asked)
    if _is_telling(plain) and any(plain == _plain(name) and _addressed_alike(asked, name) for name in names):
        return PLAIN
    in_part = [name for name in names if _is_part(plain, _plain(name)) and _addressed_alike(asked, name)]
    if in_part:
        addressed = asked[: len(asked) - len(plain)]
        return IN_PART + any(bool(addressed) and set(addressed) <= set(name) for name in in_part)
    from rapidfuzz import fuzz  # noqa: PLC0415 - as above

    misspelt = (fuzz.ratio(" ".join(asked), " ".join(name)) for name in names if _is_misspelt(asked, name))
    best = max(misspelt, default=0.0)
    return min(best, IN_PART) if best >= ENOUGH else 0.0


@dataclass(frozen=True, slots=True)
class Match:
    """`part` is the one that is meant. None: nobody, or one of `ambiguous` and nobody can say which. With both, their actor said it."""

    part: CastPart | None = None
    score: float = 0.0
    ambiguous: tuple[CastPart, ...] = ()


def match(name: str, parts: Sequence[CastPart], *, actor: str | None = None) -> Match:
    """The part that is meant by a character's name, or by its actor's where they play themselves.

    Of several that are meant equally well it is nobody's, unless `actor` says whose; two lines of one actor are one.
    """
    asked = words_of(_NOTES.sub(" ", name))
    if not asked:
        return Match()
    exact = [part for part in parts if asked in names_in(part.character) and not is_self(part.character)]
    scored = [(WHOLE, part) for part in exact] or [(_score(asked, name, part), part) for part in parts]
    best = max((points for points, _ in scored), default=0.0)
    if best < ENOUGH:
        return Match()
    meant = [part for points, part in scored if points == best]
    if best == IN_PART:
        meant += [part for points, part in scored if not points and _may_be(asked, part.character)]
    ambiguous = tuple(meant) if _are_several(meant) else ()
    meant = [part for part in meant if actor and words_of(part.actor) == words_of(actor)] or meant
    if _are_several(meant):
        return Match(score=best, ambiguous=ambiguous)
    return Match(next((part for part in meant if part.picture), meant[0]), best, ambiguous)


def _are_several(parts: Iterable[CastPart]) -> bool:
    return len({(part.actor_id, words_of(part.actor)) for part in parts}) > 1


def _may_be(asked: tuple[str, ...], character: str) -> bool:
    """Whether it may be another one of the same name, a son's for instance."""
    plain = set(_plain(asked))
    return any(
        plain < set(name) and not _AGES & set(name) and _addressed_alike(asked, name)
        for name in names_in(character)
    )


def _score(asked: tuple[str, ...], name: str, part: CastPart) -> float:
    if is_self(part.character):
        return WHOLE if is_self(name) or asked == words_of(part.actor) else 0.0
    return 0.0 if is_self(name) else score(asked, part.character)


def is_called(text: str, *names: str) -> bool:
    """Whether a title that goes by these names is meant: the same words, or one misspelt."""
    asked = _in_full(words_of(text))
    return any(
        _is_written_otherwise(asked, words := _in_full(words_of(name))) or _is_misspelt(asked, words)
        for name in names
    )
