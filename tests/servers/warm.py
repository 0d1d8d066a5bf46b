"""Services started from a process that has imported all of theirs, and forks: what a start costs is mostly imports.

One process has imported all that was started so far, of all workers of a run of the tests: most of it is the same for all
services.

`running_service` takes it. What starting itself is about is started as an operator does it, see `test_one_process`.
"""

import asyncio
import gc
import importlib
import json
import os
import resource
import runpy
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path
from threading import Lock
from typing import Any, Self

_PROJECT = Path(__file__).resolve().parents[2]
_LONGEST_ORDER = 1 << 16
LONGEST_LINE = 1 << 20
_WITH_QUEUE = "shared.queue"
_LATE = ("shared.queue.rabbitmq.engine", "shared.queue.embedded.engine")
"""What services import once they know their settings."""

_WITH_RENDERERS = "services.fetcher.app"
_RENDERERS = ("services.fetcher.rendering.answers", "services.fetcher.rendering.preload")
_WITHOUT_RENDERERS = {"services.proxy", "services.enricher", "tests.providers.picture_host"}
_BEFORE_ALL_ELSE = {"tests.servers.wider"}
"""Modules that nothing of ours may be imported before."""

_ANOTHER = b"another listens"
_starting = Lock()


@dataclass(frozen=True)
class Start:
    """What differs from one start to the next. `descriptors`: no more than so many, or as many as there may be."""

    cwd: str
    env: dict[str, str]
    descriptors: int | None = None
    own_group: bool = False
    arguments: tuple[str, ...] = ()


class WarmProcess:
    """A service that was forked, as asyncio has processes of its own."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader, ending: asyncio.Task[int]) -> None:
        self.pid = pid
        self.stdout: asyncio.StreamReader | None = stdout
        self._ending = ending

    @classmethod
    async def started(cls, module: str, start: Start) -> Self:
        """`python -m module`."""
        group = module if module in _BEFORE_ALL_ELSE else "all others"
        address = await asyncio.to_thread(_forker, group)
        said, says = os.pipe()
        order = socket.socket(socket.AF_UNIX)
        order.connect(address)
        socket.send_fds(order, [json.dumps([module, asdict(start)]).encode()], [says])
        os.close(says)
        order.setblocking(False)
        telling, connection = await asyncio.open_unix_connection(sock=order)
        pid = int(await telling.readline())
        stdout = asyncio.StreamReader(limit=LONGEST_LINE)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stdout), os.fdopen(said, "rb")
        )
        return cls(pid, stdout, asyncio.create_task(_status(telling, connection)))

    @property
    def returncode(self) -> int | None:
        return self._ending.result() if self._ending.done() else None

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    async def wait(self) -> int:
        return await asyncio.shield(self._ending)


async def _status(telling: asyncio.StreamReader, connection: asyncio.StreamWriter) -> int:
    with closing(connection):
        return int(await telling.readline())


def _forker(group: str) -> str:
    with _starting:
        return _started_forker(group)[1]


@cache
def _started_forker(group: str) -> tuple[subprocess.Popen[bytes], str]:
    """As long as this process lives, or the run that it is a worker of; where it listens."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    run, owner = os.environ.get("PYTEST_XDIST_TESTRUNUID"), os.getppid()
    if run is None:
        run, owner = f"{os.getpid()}-{os.urandom(8).hex()}", os.getpid()
    address = f"onesheet-warm-{run}-{group.replace(' ', '-')}"
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, address, str(owner)],
        cwd=_PROJECT,
        env={**kept, "PYTHONPATH": str(_PROJECT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    said = process.stdout.readline().strip()
    if not said:
        process.wait()
        raise RuntimeError(f"Nothing can be forked of {group}.")
    if said == _ANOTHER:
        process.wait()
    return process, f"\0{address}"


class _Forker:
    """Forks for each order, and tells the one who gave it the process id, and at its end the exit status."""

    def __init__(self, listener: socket.socket, owner: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = listener
        self._owners_end = os.pidfd_open(owner)
        self._living: dict[int, tuple[int, socket.socket]] = {}
        self._imported: set[str] = set()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._owners_end, selectors.EVENT_READ)

    def take_orders(self) -> tuple[str, Start]:
        """Return in each process that was forked, and nowhere else: what it is to be, and how."""
        while True:
            for ready, _ in self._selector.select():
                if ready.fd == self._owners_end:
                    self._end()
                elif ready.fileobj is not self._listener:
                    self._tell_end(ready.fd)
                elif order := _order(self._listener):
                    telling, module, start, stdout = order
                    self._import(module)
                    if self._is_forked(telling, stdout):
                        return module, start

    def _import(self, module: str) -> None:
        if module not in self._imported:
            self._imported.add(module)
            _import_all_of(module)
            gc.collect()
            gc.freeze()  # whoever is forked looks for nothing in what all share, and copies none of it by looking

    def _is_forked(self, telling: socket.socket, stdout: int) -> bool:
        if not (pid := os.fork()):
            telling.close()
            self._forget()
            _speak_into(stdout)
            return True
        os.close(stdout)
        try:
            telling.sendall(b"%d\n" % pid)
        except OSError:  # who wanted it has gone meanwhile; others want more
            os.kill(pid, signal.SIGKILL)
        ending = os.pidfd_open(pid)
        self._living[ending] = pid, telling
        self._selector.register(ending, selectors.EVENT_READ)
        return False

    def _tell_end(self, ending: int) -> None:
        self._selector.unregister(ending)
        os.close(ending)
        pid, telling = self._living.pop(ending)
        _, status = os.waitpid(pid, 0)
        with telling, suppress(OSError):  # nobody may want to know it any more
            telling.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))

    def _forget(self) -> None:
        """What is the forker's own, in a process that was forked."""
        self._selector.close()
        self._listener.close()
        os.close(self._owners_end)
        for ending, (_, telling) in self._living.items():
            os.close(ending)
            telling.close()

    def _end(self) -> None:
        for pid, _ in self._living.values():
            os.kill(pid, signal.SIGKILL)
        sys.exit()


