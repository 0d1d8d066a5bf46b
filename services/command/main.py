"""The command `onesheet`: what an operator does, each by one word. `docs/command.md` has examples of all."""

import asyncio
import json
import re
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from time import sleep
from typing import Annotated, Any
from urllib.parse import quote

import typer
from pydantic import ValidationError
from rich.live import Live
from rich.table import Table

from services.command import broker
from services.command.server import CommandFailed, Exit, lines_of, replace_process, speak_aside
from services.command.session import CommandSession, command
from shared.queue import QueueSettings
from shared.settings import ONESHEET_VERSION
from shared.volume import VolumeRefused, VolumeSettings

EXIT_CODES = (
    "Ends with 0: done; 1: it failed, or something is wrong; 2: the command line makes no sense; 3: no server is"
    " reached, and no files are here; 4: the token is refused; 5: there is no such thing."
)
app = typer.Typer(
    help="Operate Onesheet, the server of pictures and metadata.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
dead = typer.Typer(help="What failed for good: read it, send it again, drop it.", no_args_is_help=True)
hosts = typer.Typer(help="Picture hosts that are left alone for now.", no_args_is_help=True)
catalog = typer.Typer(help="The index of what is stored.", no_args_is_help=True)
app.add_typer(dead, name="dead")
app.add_typer(hosts, name="hosts")
app.add_typer(catalog, name="catalog")
volume = typer.Typer(help="Where pictures are kept.", no_args_is_help=True)
app.add_typer(volume, name="volume")
imports = typer.Typer(help="Take over what another program has.", no_args_is_help=True)
app.add_typer(imports, name="import")
database = typer.Typer(help="Where the enricher keeps what it knows.", no_args_is_help=True)
app.add_typer(database, name="database")

WARMED_AT_ONCE = 1000
"""URLs: so many the server takes with one request."""

Wait = Annotated[bool, typer.Option(help="Wait until it is done, with a bar.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Lane = Annotated[str | None, typer.Option(help="Of this lane only, such as pictures.later.")]
FailureClass = Annotated[str | None, typer.Option("--class", help="Of this class of failures only.")]


class Service(StrEnum):
    ALL = "all"
    PROXY = "proxy"
    FETCHER = "fetcher"
    ENRICHER = "enricher"


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"onesheet {ONESHEET_VERSION}")
        raise typer.Exit


@app.callback()
def _everywhere(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Which version this is.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    service: Annotated[
        Service, typer.Argument(help="All in one process, or one of the services.")
    ] = Service.ALL,
) -> None:
    """Start the services, or one of them. Settings come from the environment and from .env."""
    replace_process("services" if service is Service.ALL else f"services.{service}")


@command(app)
def warm(
    session: CommandSession,
    what: Annotated[
        list[str],
        typer.Argument(help="URLs of pictures, or files with one in each line; - is standard input."),
    ],
    wait: Wait = True,
) -> None:
    """Fetch pictures before anybody asks for them, in all standard sizes."""
    urls: list[str] = []
    for one in what:
        urls += [one] if re.match(r"https?://", one, re.IGNORECASE) else lines_of(Path(one))
    if not urls:
        raise CommandFailed("There is no URL in it.")
    for first in range(0, len(urls), WARMED_AT_ONCE):
        some = urls[first : first + WARMED_AT_ONCE]
        warming = session.ask("POST", "/api/v1/admin/warm", body={"urls": some})
        for problem in warming["problems"]:
            session.output.say(problem)
        session.output.say("{queued} queued, {stored} there already, {refused} refused".format(**warming))
        if warming["task"]:
            session.finish(warming["task"], wait=wait, needs_fetcher=True)
        else:
            session.output.show(warming, lambda: "Nothing is missing.")
        if warming["refused"]:
            raise CommandFailed(f"{warming['refused']} were refused.")


@command(app)
def scan(
    session: CommandSession,
    path: Annotated[str, typer.Argument(help="A folder as the server sees it, below LIBRARY_ROOTS.")],
    wait: Wait = True,
) -> None:
    """Scan a folder for films and series."""
    session.finish(session.ask("POST", "/api/library/scan", body={"path": path}), wait=wait)


@command(app)
def stats(session: CommandSession) -> None:
    """What is stored, of which kinds, and what the disk has to spare."""
    pictures = session.ask("GET", "/api/images/stats")
    storage = session.ask("GET", "/api/v1/images/storage/stats")

    def table() -> object:
        rows = [(f"{name}: {key}", value) for name, part in pictures.items() for key, value in _flat(part)]
        rows += [
            (f"disk: {name}{key and f' {key}'}", value)
            for name, part in storage.items()
            for key, value in _flat(part)
        ]
        return session.output.table("what", "how much", rows=rows)

    session.output.show({"pictures": pictures, "storage": storage}, table)


def _flat(part: Any) -> list[tuple[str, object]]:
    return [(str(key), value) for key, value in part.items()] if isinstance(part, dict) else [("", part)]


@command(app)
def queues(
    session: CommandSession,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 2.0,
) -> None:
    """How many messages wait in each lane, how long, and who takes them."""
    path = "/api/v1/admin/queues"

    def table(found: Any) -> Table:
        columns = ("lane", "waiting", "in_hand", "consumers", "oldest_s", "published_per_s", "done_per_s")
        rows = [[lane[column] for column in columns] for lane in found["lanes"]]
        return session.output.table(*columns, rows=[*rows, ("put off", found["put_off"])])

    if not watch:
        found = session.ask("GET", path)
        session.output.show(found, lambda: table(found))
        return
    with Live(console=session.output.console, auto_refresh=False, screen=False) as live:
        while True:
            found = session.ask("GET", path)
            if session.output.as_json:
                session.output.show(found)
            else:
                live.update(table(found), refresh=True)
            sleep(every)


@command(app)
def explain(
    session: CommandSession,
    what: Annotated[str, typer.Argument(help="A picture's URL, or a name such as movie/tmdb:603/poster.")],
) -> None:
    """Why a picture is here or not: candidates, choice, last failure, next try."""
    if "://" in what:
        session.output.show(session.ask("GET", "/api/v1/admin/explain", {"url": what}))
    else:
        session.output.show(session.ask("GET", f"/api/v1/admin/explain/{_path(what, 3)}"))


@command(app)
def purge(
    session: CommandSession,
    what: Annotated[
        str,
        typer.Argument(
            help="A picture's URL or id, a title (movie/tmdb:603), or a name (movie/tmdb:603/poster)."
        ),
    ],
    dry_run: DryRun = False,
) -> None:
    """Remove a picture, or all of a title; of a name that is pinned, the pin."""
    path, query = "/api/v1/admin/images", {"dry_run": dry_run}
    if "://" in what:
        gone = session.ask("DELETE", path, {"url": what, **query})
    elif re.fullmatch("[0-9a-f]{32}", what):
        gone = session.ask("DELETE", f"{path}/p/{what}", query)
    else:
        gone = session.ask("DELETE", f"{path}/{_path(what, 2, 3)}", query)
    session.output.show(gone)


def _path(what: str, *parts: int) -> str:
    given = what.strip("/").split("/")
    if len(given) not in parts or not all(given):
        raise CommandFailed(
            f"{what!r} is neither a URL nor a name, such as movie/tmdb:603/poster.", Exit.USAGE
        )
    return "/".join(quote(part, safe="") for part in given)


@command(hosts, "list")
def list_hosts(session: CommandSession) -> None:
    """Which are left alone, why, and until when."""
    found = session.ask("GET", "/api/v1/admin/hosts")
    columns = ("host", "reason", "until", "left_s", "in_a_row")
    rows = [[host[column] for column in columns] for host in found["hosts"]]
    session.output.show(
        found, lambda: session.output.table(*columns, rows=rows) if rows else "None is paused."
    )


@command(hosts)
def resume(session: CommandSession, host: str, dry_run: DryRun = False) -> None:
    """End the pause of a host: from now on it is asked as any other."""
    ended = session.ask("DELETE", f"/api/v1/admin/hosts/{quote(host, safe='')}", {"dry_run": dry_run})
    session.output.show(
        ended, lambda: f"The pause of {ended['host']} {'would end' if dry_run else 'is over'}."
    )


@command(dead, "list")
def list_dead(
    session: CommandSession,
    lane: Lane = None,
    failure_class: FailureClass = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
) -> None:
    """The latest first."""
    found = session.ask("GET", "/api/v1/admin/dead", {"lane": lane, "class": failure_class, "limit": limit})
    columns = ("id", "lane", "type", "failure_class", "about", "reason", "died_at", "deaths")
    rows = [[letter[column] for column in columns] for letter in found["letters"]]
    session.output.show(
        found, lambda: session.output.table(*columns, rows=rows) if rows else "No job failed for good."
    )


@command(dead)
def show(session: CommandSession, letter: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """One, with its history and the message itself."""
    session.output.show(session.ask("GET", f"/api/v1/admin/dead/{letter}"))


Letters = Annotated[
    list[int] | None, typer.Argument(metavar="ID…", help="Their numbers, as the list has them.")
]
Every = Annotated[bool, typer.Option("--all", help="All, or all of --lane and --class.")]


@command(dead)
def redrive(  # noqa: PLR0917 - typer gives each by its name
    session: CommandSession,
    letters: Letters = None,
    every: Every = False,
    lane: Lane = None,
    failure_class: FailureClass = None,
    dry_run: DryRun = False,
    wait: Wait = True,
) -> None:
    """Send jobs again, as if they had never been tried."""
    if _chosen(letters, every=every):
        query = {"lane": lane, "class": failure_class, "dry_run": dry_run}
        session.finish(session.ask("POST", "/api/v1/admin/dead/redrive", query), wait=wait)
        return
    query = {"dry_run": dry_run}
    sent = [session.ask("POST", f"/api/v1/admin/dead/{letter}/redrive", query) for letter in letters or ()]
    session.output.show(sent, lambda: f"{len(sent)} sent again.")


@command(dead)
def drop(  # noqa: PLR0917 - as above
    session: CommandSession,
    letters: Letters = None,
    every: Every = False,
    lane: Lane = None,
    failure_class: FailureClass = None,
    dry_run: DryRun = False,
) -> None:
    """Drop jobs for good."""
    if _chosen(letters, every=every):
        query = {"lane": lane, "class": failure_class, "dry_run": dry_run}
        dropped = session.ask("DELETE", "/api/v1/admin/dead", query)
    else:
        for letter in letters or ():
            session.ask("DELETE", f"/api/v1/admin/dead/{letter}", {"dry_run": dry_run})
        dropped = {"dropped": len(letters or ()), "dry_run": dry_run}
    session.output.show(dropped, lambda: f"{dropped['dropped']} {'would be ' if dry_run else ''}dropped.")


def _chosen(letters: list[int] | None, *, every: bool) -> bool:
    """Whether all are meant. Raise CommandFailed where it is not said which."""
    if every == bool(letters):
        raise CommandFailed("Give either their numbers or --all.", Exit.USAGE)
    return every


@command(catalog)
def rebuild(session: CommandSession) -> None:
    """Make the catalog anew from the volume alone, while no enricher runs."""
    from services.enricher.catalog import rebuild as rebuild_catalog  # noqa: PLC0415 - heavy, and needed here alone

    speak_aside()
    made = asyncio.run(rebuild_catalog(VolumeSettings()))
    session.output.show(made, lambda: f"{made['pictures']} pictures found in {made['seconds']} s.")


@command(catalog)
def scrub(
    session: CommandSession,
    dry_run: DryRun = False,
    wait: Wait = True,
) -> None:
    """Compare every stored file with what it should be, and heal what is damaged."""
    session.finish(session.ask("POST", "/api/v1/admin/scrub", {"dry_run": dry_run}), wait=wait)


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


@command(app)
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


@command(app)
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


@command(app)
def doctor(
    session: CommandSession,
    service: Annotated[
        list[str] | None,
        typer.Option(help="The address of another service, http://10.0.0.2:8081; may be repeated."),
    ] = None,
    front: Annotated[
        str | None, typer.Option(help="Where nginx answers. Else PUBLIC_URL, where that is set.")
    ] = None,
) -> None:
    """Look for what is wrong, and say what to do about it."""
    from services.command import doctor as doctoring  # noqa: PLC0415 - heavy, and needed here alone

    findings = doctoring.examine(lambda: session.server, services=tuple(service or ()), front=front)
    rows = [(found.state.value, found.check, found.said, found.remedy) for found in findings]
    session.output.show(
        [found.model_dump(mode="json") for found in findings],
        lambda: session.output.table("", "what", "how it is", "what to do", rows=rows),
    )
    broken = [found.check for found in findings if found.state is doctoring.Health.BROKEN]
    if broken:
        raise CommandFailed(f"Something is wrong with: {', '.join(broken)}.")


@command(app)
def broker_definitions(
    session: CommandSession,
    output: Annotated[
        Path | None, typer.Option(help="The file to write, which the broker can read; else standard output.")
    ] = None,
) -> None:
    """Virtual host, users, rights and policies for RabbitMQ, from QUEUE_URL and QUEUE_MANAGEMENT_URL."""
    settings = QueueSettings()
    made = broker.definitions(settings.url or "", settings.management_url)
    if output is None:
        session.output.show(made)
        return
    output.write_text(f"{json.dumps(made, indent=2)}\n", encoding="utf-8")
    session.output.show({"file": str(output)}, lambda: f"{output} is written.")


def main() -> None:
    app(prog_name="onesheet")


if __name__ == "__main__":
    main()
