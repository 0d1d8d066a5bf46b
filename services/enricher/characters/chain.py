"""The chain, as data: who is asked for a character's picture, in which order, what a find is worth, and why each lost."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from services.enricher.characters.matching import Match, is_called, match
from services.enricher.characters.urls import CharacterUrls, is_generated
from services.enricher.finder.artwork.casts import Cast, CastPart, Casts, NamedTitle, NamedTitles
from services.enricher.finder.artwork.source import Asking, Subject
from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome, Pending, Unavailable
from services.enricher.pictures.shown import known_id
from shared.pictures import Kind

NAMESAKES = 3
"""Titles of one kind and the same name whose casts are looked at."""

MOST_TAKEN = 30.0
"""That a measure takes away from a score."""

CHAIN = "curated:100 generated:80 tvdb:70/65 tmdb:50/45 create:80"


class ImageSource(StrEnum):
    """What the table calls where a picture comes from."""

    CHARACTER_SPECIFIC = "character_specific"
    AI_GENERATED = "ai_generated"
    TVDB = "tvdb"
    TMDB = "tmdb"


@dataclass(frozen=True, slots=True)
class WantedCharacter:
    """A character of a title, as somebody named them. `subject`: which title it is, where that is known.

    `cast_limit`: so many of a cast are looked through; None: all. `profile_path`: what the database has of the character.
    `part`: the part that is meant, where somebody has found it already, by its source.
    """

    name: str
    title: str
    year: int | None = None
    kind: Kind | None = None
    actor: str | None = None
    subject: Subject | None = None
    cast_limit: int | None = None
    profile_path: str | None = None
    parts: Mapping[str, CastPart] = field(default_factory=dict)
    character_id: str = ""

    @property
    def whole_title(self) -> str:
        """With its year, where that was said."""
        return f"{self.title} ({self.year})" if self.year else self.title


class CharacterCandidate(BaseModel):
    """A picture that a step found. `score` is the step's; `penalty` is what its measure takes away, None: not measured yet."""

    model_config = ConfigDict(frozen=True)

    step: str
    source: ImageSource
    image_url: str = Field(description="Qualified, at whoever has it")
    score: float
    penalty: float | None = None
    why: str = Field(description="How it was found, and what its measure says")
    external_character_id: int | None = None
    actor: str | None = None
    profile_path: str | None = None
    picture_id: str | None = Field(None, description="Of its original with us, stored or not")

    @property
    def worth(self) -> float:
        return self.score - (self.penalty or 0.0)


class StepResult(StrEnum):
    PICTURE = "picture"
    NOTHING = "nothing"
    AMBIGUOUS = "ambiguous"
    FAILED = "failed"
    NOT_SET_UP = "not_set_up"
    NOT_ASKED = "not_asked"


class StepAnswer(BaseModel):
    """What came of one step. `reason`: a sentence; `lost`: why another picture was taken, absent for the one that was."""

    model_config = ConfigDict(frozen=True)

    step: str
    result: StepResult
    reason: str = ""
    candidate: CharacterCandidate | None = None
    lost: str | None = None
    ambiguous: tuple[str, ...] = ()


class ChainResult(BaseModel):
    """`answers` are in the chain's order."""

    model_config = ConfigDict(frozen=True)

    chosen: CharacterCandidate | None
    answers: tuple[StepAnswer, ...]

    @property
    def candidates(self) -> tuple[CharacterCandidate, ...]:
        return tuple(answer.candidate for answer in self.answers if answer.candidate)

    @property
    def ambiguous(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one for answer in self.answers for one in answer.ambiguous))

    @property
    def reason(self) -> str:
        """Why there is none: what each step said."""
        return " ".join(f"{answer.step}: {answer.reason}" for answer in self.answers if answer.reason)


