"""An nginx of our own: any configuration, a free port, a temporary directory, ended by its process id."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

NJS_MODULE = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")
READY_WITHIN_S = 60
STOP_WITHIN_S = 30
_LOCALHOST = "127.0.0.1"
_MISSING = "nginx is missing: install the Debian packages nginx and libnginx-mod-http-js (`make test` does)."

Configuration = Callable[[int, Path], str]
"""Makes the whole text of nginx.conf from the port to listen on and the directory it may write in."""


@dataclass(frozen=True)
class Nginx:
    """One that runs. `directory` holds nginx.conf, error.log and what the configuration puts there."""

    port: int
    directory: Path
    pid: int

    @property
    def root(self) -> str:
        return f"http://{_LOCALHOST}:{self.port}"

    def url(self, path: str) -> str:
        return self.root + path

    def error_log(self) -> str:
        return (self.directory / "error.log").read_text()


@asynccontextmanager
async def running_nginx(configuration: Configuration) -> AsyncIterator[Nginx]:
    """Start an nginx that answers, and end it and its workers with the block.

    Raises RuntimeError with what nginx says when it does not like the configuration.
    """
    _require_nginx()
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="onesheet-nginx-") as name:
        directory = Path(name)
        _furnish(directory, configuration(port, directory))
        process = await _start(directory)
        try:
            await _answers(process, port, directory)
            yield Nginx(port, directory, process.pid)
        finally:
            await _end(process)


def http_configuration(http: str, *, directory: Path, top: str = "") -> str:
    """A whole nginx.conf around the inside of an `http` block, with njs and everything it writes in `directory`."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"    {kind}_temp_path {directory}/{kind};" for kind in kinds)
    user = f"user {pwd.getpwuid(0).pw_name};\n" if os.getuid() == 0 else ""
    return (
        f"{user}load_module {NJS_MODULE};\nworker_processes 1;\npid {directory}/nginx.pid;\n{top}\n"
        "events { worker_connections 1024; }\n"
        f"http {{\n{paths}\n    access_log off;\n{http}\n}}\n"
    )


def _require_nginx() -> None:
    if shutil.which("nginx") is None or not NJS_MODULE.exists():
        raise RuntimeError(_MISSING)


def _furnish(directory: Path, configuration: str) -> None:
    directory.chmod(0o755)  # workers may run as another user
    (directory / "nginx.conf").write_text(configuration)


async def _start(directory: Path) -> asyncio.subprocess.Process:
    command = ["nginx", "-p", str(directory), "-e", "error.log", "-c", "nginx.conf", "-g", "daemon off;"]
    if setpriv := shutil.which("setpriv"):  # so that it ends with a test run that is killed
        command = [setpriv, "--pdeathsig", "TERM", *command]
    with (directory / "output").open("wb") as output:
        return await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=output, start_new_session=True
        )


async def _answers(process: asyncio.subprocess.Process, port: int, directory: Path) -> None:
    async with asyncio.timeout(READY_WITHIN_S):
        while process.returncode is None:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(_LOCALHOST, port)
                writer.close()
                return
            await asyncio.sleep(0.01)
    raise RuntimeError(f"nginx did not start: {(directory / 'output').read_text()}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM to the master, which ends its workers; then SIGKILL to whoever of its session is left."""
    with suppress(ProcessLookupError, TimeoutError):
        process.terminate()
        async with asyncio.timeout(STOP_WITHIN_S):
            await process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOCALHOST, 0))
        port: int = probe.getsockname()[1]
        return port
