"""The tables of characters and of their pictures, as they are written and read."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, select, update
from sqlalchemy.sql.elements import ColumnElement

from services.enricher.characters.chain import CharacterCandidate, ImageSource
from services.enricher.characters.matching import REMEMBERED_AT_MOST, folded
from services.enricher.characters.tables import character_images, characters
from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.database.schema import replace_rows
from services.enricher.database.statements import Statement
from services.enricher.finder.artwork.source import Subject
from shared.pictures import Kind, PictureId

_OURS = uuid.UUID("5d0a2a53-6f0b-4f0e-8b3e-0d6c9a1f7c11")
IMAGES_AT_MOST = 500_000
"""Rows of pictures; the longest untouched go first."""


@lru_cache(REMEMBERED_AT_MOST)
def character_id(name: str, title: str) -> str:
    """Ours, of a character: the same for the same name and title, however they are written."""
    return str(uuid.uuid5(_OURS, f"{folded(name)}\0{folded(title)}"))


@dataclass(frozen=True, slots=True)
class Character:
    """`subject`: which title it is, as `movie tmdb:603`."""

    id: str
    name: str
    title: str
    subject: str | None = None
    profile_path: str | None = None
    external_id: int | None = None

    @classmethod
    def called(cls, name: str, title: str) -> "Character":
        return cls(character_id(name, title), name, title)


@dataclass(frozen=True, slots=True)
class CharacterImage:
    """A row. `dropped`: why it is not shown any more."""

    id: str
    character_id: str
    character_name: str
    movie_title: str
    image_url: str
    source: ImageSource
    external_character_id: int | None
    quality_score: float
    penalty: float | None
    actor: str | None
    profile_path: str | None
    dropped: str | None
    checked_at: datetime | None
    updated_at: datetime

    @property
    def worth(self) -> float:
        return self.quality_score - (self.penalty or 0.0)


_image, _character = character_images.c, characters.c
_FIELDS = (
    _image.id,
    _image.character_id,
    _image.character_name,
    _image.movie_title,
    _image.image_url,
    _image.source,
    _image.external_character_id,
    _image.quality_score,
    _image.penalty,
    _image.actor,
    _image.profile_path,
    _image.dropped,
    _image.checked_at,
    _image.updated_at,
)
_OF_CHARACTER = Statement(select(*_FIELDS).where(_image.character_id == bindparam("character")))
_BY_ID = Statement(select(characters).where(_character.id == bindparam("id")))


class CharacterTable:
    """Raises DatabaseUnavailable where the database cannot be asked."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def images(self, character: str) -> list[CharacterImage]:
        """Of one character, the best first, those that were dropped too."""
        found = await self._database.read_at_once(
            lambda visit: visit.rows(_OF_CHARACTER, {"character": character})
        )
        rows = self._database.readable(found, _read_image, of=character_images)
        return sorted(rows, key=lambda row: -row.worth)

    async def known(self, character: str) -> tuple[Character | None, list[CharacterImage]]:
        """Both at once."""
        found, images = await self._database.read_at_once(
            lambda visit: (
                visit.rows(_BY_ID, {"id": character}),
                visit.rows(_OF_CHARACTER, {"character": character}),
            )
        )
        rows = self._database.readable(images, _read_image, of=character_images)
        return next(map(_read_character, found), None), sorted(rows, key=lambda row: -row.worth)

    async def character(self, character: str) -> Character | None:
        found = await self._database.read_at_once(lambda visit: visit.rows(_BY_ID, {"id": character}))
        return next(map(_read_character, found), None)

    async def by_number(self, number: int) -> Character | None:
        """Whom somebody else calls by this number."""
        return next(iter(await self._characters(_character.external_character_id == number)), None)

    async def of_title(self, title: str) -> list[Character]:
        return await self._characters(_character.title_key == folded(title))

    async def keep(self, found: Sequence[tuple[Character, Sequence[CharacterCandidate]]]) -> None:
        """All of them in one write: the characters, and in place of each source's picture the one that it has now."""
        now = self._now()

        async def writing(connection: AsyncConnection) -> None:
            before = await _rows_by_id(connection, [character.id for character, _ in found])
            await replace_rows(
                connection, characters, [_character_row(one, before.get(one.id), now) for one, _ in found]
            )
            images = await _images_by_id(connection, [one.id for one, _ in found])
            rows = [
                _image_row(one, before[one.id].name if one.id in before else one.name, candidate, images, now)
                for one, candidates in found
                for candidate in candidates
            ]
            if rows:
                await replace_rows(connection, character_images, rows)

        if found:
            await self._database.write(writing)

    async def measured(self, picture: PictureId, penalty: float) -> list[CharacterImage]:
        """Whose pictures that one is."""
        await self._change(_image.picture_id == picture, penalty=penalty)
        return await self.some(_image.picture_id == picture)

    async def drop(self, image: CharacterImage, reason: str) -> None:
        await self._change(_image.id == image.id, dropped=reason)

    async def checked(self, image: CharacterImage) -> None:
        await self._change(_image.id == image.id, checked_at=self._now())

    async def forget_local(self, urls: Iterable[str]) -> int:
        """Rows of curated pictures that are none of these: their files are gone. How many."""
        there = set(urls)
        rows = await self.some(_image.source == ImageSource.CHARACTER_SPECIFIC.value, limit=IMAGES_AT_MOST)
        gone = [row.id for row in rows if row.image_url not in there]

        async def writing(connection: AsyncConnection) -> int:
            for begin in range(0, len(gone), 500):
                some = gone[begin : begin + 500]
                await connection.execute(delete(character_images).where(_image.id.in_(some)))
            return len(gone)

        return await self._database.write(writing) if gone else 0

    async def trim(self, at_most: int = IMAGES_AT_MOST) -> int:
        """Let go of the longest untouched beyond so many. How many."""
        oldest = select(_image.id).order_by(_image.updated_at.desc(), _image.id).offset(at_most).limit(10_000)

        async def writing(connection: AsyncConnection) -> int:
            ids = [row.id for row in await connection.execute(oldest)]
            for begin in range(0, len(ids), 500):
                await connection.execute(
                    delete(character_images).where(_image.id.in_(ids[begin : begin + 500]))
                )
            return len(ids)

        return await self._database.write(writing)

    async def count(self) -> int:
        async def reading(connection: AsyncConnection) -> int:
            asked = select(func.count()).select_from(character_images).where(_image.dropped.is_(None))
            return int((await connection.execute(asked)).scalar_one())

        return await self._database.read(reading)

    async def worse_than(self, score: float, *, after: str, limit: int) -> list[CharacterImage]:
        """Pictures that are shown and worth less, by their ids after one."""
        worth = _image.quality_score - func.coalesce(_image.penalty, 0.0)
        return await self.some(_image.dropped.is_(None), worth < score, _image.id > after, limit=limit)

    async def some(self, *conditions: ColumnElement[bool], limit: int = 1000) -> list[CharacterImage]:
        query = select(*_FIELDS).where(*conditions).order_by(_image.id)
        return await self._database.rows(query, _read_image, of=character_images, limit=limit)

    async def _characters(self, *conditions: ColumnElement[bool]) -> list[Character]:
        query = select(characters).where(*conditions).order_by(_character.id)
        return await self._database.rows(query, _read_character, of=characters, limit=1000)

    async def _change(self, condition: ColumnElement[bool], **values: object) -> None:
        async def writing(connection: AsyncConnection) -> None:
            await connection.execute(update(character_images).where(condition).values(**values))

        await self._database.write(writing)


