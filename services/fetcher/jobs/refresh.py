"""Jobs for what is stored already: refreshed by its validators, healed where it is damaged."""

import structlog

from services.fetcher.download.downloader import Downloaded, NotModified
from services.fetcher.errors import PictureError
from services.fetcher.jobs.committing import commit_original, locked, out_of_patience
from services.fetcher.jobs.failures import end_in_failure
from services.fetcher.jobs.fetch import asking_for, check_room, fetch_picture
from services.fetcher.jobs.making import original_of, render_picture
from services.fetcher.steps import FetchStep, HealStep
from services.fetcher.work import Deps, JobDelivery
from shared import pictures
from shared.contracts import FetchPicture, HealPicture, RefreshPicture, RenderPicture
from shared.queue import Delay, Retry
from shared.telemetry import add_to_line
from shared.volume import Findings, Locked, Revision, RevisionGone, Superseded

_log = structlog.get_logger()


async def refresh_picture(job: RefreshPicture, delivery: JobDelivery, deps: Deps) -> None:
    """304 extends the freshness; new bytes are a new revision, with every rendition that the old one holds."""
    source = job.source_url
    add_to_line(picture=source.picture)
    host = pictures.picture_host(source.host)
    if host and host.immutable:
        add_to_line(outcome="never changes")
        return
    try:
        async with deps.pictures.lock(source.picture, insist=out_of_patience(delivery, deps)):
            deps.on_step(FetchStep.LOCKED)
            base = await deps.pictures.current(source.picture)
            if base is None:
                add_to_line(outcome="nothing to refresh")
                return
            revision = await _ask_again(job, base, delivery, deps)
    except PictureError as error:
        # Who waits for a rendition just now gets it of the revision that is there.
        await end_in_failure(error, source, None, delivery, deps, key=pictures.DOWNLOAD, waited_for=False)
        return
    except (Locked, Superseded, RevisionGone) as error:
        locked = isinstance(error, Locked)
        raise Retry(Delay.ONE_SECOND, str(error), counted=False, locked=locked) from error
    deps.on_step(FetchStep.UNLOCKED)
    if revision.id == base.id:
        add_to_line(outcome="unchanged")
        await deps.announcements.record(source.picture, source, "checked")
        return
    add_to_line(outcome="changed")
    await deps.announcements.stored(source.picture, revision.id, revision.renditions)
    deps.on_step(FetchStep.ANNOUNCED)
    await deps.announcements.record(source.picture, source, "stored")
    deps.on_step(FetchStep.RECORDED)


async def _ask_again(job: RefreshPicture, base: Revision, delivery: JobDelivery, deps: Deps) -> Revision:
    source = job.source_url
    state = await deps.pictures.state(source.picture)
    validators = state.validators if state.revision == base.id else None
    await check_room(deps)
    async with deps.pictures.draft() as draft:
        async with delivery.turn.at_host() as seat:
            got = await deps.downloader.get(
                source,
                draft.directory / "download",
                asker=await asking_for(source.picture, seat, delivery, deps),
                validators=validators,
                authorised_host=job.authorised_host,
            )
        deps.on_step(FetchStep.DOWNLOADED)
        if isinstance(got, Downloaded) and got.revision != base.id:
            return await commit_original(
                source, got, base.renditions, delivery, deps, draft=draft, expected=base.id
            )
        await deps.pictures.put_state(source.picture, _checked(state, base.id, got, deps))
        return base


def _checked(
    state: pictures.State, revision: pictures.RevisionId, got: Downloaded | NotModified, deps: Deps
) -> pictures.State:
    """A 304 need not repeat its validators (RFC 9110, section 15.4.5): what it leaves out stays."""
    said, known = got.freshness.validators, state.validators
    return state.recovered(pictures.DOWNLOAD).model_copy(
        update={
            "revision": revision,
            "checked_at": deps.now(),
            "fresh_until": got.freshness.fresh_until,
            "validators": pictures.Validators(
                etag=said.etag or known.etag, last_modified=said.last_modified or known.last_modified
            ),
        }
    )


async def heal_picture(job: HealPicture, delivery: JobDelivery, deps: Deps) -> None:
    """Raise Retry while somebody else works on the picture, or its source cannot be asked just now."""
    add_to_line(picture=job.picture)
    async with locked(job.picture, delivery, deps):
        findings = await deps.mending.examine_locked(job.picture)
        deps.on_step(HealStep.EXAMINED)
        pins = await deps.pins.names(job.picture)
        source = job.source_url or _source(findings)
        if isinstance(source, pictures.Upload) and findings.lost_original:
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
        await fetch_picture(FetchPicture(source_url=source, rendition=pictures.ORIGINAL), delivery, deps)
    elif findings.is_sound:
        add_to_line(outcome="was sound")
    if source and (renditions := findings.lost_renditions):
        made = RenderPicture(source_url=source, renditions=tuple(map(pictures.Rendition.parse, renditions)))
        await render_picture(made, delivery, deps)
    await _pin_again(job.picture, pins, delivery, deps)
    await deps.announcements.record(job.picture, source, "checked")


async def _lacks_original(
    picture: pictures.PictureId, findings: Findings, delivery: JobDelivery, deps: Deps
) -> bool:
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


async def _pin_again(
    picture: pictures.PictureId, names: frozenset[pictures.Name], delivery: JobDelivery, deps: Deps
) -> None:
    """Without a pointer in `keep`, what was fetched again went to `cache`."""
    revision = await deps.pictures.current(picture)
    if revision and revision.tree is pictures.Tree.CACHE:
        for name in sorted(names, key=str):
            async with locked(picture, delivery, deps):
                await deps.pins.pin(picture, name)


def _source(findings: Findings) -> pictures.Source | None:
    return pictures.parse_source(findings.manifest.source_url) if findings.manifest else None