@dataclass(frozen=True, slots=True)
class Worth:
    """Of a step: what a find is worth, and one that is second-best in the step's own way."""

    first: float
    second: float

    @classmethod
    def read(cls, chain: str) -> dict[str, Self]:
        """`curated:100 tvdb:70/65`. Raise ValueError for anything else."""
        worths: dict[str, Self] = {}
        for word in chain.replace(",", " ").split():
            name, _, scores = word.partition(":")
            first, _, second = scores.partition("/")
            try:
                worth = cls(float(first), float(second or first))
            except ValueError:
                raise ValueError(f"a step is written as tvdb:70/65, and not {word!r}") from None
            if name not in STEPS or name in worths or not 0 <= worth.second <= worth.first <= 100:  # noqa: PLR2004 - the best score
                raise ValueError(
                    f"a step is one of {', '.join(STEPS)}, each once, worth 100 at most: not {word!r}"
                )
            worths[name] = worth
        return worths


class Step(Protocol):
    """Who may have a picture. `last_resort`: asked only where nobody else has one."""

    @property
    def name(self) -> str: ...

    @property
    def last_resort(self) -> bool: ...

    async def look(self, wanted: WantedCharacter, worth: Worth, asking: Asking) -> StepAnswer: ...


class OwnFiles(Protocol):
    """Pictures that an operator put into a folder."""

    def of_character(self, name: str) -> str | None:
        """The name of a file; None: there is none."""


class Curated:
    name: ClassVar[str] = "curated"
    last_resort: ClassVar[bool] = False

    def __init__(self, files: OwnFiles, urls: CharacterUrls) -> None:
        self._files = files
        self._urls = urls

    async def look(self, wanted: WantedCharacter, worth: Worth, asking: Asking) -> StepAnswer:  # noqa: ARG002 - it waits for nothing
        file = self._files.of_character(wanted.name)
        if file is None:
            return nothing(self.name, "No file is called after the character.")
        return found(
            self.name,
            ImageSource.CHARACTER_SPECIFIC,
            self._urls.own(file),
            worth.first,
            f"The file {file} is the character's.",
        )


class Generated:
    name: ClassVar[str] = "generated"
    last_resort: ClassVar[bool] = False

    def __init__(self, urls: CharacterUrls) -> None:
        self._urls = urls

    async def look(self, wanted: WantedCharacter, worth: Worth, asking: Asking) -> StepAnswer:  # noqa: ARG002 - as Curated
        path = wanted.profile_path
        if not path:
            return nothing(self.name, "The database has no picture of the character.")
        if not is_generated(path):
            return nothing(self.name, "What the database has is not called like a generated picture.")
        url = self._urls.qualified(path)
        why = "The database has a generated picture."
        return found(self.name, ImageSource.AI_GENERATED, url, worth.first, why, profile_path=path)


