"""A backup: what nothing else could make again, in one file, taken while the services run; and put back into an empty place.

It holds the database, the pins and uploads, what names point to, the settings and the admin token. Pictures that can be
fetched again, videos, and the queue's jobs, are left out. It holds secrets: only its owner can read it.
"""

import gzip
import io
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

from dotenv import dotenv_values, set_key
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from pydantic_settings import BaseSettings

from services.enricher.api.bearer_tokens import ADMIN_TOKEN_FILE
from services.enricher.database.engines import FILE_NAME, DatabaseSettings
from services.enricher.database.postgresql_hosts import PostgresUrl
from shared.settings import ONESHEET_VERSION, Settings
from shared.volume import Piece, VolumeSettings, volume_to_archive

ENV_FILE = Path(".env")
OF_THE_PLACE = frozenset({"VOLUME_URL", "STATE_DIR", "DATABASE_URL"})
"""Settings that say where things are: restored, they are those of the new place."""

_HEAD, _CONTENTS, _DATABASE, _SETTINGS, _TOKEN, _VOLUME = (
    "backup.json",
    "contents.json",
    "database",
    "settings.env",
    ADMIN_TOKEN_FILE,
    "volume/",
)
_CHUNK_BYTES = 1 << 20
COMPRESSION = 1
"""Pictures are packed already."""


class BackupRefused(ValueError):
    """The text says what is in the way."""


class BackupHead(BaseModel):
    """The first thing in a backup."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    version: str = ONESHEET_VERSION
    created_at: AwareDatetime
    database: Literal["sqlite", "postgresql"]


class BackupContents(BaseModel):
    """The last thing in a backup, by which one sees that it is whole."""

    model_config = ConfigDict(frozen=True)

    pictures: int = 0
    names: int = 0
    settings: int = 0
    videos_left_out: int = 0
    """Too large for a file like this: whoever wants them copies the volume's directory `videos`."""


def back_up(
    file: Path,
    place: VolumeSettings,
    database: DatabaseSettings | None = None,
    *,
    on_piece: Callable[[], object] = lambda: None,
) -> BackupContents:
    """Write the file whole or not at all. `on_piece` hears of each picture and name.

    Raises BackupRefused where there is nothing to back up, or the database's own tool fails, VolumeRefused and OSError.
    """
    source = _DatabaseFiles(database or DatabaseSettings(), place.state_dir)
    source.require()
    archive = volume_to_archive(place)
    with _written_whole(file) as tar, tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        head = BackupHead(created_at=datetime.now(UTC), database=source.kind)
        _add(tar, _HEAD, head.model_dump_json().encode())
        tar.add(source.dumped(Path(scratch) / "dump"), _DATABASE)
        pictures = names = 0
        for pictures, picture in enumerate(archive.pictures(), 1):  # noqa: B007 - how many there were
            for piece in picture.pieces:
                _add_piece(tar, piece)
            on_piece()
        for names, piece in enumerate(archive.names(), 1):  # noqa: B007 - how many there were
            _add_piece(tar, piece)
            on_piece()
        settings = _settings()
        _add(tar, _SETTINGS, _as_env(settings, Path(scratch) / "env"))
        if (token := place.state_dir / ADMIN_TOKEN_FILE).is_file():
            _add(tar, _TOKEN, token.read_bytes())
        contents = BackupContents(
            pictures=pictures, names=names, settings=len(settings), videos_left_out=archive.videos
        )
        _add(tar, _CONTENTS, contents.model_dump_json().encode())
    return contents


def restore(file: Path, place: VolumeSettings, database: DatabaseSettings | None = None) -> BackupContents:
    """Put everything back. What is to be restored to has to be empty, and stays so where the file is no whole backup.

    Raises BackupRefused for both, VolumeRefused and OSError.
    """
    target = _DatabaseFiles(database or DatabaseSettings(), place.state_dir)
    archive = volume_to_archive(place)
    if not archive.is_empty or target.is_there:
        raise BackupRefused(
            f"There is something in {place.root} or {target.shown} already: a backup is restored into an empty place."
        )
    head, contents = _examined(file)
    if head.database != target.kind:
        raise BackupRefused(
            f"The backup is of a {head.database} database, and DATABASE_URL names {target.kind}."
        )
    with _members(file) as members, tempfile.TemporaryDirectory(dir=place.state_dir) as scratch:
        for path, member, opened in members:
            if path.startswith(_VOLUME):
                link = member.linkname if member.issym() else None
                archive.put(Piece(path.removeprefix(_VOLUME), opened.read(), link))
            elif path == _TOKEN:
                _write_private(place.state_dir / ADMIN_TOKEN_FILE, opened.read())
            elif path == _SETTINGS:
                _restore_settings(opened.read(), Path(scratch) / "env")
            elif path == _DATABASE:
                target.load(opened, Path(scratch) / "dump")
    os.sync()
    return contents


