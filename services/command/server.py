"""The server that is spoken to: one that runs, by its API, or where none does, the enricher over the files, for a moment."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from email.message import Message
from enum import IntEnum
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from pydantic import Field, ValidationError

from services.enricher.api.access import AccessSettings
from services.enricher.api.bearer_tokens import ADMIN_TOKEN_FILE
from shared.http import HttpSettings
from shared.queue import QueueError
from shared.settings import ONESHEET_VERSION, Settings
from shared.telemetry import LogSettings, configure_logs
from shared.volume import VolumeRefused, VolumeSettings


class Exit(IntEnum):
    """How the command ends; `docs/command.md` says so to scripts."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    INTERRUPTED = 130


class CommandFailed(Exception):
    """The text is a sentence for whoever typed the command."""

    def __init__(self, sentence: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(sentence)
        self.code = code


class CommandSettings(Settings):
    url: str = Field("", validation_alias="ONESHEET_URL")
    token: str = Field("", validation_alias="ONESHEET_TOKEN", repr=False)


PORTS = (8080, 8082)
"""Of the one process, or of nginx before it; and of an enricher alone."""

TIMEOUT_S = 60.0
POLL_S = 0.3
_CODES: Mapping[int, Exit] = {
    HTTPStatus.UNAUTHORIZED: Exit.NOT_ALLOWED,
    HTTPStatus.FORBIDDEN: Exit.NOT_ALLOWED,
    HTTPStatus.NOT_FOUND: Exit.NOT_FOUND,
}
_ENDED = frozenset({"done", "failed", "cancelled"})
# What is set for providers and pictures is not meant for our own server.
_opener = build_opener(ProxyHandler({}))

Task = Mapping[str, Any]
"""As the API shows it."""


@dataclass(frozen=True, slots=True)
class ServerReply:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def fetch(
    url: str,
    *,
    method: str = "GET",
    body: object = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> ServerReply:
    """Whatever the server answers. Raise CommandFailed where nobody does."""
    data = None if body is None else json.dumps(body).encode()
    sent = {"Accept": "application/json", "User-Agent": f"onesheet/{ONESHEET_VERSION}", **(headers or {})}
    if data is not None:
        sent["Content-Type"] = "application/json"
    try:
        request = Request(url, data, sent, method=method)  # noqa: S310 - the operator's own server
        with _opener.open(request, timeout=timeout_s) as answer:
            return ServerReply(answer.status, answer.headers, answer.read())
    except HTTPError as error:
        with error:
            return ServerReply(error.code, error.headers, error.read())
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise CommandFailed(f"{url} cannot be reached: {reason}.", Exit.UNREACHABLE) from None


@dataclass(frozen=True, slots=True)
class Server:
    address: str
    token: str = ""
    over_files: bool = False
    """Nobody fetches pictures while this is spoken to: what is queued is done when the services run again."""

    def ask(
        self, method: str, path: str, query: Mapping[str, object] | None = None, body: object = None
    ) -> Any:
        """The answer's JSON; None for an empty one. Raise CommandFailed with what the server says."""
        given = {name: _written(value) for name, value in (query or {}).items() if value not in (None, False)}
        url = f"{self.address}{path}{'?' if given else ''}{urlencode(given)}"
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        reply = fetch(url, method=method, body=body, headers=headers)
        if reply.status < HTTPStatus.BAD_REQUEST:
            return reply.json
        problem = reply.json if isinstance(reply.json, dict) else {}
        said = problem.get("detail") or f"{method} {path}: {reply.status}"
        if reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            said = f"{said} Give the token by --token, ONESHEET_TOKEN or ADMIN_TOKEN."
        raise CommandFailed(str(said), _CODES.get(reply.status, Exit.FAILED))

    def followed(self, task: Task) -> Iterator[Task]:
        """The task as it goes on, as of now first, until it has ended."""
        yield task
        while task["state"] not in _ENDED:
            time.sleep(POLL_S)
            task = self.ask("GET", f"/api/v1/admin/tasks/{task['id']}")
            yield task


def _written(value: object) -> str:
    return "true" if value is True else str(value)


@contextmanager
def reached(url: str | None, token: str | None) -> Iterator[Server]:
    """The server at `url`, or else one that runs here, or else the files here. Raise CommandFailed."""
    given = CommandSettings()
    address = (url or given.url).rstrip("/")
    if not address:
        address = _running_here() or ""
    if address:
        yield Server(address, token or given.token or kept_token())
        return
    from services.command.files import over_files  # noqa: PLC0415 - a whole enricher: only where nobody answers

    place = VolumeSettings()
    if not place.state_dir.is_dir():
        sentence = (
            f"No server runs at ports {' or '.join(map(str, PORTS))} of this machine, and there are no files of one in "
            f"{place.state_dir}: give its address by --url or ONESHEET_URL, or go to where its .env lies."
        )
        raise CommandFailed(sentence, Exit.UNREACHABLE)
    print("No server runs here: the files are read.", file=sys.stderr)  # noqa: T201 - read by whoever typed the command
    with over_files(place) as server:
        yield server


def _running_here() -> str | None:
    """The address of an enricher that listens on this machine, at its usual port or the one that is set."""
    http = HttpSettings()
    host = http.host if http.host not in ("0.0.0.0", "::", "") else "127.0.0.1"  # noqa: S104 - everywhere is here, too
    host = f"[{host}]" if ":" in host else host
    for port in (http.chosen_port,) if http.chosen_port else PORTS:
        address = f"http://{host}:{port}"
        try:
            described = fetch(f"{address}/api/openapi.json", timeout_s=5).json
        except CommandFailed:
            continue
        if isinstance(described, dict) and "/api/v1/admin/tasks" in described.get("paths", {}):
            return address
    return None


def kept_token() -> str:
    """The admin token as the services here have it; empty where nobody here may read it."""
    settings, volume = AccessSettings(), VolumeSettings()
    if settings.admin_token:
        return settings.admin_token
    try:
        return (volume.state_dir / ADMIN_TOKEN_FILE).read_text().strip()
    except OSError:
        return ""


def speak_aside() -> None:
    """Send what services log to standard error, so that standard output is the answer alone."""
    with redirect_stdout(sys.stderr):
        configure_logs(LogSettings(level="error", format="console"))


def failing_with_sentences(run: Callable[[], object]) -> int:
    """The exit code of what `run` does; what went wrong is told on standard error."""
    try:
        run()
    except CommandFailed as failed:
        print(failed, file=sys.stderr)  # noqa: T201 - read by whoever typed the command
        return failed.code
    except ValidationError as error:
        print(*sentences_in(error), sep="\n", file=sys.stderr)  # noqa: T201 - as above
        return Exit.FAILED
    except (VolumeRefused, QueueError, OSError, ValueError) as error:
        print(told(error), file=sys.stderr)  # noqa: T201 - as above
        return Exit.FAILED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return Exit.DONE


def sentences_in(error: ValidationError) -> list[str]:
    """About settings that make no sense."""
    from shared.process.start import sentence_of  # noqa: PLC0415 - a server's, and needed here alone

    return [sentence_of(problem) for problem in error.errors(include_input=False)]


def told(error: Exception) -> str:
    """A sentence, also of what the system says of a file."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error)


def replace_process(module: str) -> None:
    """Become `python -m module`, which knows nothing of this command, and takes no more memory for it."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606 - no shell is wanted


def lines_of(file: Path) -> list[str]:
    """Those that are neither empty nor comments. Raise CommandFailed where it cannot be read."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CommandFailed(f"{file} cannot be read: {reason}.") from None
    return [line for raw in text.splitlines() if (line := raw.strip()) and not line.startswith("#")]