class OfCast:
    """A provider's cast of the title. Who is meant is told by name."""

    def __init__(self, casts: "TitleCasts", urls: CharacterUrls) -> None:
        self._casts = casts
        self._urls = urls

    async def look(self, wanted: WantedCharacter, worth: Worth, asking: Asking) -> StepAnswer:
        if part := wanted.parts.get(self.name):
            return self._of_part(part, worth.first, f"It is number {part.character_id} there.")
        if self.name not in self._casts.names:
            return StepAnswer(step=self.name, result=StepResult.NOT_SET_UP, reason=f"{self.name} has no key.")
        lacks: list[StepAnswer] = []
        for title, outcomes in await self._casts.of(self.name, wanted, self.kinds, asking):
            answers = [self._of_cast(outcome, wanted, title, worth) for outcome in outcomes]
            pictures = [answer for answer in answers if answer.candidate]
            if len(pictures) == 1:
                return pictures[0]
            if pictures:
                return StepAnswer(
                    step=self.name,
                    result=StepResult.AMBIGUOUS,
                    reason="Several titles of this name have such a character: say the year.",
                    ambiguous=tuple(f"{one.candidate.why}" for one in pictures if one.candidate),
                )
            lacks += answers
        weighty = [lack for lack in lacks if lack.result is not StepResult.NOTHING]
        return next(iter(weighty or lacks), nothing(self.name, "There is no such title."))

    name: ClassVar[str] = ""
    last_resort: ClassVar[bool] = False
    kinds: ClassVar[tuple[Kind, ...]] = ()
    source: ClassVar[ImageSource]

    def _of_cast(
        self, outcome: Outcome[Cast], wanted: WantedCharacter, kind: Kind, worth: Worth
    ) -> StepAnswer:
        if not isinstance(outcome, Found):
            return lack_of(self.name, outcome)
        cast = outcome.value
        limit = wanted.cast_limit
        parts = [part for part in cast.parts if limit is None or part.place < limit]
        meant = match(wanted.name, parts, actor=wanted.actor)
        if meant.part is None:
            return self._nobody(meant, cast)
        score = self.score(worth, kind, stale=outcome.stale)
        why = f"{meant.part.character} in {cast.title} ({kind}), sure to {meant.score:.0f} of 100."
        return self._of_part(meant.part, score, why)

    def score(self, worth: Worth, kind: Kind, *, stale: bool) -> float:
        raise NotImplementedError

    def _nobody(self, meant: Match, cast: Cast) -> StepAnswer:
        if not meant.ambiguous:
            return nothing(self.name, f"Nobody in the cast of {cast.title} is called so.")
        told = tuple(f"{part.character} ({part.actor})" for part in meant.ambiguous)
        reason = "Several characters may be meant: say the whole name, or the actor."
        return StepAnswer(step=self.name, result=StepResult.AMBIGUOUS, reason=reason, ambiguous=told)

    def _of_part(self, part: CastPart, score: float, why: str) -> StepAnswer:
        if not part.picture:
            return nothing(self.name, f"It has no picture of {part.character}.")
        return found(
            self.name,
            self.source,
            self._urls.shown_as(part.picture),
            score,
            why,
            external_character_id=part.character_id,
            actor=part.actor or None,
            profile_path=part.picture,
            picture_id=known_id(part.picture),
        )


class OfTvdb(OfCast):
    name = "tvdb"
    kinds = (Kind.SERIES, Kind.MOVIE)
    source = ImageSource.TVDB

    def score(self, worth: Worth, kind: Kind, *, stale: bool) -> float:  # noqa: ARG002 - a series' is worth as much as a movie's
        return worth.second if stale else worth.first


class OfTmdb(OfCast):
    name = "tmdb"
    kinds = (Kind.MOVIE, Kind.SERIES)
    source = ImageSource.TMDB

    def score(self, worth: Worth, kind: Kind, *, stale: bool) -> float:  # noqa: ARG002 - old news is as good here
        return worth.first if kind is Kind.MOVIE else worth.second


class GenerationFailed(Exception):
    """Nothing was made; the text says why."""


class GenerationPending(GenerationFailed):
    """It is still being made, and will be found another time."""


class Generator(Protocol):
    """Makes a picture of a character that nobody has. 5 to 15 seconds."""

    async def generate(self, name: str, title: str) -> str:
        """The name of its file among our own pictures: `anonymous_{uuid}.jpg`. Raise GenerationFailed."""


class Create:
    name: ClassVar[str] = "create"
    last_resort: ClassVar[bool] = True

    def __init__(
        self,
        generator: Generator | None,
        urls: CharacterUrls,
        timed: Callable[[float], None],
        failed: Callable[[], None],
    ) -> None:
        """`timed` hears how many seconds it took, `failed` that nothing came of it."""
        self._generator = generator
        self._urls = urls
        self._timed = timed
        self._failed = failed

    async def look(self, wanted: WantedCharacter, worth: Worth, asking: Asking) -> StepAnswer:  # noqa: ARG002 - it takes what it takes
        if self._generator is None:
            reason = "Making pictures is not set up."
            return StepAnswer(step=self.name, result=StepResult.NOT_SET_UP, reason=reason)
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            file = await self._generator.generate(wanted.name, wanted.whole_title)
        except GenerationFailed as error:
            if not isinstance(error, GenerationPending):
                self._failed()
            return StepAnswer(step=self.name, result=StepResult.FAILED, reason=str(error))
        self._timed(clock() - began)
        url, path = self._urls.own(file), file
        why = "It was made just now."
        return found(self.name, ImageSource.AI_GENERATED, url, worth.first, why, profile_path=path)


