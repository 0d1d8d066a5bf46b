"""A RabbitMQ node of our own: on free ports, in a temporary directory, ended by its process id.

All workers of one run of the tests have one together, for each takes eight seconds of the processor to start:
`python -m tests.servers.rabbitmq DIRECTORY PID` runs it until that process ends.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

PLACE = Path("/usr/lib/rabbitmq/lib")
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
READY_WITHIN_S = 150
STOP_WITHIN_S = 45
PROJECT = Path(__file__).resolve().parents[2]
_keepers: list[subprocess.Popen[str]] = []  # they end with the run, and nobody waits for them

PLUGINS = {"rabbitmq_management", "rabbitmq_management_agent", "rabbitmq_prelaunch", "rabbitmq_web_dispatch"}

CONFIG = """[
    {{rabbit, [
        {{tcp_listeners, [{{"127.0.0.1", {amqp}}}]}},
        {{cluster_nodes, {{[{joined}], disc}}}},
        {{disk_free_limit, 50000000}},
        {{log, [{{file, [{{level, warning}}]}}]}}
    ]}},
    {{rabbitmq_management, [{{tcp_config, [{{ip, "127.0.0.1"}}, {{port, {management}}}]}}]}}
].
"""
"""As Erlang has it: what is written as `rabbitmq.conf` takes a second of the processor to be read."""


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> "Broker":
    """One node for the whole run, of all workers; take a `vhost()` of it for each test."""
    directory, owner = tmp_path_factory.getbasetemp(), os.getpid()
    if "PYTEST_XDIST_WORKER" in os.environ:
        directory, owner = directory.parent, os.getppid()
    return _shared(directory / "rabbitmq", owner)


@pytest.fixture(scope="session")
def fragile_rabbitmq_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator["RabbitNode"]:
    _require_server()
    with closing(RabbitNode(tmp_path_factory.mktemp("fragile"))) as node:
        node.ensure_running()
        yield node


@pytest.fixture
def fragile_rabbitmq(fragile_rabbitmq_node: "RabbitNode") -> "RabbitNode":
    """A second node, which tests may restart, stop and kill; it is up again for the next one."""
    fragile_rabbitmq_node.ensure_running()
    return fragile_rabbitmq_node


def _require_server() -> None:
    if not SERVER.exists() or shutil.which("epmd") is None:
        pytest.fail("RabbitMQ is missing: install the Debian package rabbitmq-server (`make test` does).")


def _shared(directory: Path, owner: int) -> "Broker":
    """Who comes first starts it; the others wait meanwhile."""
    _require_server()
    directory.mkdir(exist_ok=True)
    ports = directory / "ports"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ports.exists():
            ports.write_text(_started(directory, owner))
    return Broker(*json.loads(ports.read_text()))


def _started(directory: Path, owner: int) -> str:
    """Where it listens, once it does."""
    command = [sys.executable, "-m", __name__, str(directory), str(owner)]
    keeper = subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    _keepers.append(keeper)
    assert keeper.stdout
    with keeper.stdout as said:
        if listening := said.readline():
            return listening
    raise RuntimeError(f"RabbitMQ did not start, see {directory}.")


def _keep(directory: Path, owner: int) -> None:
    """Run a node as long as the process `owner` lives."""
    owners_end = os.pidfd_open(owner)
    with closing(RabbitNode(directory)) as node:
        node.ensure_running()
        print(json.dumps([node.amqp_port, node.management_port]), flush=True)
        select.select([owners_end], [], [])


@contextmanager
def running_cluster(directory: Path, *, nodes: int = 3) -> Iterator[Sequence["RabbitNode"]]:
    """So many nodes that are one broker: each queue of quorum has a member on every one of three."""
    cluster: list[RabbitNode] = []
    try:
        for number in range(nodes):
            place = directory / f"node {number}"
            place.mkdir()
            cluster.append(RabbitNode(place, joins=cluster[0] if cluster else None))
            cluster[-1].ensure_running()
        yield cluster
    finally:
        for node in reversed(cluster):
            node.close()


class Broker:
    """A node that runs, as its clients know it."""

    def __init__(self, amqp_port: int, management_port: int) -> None:
        self.amqp_port = amqp_port
        self.management_port = management_port
        self.management_url = f"http://guest:guest@127.0.0.1:{management_port}"

    def vhost(self) -> str:
        """The AMQP URL of a fresh virtual host."""
        name = uuid.uuid4().hex
        self.manage("PUT", f"/api/vhosts/{name}")
        return f"amqp://guest:guest@127.0.0.1:{self.amqp_port}/{name}"

    def remove(self, url: str) -> None:
        """A virtual host that nobody is connected to: each costs the broker two thousandths of a second in each second."""
        self.manage("DELETE", f"/api/vhosts/{url.rpartition('/')[2]}")

    def manage(self, method: str, path: str, body: object = None) -> Any:
        """One request to the management API; its JSON, or None where it answers without a body."""
        url = f"http://127.0.0.1:{self.management_port}{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = response.read()
        return json.loads(answer) if answer else None


class RabbitNode(Broker):
    """A broker with its management API and an own epmd, both children of this process. `joins`: a node that runs, whose epmd it
    has, too.
    """

    def __init__(self, directory: Path, *, joins: "RabbitNode | None" = None) -> None:
        self.directory = directory
        self._joins = joins
        amqp_port, management_port, self._dist_port, self._epmd_port = free_ports(4)
        super().__init__(amqp_port, management_port)
        if joins:
            self._epmd_port = joins._epmd_port
        self._name = f"onesheet-{uuid.uuid4().hex[:12]}@localhost"
        # A child with a death signal dies with the *thread* that started it: this one outlives every test.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="rabbitmq")
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._write_files()

    def ensure_running(self) -> None:
        if self._server is not None and self._server.poll() is None:
            return
        if self._joins is None and (self._epmd is None or self._epmd.poll() is not None):
            self._epmd = self._child("epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1")
        self._server = self._child(str(SERVER))
        self._wait_until_ready(self._server)

    @property
    def pid(self) -> int:
        """Of a node that runs."""
        assert self._server
        return self._server.pid

    def restart(self) -> None:
        self.stop()
        self.ensure_running()

    def stop(self) -> None:
        """End it in good order: clients are told."""
        self._end(self._server, signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(self._server, signal.SIGKILL)

    def close(self) -> None:
        self._end(self._server, signal.SIGKILL)
        self._end(self._epmd, signal.SIGKILL)
        self._starter.shutdown()

    def _write_files(self) -> None:
        joined = f"'{self._joins._name}'" if self._joins else ""
        config = CONFIG.format(amqp=self.amqp_port, management=self.management_port, joined=joined)
        cookie = self.directory / ".erlang.cookie"
        cookie.write_text("onesheet")
        cookie.chmod(0o400)
        (self.directory / "rabbitmq.config").write_text(config)
        (self.directory / "plugins").write_text("[rabbitmq_management].")
        (self.directory / "libraries").mkdir()
        for library in PLACE.glob("rabbitmq_server-*/plugins/*"):  # what is not there is not looked through
            if not library.name.startswith("rabbitmq_") or library.name.partition("-")[0] in PLUGINS:
                (self.directory / "libraries" / library.name).symlink_to(library)

    def _child(self, *command: str) -> subprocess.Popen[bytes]:
        """A process that dies with this one, however this one dies."""
        return self._starter.submit(self._start, *command).result()

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.directory / "output.log").open("ab") as output:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _environment(self) -> dict[str, str]:
        directory = str(self.directory)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": directory,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_NODE_PORT": str(self.amqp_port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": directory,
            "RABBITMQ_LOG_BASE": directory,
            "RABBITMQ_CONFIG_FILE": f"{directory}/rabbitmq.config",
            "RABBITMQ_PLUGINS_DIR": f"{directory}/libraries",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{directory}/plugins",
            "RABBITMQ_PID_FILE": f"{directory}/pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",  # it shares the processor
            "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the server, so that its pid is ours to end
        }

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._answers():
            if server.poll() is not None or time.monotonic() > deadline:
                output = (self.directory / "output.log").read_text(errors="replace")
                raise RuntimeError(f"RabbitMQ did not start:\n{output[-4000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            self.manage("GET", "/api/vhosts")
            socket.create_connection(("127.0.0.1", self.amqp_port), timeout=1).close()
        except (OSError, urllib.error.URLError):
            return False
        return True

    @staticmethod
    def _end(process: subprocess.Popen[bytes] | None, how: signal.Signals) -> None:
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), int(sys.argv[2]))
