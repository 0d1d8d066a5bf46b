"""Pictures of characters: from the fast tier, the table or the chain; and what is done to many of them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Protocol

import structlog
from cachetools import LRUCache

from services.enricher.characters.answers import (
    BatchAnswer,
    CharacterAnswers,
    CharacterImageAnswer,
    CharacterStatistics,
    PreloadAnswer,
)
from services.enricher.characters.chain import (
    Chain,
    ChainResult,
    ImageSource,
    WantedCharacter,
)
from services.enricher.characters.chosen import WATCHED_AT_MOST, ChosenPictures
from services.enricher.characters.fast_cache import FAST_PREFIX, FastCache, id_key, name_key
from services.enricher.characters.files import CharacterFiles
from services.enricher.characters.matching import folded, words_of
from services.enricher.characters.store import (
    Character,
    CharacterImage,
    CharacterTable,
    character_id,
    subject_in,
    subject_text,
)
from services.enricher.characters.title_casts import TitleCasts
from services.enricher.characters.urls import CharacterUrls
from services.enricher.database.database import DatabaseUnavailable
from services.enricher.finder.artwork.casts import CastPart
from services.enricher.finder.artwork.source import Asking, Subject
from services.enricher.finder.metadata.outcomes import Found, NotFound
from services.enricher.finder.providers import Urgency
from shared.http import Problem
from shared.pictures import SourceUrl
from shared.telemetry import Metrics

WITHIN = timedelta(seconds=10)
"""For providers."""

BETWEEN_BATCHES_S = 1.0
PRELOADED_AT_ONCE = 16
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Of what the fast tier holds, in seconds: a look-up by name and title, one by id."""

    by_name_s: float
    by_id_s: float


class SearchByWords(Protocol):
    async def __call__(self, words: str, *, may_pay: bool) -> str:
        """The URL of a picture; empty where there is none. `may_pay` false: what is known already."""