STEPS = (Curated.name, Generated.name, OfTvdb.name, OfTmdb.name, Create.name)


def nothing(step: str, reason: str) -> StepAnswer:
    return StepAnswer(step=step, result=StepResult.NOTHING, reason=reason)


def found(
    step: str,
    source: ImageSource,
    image_url: str,
    score: float,
    why: str,
    *,
    external_character_id: int | None = None,
    actor: str | None = None,
    profile_path: str | None = None,
    picture_id: str | None = None,
) -> StepAnswer:
    candidate = CharacterCandidate(
        step=step,
        source=source,
        image_url=image_url,
        score=score,
        why=why,
        external_character_id=external_character_id,
        actor=actor,
        profile_path=profile_path,
        picture_id=picture_id,
    )
    return StepAnswer(step=step, result=StepResult.PICTURE, candidate=candidate)


def lack_of(step: str, outcome: NotFound | Pending | Unavailable) -> StepAnswer:
    """Providers' errors are told apart: that there is nothing, that it is late, and why it failed."""
    match outcome:
        case NotFound():
            return nothing(step, "It does not know the title.")
        case Pending():
            return StepAnswer(step=step, result=StepResult.FAILED, reason=f"{step} did not answer in time.")
        case Unavailable(reason=reason, misconfigured=misconfigured):
            result = StepResult.NOT_SET_UP if misconfigured else StepResult.FAILED
            return StepAnswer(step=step, result=result, reason=reason)


class TitleCasts:
    """Casts of titles that are named, kind after kind."""

    def __init__(self, casts: Casts) -> None:
        self._casts = casts

    @property
    def names(self) -> frozenset[str]:
        return self._casts.names

    async def character(self, number: int, asking: Asking) -> Outcome[Cast]:
        """Whom a provider calls by this number, in their title."""
        return await self._casts.character(number, asking)

    async def of(
        self, source: str, wanted: WantedCharacter, kinds: Sequence[Kind], asking: Asking
    ) -> Sequence[tuple[Kind, Sequence[Outcome[Cast]]]]:
        """Of each kind in this order the casts of the titles that are meant, all asked for at once."""
        if wanted.subject:
            return [(wanted.subject.kind, [await self._casts.of(source, wanted.subject, asking)])]
        kinds = [kind for kind in kinds if wanted.kind in (None, kind)]
        found = await self._casts.called(source, wanted.title, kinds, asking)
        return await asyncio.gather(
            *(
                self._of_kind(source, kind, outcome, wanted, asking)
                for kind, outcome in zip(kinds, found, strict=True)
            )
        )

    async def _of_kind(
        self, source: str, kind: Kind, named: Outcome[NamedTitles], wanted: WantedCharacter, asking: Asking
    ) -> tuple[Kind, Sequence[Outcome[Cast]]]:
        if not isinstance(named, Found):
            return kind, [named]
        meant = meant_titles(named.value.titles, wanted.title, wanted.year)
        asked = (self._casts.of(source, Subject(kind=kind, ids=one.ids), asking) for one in meant)
        return kind, await asyncio.gather(*asked)


