"""The table of uploads, as the latest migration leaves it, and what is asked of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, Row, Table, and_, delete, func, insert, or_, select, update

from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.database.schema import Moment, Number, Words, metadata, whole_sum
from shared.pictures import PictureId

uploads = Table(
    "uploads",
    metadata,
    Column("id", Words, primary_key=True),
    Column("user_id", Words, index=True),
    Column("picture_id", Words, nullable=False, index=True),
    Column("is_avatar", Boolean, nullable=False),
    Column("bytes", Number, nullable=False),
    Column("is_stored", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False, index=True),
)
"""`id` is the file's name without its extension. `user_id`: who is signed in; null: an operator, or their program. `bytes`: of
the original as it is kept, or as it was sent while `is_stored` is false.
"""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    id: str
    user: str | None
    picture: PictureId
    is_avatar: bool
    bytes: int
    is_stored: bool
    created_at: datetime

    @property
    def file_name(self) -> str:
        return f"{self.id}.jpg"

    @classmethod
    def of(cls, row: Row[Any]) -> "UploadedFile":
        return cls(
            row.id, row.user_id, row.picture_id, row.is_avatar, row.bytes, row.is_stored, row.created_at
        )


class LimitReached(Exception):
    """There is no room for it. `of_user`: for this user; else for anybody."""

    def __init__(self, *, of_user: bool) -> None:
        super().__init__("of a user" if of_user else "of all")
        self.of_user = of_user


class UploadTable:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, file: UploadedFile, *, limit: int, user_limit: int) -> None:
        """Note it and its bytes before it is stored. Raise LimitReached where that would be too many, and note nothing.

        An avatar takes the place of the ones before: those do not count.
        """
        counted = whole_sum(uploads.c.bytes)
        if file.is_avatar and file.user is not None:
            replaced = and_(uploads.c.user_id == file.user, uploads.c.is_avatar)
            others = or_(uploads.c.user_id.is_(None), ~replaced)
        else:
            others = uploads.c.id.is_not(None)

        async def writing(connection: AsyncConnection) -> None:
            if file.user is not None:
                of_user = select(counted).where(others, uploads.c.user_id == file.user)
                if ((await connection.execute(of_user)).scalar() or 0) + file.bytes > user_limit:
                    raise LimitReached(of_user=True)
            if ((await connection.execute(select(counted).where(others))).scalar() or 0) + file.bytes > limit:
                raise LimitReached(of_user=False)
            values = {
                "id": file.id,
                "user_id": file.user,
                "picture_id": file.picture,
                "is_avatar": file.is_avatar,
                "bytes": file.bytes,
                "is_stored": False,
                "created_at": file.created_at,
            }
            await connection.execute(insert(uploads).values(values))

        await self._database.write(writing)

    async def stored(self, id_: str, bytes_: int) -> None:
        change = update(uploads).where(uploads.c.id == id_).values(is_stored=True, bytes=bytes_)
        await self._database.write(lambda connection: connection.execute(change))

    async def remove(self, id_: str) -> None:
        gone = delete(uploads).where(uploads.c.id == id_)
        await self._database.write(lambda connection: connection.execute(gone))

    async def of_picture(self, picture: PictureId) -> UploadedFile | None:
        query = select(uploads).where(uploads.c.picture_id == picture)
        found = await self._database.rows(query, UploadedFile.of, of=uploads, limit=1)
        return found[0] if found else None

    async def get(self, id_: str) -> UploadedFile | None:
        query = select(uploads).where(uploads.c.id == id_)
        found = await self._database.rows(query, UploadedFile.of, of=uploads, limit=1)
        return found[0] if found else None

    async def avatars(self, user: str, *, at_most: int) -> list[UploadedFile]:
        """Of a user, the newest first."""
        query = select(uploads).where(uploads.c.user_id == user, uploads.c.is_avatar)
        newest = query.order_by(uploads.c.created_at.desc(), uploads.c.id)
        return await self._database.rows(newest, UploadedFile.of, of=uploads, limit=at_most)

    async def unsettled(self, before: datetime, *, at_most: int) -> list[UploadedFile]:
        """Of which it is not known what became, the oldest first."""
        query = select(uploads).where(~uploads.c.is_stored, uploads.c.created_at < before)
        oldest = query.order_by(uploads.c.created_at, uploads.c.id)
        return await self._database.rows(oldest, UploadedFile.of, of=uploads, limit=at_most)

    async def listed(self, *, offset: int, limit: int) -> tuple[list[UploadedFile], int]:
        """Those that are stored, the newest first, and how many there are."""
        query = select(uploads).where(uploads.c.is_stored)
        newest = query.order_by(uploads.c.created_at.desc(), uploads.c.id)
        listed = await self._database.rows(newest, UploadedFile.of, of=uploads, offset=offset, limit=limit)
        counting = select(func.count()).select_from(uploads).where(uploads.c.is_stored)

        async def reading(connection: AsyncConnection) -> int:
            return (await connection.execute(counting)).scalar_one()

        return listed, await self._database.read(reading)
