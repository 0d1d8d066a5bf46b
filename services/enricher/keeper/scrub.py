"""A scrub: every picture on the volume is read and compared with what it should be."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from services.enricher.tasks.task import Progress, patiently
from shared.contracts import Envelope, HealPicture
from shared.pictures import PictureId, Source, Upload, parse_source
from shared.queue import Lane, Queue
from shared.telemetry import trace_id
from shared.volume import Findings, Integrity, Pictures

REST = 1.0
"""It rests as long as it reads, so that hits have the disk as well."""

SourceOf = Callable[[PictureId], Awaitable[Source | None]]
"""Where a picture comes from, as others know; None: nobody does."""


class Scrub:
    """The work of a task: `dry_run` only says what is damaged, else fetchers are told to heal it."""

    KIND = "scrub"

    def __init__(
        self,
        pictures: Pictures,
        integrity: Integrity,
        source_of: SourceOf,
        queue: Queue,
        *,
        rest: float = REST,
    ) -> None:
        self._pictures = pictures
        self._integrity = integrity
        self._source_of = source_of
        self._queue = queue
        self._rest = rest

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        async for picture in self._pictures.pictures():
            began = time.monotonic()
            findings = await self._integrity.examine(picture)
            if findings.is_sound:
                progress.step(1, sound=1, bytes=findings.bytes)
            else:
                await self._tell(findings, progress, dry_run=bool(arguments["dry_run"]))
                progress.step()
            await asyncio.sleep((time.monotonic() - began) * self._rest)

    async def _tell(self, findings: Findings, progress: Progress, *, dry_run: bool) -> None:
        source = await self._source(findings)
        about = ", ".join(map(str, findings.damages))
        what = f"{source or findings.picture}: {about}"
        nobody_has_it = isinstance(source, Upload) and findings.lost_original
        if source is None or nobody_has_it:
            progress.item(what, "lost", size=findings.bytes)
        elif dry_run:
            progress.item(what, "damaged", size=findings.bytes)
        else:
            job = HealPicture(picture=findings.picture, source_url=source)
            order = Envelope.of(job, trace_id=trace_id())
            await patiently(lambda: self._queue.publish(order, Lane.PICTURES_LATER), progress)
            progress.item(what, "to be healed", size=findings.bytes)

    async def _source(self, findings: Findings) -> Source | None:
        if findings.manifest:
            return parse_source(findings.manifest.source_url)
        return await self._source_of(findings.picture)
