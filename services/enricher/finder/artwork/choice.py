"""Which of the candidates a name shows: by the order of providers, languages and scores that are set. The same candidates always give the same choice."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.pictures import Kind, Role
from shared.settings import CommaList, Settings


@cache
def two_letters(code: str) -> str:
    """`eng` and `en-US` are `en`. What has no two letters (`yue`), or is no language, stays as it is."""
    plain = code.strip().lower().partition("-")[0]
    if len(plain) <= 2:  # noqa: PLR2004 - two letters already
        return plain
    from babelfish import (  # type: ignore[import-untyped] # noqa: PLC0415 - as it is, and long to load
        Error,
        Language,
    )

    try:
        return str(Language(plain).alpha2)
    except (Error, ValueError):
        return "zh" if plain == "zhtw" else plain


_TVDB_COUNTRIES = {"pt": "BR", "por": "PT", "zhtw": "TW", "zho": "CN"}


def country_in(code: str) -> str | None:
    """Of `pt-BR` it is `BR`."""
    country = code.strip().partition("-")[2].upper()
    return country if len(country) == 2 and country.isalpha() else None  # noqa: PLR2004 - two letters


def country_of_tvdb(code: str) -> str | None:
    """Some of TVDB's languages are those of one country."""
    return _TVDB_COUNTRIES.get(code.strip().lower())


ROLES = {
    Kind.SERIES: {Role.IMAGE: Role.POSTER, Role.COVER: Role.POSTER},
    Kind.MOVIE: {Role.IMAGE: Role.POSTER, Role.COVER: Role.POSTER},
    Kind.SEASON: {Role.IMAGE: Role.POSTER, Role.COVER: Role.POSTER},
    Kind.COLLECTION: {Role.IMAGE: Role.POSTER, Role.COVER: Role.POSTER, Role.THUMBNAIL: Role.POSTER},
    Kind.EPISODE: {Role.IMAGE: Role.STILL, Role.THUMBNAIL: Role.STILL, Role.FANART: Role.STILL},
    Kind.PERSON: {
        Role.IMAGE: Role.PROFILE,
        Role.PORTRAIT: Role.PROFILE,
        Role.AVATAR: Role.PROFILE,
        Role.THUMBNAIL: Role.PROFILE,
    },
    Kind.BOOK: {Role.IMAGE: Role.COVER, Role.POSTER: Role.COVER, Role.THUMBNAIL: Role.COVER},
    Kind.CHARACTER: {
        Role.IMAGE: Role.PORTRAIT,
        Role.PROFILE: Role.PORTRAIT,
        Role.AVATAR: Role.PORTRAIT,
        Role.THUMBNAIL: Role.PORTRAIT,
    },
}
"""What providers have of each kind under another word."""


INSTEAD = {Role.THUMBNAIL: Role.POSTER}
"""What is shown in a role that a provider may have pictures for, where none has one."""


def role_of(kind: Kind, role: Role) -> Role:
    """The role that providers' pictures of this kind are in, for the one that was asked for."""
    return ROLES.get(kind, {}).get(role, role)


class Candidate(BaseModel):
    """`language`: ISO 639-1; None: it is not said, or there is no text in it (`textless`). `country`: ISO 3166-1, whose
    variant of the language it is, where that is said.

    `score` compares only with others of its provider; `width` and `height` are in pixels, 0 where they are not
    said; `id` is what the provider calls it.
    """

    model_config = ConfigDict(frozen=True)

    source_url: str
    provider: str
    role: Role
    id: str
    language: str | None = None
    country: str | None = None
    textless: bool = False
    score: float = 0
    width: int = 0
    height: int = 0


class Gallery(BaseModel):
    """A provider's pictures of one subject, in all roles."""

    model_config = ConfigDict(frozen=True)

    candidates: tuple[Candidate, ...] = ()

    def of(self, role: Role) -> Self:
        return self.model_copy(update={"candidates": tuple(c for c in self.candidates if c.role is role)})


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


class ArtworkSettings(Settings):
    """An order that is empty: that of the registry, but first those that know the id without another's help."""

    series: CommaList = Field((), validation_alias="PROVIDER_ORDER_SERIES")
    movie: CommaList = Field((), validation_alias="PROVIDER_ORDER_MOVIE")
    season: CommaList = Field((), validation_alias="PROVIDER_ORDER_SEASON")
    episode: CommaList = Field((), validation_alias="PROVIDER_ORDER_EPISODE")
    person: CommaList = Field((), validation_alias="PROVIDER_ORDER_PERSON")
    collection: CommaList = Field((), validation_alias="PROVIDER_ORDER_COLLECTION")
    textless: Textless = Field(Textless.LAST, validation_alias="TEXTLESS")

    @field_validator("series", "movie", "season", "episode", "person", "collection")
    @classmethod
    def _once(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(order)) < len(order):
            raise ValueError("The order has each provider once at most.")
        return order

    @property
    def named(self) -> frozenset[str]:
        """Every provider that stands in an order."""
        return frozenset(name for order in self._orders.values() for name in order)

    def order(self, kind: Kind) -> tuple[str, ...]:
        """Empty of a kind that one provider alone has."""
        return self._orders.get(kind, ())

    @property
    def _orders(self) -> Mapping[Kind, tuple[str, ...]]:
        return {
            Kind.SERIES: self.series,
            Kind.MOVIE: self.movie,
            Kind.SEASON: self.season,
            Kind.EPISODE: self.episode,
            Kind.PERSON: self.person,
            Kind.COLLECTION: self.collection,
        }
