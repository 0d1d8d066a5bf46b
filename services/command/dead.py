"""`onesheet dead`: what failed for good."""

from typing import Annotated

import typer

from services.command.server import CommandFailed, Exit
from services.command.session import CommandSession, DryRun, Wait, command

dead = typer.Typer(help="What failed for good: read it, send it again, drop it.", no_args_is_help=True)
Lane = Annotated[str | None, typer.Option(help="Of this lane only, such as pictures.later.")]
FailureClass = Annotated[str | None, typer.Option("--class", help="Of this class of failures only.")]
Letters = Annotated[
    list[int] | None, typer.Argument(metavar="ID…", help="Their numbers, as the list has them.")
]
Every = Annotated[bool, typer.Option("--all", help="All, or all of --lane and --class.")]


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
