"""Endpoints of characters' pictures."""

from http import HTTPStatus
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.enricher.api.access import showed_token
from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.api.tasks import ShownTask, started
from services.enricher.characters import answers
from services.enricher.characters.audit import AUDIT, CLEAN_UP
from services.enricher.characters.chain import ChainResult, WantedCharacter
from services.enricher.characters.images import CharacterImages
from services.enricher.characters.matching import folded
from services.enricher.characters.store import Character
from services.enricher.finder.artwork.source import Subject
from services.enricher.tasks.tasks import Tasks
from shared.http import Problem, RenderedBody
from shared.pictures import Kind

PATH = "/api/v1/characters"
BY_NAME = f"{PATH}/image"
LONGEST = 200
IN_A_BATCH = 200
_TITLE = "The title as it is called, or an id of it: tmdb:603, imdb:tt0133093, tvdb:81189"
_KINDS = {"movie": Kind.MOVIE, "tv": Kind.SERIES, "series": Kind.SERIES}
MediaWord = Literal["movie", "tv", "series"]


def _telling(text: str) -> str:
    if not folded(text):
        raise ValueError("has no letter and no digit")
    return text.strip()


class TitleParameters(Parameters):
    movie_title: str = Field(min_length=1, max_length=LONGEST, description=_TITLE)
    media_type: MediaWord | None = None
    year: int | None = Field(None, ge=1870, le=2200)

    _is_title = field_validator("movie_title")(_telling)


class CharacterParameters(TitleParameters):
    name: str = Field(min_length=1, max_length=LONGEST, description="As people write it")
    actor: str | None = Field(None, max_length=LONGEST, description="Where several characters are called so")
    force_regenerate: bool = Field(False, description="Ask again, whatever is known")

    _is_name = field_validator("name")(_telling)


class CharacterIdParameters(Parameters):
    id: str = Field(
        pattern=r"^(?:[0-9]{1,18}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$",
        description="Ours, a UUID; or the number that TVDB has for it",
    )
    force_regenerate: bool = False


class NamedCharacter(Body):
    name: str = Field(min_length=1, max_length=LONGEST)
    movie_title: str = Field(min_length=1, max_length=LONGEST, description=_TITLE)
    media_type: MediaWord | None = None
    year: int | None = Field(None, ge=1870, le=2200)
    actor: str | None = Field(None, max_length=LONGEST)
    profile_path: str | None = Field(None, max_length=2000)

    _is_telling = field_validator("name", "movie_title")(_telling)


class BatchOrder(Body):
    ids: tuple[str, ...] = Field(min_length=1, max_length=IN_A_BATCH)
    force_regenerate: bool = False

    @field_validator("ids")
    @classmethod
    def _are_ids(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        for id_ in ids:
            CharacterIdParameters(id=id_)
        return ids


class EnhanceOrder(Body):
    """One of `character` and `characters`."""

    character: NamedCharacter | None = None
    characters: tuple[NamedCharacter, ...] = Field((), max_length=IN_A_BATCH)
    source: Literal["tmdb", "tvdb", "database"] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.character is None) == (not self.characters):
            raise ValueError("give character or characters, one of them")
        return self


class EnhancedCharacter(NamedCharacter):
    image_url: str | None
    success: bool
    source: str | None = None
    quality_score: float = 0
    reason: str | None = None


class EnhancedCharacters(BaseModel):
    characters: tuple[EnhancedCharacter, ...]


class PreloadOrder(Body):
    movie_title: str = Field(min_length=1, max_length=LONGEST, description=_TITLE)
    media_type: MediaWord | None = None
    year: int | None = Field(None, ge=1870, le=2200)

    _is_title = field_validator("movie_title")(_telling)


class RegisteredCharacter(Body):
    name: str = Field(min_length=1, max_length=LONGEST)
    movie_title: str = Field(min_length=1, max_length=LONGEST)
    profile_path: str | None = Field(
        None, max_length=2000, description="Of a picture, a generated one for instance"
    )
    external_character_id: int | None = Field(None, ge=1, lt=2**63)

    _is_telling = field_validator("name", "movie_title")(_telling)


