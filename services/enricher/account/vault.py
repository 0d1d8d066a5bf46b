"""What is remembered between starts, in the table `settings`; what is secret of it, encrypted under a key that is not there."""

import base64
import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import structlog
from sqlalchemy import delete, select

from services.enricher.account.tables import settings
from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database
from services.enricher.database.schema import replace_rows

if TYPE_CHECKING:  # 6 MB of memory, where nobody has signed in
    from cryptography.fernet import MultiFernet

KEY_FILE = "secret-key"
_KEY_BYTES = 32
_log = structlog.get_logger()


class Sealed(Exception):
    """What was encrypted cannot be read with the keys that there are."""


class Cipher:
    """The first key encrypts, all of them decrypt, so that one can be replaced."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = tuple(map(_fernet_key, keys))
        self.name = hashlib.sha256(b"onesheet key\0" + keys[0].encode()).hexdigest()
        """Tells which key encrypts, and nothing of it."""

    @classmethod
    def of(cls, keys: Sequence[str], state_dir: Path) -> Self:
        """Where no key is set, the one that was made at the first start."""
        return cls(keys or (_kept(state_dir / KEY_FILE),))

    @cached_property
    def _fernet(self) -> "MultiFernet":
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415 - where somebody has signed in

        return MultiFernet([Fernet(key) for key in self._keys])

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raise Sealed where it was encrypted under another key."""
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - see `_fernet`

        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except (InvalidToken, ValueError):
            raise Sealed(
                "What is kept of the sign-in cannot be read: SECRET_KEY, or the file secret-key in STATE_DIR, is another "
                "one than it was written with. Put the old one back, or sign in again."
            ) from None


def _fernet_key(key: str) -> bytes:
    """Of any text: as long and as random as the text is."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"onesheet secrets\0" + key.encode()).digest())


def _kept(file: Path) -> str:
    """Made once, for its owner's eyes only, and on the disk before anything is encrypted under it."""
    try:
        if key := file.read_text().strip():
            return key
    except FileNotFoundError:
        pass
    key = base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode()
    aside = file.with_suffix(".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(f"{key}\n")
        out.flush()
        os.fsync(out.fileno())
    aside.replace(file)
    _log.info("secret key made", file=str(file))
    return key


class Remembered:
    """The table `settings`. Raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, *keys: str) -> Mapping[str, str]:
        """Those that are set."""
        query = select(settings).where(settings.c.key.in_(keys))

        async def reading(connection: AsyncConnection) -> Mapping[str, str]:
            return {row.key: row.value for row in await connection.execute(query)}

        return await self._database.read(reading)

    async def put(self, values: Mapping[str, str], *, without: Collection[str] = ()) -> None:
        """All of it in one write."""
        await self._database.write(lambda connection: remember(connection, values, without=without))

    async def take(self, key: str) -> str | None:
        """What was set, which only one who asks gets."""

        async def writing(connection: AsyncConnection) -> str | None:
            taken = delete(settings).where(settings.c.key == key).returning(settings.c.value)
            value: str | None = (await connection.execute(taken)).scalar_one_or_none()
            return value

        return await self._database.write(writing)

    async def forget_older(self, prefix: str, than: str) -> None:
        """Those so called whose values come before this one: values that begin with a moment."""
        old = settings.c.key.startswith(prefix) & (settings.c.value < than)
        await self._database.write(lambda connection: connection.execute(delete(settings).where(old)))


async def remember(
    connection: AsyncConnection, values: Mapping[str, str], *, without: Collection[str] = ()
) -> None:
    if without:
        await connection.execute(delete(settings).where(settings.c.key.in_(without)))
    if values:
        await replace_rows(
            connection, settings, [{"key": key, "value": value} for key, value in values.items()]
        )
