"""What is told of characters' pictures."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from services.enricher.characters.chain import ChainResult, CharacterCandidate, ImageSource, WantedCharacter
from services.enricher.characters.store import Character, CharacterImage
from services.enricher.characters.urls import CharacterUrls
from services.enricher.pictures.shown import PictureUrls
from shared.pictures import Kind, Name, Role


class CharacterImageAnswer(BaseModel):
    """A character's picture, or why there is none. Nothing found: no URL, and the score 0."""

    model_config = ConfigDict(frozen=True)

    success: bool
    image_url: str | None = Field(None, description="Served by us")
    source_url: str | None = Field(None, description="At whoever has it")
    source: ImageSource | None = None
    quality_score: float = Field(0, description="Of its source")
    penalty: float | None = Field(None, description="What its measure takes away; absent until it was stored")
    character_id: str | None = None
    character_name: str
    movie_title: str
    external_character_id: int | None = None
    actor: str | None = None
    profile_path: str | None = None
    cache_hit: bool = False
    generation_time: float = Field(0, description="Seconds that finding it took")
    reason: str | None = None
    ambiguous: tuple[str, ...] = Field((), description="Who may be meant, where that cannot be told")

    @classmethod
    def without(cls, wanted: WantedCharacter, result: ChainResult) -> Self:
        return cls(
            success=False,
            character_name=wanted.name,
            movie_title=wanted.whole_title,
            reason=result.reason,
            ambiguous=result.ambiguous,
        )


class BatchAnswer(BaseModel):
    results: dict[str, CharacterImageAnswer]
    succeeded: int
    failed: int
    batches: int


class PreloadAnswer(BaseModel):
    movie_title: str
    characters: int = Field(description="In the casts that providers have")
    found: int
    by_source: dict[str, int]
    reasons: dict[str, str] = Field(description="Why a provider's cast is not among them")


class CharacterStatistics(BaseModel):
    total_cached_images: int
    cache_ttl: int = Field(description="Seconds")
    batch_size: int
    fast_entries: int


class CharacterAnswers:
    """Pictures as they are told: our URL of each, and where it comes from."""

    def __init__(self, urls: CharacterUrls, pictures: PictureUrls) -> None:
        self._urls = urls
        self._pictures = pictures

    def of_row(self, row: CharacterImage) -> CharacterImageAnswer:
        return CharacterImageAnswer(
            success=True,
            image_url=self.shown(row),
            source_url=row.image_url,
            source=row.source,
            quality_score=row.quality_score,
            penalty=row.penalty,
            character_id=row.character_id,
            character_name=row.character_name,
            movie_title=row.movie_title,
            external_character_id=row.external_character_id,
            actor=row.actor,
            profile_path=row.profile_path,
            cache_hit=True,
        )

    def of_candidate(self, character: Character, one: CharacterCandidate) -> CharacterImageAnswer:
        return CharacterImageAnswer(
            success=True,
            image_url=self._shown_url(character.id, one.image_url, one.source),
            source_url=one.image_url,
            source=one.source,
            quality_score=one.score,
            penalty=one.penalty,
            character_id=character.id,
            character_name=character.name,
            movie_title=character.title,
            external_character_id=one.external_character_id,
            actor=one.actor,
            profile_path=one.profile_path,
        )

    def shown(self, row: CharacterImage) -> str:
        return self._shown_url(row.character_id, row.image_url, row.source)

    def _shown_url(self, id_: str, image_url: str, source: ImageSource) -> str:
        """With us: a file of an operator's by its character's name, our own as it is, a provider's by its source."""
        if source is ImageSource.CHARACTER_SPECIFIC:
            return self._pictures.by_name(Name(Kind.CHARACTER, id_, Role.PORTRAIT), "original")
        if self._urls.own_file(image_url) is not None:
            return image_url
        return self._pictures.by_source(self._urls.fetched_from(image_url))
