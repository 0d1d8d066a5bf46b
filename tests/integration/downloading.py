"""The downloader alone, with settings as an operator would make them, and names from a name server of ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
from aiohttp.resolver import AsyncResolver

from services.fetcher.download.downloader import Downloaded, Downloader, NotModified
from services.fetcher.errors import DownloadRefused
from services.fetcher.settings import DownloadSettings
from shared.pictures import FailureClass, RefusalReason, SourceUrl
from shared.telemetry import Metrics
from shared.volume import unwatched
from shared.volume.local.layout import Layout
from shared.volume.local.names import LocalHostPauses
from tests.servers.dialled import dialled
from tests.servers.name_server import NameServer, running_name_server
from tests.servers.trap import Trap, running_trap

PUBLIC, OTHER_PUBLIC, PUBLIC_V6 = "93.184.215.14", "151.101.1.1", "2606:4700:4700::1111"


@dataclass
class Downloading:
    downloader: Downloader
    pauses: LocalHostPauses
    metrics: Metrics
    into: Path
    announced: list[tuple[str, datetime]] = field(default_factory=list)

    async def get(self, url: str, *, authorised_host: str | None = None) -> Downloaded | NotModified:
        source = SourceUrl.parse(url)
        return await self.downloader.get(source, self.into, authorised_host=authorised_host)

    def refusals(self) -> dict[RefusalReason, float]:
        counted = {
            rule: self.metrics.registry.get_sample_value("onesheet_refusals_total", {"rule": rule})
            for rule in RefusalReason
        }
        return {rule: count for rule, count in counted.items() if count}


@asynccontextmanager
async def running_downloader(
    directory: Path, settings: DownloadSettings, names: NameServer | None = None
) -> AsyncIterator[Downloading]:
    layout = Layout(directory / "volume")
    layout.prepare()
    pauses, metrics = LocalHostPauses(layout), Metrics()
    announced: list[tuple[str, datetime]] = []

    async def announce(authority: str, until: datetime) -> None:
        announced.append((authority, until))

    async with Downloader.running(
        settings,
        pauses=pauses,
        announce=announce,
        metrics=metrics,
        on_step=unwatched,
        resolver=AsyncResolver(nameservers=["127.0.0.1"], udp_port=names.port) if names else None,
    ) as downloader:
        yield Downloading(downloader, pauses, metrics, directory / "download", announced)


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    async with running_trap() as trap:
        yield trap
        assert trap.reached == 0


@pytest.fixture
async def names(trap: Trap) -> AsyncIterator[NameServer]:
    async with running_name_server() as server:
        server.say("public.example", [PUBLIC])
        yield server


def settings_with(trap: Trap, **others: str | tuple[str, ...]) -> DownloadSettings:
    """Every host is allowed at its usual ports, and at the trap's."""
    asked = {"ALLOWED_HOSTS": f"*,*:{trap.port}", "READ_TIMEOUT": "2"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (asked | others).items():
            patch.setenv(name, str(value))
        return DownloadSettings()


@pytest.fixture
async def downloading(tmp_path: Path, trap: Trap, names: NameServer) -> AsyncIterator[Downloading]:
    async with running_downloader(tmp_path, settings_with(trap), names) as downloading:
        yield downloading


async def refusal(downloading: Downloading, url: str) -> RefusalReason | None:
    """The rule that refused it, seen by operators once, before anybody was dialled; None: it was not even read."""
    try:
        SourceUrl.parse(url)
    except ValueError:
        return None
    with dialled() as addresses, pytest.raises(DownloadRefused) as refused:
        await downloading.get(url)
    assert refused.value.failure_class is FailureClass.REFUSED
    assert addresses == []
    assert downloading.refusals() == {refused.value.rule: 1}
    return refused.value.rule