class CharacterImages:
    """Raises DatabaseUnavailable."""

    def __init__(
        self,
        chain: Chain,
        casts: TitleCasts,
        table: CharacterTable,
        *,
        fast: FastCache,
        files: CharacterFiles,
        urls: CharacterUrls,
        chosen: ChosenPictures,
        answers: CharacterAnswers,
        lifetimes: Lifetimes,
        batch_size: int,
        cast_limit: int,
        metrics: Metrics,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._chain = chain
        self._casts = casts
        self.table = table
        self.fast = fast
        self._files = files
        self._urls = urls
        self.chosen = chosen
        self._answers = answers
        self._lifetimes = lifetimes
        self._batch_size = batch_size
        self._cast_limit = cast_limit
        self._metrics = metrics
        self._now = now
        self._sleep = sleep
        self._flights: dict[object, asyncio.Future[CharacterImageAnswer]] = {}
        self._changes: LRUCache[str, int] = LRUCache(WATCHED_AT_MOST)
        self.search: SearchByWords | None = None

    async def at_hand(self, name: str, title: str) -> bytes | None:
        """The whole answer as JSON, where the fast tier has it."""
        kept = await self.fast.get(name_key(name, title))
        if kept:
            self._count("fast")
        return kept

    async def by_name(
        self, wanted: WantedCharacter, *, force: bool = False, may_create: bool = False
    ) -> CharacterImageAnswer:
        """Of the character that is meant. `force`: whatever is known, the chain is asked."""
        wanted = replace(wanted, cast_limit=self._cast_limit)
        key = name_key(wanted.name, wanted.whole_title)
        return await self._answer(wanted, key, self._lifetimes.by_name_s, force=force, may_create=may_create)

    async def by_id(self, id_: str, *, force: bool = False, may_create: bool = False) -> CharacterImageAnswer:
        """By our id, a UUID, or by the number that others have. Raise Problem where nobody knows it."""
        wanted = await self._of_id(id_)
        # By our id also where another's number was given: what is known of a character is forgotten by ours.
        key = id_key(_id_of(wanted), wanted.name, wanted.whole_title)
        return await self._answer(wanted, key, self._lifetimes.by_id_s, force=force, may_create=may_create)

    async def batch(self, ids: Sequence[str], *, force: bool = False) -> BatchAnswer:
        """So many at once, and a pause between, not after, each so many. One that fails fails alone."""
        results: dict[str, CharacterImageAnswer] = {}
        ids = list(dict.fromkeys(ids))
        batches = [ids[begin : begin + self._batch_size] for begin in range(0, len(ids), self._batch_size)]
        for number, some in enumerate(batches):
            if number:
                await self._sleep(BETWEEN_BATCHES_S)
            answers = await asyncio.gather(
                *(self.by_id(id_, force=force) for id_ in some), return_exceptions=True
            )
            results |= {id_: _as_answer(id_, answer) for id_, answer in zip(some, answers, strict=True)}
        succeeded = sum(answer.success for answer in results.values())
        return BatchAnswer(
            results=results,
            succeeded=succeeded,
            failed=len(results) - succeeded,
            batches=len(batches),
        )

    async def enhance(self, wanted: WantedCharacter, source: str | None) -> CharacterImageAnswer:
        """From one source alone, or from whoever has one."""
        if source is None:
            return await self.by_name(wanted)
        wanted = replace(wanted, cast_limit=self._cast_limit)
        if source == DATABASE:
            rows = [row for row in await self._rows(wanted) if not row.dropped]
            if rows:
                self._count("table")
                return self._answers.of_row(rows[0])
        step = frozenset({GENERATED if source == DATABASE else source})
        result = await self._run(await self._known(wanted), only=step, may_create=False)
        return await self._told(wanted, result)

    async def preload(self, wanted: WantedCharacter) -> PreloadAnswer:
        """Every character of a title, with one request for its cast to each provider that knows it."""
        asking = Asking(self._now() + WITHIN, Urgency.LATER)
        parts, reasons = await self._casts.whole(wanted, asking)
        known = {folded(one.name): one for one in await self.table.of_title(wanted.whole_title)}
        seats = asyncio.Semaphore(PRELOADED_AT_ONCE)

        async def one(part: CastPart) -> tuple[Character, ChainResult]:
            character = known.get(folded(part.character)) or Character.called(
                part.character, wanted.whole_title
            )
            whole = replace(
                wanted,
                name=character.name,
                actor=part.actor or None,
                profile_path=character.profile_path,
                character_id=character.id,
            )
            async with seats:
                return character, await self._chain.run(whole, asking, may_create=False)

        results = await asyncio.gather(*(one(part) for part in parts))
        await self.table.keep(
            [
                (_with(character, wanted, result), result.candidates)
                for character, result in results
                if result.candidates
            ]
        )
        chosen = [(character.id, result.chosen) for character, result in results if result.chosen]
        await asyncio.gather(*(self.chosen.take(id_, one) for id_, one in chosen))
        return PreloadAnswer(
            movie_title=wanted.whole_title,
            characters=len(parts),
            found=len(chosen),
            by_source=Counter(one.source for _, one in chosen),
            reasons=reasons,
        )

    async def cast(self, wanted: WantedCharacter) -> Sequence[str]:
        """The names of a title's characters."""
        parts, _ = await self._casts.whole(wanted, Asking(self._now() + WITHIN, Urgency.LATER))
        return [part.character for part in parts]

    async def explain(self, wanted: WantedCharacter) -> ChainResult:
        """Every step's candidate, and why it was taken or not."""
        known = await self._known(replace(wanted, cast_limit=self._cast_limit))
        asking = Asking(self._now() + WITHIN)
        return await self._chain.explain(known, asking, without=await self._dropped(known))

    async def statistics(self) -> CharacterStatistics:
        return CharacterStatistics(
            total_cached_images=await self.table.count(),
            cache_ttl=int(self._lifetimes.by_name_s),
            batch_size=self._batch_size,
            fast_entries=await self.fast.count("char_img"),
        )

    async def report(self, name: str, title: str, image_url: str | None, reason: str) -> int:
        """Somebody says that a picture is wrong, or dead: it drops out. How many did."""
        images = [row for row in await self.table.images(character_id(name, title)) if not row.dropped]
        if image_url:
            same = {image_url, self._urls.qualified(image_url)}
            images = [row for row in images if {row.image_url, self._answers.shown(row)} & same]
        for row in images[:1] if not image_url else images:
            await self.drop(row, reason)
        return len(images[:1] if not image_url else images)

    async def drop(self, row: CharacterImage, reason: str) -> None:
        await self.table.drop(row, reason)
        await self._forget(row.character_id, row.character_name, row.movie_title)

    async def register(self, character: Character) -> Character:
        """What the database has of a character: its number elsewhere, and the path of its picture."""
        await self.table.keep([(character, ())])
        await self._forget(character.id, character.name, character.title)
        return await self.table.character(character.id) or character

    async def portrait(self, id_: str) -> SourceUrl | str | None:
        """What a character's name shows, by our id: where it comes from; a sentence where nobody has one; None: no such id."""
        character = await self.table.character(id_)
        if character is None:
            return None
        answer = await self.by_id(id_)
        if not answer.success or not answer.source_url:
            return answer.reason or "Nobody has a picture of this character."
        try:
            return SourceUrl.parse(self._urls.fetched_from(answer.source_url))
        except ValueError:
            return "Its picture is one of our own, and is not here."

    def profile_image(
        self,
        media_id: str,
        actor_id: str,
        character: str | None,
        actor: str | None,
        profile_path: str | None,
    ) -> str | None:
        """Of a member of a cast, qualified."""
        files = self._files.of_cast_member(media_id, actor_id, character, actor)
        return self._urls.profile(files, profile_path)

    async def searched(self, words: str, *, may_pay: bool) -> str | None:
        """The last resort, where somebody searches: a picture by words, which may be anybody's."""
        return await self.search(words, may_pay=may_pay) or None if self.search else None

    def title_image(self, title: str, poster_path: str | None, cover: str | None) -> str | None:
        """A title's poster: a generated cover, then files of our own, then TMDB's."""
        return self._urls.profile(self._files.of_title(title, poster_path, cover), poster_path)

    async def files_changed(self) -> None:
        """What was answered before may be otherwise now."""
        await self.table.forget_local([self._urls.own(name) for name in self._files.names])
        await self.fast.drop_all(FAST_PREFIX)
        for file in self._files.what_came():
            await self.chosen.show_again(file)

    async def measure_what_came(self) -> bool:
        """Chosen pictures that were stored since: where one is worth less now than another may be, the chain is asked again."""
        for picture in self.chosen.that_came():
            taken = await self.chosen.measure(picture)
            for row in await self.table.measured(picture, taken) if taken is not None else ():
                await self._forget(row.character_id, row.character_name, row.movie_title)
                if taken and row.source in (ImageSource.TVDB, ImageSource.TMDB):
                    await self._again(row.character_id)
        return self.chosen.more_came

    async def _again(self, id_: str) -> None:
        try:
            await self.by_id(id_, force=True)
        except Problem as error:
            _log.info("a character is not looked for again", character=id_, reason=error.detail)

    async def _answer(
        self, wanted: WantedCharacter, key: str, ttl_s: float, *, force: bool, may_create: bool
    ) -> CharacterImageAnswer:
        """Whoever wants the same at the same time has the same answer."""
        # Who says whose character it is means one of several, and what is kept by name may be another's.
        if not force and not wanted.actor and (kept := await self.fast.get(key)):
            self._count("fast")
            return CharacterImageAnswer.model_validate_json(kept)
        shared = (key, force, may_create, wanted.actor)
        while flight := self._flights.get(shared):
            with suppress(asyncio.CancelledError):
                return await asyncio.shield(flight)
            if not flight.cancelled():
                raise asyncio.CancelledError
        flight = self._flights[shared] = asyncio.get_running_loop().create_future()
        try:
            answer = await self._looked_for(wanted, key, ttl_s, force=force, may_create=may_create)
        except BaseException as error:
            if isinstance(error, Exception):
                flight.set_exception(error)
                flight.exception()  # it is told here, whether or not anybody else waits
            else:
                flight.cancel()
            raise
        else:
            flight.set_result(answer)
            return answer
        finally:
            del self._flights[shared]

    async def _looked_for(
        self, wanted: WantedCharacter, key: str, ttl_s: float, *, force: bool, may_create: bool
    ) -> CharacterImageAnswer:
        id_ = _id_of(wanted)
        changes = self._changes.get(id_, 0)
        known, rows = await self._looked_up(wanted)
        if not force and (row := self._best(known, rows)):
            self._count("table")
            answer = self._answers.of_row(row)
            if changes == self._changes.get(id_, 0):  # else it may be otherwise by now
                await self._kept_fast(wanted, key, ttl_s, answer)
            return answer
        began = self._now()
        result = await self._run(known, may_create=may_create)
        answer = await self._told(known, result)
        self._count(_outcome(result))
        took_s = (self._now() - began).total_seconds()
        answer = answer.model_copy(update={"generation_time": round(took_s, 3)})
        return await self._kept_fast(wanted, key, ttl_s, answer) if answer.success else answer

    async def _run(
        self, wanted: WantedCharacter, *, may_create: bool, only: frozenset[str] | None = None
    ) -> ChainResult:
        asking = Asking(self._now() + WITHIN)
        dropped = await self._dropped(wanted)
        return await self._chain.run(wanted, asking, without=dropped, may_create=may_create, only=only)

    async def _told(self, wanted: WantedCharacter, result: ChainResult) -> CharacterImageAnswer:
        """Kept where something was found."""
        if result.chosen is None:
            return CharacterImageAnswer.without(wanted, result)
        character = _with(Character.called(wanted.name, wanted.whole_title), wanted, result)
        if wanted.actor and result.ambiguous:  # kept by its name it would stand for the others, too
            return self._answers.of_candidate(character, result.chosen)
        await self.table.keep([(character, result.candidates)])
        await self._forget(character.id, character.name, character.title)
        await self.chosen.take(character.id, result.chosen)
        return self._answers.of_candidate(character, result.chosen)

    def _best(self, wanted: WantedCharacter, rows: Sequence[CharacterImage]) -> CharacterImage | None:
        """The best row, unless a file is there that it does not know of."""
        rows = [row for row in rows if not row.dropped and _is_meant(row, wanted)]
        best = max(rows, key=lambda row: row.worth, default=None)
        file = self._files.of_character(wanted.name)
        if file and (best is None or best.image_url != self._urls.own(file)):
            return None
        if wanted.profile_path and all(row.source is not ImageSource.AI_GENERATED for row in rows):
            return None if not best or best.source is not ImageSource.CHARACTER_SPECIFIC else best
        return best

    async def _rows(self, wanted: WantedCharacter) -> list[CharacterImage]:
        return await self.table.images(_id_of(wanted))

    async def _dropped(self, wanted: WantedCharacter) -> frozenset[str]:
        return frozenset(row.image_url for row in await self._rows(wanted) if row.dropped)

    async def _known(self, wanted: WantedCharacter) -> WantedCharacter:
        """With what the database has of the character."""
        return (await self._looked_up(wanted))[0]

    async def _looked_up(self, wanted: WantedCharacter) -> tuple[WantedCharacter, Sequence[CharacterImage]]:
        """The same, and the character's pictures, those that were dropped too."""
        id_ = _id_of(wanted)
        character, rows = await self.table.known(id_)
        if character is None:
            return wanted, rows
        known = replace(
            wanted,
            character_id=character.id,
            profile_path=wanted.profile_path or character.profile_path,
            subject=wanted.subject or subject_in(character.subject),
        )
        return known, rows

    async def _of_id(self, id_: str) -> WantedCharacter:
        """Raise Problem where nobody knows it."""
        character = (
            await self.table.by_number(int(id_)) if id_.isdecimal() else await self.table.character(id_)
        )
        if character:
            return WantedCharacter(
                character.name,
                character.title,
                subject=subject_in(character.subject),
                profile_path=character.profile_path,
                character_id=character.id,
                cast_limit=self._cast_limit,
            )
        if not id_.isdecimal():
            raise Problem(HTTPStatus.NOT_FOUND, "There is no character of this id.")
        outcome = await self._casts.character(int(id_), Asking(self._now() + WITHIN))
        if isinstance(outcome, NotFound):
            raise Problem(HTTPStatus.NOT_FOUND, "Nobody has a character of this number.")
        if not isinstance(outcome, Found):
            raise Problem(HTTPStatus.BAD_GATEWAY, "The provider of this number did not answer.")
        (part,), cast = outcome.value.parts, outcome.value
        return WantedCharacter(
            part.character,
            cast.title,
            subject=Subject(kind=cast.kind, ids=cast.ids),
            parts={"tvdb": part},
            cast_limit=self._cast_limit,
        )

    async def _kept_fast(
        self, wanted: WantedCharacter, key: str, ttl_s: float, answer: CharacterImageAnswer
    ) -> CharacterImageAnswer:
        if wanted.actor:
            return answer
        hit = answer.model_copy(update={"cache_hit": True, "generation_time": 0.0})
        await self.fast.put(key, hit.model_dump_json().encode(), ttl_s)
        return answer

    async def _forget(self, id_: str, name: str, title: str) -> None:
        """What the fast tier has, and what somebody is about to put there who looked before."""
        self._changes[id_] = self._changes.get(id_, 0) + 1
        await self.fast.drop(name_key(name, title), id_key(id_, name, title))

    def _count(self, outcome: str) -> None:
        self._metrics.character_images.labels(outcome).inc()


DATABASE, GENERATED = "database", "generated"
OUTCOMES = ("fast", "table", "curated", "provider", "generated", "nothing")


def _is_meant(row: CharacterImage, wanted: WantedCharacter) -> bool:
    return not (row.actor and wanted.actor) or words_of(row.actor) == words_of(wanted.actor)


def _id_of(wanted: WantedCharacter) -> str:
    return wanted.character_id or character_id(wanted.name, wanted.whole_title)


def _outcome(result: ChainResult) -> str:
    if result.chosen is None:
        return "nothing"
    steps = {"curated": "curated", "generated": "table", "create": "generated"}
    return steps.get(result.chosen.step, "provider")


def _as_answer(id_: str, answer: CharacterImageAnswer | BaseException) -> CharacterImageAnswer:
    if isinstance(answer, CharacterImageAnswer):
        return answer
    if not isinstance(answer, Problem | DatabaseUnavailable):
        raise answer
    reason = answer.detail if isinstance(answer, Problem) else "The database cannot be asked now."
    return CharacterImageAnswer(success=False, character_name=id_, movie_title="", reason=reason)


def _with(character: Character, wanted: WantedCharacter, result: ChainResult) -> Character:
    """What was learned of it."""
    chosen = result.chosen
    generated = chosen.profile_path if chosen and chosen.source is ImageSource.AI_GENERATED else None
    numbers = (one.external_character_id for one in result.candidates)
    return replace(
        character,
        subject=subject_text(wanted.subject),
        profile_path=generated,
        external_id=next((number for number in numbers if number), None),
    )
