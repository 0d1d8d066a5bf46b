"""The command `onesheet`: what an operator does, each by one word. `docs/command.md` has examples of all."""

import asyncio
import json
import re
from enum import StrEnum
from pathlib import Path
from time import sleep
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.live import Live
from rich.table import Table

from services.command import broker, dead, moving
from services.command.server import CommandFailed, Exit, lines_of, replace_process, speak_aside
from services.command.session import CommandSession, DryRun, Wait, command
from shared.queue import QueueSettings
from shared.settings import ONESHEET_VERSION
from shared.volume import VolumeSettings

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
hosts = typer.Typer(help="Picture hosts that are left alone for now.", no_args_is_help=True)
catalog = typer.Typer(help="The index of what is stored.", no_args_is_help=True)
app.add_typer(dead.dead, name="dead")
app.add_typer(hosts, name="hosts")
app.add_typer(catalog, name="catalog")
app.add_typer(moving.volume, name="volume")
app.add_typer(moving.imports, name="import")
app.add_typer(moving.database, name="database")

WARMED_AT_ONCE = 1000
"""URLs: so many the server takes with one request."""


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


command(app)(moving.backup)
command(app)(moving.restore)


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
