"""A backup that is taken while everything runs, and put back into an empty place."""

import asyncio
import gzip
import io
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from services.enricher import backup
from services.enricher.backup import BackupRefused, back_up, restore
from services.enricher.database.engines import DatabaseSettings
from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.settings import HostSettings
from shared.volume import Piece, VolumeSettings, volume_to_archive
from tests.integration.enricher import ADMIN, RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.drawing import encode, photo
from tests.providers.picture_host import PictureHost
from tests.servers.databases import furnish
from tests.servers.postgresql import PostgresServer

PINNED, SHOWN = "movie/tmdb:603/poster", "movie/tmdb:604/poster"
UPLOADED = "series/tvdb:81189/poster"
POSTER, OTHER = "/poster/1-60x90.jpg", "/poster/2-60x90.jpg"


@pytest.fixture(autouse=True)
def _settings_are_restored_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def place(directory: Path) -> VolumeSettings:
    return VolumeSettings(volume_url=f"file:{directory}/volume", state_directory=directory / "state")


async def put(enricher: RunningEnricher, name: str, **sent: object) -> None:
    path = f"/api/v1/admin/images/{name}"

    async def stored() -> bool:
        reply = await enricher.ask("PUT", path, headers=ADMIN, **sent)
        return bool(reply.status == 200 and reply.json["stored"])

    await until(stored)


async def asked_for(enricher: RunningEnricher, name: str) -> bytes:
    found = b""

    async def there() -> bool:
        nonlocal found
        status, found = await enricher.picture(f"/api/v1/images/{name}/small.png")
        return status == 200

    await until(there)
    return found


async def test_what_a_backup_holds_comes_back_and_pictures_by_being_asked_for(
    tmp_path: Path, picture_host: PictureHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = picture_host.root.removeprefix("http://")
    for name in ("ALLOW_PRIVATE", "ALLOWED_HOSTS"):
        monkeypatch.setenv(name, authority)
    monkeypatch.setenv("DISK_FREE_FLOOR_GB", "0")
    before, after, file = tmp_path / "before", tmp_path / "after", tmp_path / "backup.tar.gz"
    upload = encode(photo(3, (60, 90)), "png")
    given = {"fetcher": FetcherSettings(), "proxy": ProxySettings(), "hosts": HostSettings()}
    async with running_enricher(before, **given) as enricher:  # type: ignore[arg-type] # each by its name
        await enricher.add(2)
        await put(enricher, PINNED, json={"url": picture_host.url(POSTER)})
        await put(enricher, SHOWN, json={"url": picture_host.url(OTHER)})
        assert (await enricher.manage("DELETE", f"/api/v1/admin/images/{SHOWN}")).status == 202
        await put(enricher, UPLOADED, data=upload)
        seen = {name: await asked_for(enricher, name) for name in (PINNED, UPLOADED)}
        held = await asyncio.to_thread(back_up, file, place(before))
    assert (held.pictures, file.stat().st_mode & 0o777) == (2, 0o600)
    (tmp_path / "env").write_text("")
    monkeypatch.delenv("ALLOWED_HOSTS")
    assert await asyncio.to_thread(restore, file, place(after)) == held
    assert f"ALLOWED_HOSTS='{authority}'" in (tmp_path / ".env").read_text()
    monkeypatch.setenv("ALLOWED_HOSTS", authority)
    picture_host.forget()
    async with running_enricher(after, **given) as enricher:  # type: ignore[arg-type] # as above
        titles = (await enricher.get("/api/library/items")).json["items"]
        assert sorted(item["title"] for item in titles) == ["Movie 1", "Movie 2"]
        assert {name: await asked_for(enricher, name) for name in (PINNED, UPLOADED)} == seen
        assert picture_host.requests == []  # pins and uploads were in it
        source = f"/api/images/proxy?url={picture_host.url(OTHER)}&size=small"
        assert (await enricher.picture(source))[0] == 200
        assert (await enricher.manage("GET", f"/api/v1/admin/explain/{PINNED}")).json["pinned"]


def furnished(directory: Path) -> VolumeSettings:
    furnish(directory / "state")
    return place(directory)


def test_a_database_is_copied_as_it_is_at_one_moment(tmp_path: Path) -> None:
    """What is not committed is not in it, and who writes is not kept waiting."""
    here = furnished(tmp_path / "before")
    with closing(sqlite3.connect(here.state_dir / "enricher.sqlite", isolation_level=None)) as writing:
        writing.execute("CREATE TABLE seen (number INTEGER)")
        writing.execute("INSERT INTO seen VALUES (1)")
        writing.execute("BEGIN IMMEDIATE")
        writing.execute("INSERT INTO seen VALUES (2)")
        video = here.root / "videos" / "public" / "0e4fb7a8-33f6-4b29-8f6f-000000000001.mp4"
        video.parent.mkdir(parents=True)
        video.write_bytes(bytes(9))
        held = back_up(tmp_path / "backup.tar.gz", here)
        assert held.videos_left_out == 1  # and said to be
        writing.execute("COMMIT")
    there = place(tmp_path / "after")
    restore(tmp_path / "backup.tar.gz", there)
    assert not (there.root / "videos").exists()
    with closing(sqlite3.connect(there.state_dir / "enricher.sqlite")) as copy:
        assert copy.execute("SELECT number FROM seen").fetchall() == [(1,)]


def test_a_backup_is_restored_into_an_empty_place_only(tmp_path: Path) -> None:
    here = furnished(tmp_path / "before")
    back_up(tmp_path / "backup.tar.gz", here)
    with pytest.raises(BackupRefused, match="empty place"):
        restore(tmp_path / "backup.tar.gz", here)
    with pytest.raises(BackupRefused, match="there already"):
        back_up(tmp_path / "backup.tar.gz", here)
    with pytest.raises(BackupRefused, match="nothing was ever stored"):
        back_up(tmp_path / "other.tar.gz", place(tmp_path / "nowhere"))


def damaged(whole: bytes) -> bytes:
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]


