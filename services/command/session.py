"""What every command has: the server, an answer as JSON or for people, and tasks with a bar while they go on."""

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Concatenate, ParamSpec

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from services.command.server import CommandFailed, Server, Task, failing_with_sentences, reached

_P = ParamSpec("_P")
Rows = Sequence[Sequence[object]]
SHOWN_ERRORS = 10
UNBROKEN = 500
"""Columns, where no terminal shows them: who reads lines finds each thing in one."""


@dataclass(frozen=True, slots=True)
class Output:
    """Standard output is the answer alone, standard error whatever else there is to say."""

    as_json: bool
    console: Console
    aside: Console

    @classmethod
    def of(cls, *, as_json: bool) -> "Output":
        width = None if sys.stdout.isatty() else UNBROKEN
        return cls(as_json, Console(highlight=False, width=width), Console(stderr=True, highlight=False))

    def show(self, answer: object, for_people: Callable[[], object] | None = None) -> None:
        """The answer as it is, or what `for_people` makes of it."""
        if self.as_json:
            sys.stdout.write(f"{json.dumps(answer, ensure_ascii=False, indent=2)}\n")
        elif for_people:
            self.console.print(for_people(), markup=False)
        else:
            self.console.print_json(data=answer)

    def table(self, *columns: str, rows: Rows) -> Table:
        table = Table(box=None, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("" if cell is None else str(cell) for cell in row))
        return table

    def say(self, sentence: str) -> None:
        self.aside.print(sentence, markup=False)

    @contextmanager
    def bar(self) -> Iterator[Progress]:
        """On standard error, and only where a terminal shows it."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(
            *columns, console=self.aside, disable=not self.aside.is_terminal, transient=True
        ) as bar:
            yield bar


class CommandSession:
    """What a command works with. The server is looked for when it is first asked."""

    def __init__(self, output: Output, server: Callable[[], Server]) -> None:
        self.output = output
        self._server = server

    @cached_property
    def server(self) -> Server:
        return self._server()

    def ask(
        self, method: str, path: str, query: Mapping[str, object] | None = None, body: object = None
    ) -> Any:
        return self.server.ask(method, path, query, body)

    def finish(self, task: Task, *, wait: bool, needs_fetcher: bool = False) -> None:
        """Show the task: as it is, or when it has ended, with a bar meanwhile. Raise CommandFailed for one that failed.

        `needs_fetcher`: it ends only while pictures are fetched, and so not over files.
        """
        if wait and needs_fetcher and self.server.over_files:
            self.output.say("It is queued, and done when the services run again.")
            wait = False
        last = self._watched(task) if wait else task
        self.output.show(last, lambda: _of_task(last))
        if last["state"] in ("failed", "cancelled"):
            raise CommandFailed(f"The task {last['id']} {last['state']}: {last['reason'] or 'it was ended'}.")

    def _watched(self, task: Task) -> Task:
        with self.output.bar() as bar:
            shown = bar.add_task(str(task["kind"]), total=task["total"])
            for last in self.server.followed(task):
                task = last
                bar.update(shown, completed=task["done"], total=task["total"])
        return task


def _of_task(task: Task) -> str:
    counts = ", ".join(f"{count} {what}" for what, count in task["counts"].items())
    lines = [f"{task['kind']} (task {task['id']}): {task['state']}{f', {counts}' if counts else ''}"]
    lines += [f"  {error}" for error in task["errors"][:SHOWN_ERRORS]]
    return "\n".join(lines)


Url = Annotated[
    str | None,
    typer.Option("--url", help="The server's address. Else ONESHEET_URL, one on this machine, or its files."),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token", help="The admin token. Else ONESHEET_TOKEN, ADMIN_TOKEN, or the file it lies in."
    ),
]
Wait = Annotated[bool, typer.Option(help="Wait until it is done, with a bar.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Json = Annotated[bool, typer.Option("--json", help="The answer as JSON, for scripts.")]
_SHARED = (
    inspect.Parameter("url", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Url),
    inspect.Parameter("token", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Token),
    inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Json),
)


def command(
    app: typer.Typer, name: str | None = None
) -> Callable[
    [Callable[Concatenate[CommandSession, _P], None]], Callable[Concatenate[CommandSession, _P], None]
]:
    """Register a function as a command: besides its own parameters it has those that all have, which make its session."""

    def register(
        function: Callable[Concatenate[CommandSession, _P], None],
    ) -> Callable[Concatenate[CommandSession, _P], None]:
        own = inspect.signature(function, eval_str=True).parameters.values()
        parameters = [*list(own)[1:], *_SHARED]

        def run(**given: Any) -> None:
            raise typer.Exit(failing_with_sentences(lambda: _run(function, given)))

        run.__name__, run.__doc__ = function.__name__, function.__doc__
        keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
        run.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined] # typer reads it
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        app.command(name or function.__name__.replace("_", "-"))(run)
        return function

    return register


def _run(function: Callable[..., None], given: dict[str, Any]) -> None:
    url, token, output = given.pop("url"), given.pop("token"), Output.of(as_json=given.pop("as_json"))
    with ExitStack() as stack:
        function(CommandSession(output, lambda: stack.enter_context(reached(url, token))), **given)
