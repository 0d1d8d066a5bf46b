"""Healing: what is damaged of a picture is taken out of sight and made again, from the original or from its source.

What is sound stays and is served all the time. Killed at any line, the job done again finds what is still lacking.
"""

import structlog

from services.fetcher.jobs.committing import locked
from services.fetcher.jobs.fetch import fetch_picture
from services.fetcher.jobs.making import original_of, render_picture
from services.fetcher.steps import HealStep
from services.fetcher.work import Deps, JobDelivery
from shared.contracts import FetchPicture, HealPicture, RenderPicture
from shared.pictures import ORIGINAL, Name, PictureId, Rendition, Source, Tree, Upload, parse_source
from shared.telemetry import add_to_line
from shared.volume import Findings

_log = structlog.get_logger()


async def heal_picture(job: HealPicture, delivery: JobDelivery, deps: Deps) -> None:
    """Raise Retry while somebody else works on the picture, or its source cannot be asked just now."""
    add_to_line(picture=job.picture)
    async with locked(job.picture, delivery, deps):
        findings = await deps.mending.examine_locked(job.picture)
        deps.on_step(HealStep.EXAMINED)
        pins = await deps.pins.names(job.picture)
        source = job.source_url or _source(findings)
        if isinstance(source, Upload) and findings.lost_original:
            _log.error("an upload is damaged, and nobody else has it", picture=job.picture)
            add_to_line(outcome="lost")
            return
        if not findings.is_sound:
            await deps.mending.take_out(findings)
            deps.on_step(HealStep.TAKEN_OUT)
    add_to_line(damaged=[str(damage) for damage in findings.damages][:10], outcome="healed")
    if source is None:
        add_to_line(outcome="was sound" if findings.is_sound else "nobody knows where it came from")
    elif await _lacks_original(job.picture, findings, delivery, deps):
        await fetch_picture(FetchPicture(source_url=source, rendition=ORIGINAL), delivery, deps)
    elif findings.is_sound:
        add_to_line(outcome="was sound")
    if source and (renditions := findings.lost_renditions):
        made = RenderPicture(source_url=source, renditions=tuple(map(Rendition.parse, renditions)))
        await render_picture(made, delivery, deps)
    await _pin_again(job.picture, pins, delivery, deps)
    await deps.announcements.record(job.picture, source, "checked")


async def _lacks_original(picture: PictureId, findings: Findings, delivery: JobDelivery, deps: Deps) -> bool:
    """Whether it has to be fetched: also what was taken out by somebody who died before it was back.

    One that was too large to keep is not lacking.
    """
    revision = await deps.pictures.current(picture)
    if revision is None:
        return True
    if revision.manifest.original.bytes > deps.settings.render.max_kept_bytes:
        return False
    gone = findings.lost_original or delivery.came_before
    return gone and await original_of(revision, deps) is None


async def _pin_again(picture: PictureId, names: frozenset[Name], delivery: JobDelivery, deps: Deps) -> None:
    """Without a pointer in `keep`, what was fetched again went to `cache`."""
    revision = await deps.pictures.current(picture)
    if revision and revision.tree is Tree.CACHE:
        for name in sorted(names, key=str):
            async with locked(picture, delivery, deps):
                await deps.pins.pin(picture, name)


def _source(findings: Findings) -> Source | None:
    return parse_source(findings.manifest.source_url) if findings.manifest else None
