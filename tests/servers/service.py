"""Our own services as processes, as an operator starts them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.servers.databases import furnish
from tests.servers.warm import LONGEST_LINE, Start, WarmProcess

PROJECT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 90
_WITH_DATABASE = ("services", "services.enricher")

Process = asyncio.subprocess.Process | WarmProcess


class RunningService:
    """A service that listens. `lines`: what it has logged so far, one dictionary each."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._listening = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self.address = ""
        self.lines: list[dict[str, Any]] = []

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def ended(self, *, within_s: float = _PATIENCE_S) -> int:
        """Wait for its end, and for all it said; the exit status."""
        async with asyncio.timeout(within_s):
            status = await self._process.wait()
            await self._reading
        return status

    async def listening(self) -> None:
        listening = asyncio.create_task(self._listening.wait())
        ended = asyncio.create_task(self._process.wait())
        done, pending = await asyncio.wait(
            {listening, ended}, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED
        )
        for task in pending:
            task.cancel()
        if listening not in done:
            raise RuntimeError(f"The service does not listen: {self.lines[-5:]}")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"event": raw.decode(errors="replace").rstrip()}
            self.lines.append(line)
            if line.get("event") == "listening":
                self.address = line["address"]
                self._listening.set()


@asynccontextmanager
async def running_service(
    module: str,
    settings: Mapping[str, str],
    *,
    cwd: Path,
    descriptors: int | None = None,
    warm: bool = True,
    checkout: Path | None = None,
) -> AsyncIterator[RunningService]:
    """Start `python -m module` with these settings and no others, on a free port; end it with the block.

    `descriptors`: it may have no more than so many, whatever it does. Without `warm` it imports all of its own
    itself, as an operator's does. `checkout`: another one's, with its own environment, beside which this one is measured.
    """
    if module in _WITH_DATABASE and "STATE_DIR" in settings:
        furnish(Path(settings["STATE_DIR"]))
    inherited = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "RENDER_WHEN_IDLE") if name in os.environ
    }
    env = {
        **inherited,
        "PYTHONPATH": str(checkout or PROJECT),
        "PORT": "0",
        "LOG_FORMAT": "json",
        "DISK_FREE_FLOOR_GB": "0",
        **settings,
    }
    python = checkout / ".venv/bin/python" if checkout else None
    process = await start_process(
        module, env, cwd=cwd, descriptors=descriptors, warm=warm and not checkout, python=python
    )
    service = RunningService(process)
    try:
        await service.listening()
        yield service
    finally:
        await _end(service)


measured_service = partial(running_service, warm=False)
"""Started as an operator's is, which shares no memory with another."""


async def start_process(
    module: str,
    env: Mapping[str, str],
    *,
    cwd: Path,
    descriptors: int | None = None,
    own_group: bool = False,
    warm: bool,
    python: Path | None = None,
) -> Process:
    """`python -m module`, whose output can be read."""
    if warm:
        return await WarmProcess.started(module, Start(str(cwd), dict(env), descriptors, own_group))
    assert descriptors is None
    return await asyncio.create_subprocess_exec(
        *(str(python or sys.executable), "-m", module),
        cwd=cwd,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=own_group,
        limit=LONGEST_LINE,
    )


async def _end(service: RunningService) -> None:
    """SIGCONT first: a suspended process hears nothing else."""
    service.signal(signal.SIGCONT)
    service.signal(signal.SIGTERM)
    try:
        await service.ended(within_s=45)
    except TimeoutError:
        service.signal(signal.SIGKILL)
        await service.ended()