class ShownCharacter(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    title: str
    profile_path: str | None
    external_id: int | None


class ReportOrder(Body):
    name: str = Field(min_length=1, max_length=LONGEST)
    movie_title: str = Field(min_length=1, max_length=LONGEST, description=_TITLE)
    media_type: MediaWord | None = None
    year: int | None = Field(None, ge=1870, le=2200)
    image_url: str | None = Field(
        None, max_length=8192, description="Which one; absent: the one that is shown"
    )
    reason: str = Field("it is wrong", max_length=LONGEST)


class Reported(BaseModel):
    dropped: int


class CastMemberParameters(Parameters):
    media_id: str = Field(max_length=64)
    actor_id: str = Field(max_length=64)
    character: str | None = Field(None, max_length=LONGEST)
    actor: str | None = Field(None, max_length=LONGEST)
    profile_path: str | None = Field(None, max_length=2000)


class TitleImageParameters(Parameters):
    title: str = Field(max_length=LONGEST)
    poster_path: str | None = Field(None, max_length=2000)
    cover: str | None = Field(None, max_length=LONGEST, description="The file of a generated cover")


class QualifiedUrl(BaseModel):
    image_url: str | None


class Forgotten(BaseModel):
    forgotten: int


def wanted_title(title: str, media_type: str | None, year: int | None) -> WantedCharacter:
    """Raise Problem where an id is none. `Dune (2021)` is Dune of 2021."""
    kind = _KINDS[media_type] if media_type else None
    if title.partition(":")[0] in {"tmdb", "imdb", "tvdb", "trakt"}:
        try:
            subject = Subject.parse(kind or Kind.MOVIE, title)
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        return WantedCharacter("", f"{subject.kind} {title}", kind=subject.kind, subject=subject)
    before, _, after = title.rpartition(" (")
    if (
        before
        and year is None
        and after[:-1].isdecimal()
        and after.endswith(")")
        and len(after) == len("2021)")
    ):
        title, year = before, int(after[:-1])
    return WantedCharacter("", title, year=year, kind=kind)


class CharacterApi:
    def __init__(self, found: CharacterImages, tasks: Tasks) -> None:
        self._found = found
        self._tasks = tasks

    async def by_name(self, asked: CharacterParameters) -> RenderedBody | answers.CharacterImageAnswer:
        """The best picture of a character of a title: an operator's, a generated one, TVDB's, TMDB's, or one that is made now."""
        wanted = _wanted(asked)
        if not asked.force_regenerate and not asked.actor:
            kept = await self._found.at_hand(asked.name, wanted.whole_title)
            if kept:
                return RenderedBody.of(kept)
        return await self._found.by_name(wanted, force=asked.force_regenerate, may_create=showed_token())

    async def by_id(self, asked: CharacterIdParameters) -> answers.CharacterImageAnswer:
        """The same by an id: ours, or the number that TVDB has for a character."""
        return await self._found.by_id(asked.id, force=asked.force_regenerate, may_create=showed_token())

    async def batch(self, _asked: Parameters, order: BatchOrder) -> answers.BatchAnswer:
        """The same of many, a few at once with a pause after each few. One that fails fails alone."""
        return await self._found.batch(order.ids, force=order.force_regenerate)

    async def enhance(self, _asked: Parameters, order: EnhanceOrder) -> EnhancedCharacters:
        """Characters with `image_url` and `profile_path`, from one source or from whoever has one."""
        characters = order.characters or ((order.character,) if order.character else ())
        return EnhancedCharacters(
            characters=tuple([await self._enhanced(one, order.source) for one in characters])
        )

    async def preload(self, _asked: Parameters, order: PreloadOrder) -> answers.PreloadAnswer:
        """Find the pictures of all characters of a title: each provider is asked for its cast once."""
        return await self._found.preload(wanted_title(order.movie_title, order.media_type, order.year))

    async def statistics(self, _asked: Parameters) -> answers.CharacterStatistics:
        """How many pictures are known, and how look-ups are set."""
        return await self._found.statistics()

    async def explain(self, asked: CharacterParameters) -> ChainResult:
        """Every step's candidate for a character, its score, and why it was taken or not."""
        return await self._found.explain(_wanted(asked))

    async def register(self, _asked: Parameters, order: RegisteredCharacter) -> ShownCharacter:
        """Have a character known, with our own id, its number elsewhere and the path of its picture."""
        called = Character.called(order.name, order.movie_title)
        known = await self._found.register(
            Character(
                called.id,
                order.name,
                order.movie_title,
                profile_path=order.profile_path,
                external_id=order.external_character_id,
            )
        )
        return ShownCharacter.model_validate(known)

    async def report(self, _asked: Parameters, order: ReportOrder) -> Reported:
        """A picture is wrong, or dead: it drops out, and the next best is shown."""
        title = wanted_title(order.movie_title, order.media_type, order.year).whole_title
        dropped = await self._found.report(order.name, title, order.image_url, order.reason)
        return Reported(dropped=dropped)

    async def profile_image(self, asked: CastMemberParameters) -> QualifiedUrl:
        """The picture of a member of a cast: a file for the two of them, for the character, for the actor, or the path; else what a
        search by their names finds, which is paid for who shows a token, and known to all from then on.
        """
        url = self._found.profile_image(
            asked.media_id, asked.actor_id, asked.character, asked.actor, asked.profile_path
        )
        names = " ".join(name for name in (asked.character, asked.actor) if name)
        if url is None and names:
            url = await self._found.searched(names, may_pay=showed_token())
        return QualifiedUrl(image_url=url)

    async def title_image(self, asked: TitleImageParameters) -> QualifiedUrl:
        """A title's poster: a generated cover, a file for the title, or the path."""
        return QualifiedUrl(image_url=self._found.title_image(asked.title, asked.poster_path, asked.cover))

    async def forget(self, _asked: Parameters) -> Forgotten:
        """Empty the fast tier."""
        return Forgotten(forgotten=await self._found.fast.drop_all("char_img"))

    async def audit(self, _asked: Parameters) -> ShownTask:
        """List pictures below a score of 70, and drop those that are not there any more."""
        return await started(self._tasks, AUDIT, {})

    async def clean_up(self, _asked: Parameters) -> ShownTask:
        """Empty the fast tier, and let go of the longest untouched rows beyond what is kept."""
        return await started(self._tasks, CLEAN_UP, {})

    async def _enhanced(self, one: NamedCharacter, source: str | None) -> EnhancedCharacter:
        title = wanted_title(one.movie_title, one.media_type, one.year)
        wanted = WantedCharacter(
            one.name,
            title.title,
            year=title.year,
            kind=title.kind,
            actor=one.actor,
            subject=title.subject,
            profile_path=one.profile_path,
        )
        answer = await self._found.enhance(wanted, source)
        return EnhancedCharacter(
            **one.model_dump(exclude={"profile_path"}),
            profile_path=answer.profile_path or one.profile_path,
            image_url=answer.image_url,
            success=answer.success,
            source=answer.source,
            quality_score=answer.quality_score,
            reason=answer.reason,
        )

    @property
    def endpoints(self) -> list[Endpoint]:
        lists, admin = Access.LISTS, Access.ADMIN
        image, one, accepted = answers.CharacterImageAnswer, CharacterIdParameters, HTTPStatus.ACCEPTED
        explained = "/api/v1/admin/characters/explain"
        return [
            Endpoint("GET", BY_NAME, self.by_name, image, CharacterParameters),
            Endpoint("GET", f"{PATH}/stats", self.statistics, answers.CharacterStatistics),
            Endpoint("GET", f"{PATH}/profile-image", self.profile_image, QualifiedUrl, CastMemberParameters),
            Endpoint("GET", f"{PATH}/title-image", self.title_image, QualifiedUrl, TitleImageParameters),
            Endpoint("GET", f"{PATH}/{{id}}/image", self.by_id, image, one),
            Endpoint("POST", f"{PATH}/batch", self.batch, answers.BatchAnswer, body=BatchOrder, access=lists),
            Endpoint(
                "POST", f"{PATH}/enhance", self.enhance, EnhancedCharacters, body=EnhanceOrder, access=lists
            ),
            Endpoint(
                "POST",
                f"{PATH}/preload",
                self.preload,
                answers.PreloadAnswer,
                body=PreloadOrder,
                access=lists,
            ),
            Endpoint("POST", PATH, self.register, ShownCharacter, body=RegisteredCharacter, access=admin),
            Endpoint("POST", f"{PATH}/report", self.report, Reported, body=ReportOrder, access=admin),
            Endpoint("POST", f"{PATH}/clear-cache", self.forget, Forgotten, access=admin),
            Endpoint("POST", f"{PATH}/audit", self.audit, ShownTask, access=admin, status=accepted),
            Endpoint("POST", f"{PATH}/clean-up", self.clean_up, ShownTask, access=admin, status=accepted),
            Endpoint("GET", explained, self.explain, ChainResult, CharacterParameters, access=admin),
        ]


def _wanted(asked: CharacterParameters) -> WantedCharacter:
    title = wanted_title(asked.movie_title, asked.media_type, asked.year)
    return WantedCharacter(
        asked.name, title.title, year=title.year, kind=title.kind, actor=asked.actor, subject=title.subject
    )
