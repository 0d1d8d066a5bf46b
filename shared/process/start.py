"""As whom a process writes: umask, user and group, as people with home servers expect them."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from aiohttp import web
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.http import HttpSettings
from shared.queue import QueueError
from shared.settings import examples_of
from shared.telemetry import LogSettings, configure_logs
from shared.telemetry.logs import lines_out
from shared.volume import VolumeRefused, VolumeSettings


def take_identity(settings: VolumeSettings) -> None:
    """Set the umask; as root, become PUID and PGID and give them the directories they will write to."""
    os.umask(int(settings.umask, 8))
    user, group = settings.user_id, settings.group_id
    if user is None and group is None:
        return
    if os.geteuid() != 0:
        if (user or os.geteuid(), group or os.getegid()) != (os.geteuid(), os.getegid()):
            raise VolumeRefused("PUID and PGID can only be taken when started as root.")
        return
    for directory in (settings.root, settings.state_dir):
        with suppress(OSError):  # of a volume that may only be read: who has to write there says so
            directory.mkdir(parents=True, exist_ok=True)
            os.chown(directory, -1 if user is None else user, -1 if group is None else group)
    if group is not None:
        os.setgroups([])
        os.setgid(group)
    if user is not None:
        os.setuid(user)


SHUTDOWN_S = 5.0
"""How long requests under way may take to end."""

LONGEST_LINE = 32 * 1024
"""Of a request: the longest source URL fits, each of its characters escaped. nginx takes as much."""

CANNOT_START = 2
_log = structlog.get_logger()


def start(main: Callable[[VolumeSettings], Awaitable[None]]) -> None:
    """Run a service until it is told to end; exit with a sentence where it cannot start."""
    try:
        configure_logs(LogSettings())
        settings = VolumeSettings()
        take_identity(settings)
        asyncio.run(_awaited(main, settings))
    except ValidationError as error:
        for problem in error.errors(include_input=False):
            print(_sentence(problem), file=sys.stderr)  # noqa: T201 - read by whoever started it
        sys.exit(CANNOT_START)
    except (VolumeRefused, QueueError, OSError, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - read by whoever started it
        sys.exit(CANNOT_START)


def _sentence(problem: ErrorDetails) -> str:
    """About a setting, by its name; without its value, which may be a secret."""
    name, said = ".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "string_pattern_mismatch":
        said = "is not written as it has to be."
    examples = " or ".join(map(str, examples_of(name)))
    about = f"{name}: {said}" if name and name not in said else said
    return f"{about} For example: {examples}." if examples else about


async def _awaited(main: Callable[[VolumeSettings], Awaitable[None]], settings: VolumeSettings) -> None:
    await main(settings)


async def serve(
    app: web.Application,
    settings: HttpSettings,
    *,
    default_port: int,
    on_listening: Callable[[str], None] = lambda _address: None,
) -> None:
    """Answer requests until SIGINT or SIGTERM, then take no more and finish those under way, bounded."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(ending, ended.set)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_S,
        handler_cancellation=True,
        max_line_size=LONGEST_LINE,
    )
    await runner.setup()
    try:
        address = await _listen(runner, settings.host, settings.port(default_port))
        _log.info("listening", address=address)
        on_listening(address)
        await ended.wait()
        _log.info("ending")
    finally:
        await runner.cleanup()
        lines_out.flush()


async def _listen(runner: web.AppRunner, host: str, port: int) -> str:
    """The address that is listened at, as a URL. Raise OSError, with a sentence, where that cannot be."""
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise OSError(f"Cannot listen at HOST={host} PORT={port}: {error.strerror or error}.") from error
    found, found_port = runner.addresses[0][:2]
    return f"http://{f'[{found}]' if ':' in found else found}:{found_port}"
