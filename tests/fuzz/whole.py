"""Mutants through all of it: a host that serves them, the fetcher, the volume, and the proxy's answer."""

import asyncio
from collections.abc import Iterator
from io import BytesIO

from PIL import Image

from shared.pictures import FailureClass
from shared.pictures.paths import is_original
from shared.volume import Revision
from tests.fuzz.hunt import Findings, Mutant
from tests.integration.onesheet import Answer, Onesheet, until

AT_ONCE = 8
REFUSALS = frozenset({413, 415, 502, 503})


async def hunt_through(onesheet: Onesheet, prey: Iterator[Mutant]) -> Findings:
    """Each asked for once; then the volume is looked through."""
    findings = Findings()
    numbered = enumerate(prey)

    async def hunt_on() -> None:
        for number, each in numbered:
            path = f"/mutant/{number}.jpg"
            onesheet.host.put(path, each.body)
            assert each.rendition.format
            answer = await onesheet.get(path, size=each.rendition.size, format=each.rendition.format)
            await _look_at(answer, each, path, onesheet, findings)

    await asyncio.gather(*(hunt_on() for _ in range(AT_ONCE)))
    findings.wrong += await _not_whole(onesheet)
    return findings


async def _look_at(answer: Answer, each: Mutant, path: str, onesheet: Onesheet, findings: Findings) -> None:
    findings.outcomes[f"answered {answer.status}"] += 1
    if answer.status == 200:
        findings.expect(_is_picture(answer.body), "what was answered is no picture", each)
        return
    findings.expect(answer.status in REFUSALS, f"answered {answer.status}", each)
    failures = (await onesheet.state(path)).failures.values()
    findings.expect(failures, "nothing is remembered of the failure", each)
    for failure in failures:
        if failure.crashes:
            findings.died.append(f"{each.name} as {each.rendition}: {failure.reason}")
        ours = failure.failure_class is FailureClass.OURS and not failure.crashes
        findings.expect(not ours, failure.reason, each)


async def _not_whole(onesheet: Onesheet) -> list[str]:
    """What lies on the volume and is not whole."""
    pictures = onesheet.volume.pictures
    found = []
    try:
        await until(lambda: not any(onesheet.layout.scratch.iterdir()))
    except TimeoutError:
        found.append("something is left in the scratch space")
    async for picture in pictures.pictures():
        revision = await pictures.current(picture)
        if revision:
            found += await _broken_files(onesheet, revision)
        elif not (await pictures.state(picture)).failures:
            found.append(f"{picture} is neither stored nor failed")
    return found


async def _broken_files(onesheet: Onesheet, revision: Revision) -> list[str]:
    found = []
    for name in revision.files:
        stored = await onesheet.volume.pictures.at(revision.picture, revision.id, name)
        whole = stored and (is_original(name) or _is_picture(await stored.content.whole()))
        if not whole:
            found.append(f"{revision.picture}/{revision.id}/{name} is not whole")
    return found


def _is_picture(body: bytes) -> bool:
    try:
        with Image.open(BytesIO(body)) as image:
            image.load()
    except OSError:
        return False
    return True
