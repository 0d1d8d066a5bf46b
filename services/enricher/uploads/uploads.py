"""Uploads: reserved within the limits, stored by the fetchers, found by a name of their own, let go."""

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from services.enricher.database.database import DatabaseUnavailable
from services.enricher.finder import Finder
from services.enricher.ground import Ground
from services.enricher.uploads.tables import UploadedFile, UploadTable
from shared.background import Background
from shared.contracts import Envelope, PicturePurged
from shared.locks import KeyedLock
from shared.pictures import Failure, Kind, Name, PictureId, Role, Upload
from shared.pictures.name import PRIVATE_PREFIX
from shared.queue import QueueError
from shared.settings import Settings
from shared.telemetry import utc_now
from shared.volume import KeeperVolume

MIB = 1024 * 1024
SETTLE_EVERY_S = 600.0
SETTLED_AFTER = timedelta(minutes=10)
GIVEN_UP_AFTER = timedelta(days=1)
"""What is not stored by then is taken not to come."""

AT_MOST = 1000
"""Of avatars or of unsettled uploads that are looked at in one go."""

_PLAIN_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}", re.ASCII)


class UploadSettings(Settings):
    limit_gb: float = Field(10, validation_alias="UPLOAD_LIMIT_GB", ge=0)
    user_limit_mb: float = Field(200, validation_alias="UPLOAD_USER_LIMIT_MB", ge=0)

    @property
    def max_bytes(self) -> int:
        return int(self.limit_gb * 1024 * MIB)

    @property
    def max_user_bytes(self) -> int:
        return int(self.user_limit_mb * MIB)


class Purpose(StrEnum):
    """What a file is for, as its name begins."""

    CHARACTER = "anonymous_"
    IMAGE = ""
    AVATAR = "avatar_"


def user_in_names(user: str) -> str:
    """A user as paths and names have them: as they are called, or by a hash, which has a dot, where that stands in no path."""
    if _PLAIN_USER.fullmatch(user):
        return user
    return f"sha256.{hashlib.sha256(user.encode()).hexdigest()[:32]}"


def avatar_name(user: str) -> Name:
    """What shows a user's avatar, whichever it is."""
    return Name(Kind.USER, user_in_names(user), Role.AVATAR)


def upload_name(id_: str) -> Name:
    """Raise ValueError for what is no upload's id."""
    return Name(Kind.UPLOAD, id_, Role.IMAGE)


@dataclass(frozen=True, slots=True)
class Uploads:
    """Raises QueueError and DatabaseUnavailable."""

    table: UploadTable
    _finder: Finder
    _volume: KeeperVolume
    _settings: UploadSettings
    _turns: KeyedLock
    _now: Callable[[], datetime] = utc_now

    async def store(
        self, body: bytes, purpose: Purpose, *, user: str | None, private: bool = False
    ) -> UploadedFile | Failure:
        """The file, stored or on its way (`is_stored`), or why it is none. Raise LimitReached."""
        prefix = PRIVATE_PREFIX if private else purpose.value
        return await self._stored(body, prefix, user)

    async def store_made(self, body: bytes, mark: UUID, *, user: str | None) -> UploadedFile | Failure:
        """A picture that was made for somebody, under a name of its own: the same again is the same file. Raise LimitReached."""
        return await self._stored(body, Purpose.CHARACTER.value, user, made=mark)

    async def store_avatar(self, body: bytes, user: str) -> UploadedFile | Failure:
        """The same, and what the user had before is let go."""
        prefix = f"{Purpose.AVATAR}{user_in_names(user)}_"
        async with self._turns.hold(user):
            stored = await self._stored(body, prefix, user, also=avatar_name(user))
            if isinstance(stored, UploadedFile) and stored.is_stored:
                for one in await self.table.avatars(user, at_most=AT_MOST):
                    if one.id != stored.id:
                        await self.let_go(one)
        return stored

    async def let_go(self, file: UploadedFile) -> None:
        """It is gone from everywhere but the caches of browsers."""
        await self._finder.let_go(upload_name(file.id))
        if (
            file.is_avatar
            and file.user is not None
            and await self._shown(avatar_name(file.user)) == file.picture
        ):
            await self._finder.let_go(avatar_name(file.user))
        await self.table.remove(file.id)

    async def hear(self, event: Envelope) -> None:
        """What somebody purged counts no longer."""
        purged = event.payload
        if isinstance(purged, PicturePurged) and (file := await self.table.of_picture(purged.picture)):
            await self.table.remove(file.id)

    async def settle(self) -> None:
        """Look what became of uploads that took long."""
        now = self._now()
        for file in await self.table.unsettled(now - SETTLED_AFTER, at_most=AT_MOST):
            if bytes_ := await self._bytes_of(file.picture):
                await self.table.stored(file.id, bytes_)
            elif file.created_at < now - GIVEN_UP_AFTER:
                await self.table.remove(file.id)

    async def _stored(
        self,
        body: bytes,
        prefix: str,
        user: str | None,
        *,
        also: Name | None = None,
        made: UUID | None = None,
    ) -> UploadedFile | Failure:
        """`prefix`: what the file's name begins with. `also`: of an avatar, what shows it whichever it is. `made`: its mark, where
        it may have been stored before.
        """
        mark = made.hex if made else secrets.token_hex(16)
        id_ = f"{prefix}{UUID(mark)}"
        upload = Upload(hashlib.sha256(body).hexdigest(), mark, upload_name(id_).is_private)
        file = UploadedFile(id_, user, upload.picture, also is not None, len(body), False, self._now())
        known = await self.table.get(id_) if made else None
        if known and known.is_stored:
            return known
        if known:  # by whoever ended before it was stored, with bytes that need not be these
            await self.table.remove(id_)
        await self.table.reserve(
            file, limit=self._settings.max_bytes, user_limit=self._settings.max_user_bytes
        )
        name = upload_name(file.id)
        try:
            kept = await self._finder.keep(name, body, upload, also=also)
        except (QueueError, OSError):
            await self.table.remove(file.id)
            raise
        if isinstance(kept, Failure):
            await self.table.remove(file.id)
            return kept
        if not kept:
            return file
        bytes_ = await self._bytes_of(file.picture) or file.bytes
        await self.table.stored(file.id, bytes_)
        return replace(file, bytes=bytes_, is_stored=True)

    async def _shown(self, name: Name) -> PictureId | None:
        return await self._volume.names.picture(name)

    async def _bytes_of(self, picture: PictureId) -> int | None:
        revision = await self._volume.pictures.current(picture)
        return revision.manifest.original.bytes if revision else None


@asynccontextmanager
async def open_uploads(
    settings: UploadSettings,
    ground: Ground,
    finder: Finder,
) -> AsyncIterator[Uploads]:
    uploads = Uploads(UploadTable(ground.database), finder, ground.volume, settings, KeyedLock())
    async with ground.queue.listen(uploads.hear, PicturePurged), settling(uploads, ground.background):
        yield uploads


def settling(uploads: Uploads, background: Background) -> AbstractAsyncContextManager[None]:
    """Look now and then while the context lasts."""
    return background.repeating(
        "settling uploads",
        uploads.settle,
        every_s=SETTLE_EVERY_S,
        expected=(DatabaseUnavailable, QueueError),
    )