@pytest.mark.parametrize("damage", [damaged, lambda whole: whole[:-200], lambda _whole: b"no backup"])
def test_a_damaged_backup_changes_nothing(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    file = tmp_path / "backup.tar.gz"
    back_up(file, furnished(tmp_path / "before"))
    file.write_bytes(damage(file.read_bytes()))
    there = place(tmp_path / "after")
    with pytest.raises(BackupRefused, match="no whole backup"):
        restore(file, there)
    assert volume_to_archive(there).is_empty
    assert not (there.state_dir / "enricher.sqlite").exists()


def test_a_failed_backup_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "_add_piece", full)
    here = furnished(tmp_path / "before")
    name = here.root / "names/movie/ab/cd/tmdb:1/poster"
    name.parent.mkdir(parents=True)
    name.symlink_to("../../../../../cache/ab/cd/" + "ab" * 16)
    with pytest.raises(OSError, match="No space"):
        back_up(tmp_path / "backup.tar.gz", here)
    assert not [one for one in tmp_path.iterdir() if one.is_file()]


ID = "0123456789abcdef0123456789abcdef"
FOREIGN = [
    Piece("../outside", b"x"),
    Piece(f"keep/01/23/{ID}/../../../../../outside", b"x"),
    Piece(f"cache/01/23/{ID}/state.json", b"x"),
    Piece(f"keep/01/23/{ID}/current", points_to="../../../../../etc"),
    Piece(f"keep/01/23/{ID}/state.json", points_to="elsewhere"),
    Piece("names/movie/ab/cd/tmdb:1/poster", points_to="../../../../../../outside"),
    Piece("names/movie/ab/cd/tmdb:1/poster", b"no link"),
]


@pytest.mark.parametrize("piece", FOREIGN)
def test_what_does_not_belong_into_a_volume_is_refused(tmp_path: Path, piece: Piece) -> None:
    archive = volume_to_archive(place(tmp_path))
    with pytest.raises(ValueError, match="volume"):
        archive.put(piece)
    assert archive.is_empty


def test_a_foreign_entry_ends_a_restoration(tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    back_up(file, furnished(tmp_path / "before"))
    with gzip.open(file) as packed, tarfile.open(fileobj=io.BytesIO(packed.read())) as tar:
        members = [(one, tar.extractfile(one)) for one in tar.getmembers()]
        with tarfile.open(tmp_path / "foreign.tar.gz", "w:gz") as foreign:
            for member, opened in members:
                foreign.addfile(member, opened)
            link = tarfile.TarInfo("volume/names/movie/ab/cd/tmdb:1/poster")
            link.type, link.linkname = tarfile.SYMTYPE, "/outside"
            foreign.addfile(link)
    with pytest.raises(ValueError, match="does not belong"):
        restore(tmp_path / "foreign.tar.gz", place(tmp_path / "after"))


@pytest.mark.parametrize("kind", ["postgresql"])  # one worker has the server of all such tests
def test_a_database_of_a_server_is_copied_by_its_own_tools(
    tmp_path: Path, kind: str, postgresql: PostgresServer
) -> None:
    file, old = tmp_path / "backup.tar.gz", postgresql.migrated()
    postgresql_says(old, "CREATE TABLE seen AS SELECT 1 AS number")
    try:
        back_up(file, place(tmp_path / "before"), old)
    finally:
        postgresql_says(old, "DROP TABLE seen")
    new = postgresql.bare()
    restore(file, place(tmp_path / "after"), new)
    assert postgresql_says(new, "SELECT number FROM seen") == b"1\n"
    with pytest.raises(BackupRefused, match="DATABASE_URL names sqlite"):
        restore(file, place(tmp_path / "third"))


def postgresql_says(settings: DatabaseSettings, sql: str) -> bytes:
    return backup._DatabaseFiles(settings, Path())._run(
        "psql", "--tuples-only", "--no-align", "--quiet", "--command", sql
    )