def meant_titles(titles: Iterable[NamedTitle], title: str, year: int | None) -> list[NamedTitle]:
    """Those that are called so, and of that year or the ones beside it where one is said."""
    called = [one for one in titles if is_called(title, one.name, *one.names)]
    if year is not None:
        by_distance = sorted(
            (abs((one.year or 0) - year), place) for place, one in enumerate(called) if one.year
        )
        called = [called[place] for distance, place in by_distance[:1] if distance <= 1]
    return called[:NAMESAKES]


Measure = Callable[[CharacterCandidate], Awaitable[float | None]]
"""What a picture's measure takes away from its score; None: it was never stored."""


class Chain:
    """`steps` in their order, each with what a find is worth."""

    def __init__(self, steps: Sequence[tuple[Step, Worth]], measure: Measure) -> None:
        self._steps = steps
        self._measure = measure

    async def run(
        self,
        wanted: WantedCharacter,
        asking: Asking,
        *,
        without: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
        may_create: bool = True,
    ) -> ChainResult:
        """Ask until nobody who comes later could have a better one. `without`: URLs that were dropped; `only`: steps."""
        answers: list[StepAnswer] = []
        for place, (step, worth) in enumerate(self._steps):
            best = max((answer.candidate.worth for answer in answers if answer.candidate), default=-1.0)
            better = any(best < other.first for later, other in self._steps[place:] if not later.last_resort)
            wanted_still = best < 0 if step.last_resort else better
            if not wanted_still or (only is not None and step.name not in only):
                answers.append(StepAnswer(step=step.name, result=StepResult.NOT_ASKED))
            elif step.last_resort and not may_create:
                reason = "A picture is made only for who shows a token."
                answers.append(StepAnswer(step=step.name, result=StepResult.NOT_ASKED, reason=reason))
            else:
                answers.append(await self._asked(step, worth, wanted, asking, without))
        return decided(answers)

    async def explain(
        self, wanted: WantedCharacter, asking: Asking, *, without: frozenset[str] = frozenset()
    ) -> ChainResult:
        """The same with all steps that cost nothing asked."""
        asked = [(step, worth) for step, worth in self._steps if not step.last_resort]
        answers = await asyncio.gather(
            *(self._asked(step, worth, wanted, asking, without) for step, worth in asked)
        )
        rest = [
            StepAnswer(
                step=step.name, result=StepResult.NOT_ASKED, reason="It is asked where nobody has a picture."
            )
            for step, _ in self._steps
            if step.last_resort
        ]
        return decided([*answers, *rest])

    async def _asked(
        self, step: Step, worth: Worth, wanted: WantedCharacter, asking: Asking, without: frozenset[str]
    ) -> StepAnswer:
        answer = await step.look(wanted, worth, asking)
        candidate = answer.candidate
        if candidate is None:
            return answer
        if candidate.image_url in without:
            return nothing(step.name, "Its picture was reported, or is dead.")
        if candidate.source is ImageSource.CHARACTER_SPECIFIC:
            return answer
        return answer.model_copy(update={"candidate": measured(candidate, await self._measure(candidate))})


def measured(candidate: CharacterCandidate, penalty: float | None) -> CharacterCandidate:
    """A curated picture is what it is; of any other at most `MOST_TAKEN` is taken away."""
    if penalty is None:
        return candidate
    taken = min(penalty, MOST_TAKEN)
    why = f"{candidate.why} Its measure takes away {taken:.0f}." if taken else candidate.why
    return candidate.model_copy(update={"penalty": taken, "why": why})


def decided(answers: Sequence[StepAnswer]) -> ChainResult:
    """The candidate that is worth most, the first of several; and of each other one why it lost."""
    candidates = [answer.candidate for answer in answers if answer.candidate]
    chosen = max(candidates, key=lambda one: one.worth, default=None)
    told = [
        answer.model_copy(update={"lost": f"{answer.candidate.worth:.0f} is less than {chosen.worth:.0f}."})
        if chosen and answer.candidate and answer.candidate is not chosen
        else answer
        for answer in answers
    ]
    return ChainResult(chosen=chosen, answers=tuple(told))