@contextmanager
def _written_whole(file: Path) -> Iterator[tarfile.TarFile]:
    if file.exists():
        raise BackupRefused(f"{file} is there already.")
    descriptor, aside = tempfile.mkstemp(prefix=".onesheet-", dir=file.parent)  # for its owner only
    try:
        with os.fdopen(descriptor, "wb") as out:
            with tarfile.open(fileobj=out, mode="w:gz", compresslevel=COMPRESSION) as tar:
                yield tar
            out.flush()
            os.fsync(out.fileno())
        Path(aside).replace(file)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _add(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


def _add_piece(tar: tarfile.TarFile, piece: Piece) -> None:
    if piece.points_to is None:
        _add(tar, f"{_VOLUME}{piece.path}", piece.content)
        return
    member = tarfile.TarInfo(f"{_VOLUME}{piece.path}")
    member.type, member.linkname = tarfile.SYMTYPE, piece.points_to
    tar.addfile(member)


_Member = tuple[str, tarfile.TarInfo, IO[bytes]]


@contextmanager
def _members(file: Path) -> Iterator[Iterator[_Member]]:
    """What is in the file, each to be read as it is its turn."""
    with tarfile.open(file, "r:gz") as tar:
        yield (
            (one.name, one, (tar.extractfile(one) if one.isfile() else None) or io.BytesIO())
            for one in tar
            if one.isfile() or one.issym()
        )


def _examined(file: Path) -> tuple[BackupHead, BackupContents]:
    """Read all of it once, before anything is written. Raise BackupRefused for what is no whole backup."""
    found: dict[str, bytes] = {}
    try:
        with gzip.open(file) as whole:
            while whole.read(_CHUNK_BYTES):
                pass
        with _members(file) as members:
            for path, _, opened in members:
                if path in (_HEAD, _CONTENTS):
                    found[path] = opened.read()
        head = BackupHead.model_validate_json(found[_HEAD])
        return head, BackupContents.model_validate_json(found[_CONTENTS])
    except (gzip.BadGzipFile, zlib.error, tarfile.TarError, EOFError, KeyError, ValidationError):
        raise BackupRefused(f"{file} is no whole backup that this version can read.") from None


class _DatabaseFiles:
    """The database as what is copied: a file of SQLite's, or what PostgreSQL's own tools write and read."""

    kind: Literal["sqlite", "postgresql"]

    def __init__(self, settings: DatabaseSettings, state_dir: Path) -> None:
        scheme, _, rest = (settings.url or "sqlite:").partition(":")
        self.kind = "postgresql" if scheme == "postgresql" else "sqlite"
        self._path = Path(rest) if rest else state_dir / FILE_NAME
        self._url = PostgresUrl(settings.url) if settings.url and self.kind == "postgresql" else None

    @property
    def shown(self) -> str:
        return self._url.shown if self._url else str(self._path)

    @property
    def is_there(self) -> bool:
        if self._url:
            asked = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            return self._run("psql", "--tuples-only", "--no-align", "--command", asked).strip() != b"0"
        return self._path.exists()

    def require(self) -> None:
        """Raise BackupRefused where there is no database."""
        if not self.is_there:
            raise BackupRefused(f"There is no database at {self.shown}: nothing was ever stored here.")

    def dumped(self, to: Path) -> Path:
        """As it is at one moment, whoever writes meanwhile."""
        if self._url:
            to.write_bytes(self._run("pg_dump", "--format=custom", "--no-owner"))
            return to
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        return to

    def load(self, dump: IO[bytes], scratch: Path) -> None:
        with scratch.open("wb") as out:
            shutil.copyfileobj(dump, out)
        if self._url:
            self._run("pg_restore", "--no-owner", "--exit-on-error", str(scratch))
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        scratch.chmod(0o600)
        scratch.replace(self._path)

    def _run(self, program: str, *arguments: str) -> bytes:
        """What it writes. The password goes by the environment: a command line is anybody's to read."""
        assert self._url
        environment = os.environ | ({"PGPASSWORD": self._url.password} if self._url.password else {})
        try:
            done = subprocess.run(  # noqa: S603 - one of three fixed names, no shell
                (program, "--dbname", self._url.without_password, *arguments),
                env=environment,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            raise BackupRefused(
                f"{program} is missing: install PostgreSQL's client (Debian: postgresql-client)."
            ) from None
        if done.returncode:
            raise BackupRefused(f"{program}: {done.stderr.decode(errors='replace').strip()[:500]}")
        return done.stdout


def _settings() -> dict[str, str]:
    """All that are set here, by the names that operators know: those of the environment count more."""
    known: set[str] = set()
    waiting: list[type[BaseSettings]] = [Settings]
    while waiting:
        settings = waiting.pop()
        waiting += settings.__subclasses__()
        known |= {str(field.validation_alias) for field in settings.model_fields.values()}
    from_file = {name: value for name, value in dotenv_values(ENV_FILE).items() if value}
    return from_file | {name: value for name in known if (value := os.environ.get(name))}


def _as_env(settings: dict[str, str], scratch: Path) -> bytes:
    scratch.touch(0o600)
    for name in sorted(settings):
        set_key(scratch, name, settings[name])
    return scratch.read_bytes()


def _restore_settings(content: bytes, scratch: Path) -> None:
    """Into `.env`, unless there is one; where things are, as it is set here."""
    if ENV_FILE.exists():
        return
    scratch.write_bytes(content)
    settings = {name: value for name, value in dotenv_values(scratch).items() if value}
    here = {name: value for name in OF_THE_PLACE if (value := os.environ.get(name))}
    kept = {name: value for name, value in settings.items() if name not in OF_THE_PLACE}
    scratch.unlink()
    _write_private(ENV_FILE, _as_env(kept | here, scratch))


def _write_private(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
