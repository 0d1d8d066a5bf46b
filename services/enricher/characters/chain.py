"""The chain: who is asked for a character's picture, in which order, what a find is worth, and why each lost."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from services.enricher.finder.artwork.casts import CastPart
from services.enricher.finder.artwork.source import Asking, Subject
from shared.pictures import Kind

MOST_TAKEN = 30.0
"""That a measure takes away from a score."""


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
    `parts`: the part that is meant, where somebody has found it already, by its source.
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


class Step(Protocol):
    """Who may have a picture. `last_resort`: asked only where nobody else has one."""

    @property
    def name(self) -> str: ...

    @property
    def last_resort(self) -> bool: ...

    async def look(self, wanted: WantedCharacter, worth: Worth, asking: Asking) -> StepAnswer: ...


def nothing(step: str, reason: str) -> StepAnswer:
    return StepAnswer(step=step, result=StepResult.NOTHING, reason=reason)


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
