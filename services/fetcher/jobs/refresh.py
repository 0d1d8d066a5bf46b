"""Refreshing: ask the source whether a picture has changed. Whatever happens, the one that is there stays."""

from services.fetcher.download.downloader import Downloaded, NotModified
from services.fetcher.errors import PictureError
from services.fetcher.jobs.committing import commit_original, out_of_patience
from services.fetcher.jobs.failures import end_in_failure
from services.fetcher.jobs.fetch import asking_for, check_room
from services.fetcher.steps import FetchStep
from services.fetcher.work import Deps, JobDelivery
from shared.contracts import RefreshPicture
from shared.pictures import DOWNLOAD, RevisionId, State, Validators, picture_host
from shared.queue import Delay, Retry
from shared.telemetry import add_to_line
from shared.volume import Locked, Revision, RevisionGone, Superseded


async def refresh_picture(job: RefreshPicture, delivery: JobDelivery, deps: Deps) -> None:
    """304 extends the freshness; new bytes are a new revision, with every rendition that the old one holds."""
    source = job.source_url
    add_to_line(picture=source.picture)
    host = picture_host(source.host)
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
        await end_in_failure(error, source, None, delivery, deps, key=DOWNLOAD, waited_for=False)
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


def _checked(state: State, revision: RevisionId, got: Downloaded | NotModified, deps: Deps) -> State:
    """A 304 need not repeat its validators (RFC 9110, section 15.4.5): what it leaves out stays."""
    said, known = got.freshness.validators, state.validators
    return state.recovered(DOWNLOAD).model_copy(
        update={
            "revision": revision,
            "checked_at": deps.now(),
            "fresh_until": got.freshness.fresh_until,
            "validators": Validators(
                etag=said.etag or known.etag, last_modified=said.last_modified or known.last_modified
            ),
        }
    )
