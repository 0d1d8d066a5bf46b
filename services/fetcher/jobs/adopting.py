"""Pictures that another program has downloaded, stored as if we had: many in one job, which share what takes the time.

All are checked by one renderer in one go, and committed with the flushes that they can share. Whatever goes wrong with one of
them keeps none of the others.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.fetcher.errors import PictureError
from services.fetcher.jobs.committing import Uploaded, out_of_patience, to_commit
from services.fetcher.jobs.fetch import check_room
from services.fetcher.jobs.keeping import check_sent
from services.fetcher.jobs.making import count_start, missing_ahead, order_for
from services.fetcher.rendering.order import RenderResult
from services.fetcher.steps import FetchStep
from services.fetcher.work import Deps, JobDelivery
from shared.contracts import AdoptedFile, AdoptPictures
from shared.pictures import Failure, FailureClass, revision_id
from shared.queue import Delay, Retry
from shared.telemetry import add_to_line
from shared.volume import Draft, Locked, Revision, Superseded

MIB = 1024 * 1024
CHECKED_AT_ONCE_BYTES = 4 * MIB
"""Of originals, by one renderer in one go: whoever waits for a renderer meanwhile waits some 100 ms."""


async def adopt_pictures(job: AdoptPictures, delivery: JobDelivery, deps: Deps) -> None:
    """Checked and committed as what was downloaded is, without renditions: those come in `later`. What is stored stays."""
    deps.on_step(FetchStep.TAKEN)
    files = tuple({file.source_url.picture: file for file in job.files}.values())
    async with _locked(files, delivery, deps):
        deps.on_step(FetchStep.LOCKED)
        outcomes = await _stored(files, delivery, deps)
    told = {file: outcome for file, outcome in outcomes.items() if not isinstance(outcome, Retry)}
    adopted = [await _told(file, outcome, deps) for file, outcome in told.items()]
    add_to_line(
        adopted=adopted.count(True),
        pictures=len(job.files),
        outcome="adopted" if any(adopted) else "failed",
    )
    await deps.announcements.record_all([file.source_url.picture for file in told])
    deps.on_step(FetchStep.RECORDED)
    for outcome in outcomes.values():
        if isinstance(outcome, Retry):
            raise outcome
    for file in job.files:  # till here, all of it can be done again
        await deps.inbox.remove(file.inbox)


@asynccontextmanager
async def _locked(files: Sequence[AdoptedFile], delivery: JobDelivery, deps: Deps) -> AsyncIterator[None]:
    """Raise Retry while somebody else works on one of the pictures."""
    pictures = [file.source_url.picture for file in files]
    try:
        async with deps.pictures.lock_all(pictures, insist=out_of_patience(delivery, deps)):
            yield
    except Locked as error:
        raise Retry(Delay.ONE_SECOND, str(error), counted=False, locked=True) from error


_Outcome = Revision | PictureError | Retry
"""Of one file: stored, refused, or to be tried again."""


async def _stored(
    files: Sequence[AdoptedFile], delivery: JobDelivery, deps: Deps
) -> Mapping[AdoptedFile, _Outcome]:
    """What becomes of each. Raise Retry where there is no room for any."""
    outcomes: dict[AdoptedFile, _Outcome] = {}
    for file in files:
        if there := await deps.pictures.current(file.source_url.picture):
            outcomes[file] = there
    missing = [file for file in files if file not in outcomes]
    if missing:
        await _check_room(deps)
    async with AsyncExitStack() as stack:
        drafts = {file: await stack.enter_async_context(deps.pictures.draft()) for file in missing}
        taken = []
        for file, one in (await _taken(drafts, deps)).items():
            if isinstance(one, PictureError):
                outcomes[file] = one
            else:
                taken.append(one)
        sound = []
        for one, made in await _checked(taken, delivery, deps):
            if isinstance(made, RenderResult):
                sound.append((one, made))
            else:
                outcomes[one.file] = _or_again(made)
        deps.on_step(FetchStep.RENDERED)
        outcomes |= await _committed(sound, deps)
    return outcomes


@dataclass(frozen=True, slots=True)
class _Taken:
    """A file out of the inbox, in a draft of its own."""

    file: AdoptedFile
    draft: Draft
    original: Uploaded
    bytes: int


async def _check_room(deps: Deps) -> None:
    try:
        await check_room(deps)
    except PictureError as error:
        raise Retry(Delay.TEN_SECONDS, error.reason, counted=True) from error


async def _taken(
    drafts: Mapping[AdoptedFile, Draft], deps: Deps
) -> Mapping[AdoptedFile, _Taken | PictureError]:
    """Each out of the inbox; an error for what is not there, or not what was announced."""
    paths = {file: draft.directory / "upload" for file, draft in drafts.items()}
    there = await deps.inbox.copy_all({file.inbox: path for file, path in paths.items()})
    most = deps.settings.download.max_body_mb * MIB

    def looked_at(file: AdoptedFile, path: Path) -> _Taken | PictureError:
        if file.inbox not in there:
            return PictureError(FailureClass.GONE, "The file is not there any more.")
        try:
            check_sent(path, file.sha256, max_bytes=most)
        except PictureError as error:
            return error
        original = Uploaded(path, revision_id(file.sha256), file.fetched_at)
        return _Taken(file, drafts[file], original, path.stat().st_size)

    return await asyncio.to_thread(lambda: {file: looked_at(file, path) for file, path in paths.items()})


async def _checked(
    taken: Sequence[_Taken], delivery: JobDelivery, deps: Deps
) -> Sequence[tuple[_Taken, RenderResult | PictureError]]:
    """Decoded, each. Of a job that was begun before each by itself, for one of them may have ended the whole fetcher."""
    checked: list[tuple[_Taken, RenderResult | PictureError]] = []
    for some in _groups(taken, 0 if delivery.envelope.redelivered else CHECKED_AT_ONCE_BYTES):
        orders = [order_for(one.original.path, one.draft, (), deps) for one in some]

        async def starting(first: _Taken = some[0]) -> None:
            await count_start(first.file.source_url.picture, delivery, deps)

        host = some[0].file.source_url.authority
        try:
            made = await deps.sandbox.render_each(orders, starting=starting, host=host)
            checked += zip(some, made, strict=True)
        except PictureError as error:  # it was begun too often
            checked += [(one, error) for one in some]
    return checked


def _or_again(error: PictureError) -> PictureError | Retry:
    if error.failure_class is FailureClass.OURS:
        return Retry(Delay.TEN_SECONDS, error.reason, counted=True)
    return error


def _groups(taken: Sequence[_Taken], at_once_bytes: int) -> Iterator[Sequence[_Taken]]:
    """In their order, one at least in each."""
    group: list[_Taken] = []
    for one in taken:
        if group and sum(other.bytes for other in group) + one.bytes > at_once_bytes:
            yield group
            group = []
        group.append(one)
    if group:
        yield group


async def _committed(
    sound: Sequence[tuple[_Taken, RenderResult]], deps: Deps
) -> Mapping[AdoptedFile, _Outcome]:
    new = [
        await to_commit(one.file.source_url, one.original, rendered, one.draft, deps)
        for one, rendered in sound
    ]
    committed: dict[AdoptedFile, _Outcome] = {}
    for (one, _), outcome in zip(sound, await deps.pictures.commit_all(new), strict=True):
        if isinstance(outcome, Superseded):
            committed[one.file] = Retry(Delay.ONE_SECOND, str(outcome), counted=False)
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            committed[one.file] = outcome
    if committed:
        deps.on_step(FetchStep.COMMITTED)
    return committed


async def _told(file: AdoptedFile, outcome: Revision | PictureError, deps: Deps) -> bool:
    """Whether it is stored. One that is no picture says nothing of what its source has: it is told, and not remembered."""
    picture = file.source_url.picture
    if isinstance(outcome, PictureError):
        failure = Failure.after(
            None, outcome.failure_class, outcome.reason, now=deps.now(), status=outcome.status
        )
        add_to_line(failure_class=failure.failure_class, reason=failure.reason)
        await deps.announcements.failed(picture, None, failure)
        return False
    await deps.announcements.stored(picture, outcome.id, outcome.renditions)
    if rest := missing_ahead(outcome, deps.settings.render):
        await deps.announcements.render_later(file.source_url, rest)
    return True