def _read_image(row: Row[Any]) -> CharacterImage:
    return CharacterImage(
        row.id,
        row.character_id,
        row.character_name,
        row.movie_title,
        row.image_url,
        ImageSource(row.source),
        row.external_character_id,
        row.quality_score,
        row.penalty,
        row.actor,
        row.profile_path,
        row.dropped,
        row.checked_at,
        row.updated_at,
    )


def _read_character(row: Row[Any]) -> Character:
    return Character(
        row.id,
        row.character_name,
        row.movie_title,
        row.subject,
        row.profile_path,
        row.external_character_id,
    )


async def _rows_by_id(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Character]:
    known: dict[str, Character] = {}
    for begin in range(0, len(ids), 500):
        query = select(characters).where(_character.id.in_(ids[begin : begin + 500]))
        known |= {row.id: _read_character(row) for row in await connection.execute(query)}
    return known


async def _images_by_id(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Row[Any]]:
    known: dict[str, Row[Any]] = {}
    for begin in range(0, len(ids), 500):
        query = select(character_images).where(_image.character_id.in_(ids[begin : begin + 500]))
        known |= {row.id: row for row in await connection.execute(query)}
    return known


def _character_row(one: Character, before: Character | None, now: datetime) -> Mapping[str, object]:
    """What was known before stays where nothing newer is said."""
    if before:
        one = replace(
            before,
            subject=one.subject or before.subject,
            profile_path=one.profile_path or before.profile_path,
            external_id=one.external_id or before.external_id,
        )
    return {
        "id": one.id,
        "character_name": one.name,
        "movie_title": one.title,
        "name_key": folded(one.name),
        "title_key": folded(one.title),
        "subject": one.subject,
        "profile_path": one.profile_path,
        "external_character_id": one.external_id,
        "updated_at": now,
    }


def _image_row(
    one: Character,
    name: str,
    candidate: CharacterCandidate,
    before: Mapping[str, Row[Any]],
    now: datetime,
) -> Mapping[str, object]:
    id_ = str(uuid.uuid5(_OURS, f"{one.id}\0{candidate.source}"))
    old = before.get(id_)
    same = old is not None and old.image_url == candidate.image_url
    return {
        "id": id_,
        "character_id": one.id,
        "character_name": old.character_name if old else name,
        "movie_title": old.movie_title if old else one.title,
        "image_url": candidate.image_url,
        "source": candidate.source.value,
        "external_character_id": candidate.external_character_id,
        "quality_score": candidate.score,
        "penalty": candidate.penalty if candidate.penalty is not None or not (same and old) else old.penalty,
        "picture_id": candidate.picture_id,
        "actor": candidate.actor,
        "profile_path": candidate.profile_path,
        "dropped": old.dropped if same and old else None,
        "checked_at": old.checked_at if same and old else None,
        "created_at": old.created_at if old else now,
        "updated_at": now,
    }


def subject_text(subject: Subject | None) -> str | None:
    if subject is None:
        return None
    ids = ((whose, value) for whose, value in subject.ids.model_dump(exclude_none=True).items())
    whose, value = next(ids)
    return f"{subject.kind} {whose}:{value}"


def subject_in(text: str | None) -> Subject | None:
    kind, _, id_ = (text or "").partition(" ")
    try:
        return Subject.parse(Kind(kind), id_) if id_ else None
    except ValueError:
        return None
