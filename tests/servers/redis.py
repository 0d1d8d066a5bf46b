"""A Redis of our own: on a free port, in a temporary directory, ended by its process id."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.servers.certificates import made_certificate
from tests.servers.rabbitmq import free_ports

READY_WITHIN_S = 60
STOP_WITHIN_S = 15
_MISSING = "Redis is missing: install the Debian package redis-server (`make test` does)."


class RedisServer:
    """`persists`: it writes to its disk what it has, as it does where nobody sets anything. `encrypted`: it speaks TLS alone, with a
    certificate of its own, which is in its directory.
    """

    def __init__(self, directory: Path, *, persists: bool = False, encrypted: bool = False) -> None:
        self._directory = directory
        self._persists = persists
        self._tls = made_certificate(directory) if encrypted else {}
        [self.port] = free_ports(1)
        # A child with a death signal dies with the *thread* that started it: this one outlives every test.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="redis")
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{'rediss' if self._tls else 'redis'}://127.0.0.1:{self.port}/0"

    @property
    def authority(self) -> str:
        """A file with the certificate that its own is to be checked with."""
        return self._tls["TLS_CERTIFICATE"]

    def start(self) -> None:
        """On the same port again, where it was stopped."""
        self._server = self._starter.submit(self._start).result()
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Redis did not start.")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait(STOP_WITHIN_S)
            self._server = None

    def close(self) -> None:
        self.stop()
        self._starter.shutdown()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                if self._tls:
                    return True  # it listens once it is ready
                connection.sendall(b"PING\r\n")
                return connection.recv(5) == b"+PONG"
        except OSError:
            return False

    def _start(self) -> subprocess.Popen[bytes]:
        program = shutil.which("redis-server")
        if program is None:
            pytest.fail(_MISSING)
        ports = ["--port", str(self.port)]
        if self._tls:
            files = (
                ("cert-file", "TLS_CERTIFICATE"),
                ("key-file", "TLS_KEY"),
                ("ca-cert-file", "TLS_CERTIFICATE"),
            )
            said = [word for option, name in files for word in (f"--tls-{option}", self._tls[name])]
            ports = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no", *said]
        options = [*ports, "--bind", "127.0.0.1", "--dir", str(self._directory)]
        if not self._persists:
            options += ["--save", "", "--appendonly", "no"]
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", program, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def running_redis(*, persists: bool = False, encrypted: bool = False) -> Iterator[RedisServer]:
    with TemporaryDirectory(prefix="onesheet-redis-", ignore_cleanup_errors=True) as directory:
        server = RedisServer(Path(directory), persists=persists, encrypted=encrypted)
        try:
            server.start()
            yield server
        finally:
            server.close()


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    yield from running_redis()
