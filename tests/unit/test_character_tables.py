"""The tables of characters on both engines."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import UniqueConstraint

from services.enricher.characters.chain import CharacterCandidate, ImageSource
from services.enricher.characters.store import Character, CharacterTable
from services.enricher.characters.tables import character_images
from services.enricher.database.database import Database
from shared.pictures import PictureId

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NEO = Character.called("Neo", "The Matrix")


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


@pytest.fixture
def table(database: Database) -> CharacterTable:
    return CharacterTable(database, Clock())


def one(source: ImageSource, score: float, url: str = "", **given: object) -> CharacterCandidate:
    return CharacterCandidate.model_validate(
        {
            "step": "a step",
            "source": source,
            "image_url": url or f"https://x/{source}.jpg",
            "score": score,
            "why": "",
            "picture_id": f"{source}-id",
            **given,
        }
    )


TVDB, TMDB = one(ImageSource.TVDB, 70, external_character_id=2**40), one(ImageSource.TMDB, 50)


async def sources(table: CharacterTable, character: Character = NEO) -> Sequence[str]:
    return [row.source for row in await table.images(character.id)]


async def test_the_best_picture_comes_first_and_each_source_has_one(table: CharacterTable) -> None:
    await table.keep([(NEO, (TMDB, TVDB))])
    await table.keep(
        [(Character.called("NEO", "the matrix"), (one(ImageSource.TMDB, 45, "https://x/new.jpg"),))]
    )
    rows = await table.images(NEO.id)
    assert [(row.source, row.quality_score) for row in rows] == [("tvdb", 70), ("tmdb", 45)]
    assert (rows[1].image_url, rows[1].character_name) == ("https://x/new.jpg", "Neo")
    assert await table.count() == 2


async def test_a_measure_changes_the_order_and_stays_while_the_picture_is_the_same(
    table: CharacterTable,
) -> None:
    await table.keep([(NEO, (TVDB, TMDB))])
    (row,) = await table.measured(PictureId("tvdb-id"), 25.0)
    assert (row.quality_score, row.worth) == (70, 45)
    assert await sources(table) == ["tmdb", "tvdb"]
    await table.keep([(NEO, (TVDB,))])
    assert await sources(table) == ["tmdb", "tvdb"]
    await table.keep([(NEO, (one(ImageSource.TVDB, 70, "https://x/other.jpg"),))])
    assert await sources(table) == ["tvdb", "tmdb"]


async def test_what_was_dropped_stays_so_until_there_is_another_picture(table: CharacterTable) -> None:
    await table.keep([(NEO, (TVDB,))])
    (row,) = await table.images(NEO.id)
    await table.drop(row, "It is wrong.")
    await table.keep([(NEO, (TVDB,))])
    assert [row.dropped for row in await table.images(NEO.id)] == ["It is wrong."]
    assert await table.count() == 0
    await table.keep([(NEO, (one(ImageSource.TVDB, 70, "https://x/other.jpg"),))])
    assert [row.dropped for row in await table.images(NEO.id)] == [None]


async def test_a_character_is_known_by_id_by_number_and_by_title_and_keeps_what_was_said(
    table: CharacterTable,
) -> None:
    known = Character(NEO.id, "Neo", "The Matrix", "movie tmdb:603", "anonymous_1.jpg", 2**40)
    await table.keep([(known, ())])
    await table.keep([(NEO, (TVDB,))])
    assert await table.character(NEO.id) == known
    assert await table.by_number(2**40) == known
    assert await table.of_title("THE MATRIX") == [known]
    assert (await table.character("nobody"), await table.by_number(1)) == (None, None)


async def test_pictures_below_a_score_are_listed_and_files_that_are_gone_forgotten(
    table: CharacterTable,
) -> None:
    curated = one(ImageSource.CHARACTER_SPECIFIC, 100, "/api/image-no-auth/neo.jpg", picture_id=None)
    await table.keep([(NEO, (TVDB, TMDB, curated))])
    poor = await table.worse_than(70.0, after="", limit=10)
    assert [row.source for row in poor] == ["tmdb"]
    assert await table.forget_local([curated.image_url]) == 0
    assert await table.forget_local([]) == 1
    assert await sources(table) == ["tvdb", "tmdb"]


async def test_without_room_the_longest_untouched_go(table: CharacterTable) -> None:
    trinity = Character.called("Trinity", "The Matrix")
    await table.keep([(NEO, (TVDB,))])
    await table.keep([(trinity, (TVDB,))])
    assert await table.trim(at_most=1) == 1
    assert (await sources(table), await sources(table, trinity)) == ([], ["tvdb"])


def test_the_table_has_the_described_columns_and_indexes() -> None:
    described = "id character_name movie_title image_url source external_character_id quality_score created_at updated_at"
    assert set(described.split()) <= set(character_images.c.keys())
    indexes = {
        str(index.name): [str(column) for column in index.expressions] for index in character_images.indexes
    }
    assert indexes["ix_character_images_quality_score"] == ["character_images.quality_score DESC"]
    assert ["character_images.character_name", "character_images.movie_title"] in indexes.values()
    (unique,) = [one for one in character_images.constraints if isinstance(one, UniqueConstraint)]
    assert [column.name for column in unique.columns] == ["character_name", "movie_title", "source"]
