"""The choice among candidates. It depends on nothing but them and the settings, and says why each other one lost."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from services.enricher.finder.artwork.candidate import Candidate
from services.enricher.finder.artwork.languages import country_in, two_letters
from shared.pictures import Role

WITHOUT_TEXT = frozenset({Role.FANART, Role.STILL, Role.PROFILE})
"""Roles in which text is a blemish, whatever is preferred elsewhere."""


ORIGINAL = "original"
"""Among the languages: that of the title's original."""

_OF_COUNTRIES = 3


class Textless(StrEnum):
    """When a picture without text is taken: before those in any language, after those in ours, or never."""

    FIRST = "first"
    LAST = "last"
    NEVER = "never"


def _strangeness(wanted: str | None, country: str | None) -> int:
    """Of a picture in the right language: of that country, of none that is said, of another."""
    if wanted is None or wanted == country:
        return 0
    return 1 if country is None else 2


class Reason(StrEnum):
    """What decided against a candidate. What stands first weighs more."""

    UNWANTED = "it has no text, and such pictures are not wanted"
    FOREIGN = "its language is none of ours"
    PROVIDER = "its provider comes later in the order"
    LANGUAGE = "its language comes later"
    SCORE = "its provider's users like it less"
    SIZE = "it has fewer pixels"
    ID = "all else was equal: its id comes later"


class Verdict(BaseModel):
    """`lost` None: this is the one."""

    model_config = ConfigDict(frozen=True)

    candidate: Candidate
    lost: Reason | None = None


class Choice(BaseModel):
    """Every candidate, the best first. Nothing is chosen where there is none that is wanted."""

    model_config = ConfigDict(frozen=True)

    verdicts: tuple[Verdict, ...] = ()

    @property
    def chosen(self) -> Candidate | None:
        return next((verdict.candidate for verdict in self.verdicts if verdict.lost is None), None)


@dataclass(frozen=True)
class Taste:
    """What is preferred: languages in their order, and what is thought of pictures without text."""

    languages: Sequence[str] = ("en",)
    textless: Textless = Textless.LAST

    def suits(self, candidate: Candidate) -> bool:
        """Whether no other provider needs to be asked for a better one."""
        unwanted, foreign, _ = self._fit(candidate)
        return not unwanted and not foreign

    def of_original(self, language: str | None) -> "Taste":
        """With the language of a title's original where `original` stands."""
        if ORIGINAL not in self.languages:
            return self
        languages = [language if one == ORIGINAL else one for one in self.languages]
        return Taste([one for one in languages if one], self.textless)

    def _fit(self, candidate: Candidate) -> tuple[bool, bool, int]:
        """Unwanted, foreign, and the place of its language, and in that of its country; the lowest is the best."""
        ours = [place for language in self.languages for place in [two_letters(language)] * _OF_COUNTRIES]
        without_text = candidate.role in WITHOUT_TEXT
        if candidate.textless:
            unwanted = self.textless is Textless.NEVER and not without_text
            first = self.textless is Textless.FIRST or without_text
            return unwanted, False, -1 if first else len(ours)
        if candidate.language is None:
            return False, False, len(ours) + 1
        known = candidate.language in ours
        if not known:
            return False, True, len(ours) + 2
        places = (
            _OF_COUNTRIES * place + _strangeness(country_in(language), candidate.country)
            for place, language in enumerate(self.languages)
            if two_letters(language) == candidate.language
        )
        return False, False, min(places)


def choose(candidates: Iterable[Candidate], order: Sequence[str], taste: Taste) -> Choice:
    """The best of the candidates of the providers in this order; those of others come last."""

    def key(candidate: Candidate) -> tuple[object, ...]:
        unwanted, foreign, language = taste._fit(candidate)  # noqa: SLF001 - one module's business
        place = order.index(candidate.provider) if candidate.provider in order else len(order)
        pixels = candidate.width * candidate.height
        last = (candidate.provider, candidate.id, candidate.source_url)
        return unwanted, foreign, place, language, -candidate.score, -pixels, last

    ranked = sorted(candidates, key=key)
    if not ranked:
        return Choice()
    best = key(ranked[0])
    return Choice(verdicts=tuple(Verdict(candidate=one, lost=_lost(key(one), best)) for one in ranked))


def _lost(key: tuple[object, ...], best: tuple[object, ...]) -> Reason | None:
    """The first point in which it is behind the best one; the best itself may be unwanted."""
    if key[0]:
        return Reason.UNWANTED
    return next(
        (reason for reason, mine, its in zip(Reason, key, best, strict=True) if mine != its),
        None,
    )
