import gc
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
import structlog

for _name in [name for name in os.environ if name.lower() in {"http_proxy", "https_proxy", "all_proxy"}]:
    del os.environ[_name]  # settings, too, and the tests' own hosts are on this machine

os.environ["RENDER_WHEN_IDLE"] = "false"  # other tests, and what else runs here, may leave nothing idle

_IN_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 * 2**30

if "TMPDIR" not in os.environ and _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > _ROOM_BYTES:
    # No test is about a power cut, and each picture, job and row is flushed several times.
    os.environ["TMPDIR"] = tempfile.tempdir = str(_IN_MEMORY)

# The usual way of showing a traceback takes a quarter of a second of the processor.
_LINES = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _LINES])

pytest_plugins = [
    "tests.servers.rabbitmq",
    "tests.servers.object_stores",  # imports the one before, as do the next two
    "tests.contract.nginx_site",
    "tests.contract.volumes",
    "tests.integration.downloading",
    "tests.providers.fixtures",
    "tests.servers.postgresql",
    "tests.servers.redis",
    "tests.sharing",
]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays: no garbage is looked for in it, neither meanwhile nor anew with each test."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
