"""The hunt: mutants through the sandbox, and what must be true of each of them looked at."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory, gettempdir

import psutil
from PIL import Image

from services.fetcher.errors import PictureError
from services.fetcher.rendering.lockdown import Reach
from services.fetcher.rendering.render import Order, RenderResult
from services.fetcher.rendering.sandbox import Sandbox
from shared.pictures import SIZES, FailureClass, Format, Rendition
from tests.fuzz.mutations import mutant
from tests.fuzz.seeds import Seed

MEMORY_BYTES = 512 * 1024**2
TIMEOUT_S = 10.0
GRACE_S = 2.0
MAX_PIXELS = 120_000_000
PROCESSES = 2


@dataclass(frozen=True)
class Mutant:
    name: str
    """Whose, and by which dice: enough to make it again."""
    body: bytes
    rendition: Rendition


@dataclass
class Findings:
    """`outcomes`: how often each; `died`: what cost a renderer, and was not foreseen; `wrong`: what must not be."""

    outcomes: Counter[str] = field(default_factory=Counter)
    died: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    slowest_s: float = 0
    largest_bytes: int = 0
    """Resident memory of the renderer that took most, ever."""

    def expect(self, kept: object, what: str, of: Mutant) -> None:
        if not kept:
            self.wrong.append(f"{of.name} as {of.rendition}: {what}")


def mutants(seeds: tuple[Seed, ...], count: int, seed: int) -> Iterator[Mutant]:
    """Of all seeds in turn."""
    for number in range(count):
        dice = Random(f"{seed} {number}")
        origin = seeds[number % len(seeds)]
        rendition = Rendition(dice.choice(sorted(SIZES)), dice.choice(list(Format)))
        body = mutant(dice, origin.body, dice.choice(seeds).body)
        yield Mutant(f"mutant {number} of seed {seed}, from {origin.name}", body, rendition)


async def hunt(prey: Iterator[Mutant], *, processes: int = PROCESSES) -> Findings:
    findings = Findings()
    async with Sandbox.running(
        processes=processes,
        timeout_s=TIMEOUT_S,
        memory_bytes=MEMORY_BYTES,
        reach=Reach((), (Path(gettempdir()),)),
        when_idle=False,
    ) as sandbox:

        async def hunt_on() -> None:
            for each in prey:  # one iterator for all: each takes the next
                await _one(each, sandbox, findings)
                findings.largest_bytes = max(findings.largest_bytes, *_most_resident())

        await asyncio.gather(*(hunt_on() for _ in range(processes)))
    if findings.largest_bytes > MEMORY_BYTES:
        findings.wrong.append(f"a renderer took {findings.largest_bytes} bytes")
    return findings


async def _one(each: Mutant, sandbox: Sandbox, findings: Findings) -> None:
    with TemporaryDirectory(prefix="fuzz-") as name:
        into = Path(name)
        original = into / "download"
        original.write_bytes(each.body)
        order = Order(original, into, (each.rendition,), 85, MAX_PIXELS, MEMORY_BYTES)
        begun = time.monotonic()
        try:
            rendered = await sandbox.render(order, urgent=True, starting=_at_once)
        except PictureError as error:
            findings.outcomes["died" if error.crashed else str(error.failure_class)] += 1
            if error.crashed:
                findings.died.append(f"{each.name} as {each.rendition}: {error.reason}")
            classified = error.crashed or error.failure_class is FailureClass.UNSOUND
            findings.expect(classified, f"{error.failure_class}, {error.reason}", each)
        else:
            findings.outcomes["rendered"] += 1
            _check(rendered, into / str(each.rendition), each, findings)
        took_s = time.monotonic() - begun
        findings.slowest_s = max(findings.slowest_s, took_s)
        findings.expect(took_s < TIMEOUT_S + GRACE_S, f"took {took_s:.1f} s", each)


def _check(rendered: RenderResult, made: Path, each: Mutant, findings: Findings) -> None:
    """A picture that anybody can decode, of the size that follows from what the original is said to be."""
    box = each.rendition.box
    vector = rendered.sanitised is not None
    size = (box.fill if vector else box.fit)(rendered.width, rendered.height)
    try:
        with Image.open(made) as image:
            image.load()
            findings.expect(image.size == size, f"is {image.size}, not {size}", each)
    except OSError as error:
        findings.expect(kept=False, what=f"no picture was made: {error}", of=each)


def _most_resident() -> list[int]:
    """Of each renderer, as the kernel has noted it (VmHWM), in bytes."""
    servers = [child for child in psutil.Process().children() if "forkserver" in " ".join(child.cmdline())]
    found = [0]
    for renderer in (child for server in servers for child in server.children()):
        try:
            status = Path(f"/proc/{renderer.pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
    return found


async def _at_once() -> None:
    pass