def _order(listener: socket.socket) -> tuple[socket.socket, str, Start, int] | None:
    """None of who only looked whether somebody listens."""
    telling, _ = listener.accept()
    order, descriptors, _, _ = socket.recv_fds(telling, _LONGEST_ORDER, 1)
    if not order:
        telling.close()
        return None
    [stdout] = descriptors
    module, start = json.loads(order)
    return telling, module, Start(**start), stdout


def _speak_into(stdout: int) -> None:
    for stream in (1, 2):
        os.dup2(stdout, stream)
    os.close(stdout)


def _import_all_of(module: str) -> None:
    """As for a start, but for what runs as `__main__`, which is to be read again then."""
    if hasattr(importlib.import_module(module), "__path__"):
        module = f"{module}.__main__"
        importlib.import_module(module)
    for name in (
        *(_LATE if _WITH_QUEUE in sys.modules else ()),
        *(_RENDERERS if _WITH_RENDERERS in sys.modules else ()),
    ):
        importlib.import_module(name)
    del sys.modules[module]


def _become(module: str, start: Start) -> None:
    """A process as its starter would have made it."""
    os.environ.clear()
    os.environ.update(start.env)
    os.chdir(start.cwd)
    sys.path[0] = start.cwd
    if start.own_group:
        os.setsid()
    if start.descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (start.descriptors, start.descriptors))
    if _WITH_RENDERERS in sys.modules and module not in _WITHOUT_RENDERERS:
        _start_forking_renderers()


def _start_forking_renderers() -> None:
    """What renderers are forked by, and who looks after what they share: forked as well, before there is a secret."""
    started = util.spawnv_passfds
    setattr(util, started.__name__, _forked)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        resource_tracker.ensure_running()
        forkserver.set_forkserver_preload(list(_RENDERERS))
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)
        setattr(util, started.__name__, started)


def _forked(_program: object, arguments: Sequence[Any], descriptors: Sequence[int]) -> int:
    """In place of starting Python anew with `-c` and what it shall do."""
    if pid := os.fork():
        return pid
    try:
        own = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
        for descriptor in {*own} - {0, 1, 2, *descriptors}:
            with suppress(OSError):
                os.close(descriptor)
        exec(os.fsdecode(arguments[-1]), {})
    finally:
        os._exit(0)


def _wait_for(address: str) -> None:
    while True:
        with socket.socket(socket.AF_UNIX) as probe, suppress(ConnectionRefusedError):
            probe.connect(f"\0{address}")
            return


def _main() -> None:
    _, address, owner = sys.argv
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(f"\0{address}")
    except OSError:  # another worker's listens, or is about to
        _wait_for(address)
        print(_ANOTHER.decode(), flush=True)
        return
    listener.listen()
    forker = _Forker(listener, int(owner))
    print("listening", flush=True)
    module, start = forker.take_orders()
    _become(module, start)
    sys.argv = [module, *start.arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
