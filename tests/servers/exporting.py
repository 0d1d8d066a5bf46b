"""An export without a server: a shelf with categories, a volume with two pictures of each, and a process that swaps them on and on.

python -m tests.servers.exporting DIRECTORY RECORDINGS
"""

import asyncio
import hashlib
import itertools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from services.enricher.database.engines import DatabaseSettings, open_database
from services.enricher.finder import Finder
from services.enricher.pictures.shown import PictureUrls
from services.enricher.streamers import naming
from services.enricher.streamers.export import Export, ExportNotes
from services.enricher.streamers.pictures import ShelfPictures
from services.enricher.streamers.rows import NewCategory
from services.enricher.streamers.shelf import StreamShelf
from shared.pictures import Manifest, Original, PictureId, Placeholder, SourceUrl, State, revision_id
from shared.volume import VolumeSettings, WriteVolume, volume_to_write

FILES, VERSIONS = 8, 2
NOW = datetime(2026, 11, 2, tzinfo=UTC)


def body_of(number: int, version: int) -> bytes:
    return bytes([number, version]) * 50_000


def source_of(number: int, version: int) -> SourceUrl:
    return SourceUrl.parse(f"http://a.example/{number}/{version}.jpg")


@asynccontextmanager
async def exporting(
    directory: Path, recordings: Path
) -> AsyncIterator[tuple[Export, Callable[[int], Awaitable[None]]]]:
    """With what has all names show one of the two versions."""
    volume_settings = VolumeSettings(volume_url=f"file:{directory}/data", state_dir=directory / "state")
    with volume_to_write(volume_settings) as volume:
        async with open_database(DatabaseSettings(), state_dir=directory / "state") as database:
            shelf = StreamShelf(database)
            added = await shelf.add_categories([NewCategory(f"Category {number}") for number in range(FILES)])
            for number, version in itertools.product(range(FILES), range(VERSIONS)):
                await _stored(volume, number, version)

            async def show(version: int) -> None:
                for number, one in enumerate(added):
                    await volume.names.point(
                        naming.cover_of(one.cover_id), source_of(number, version).picture
                    )

            pictures = ShelfPictures(
                cast(Finder, None), volume.names, volume.pictures, cast(PictureUrls, None)
            )
            export = Export(
                recordings / ".images",
                directory / "state" / "export",
                shelf,
                pictures,
                ExportNotes(database),
                beside=True,
                note_use=_nobody_counts,
            )
            yield export, show


async def _stored(volume: WriteVolume, number: int, version: int) -> None:
    source, body = source_of(number, version), body_of(number, version)
    if await volume.pictures.current(source.picture):
        return
    revision = revision_id(hashlib.sha256(body).hexdigest())
    async with volume.pictures.draft() as draft:
        (draft.directory / "original.jpg").write_bytes(body)
        manifest = Manifest(
            source_url=str(source),
            provider=None,
            original=Original(mime="image/jpeg", bytes=len(body), width=4, height=3),
            placeholder=Placeholder(color="#102030"),
            fetched_at=NOW,
        )
        await volume.pictures.commit(
            source.picture, revision, draft, manifest, State(revision=revision), expected=None
        )


async def _nobody_counts(_: Mapping[PictureId, datetime]) -> None:
    pass


async def main() -> None:
    async with exporting(*map(Path, sys.argv[1:3])) as (export, show):
        sys.stdout.write("exporting\n")
        sys.stdout.flush()
        for version in itertools.cycle(range(VERSIONS)):
            await show(version)
            await export.bring_up_to_date()


if __name__ == "__main__":
    asyncio.run(main())
