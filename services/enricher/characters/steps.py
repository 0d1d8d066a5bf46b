"""The chain's steps: an operator's files, what the database has, providers' casts, and the last resort."""

import asyncio
from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol

from services.enricher.characters.chain import (
    CharacterCandidate,
    ImageSource,
    StepAnswer,
    StepResult,
    WantedCharacter,
    Worth,
    nothing,
)
from services.enricher.characters.matching import Match, match
from services.enricher.characters.title_casts import TitleCasts
from services.enricher.characters.urls import CharacterUrls, is_generated
from services.enricher.finder.artwork.casts import Cast, CastPart
from services.enricher.finder.artwork.source import Asking
from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome, Pending, Unavailable
from services.enricher.pictures.shown import known_id
from shared.pictures import Kind

CHAIN = "curated:100 generated:80 tvdb:70/65 tmdb:50/45 create:80"


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

    name: ClassVar[str] = ""
    last_resort: ClassVar[bool] = False
    source: ClassVar[ImageSource]

    def __init__(self, casts: TitleCasts, urls: CharacterUrls) -> None:
        self._casts = casts
        self._urls = urls

    async def look(self, wanted: WantedCharacter, worth: Worth, asking: Asking) -> StepAnswer:
        if part := wanted.parts.get(self.name):
            return self._of_part(part, worth.first, f"It is number {part.character_id} there.")
        if self.name not in self._casts.names:
            return StepAnswer(step=self.name, result=StepResult.NOT_SET_UP, reason=f"{self.name} has no key.")
        lacks: list[StepAnswer] = []
        for title, outcomes in await self._casts.of(self.name, wanted, asking):
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
        answer = self._of_part(meant.part, score, why)
        return answer.model_copy(update={"ambiguous": _named(meant.ambiguous)})

    def score(self, worth: Worth, kind: Kind, *, stale: bool) -> float:
        raise NotImplementedError

    def _nobody(self, meant: Match, cast: Cast) -> StepAnswer:
        if not meant.ambiguous:
            return nothing(self.name, f"Nobody in the cast of {cast.title} is called so.")
        reason = "Several characters may be meant: say the whole name, or the actor."
        ambiguous = _named(meant.ambiguous)
        return StepAnswer(step=self.name, result=StepResult.AMBIGUOUS, reason=reason, ambiguous=ambiguous)

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
    source = ImageSource.TVDB

    def score(self, worth: Worth, kind: Kind, *, stale: bool) -> float:  # noqa: ARG002 - a series' is worth as much as a movie's
        return worth.second if stale else worth.first


class OfTmdb(OfCast):
    name = "tmdb"
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


def worths_of(chain: str) -> dict[str, Worth]:
    """`curated:100 tvdb:70/65`. Raise ValueError for anything else."""
    worths: dict[str, Worth] = {}
    for word in chain.replace(",", " ").split():
        name, _, scores = word.partition(":")
        first, _, second = scores.partition("/")
        try:
            worth = Worth(float(first), float(second or first))
        except ValueError:
            raise ValueError(f"a step is written as tvdb:70/65, and not {word!r}") from None
        if name not in STEPS or name in worths or not 0 <= worth.second <= worth.first <= 100:  # noqa: PLR2004 - the best score
            raise ValueError(
                f"a step is one of {', '.join(STEPS)}, each once, worth 100 at most: not {word!r}"
            )
        worths[name] = worth
    return worths


def _named(parts: Iterable[CastPart]) -> tuple[str, ...]:
    return tuple(f"{part.character} ({part.actor})" for part in parts)


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
