"""Starting a service: as whom it writes, what ends it, and a sentence where it cannot start."""

import asyncio
import gc
import os
import pwd
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import structlog
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.http import HttpSettings, Skeleton
from shared.http.connections import ConnectionLimits, Connections, listening, raise_descriptor_limit
from shared.process.other_programs import tell_unused
from shared.queue import QueueError
from shared.settings import examples_of
from shared.telemetry import LogSettings, configure_logs, telling
from shared.telemetry.logs import lines_out
from shared.volume import VolumeRefused, VolumeSettings


def take_identity(settings: VolumeSettings) -> None:
    """Set the umask; as root, become PUID and PGID and give them the directories they will write to.

    PUID alone comes with that user's own group, or with the group of the same number: never with root's.
    """
    os.umask(int(settings.umask, 8))
    user, group = settings.user_id, settings.group_id
    if user is None and group is None:
        return
    if os.geteuid() != 0:
        if (user or os.geteuid(), group or os.getegid()) != (os.geteuid(), os.getegid()):
            raise VolumeRefused("PUID and PGID can only be taken when started as root.")
        return
    if user is None:
        raise VolumeRefused("PGID alone would leave the service root: set PUID, too.")
    if group is None:
        group = _group_of(user)
    for directory, mode in ((settings.root, 0o777), (settings.state_dir, 0o700)):
        with suppress(OSError):  # of a volume that may only be read: who has to write there says so
            directory.mkdir(mode, parents=True, exist_ok=True)
            os.chown(directory, user, group)
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)


def _group_of(user: int) -> int:
    try:
        return pwd.getpwuid(user).pw_gid
    except KeyError:
        return user


SHUTDOWN_S = 5.0
"""How long requests under way may take to end."""

COLLECTED_AFTER = 10_000
"""New objects that may be in a cycle, after which a service that listens looks for such."""

THREADS_WAIT_S = 0.0005
"""For the interpreter, while the event loop has it: whoever writes a picture asks for it again after each call of the system, some
fifty times, and would wait for up to 5 ms each time, as Python has it.
"""

CANNOT_START = 2
_log = structlog.get_logger()


def start(main: Callable[[VolumeSettings], Awaitable[None]]) -> None:
    """Run a service until it is told to end; exit with a sentence where it cannot start."""
    try:
        configure_logs(LogSettings())
        tell_unused()
        settings = VolumeSettings()
        if settings.unused:
            _log.warning("pictures are kept in files: set VOLUME_URL=s3://<bucket>", unused=settings.unused)
        take_identity(settings)
        sys.setswitchinterval(THREADS_WAIT_S)
        asyncio.run(_awaited(main, settings))
    except ValidationError as error:
        for problem in error.errors(include_input=False):
            print(sentence_of(problem), file=sys.stderr)  # noqa: T201 - read by whoever started it
        sys.exit(CANNOT_START)
    except (VolumeRefused, QueueError, OSError, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - read by whoever started it
        sys.exit(CANNOT_START)
    except asyncio.CancelledError:
        _log.info("ended before it had started")


def sentence_of(problem: ErrorDetails) -> str:
    """About a setting, by its name; without its value, which may be a secret."""
    name, said = ".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "string_pattern_mismatch":
        said = "is not written as it has to be."
    examples = " or ".join(map(str, examples_of(name)))
    about = f"{name}: {said}" if name and name not in said else said
    return f"{about.rstrip('.')}. For example: {examples}." if examples else about


async def _awaited(main: Callable[[VolumeSettings], Awaitable[None]], settings: VolumeSettings) -> None:
    """Told to end before it serves, it leaves what it had opened."""
    task = asyncio.current_task()
    assert task is not None
    _when_told_to_end(task.cancel)
    await main(settings)


def _when_told_to_end(end: Callable[[], object]) -> None:
    """By SIGINT or SIGTERM; or as its terminal is closed, unless whoever started it wants it to stay (nohup)."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if ending is not signal.SIGHUP or signal.getsignal(ending) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(ending, end)


async def serve(
    skeleton: Skeleton,
    settings: HttpSettings,
    *,
    default_port: int,
    on_listening: Callable[[str], None] = lambda _address: None,
) -> None:
    """Answer requests until SIGINT, SIGTERM or SIGHUP, then take no more and finish those under way, bounded."""
    ended = asyncio.Event()
    _when_told_to_end(ended.set)
    descriptors = raise_descriptor_limit()
    limits = ConnectionLimits.within_descriptors(settings.max_connections)
    connections = Connections(skeleton.service, limits, skeleton.metrics)
    port = settings.port(default_port)
    try:
        async with AsyncExitStack() as stack:
            stack.enter_context(telling(skeleton.service))
            address = await stack.enter_async_context(
                listening(skeleton.app, settings.host, port, connections, ends_within_s=SHUTDOWN_S)
            )
            _log.info(
                "listening", address=address, connections_at_most=limits.at_most, descriptors=descriptors
            )
            on_listening(address)
            gc.collect()
            gc.freeze()  # what was loaded by now stays: there is nothing to look for in it
            gc.set_threshold(COLLECTED_AFTER)
            await ended.wait()
            _log.info("ending")
    finally:
        lines_out.flush()
