"""Starting takes no longer because there are many pictures: nobody looks at them all. `make bench` measures how long."""

from pathlib import Path

import psutil
import pytest

from shared.pictures import SourceUrl, State
from shared.telemetry import utc_now
from tests.conformance.crowd import crowd, source_of
from tests.conformance.material import manifest_of
from tests.conformance.servers import Server
from tests.conformance.subjects import by_url
from tests.conformance.world import World
from tests.servers.service import running_service

PICTURES = 5_000
"""Enough to see a start that reads them; the benchmark has 200,000."""


@pytest.mark.parametrize("module", ["services", "services.proxy", "services.fetcher"])
async def test_a_full_volume_is_served_without_reading_what_is_there(
    world: World, full: Path, tmp_path: Path, module: str
) -> None:
    reads = [await _reads(world, directory, module) for directory in (tmp_path, full)]
    assert abs(reads[1] - reads[0]) < PICTURES / 10


async def _reads(world: World, directory: Path, module: str) -> int:
    """How often a service has read from anything until it gave its first answer."""
    settings = {
        **world.settings,
        "VOLUME_URL": f"file:{directory}/volume",
        "STATE_DIR": f"{directory}/state",
        "ALLOWED_HOSTS": "a.example",
    }
    if module == "services":
        settings["QUEUE_URL"] = ""
    async with running_service(module, settings, cwd=directory) as service:
        server = Server(module, service.address, service.address, world.client)
        known = directory.name.startswith("full") and module != "services.fetcher"
        answer = await server.get(by_url(source_of(1), "small", "webp") if known else "/healthz")
        assert answer.status == 200
        return int(psutil.Process(service.pid).io_counters().read_count)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("full")
    original = b"the original"
    manifest = manifest_of(SourceUrl.parse(source_of(0)), original)
    state = State(fresh_until=utc_now())
    crowd(
        directory / "volume",
        PICTURES,
        {"original.jpg": original, "small.webp": b"small"},
        manifest=manifest.model_dump_json(),
        state=state.model_dump_json(),
    )
    return directory
