"""`onesheet import`, `backup`, `restore`, `database`, `volume`: what moves, in and out and from one engine to another.

What has no group here is registered where all commands are.
"""

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from services.command.server import CommandFailed
from services.command.session import CommandSession, DryRun, Wait, command
from shared.volume import VolumeRefused, VolumeSettings

volume = typer.Typer(help="Where pictures are kept.", no_args_is_help=True)
imports = typer.Typer(help="Take over what another program has.", no_args_is_help=True)
database = typer.Typer(help="Where the enricher keeps what it knows.", no_args_is_help=True)


@command(imports)
def listsync(
    session: CommandSession,
    database: Annotated[
        Path, typer.Argument(help="Its database, where the server sees it by the same path.")
    ],
    images: Annotated[
        Path | None, typer.Option(help="Its folder data/images: the pictures come, too.")
    ] = None,
    dry_run: DryRun = False,
    wait: Wait = True,
) -> None:
    """Items, lists, dates and pictures of ListSync, without a download. What is here already stays."""
    order = {
        "database": str(database.absolute()),
        "images": str(images.absolute()) if images else None,
        "dry_run": dry_run,
    }
    task = session.ask("POST", "/api/import/listsync", body=order)
    session.finish(task, wait=wait, needs_fetcher=images is not None and not dry_run)


class WhoseIds(StrEnum):
    INTERNAL = "internal"
    TWITCH = "twitch"


@command(imports)
def streamvault(
    session: CommandSession,
    directory: Annotated[
        Path,
        typer.Argument(help="Its .images or .media, or the folder it is in, where the server sees it so."),
    ],
    ids: Annotated[
        WhoseIds | None,
        typer.Option(help="Whose numbers are in the files' names: the streamers' here, or Twitch's."),
    ] = None,
    dry_run: DryRun = False,
    wait: Wait = True,
) -> None:
    """Pictures of streamers, categories and streams of StreamVault, without a download. Nothing of it is changed."""
    order = {"directory": str(directory.absolute()), "ids": ids, "dry_run": dry_run}
    task = session.ask("POST", "/api/import/streamvault", body=order)
    session.finish(task, wait=wait, needs_fetcher=not dry_run)


def backup(
    session: CommandSession,
    file: Annotated[
        Path | None, typer.Argument(help="The file to write: onesheet-<date>.tar.gz where none is given.")
    ] = None,
) -> None:
    """Write library, pins, uploads, names and settings into one file, also while the services run."""
    from services.enricher import backup as backups  # noqa: PLC0415 - heavy, and needed here alone

    target = file or Path(f"onesheet-{datetime.now(UTC):%Y-%m-%d-%H%M%S}.tar.gz")
    with session.output.bar() as bar:
        shown = bar.add_task("backup", total=None)
        held = backups.back_up(target, VolumeSettings(), on_piece=lambda: bar.advance(shown))
    session.output.show(
        {"file": str(target), **held.model_dump(mode="json")},
        lambda: (
            f"{target}: {held.pictures} pins and uploads, {held.names} names, the database, {held.settings} settings."
            + (f" {held.videos_left_out} videos are not in it (docs/backup.md)." * bool(held.videos_left_out))
        ),
    )


def restore(session: CommandSession, file: Path) -> None:
    """Put a backup into an empty place, before the services are started there."""
    from services.enricher import backup as backups  # noqa: PLC0415 - heavy, and needed here alone

    held = backups.restore(file, VolumeSettings())
    session.output.show(
        held.model_dump(mode="json"),
        lambda: (
            f"{held.pictures} pins and uploads, {held.names} names, the database, {held.settings} settings are back."
        ),
    )


@command(database)
def copy(
    session: CommandSession,
    target: Annotated[
        str, typer.Argument(help="An empty one: postgresql://user:password@host/name, or sqlite: and a file.")
    ],
    source: Annotated[
        str | None, typer.Option("--from", help="Another one than DATABASE_URL names.", show_default=False)
    ] = None,
) -> None:
    """Copy the whole database to another engine, while no enricher runs. Then set DATABASE_URL."""
    from services.enricher import copying  # noqa: PLC0415 - heavy, and needed here alone
    from services.enricher.database.engines import DatabaseSettings  # noqa: PLC0415 - the same

    with session.output.bar() as bar:
        shown = bar.add_task("copy", total=None)
        copied = copying.copy_database(
            DatabaseSettings(url=source) if source else DatabaseSettings(),
            DatabaseSettings(url=target),
            state_dir=VolumeSettings().state_dir,
            on_rows=lambda rows: bar.advance(shown, rows),
        )
        rows = asyncio.run(copied)
    session.output.show({"rows": rows}, lambda: f"{rows} rows are there. Set DATABASE_URL to it.")


@command(volume, "copy")
def copy_volume(
    session: CommandSession,
    source: Annotated[str, typer.Argument(metavar="FROM", help="file:data, or s3://bucket/prefix")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The same, of another.")],
) -> None:
    """Copy all pictures, names and videos into another volume, while the site runs; again, only what is left."""
    from services.command import volumes  # noqa: PLC0415 - heavy, and needed here alone

    with session.output.bar() as bar:
        shown = bar.add_task("copying", total=None)
        try:
            done = volumes.copy(source, target, on_picture=lambda: bar.advance(shown))
        except (VolumeRefused, ValidationError, OSError) as error:
            raise CommandFailed(str(error)) from error
    session.output.show(
        dict(done),
        lambda: (
            f"{done['copied']} pictures copied, {done['there']} were there, {done['changed']} changed meanwhile;"
            f" {done['names']} names pointed, {done['videos']} videos copied."
        ),
    )
