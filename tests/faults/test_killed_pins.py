"""The fetcher killed at every named step of a pin, its end, an upload and an adoption: served all the time, and done in the
end.
"""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256

import pytest

from services.fetcher.steps import FetchStep
from shared.contracts import AdoptedFile, AdoptPictures, PinPicture, StoreUpload, UnpinPicture
from shared.pictures import Name, PictureId, Tree, Upload, candidates, name_path
from shared.pictures.rendition import Rendition
from shared.volume import Revision, volume_to_keep, volume_to_read
from shared.volume.local.commit import CommitStep
from shared.volume.local.pins import LocalPins, PinStep
from tests.faults.versions import Version
from tests.faults.watching import looking_all_the_time, watching
from tests.faults.world import Subject, World
from tests.servers.stopping_fetcher import Step

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED_FOR = "w154.webp"
PIN: tuple[Step, ...] = (
    PinStep.COPY_MADE,
    PinStep.COPY_PLACED,
    FetchStep.NAME_POINTED,
    FetchStep.ANNOUNCED,
)
UNPIN: tuple[Step, ...] = (PinStep.CACHE_CLEARED, PinStep.MOVED_BACK, FetchStep.NAME_POINTED)
UPLOAD: tuple[Step, ...] = (
    FetchStep.TAKEN,
    FetchStep.LOCKED,
    FetchStep.RENDERED,
    *CommitStep,
    FetchStep.COMMITTED,
    FetchStep.UNLOCKED,
    PinStep.PINS_WRITTEN,
    FetchStep.NAME_POINTED,
    FetchStep.ANNOUNCED,
    FetchStep.RECORDED,
    FetchStep.REST_QUEUED,
)
ADOPTION: tuple[Step, ...] = (
    FetchStep.TAKEN,
    FetchStep.LOCKED,
    FetchStep.RENDERED,
    *CommitStep,
    FetchStep.COMMITTED,
    FetchStep.RECORDED,
)
"""Of a job of one picture."""


def name_of(subject: Subject) -> Name:
    return Name.parse(f"movie/{subject.picture}/poster")


@contextmanager
def served(world: World, picture: PictureId, version: Version) -> Iterator[None]:
    """Fail when the first of its places that has the picture has not all of it, or none has it."""
    files = {rendition: version.files[rendition] for rendition in (ASKED_FOR,)}

    def look() -> Iterator[str]:
        for rendition, content in files.items():
            for path in candidates(picture, (Rendition.parse(rendition),)):
                try:
                    if (world.root / path).read_bytes() != content:
                        yield f"{path} is not whole"
                    break
                except FileNotFoundError:
                    continue
            else:
                yield f"{rendition} is nowhere"

    with looking_all_the_time(look):
        yield


async def current(world: World, picture: PictureId) -> Revision:
    revision = await volume_to_read(world.place).pictures.current(picture)
    assert revision is not None
    return revision


async def shown(world: World, name: Name) -> PictureId | None:
    return await volume_to_read(world.place).names.picture(name)


async def stored(world: World) -> tuple[Subject, Version]:
    subject = world.new_subject()
    await world.done(await world.publish(subject.job(ASKED_FOR)))
    return subject, Version.of(subject.body, ASKED_FOR)


async def killed_and_done_again(
    world: World, step: Step, message: PinPicture | UnpinPicture | StoreUpload | AdoptPictures
) -> None:
    world.orders.give(step, signal.SIGKILL)
    trace = await world.publish(message)
    assert await (await world.stopped()).ended() == -signal.SIGKILL
    await world.fetchers(1)
    await world.done(trace)


@pytest.mark.parametrize("step", PIN)
async def test_a_pin_killed_at_a_step_is_set_in_the_end(world: World, step: Step) -> None:
    await world.fetchers(1)
    subject, version = await stored(world)
    name = name_of(subject)
    with served(world, subject.picture, version):
        await killed_and_done_again(world, step, PinPicture(name=name, source_url=subject.source))
    kept = await current(world, subject.picture)
    assert (kept.tree, kept.files) == (Tree.KEEP, frozenset(version.files))
    assert await shown(world, name) == subject.picture
    assert (world.root / name_path(name)).resolve() == world.layout.picture(Tree.KEEP, subject.picture)
    assert await world.host.count(subject.path) == 1


@pytest.mark.parametrize("step", UNPIN)
async def test_an_unpin_killed_at_a_step_is_done_in_the_end(world: World, step: Step) -> None:
    await world.fetchers(1)
    subject, version = await stored(world)
    name = name_of(subject)
    await world.done(await world.publish(PinPicture(name=name, source_url=subject.source)))
    with served(world, subject.picture, version):
        await killed_and_done_again(world, step, UnpinPicture(name=name))
    left = await current(world, subject.picture)
    assert (left.tree, left.files) == (Tree.CACHE, frozenset(version.files))
    assert not world.layout.picture(Tree.KEEP, subject.picture).exists()
    assert (world.root / name_path(name)).resolve() == world.layout.picture(Tree.CACHE, subject.picture)


@pytest.mark.parametrize("step", [PinStep.PINS_WRITTEN, PinStep.CACHE_CLEARED, FetchStep.NAME_POINTED])
async def test_a_pin_moved_to_another_picture_is_never_left_on_both(world: World, step: Step) -> None:
    await world.fetchers(1)
    (one, _), (other, version) = await stored(world), await stored(world)
    name = name_of(one)
    await world.done(await world.publish(PinPicture(name=name, source_url=one.source)))
    if step is PinStep.PINS_WRITTEN:  # of a picture that is kept already
        await world.done(await world.publish(PinPicture(name=name_of(other), source_url=other.source)))
    with served(world, other.picture, version):
        await killed_and_done_again(world, step, PinPicture(name=name, source_url=other.source))
    pins = LocalPins(world.layout)
    assert [await pins.holds(picture, name) for picture in (one.picture, other.picture)] == [False, True]
    assert (await current(world, one.picture)).tree is Tree.CACHE
    assert await shown(world, name) == other.picture


async def test_an_upload_passes_its_steps_in_their_order(world: World) -> None:
    [fetcher] = await world.fetchers(1)
    subject = world.new_subject()
    job, _ = await sent(world, subject)
    before = len(fetcher.lines)
    await world.done(await world.publish(job))
    assert [line["step"] for line in fetcher.lines[before:] if "step" in line] == list(UPLOAD)


@pytest.mark.parametrize("step", UPLOAD)
async def test_an_upload_killed_at_a_step_is_kept_in_the_end(world: World, step: Step) -> None:
    await world.fetchers(1)
    subject = world.new_subject()
    job, upload = await sent(world, subject)
    version = Version.of(subject.body)
    with watching(world.root, upload.picture, version, name=job.name):
        await killed_and_done_again(world, step, job)
    kept = await current(world, upload.picture)
    assert (kept.tree, kept.id, kept.files) == (Tree.KEEP, version.revision, frozenset(version.files))
    assert not world.layout.picture(Tree.CACHE, upload.picture).exists()
    assert job.name
    assert await shown(world, job.name) == upload.picture
    assert not (world.layout.inbox / job.inbox).exists()
    assert await world.host.count(subject.path) == 0


async def sent(world: World, subject: Subject) -> tuple[StoreUpload, Upload]:
    """The subject's bytes, which nobody is to ask its host for."""
    upload = Upload(sha256(subject.body).hexdigest())
    inbox_id = await volume_to_keep(world.place).inbox.put(subject.body)
    return StoreUpload(inbox=inbox_id, sha256=upload.sha256, name=name_of(subject)), upload


async def test_an_adoption_passes_its_steps_in_their_order(world: World) -> None:
    [fetcher] = await world.fetchers(1)
    before = len(fetcher.lines)
    await world.done(await world.publish(await left_behind(world, world.new_subject())))
    assert [line["step"] for line in fetcher.lines[before:] if "step" in line] == list(ADOPTION)


@pytest.mark.parametrize("step", ADOPTION)
async def test_an_adoption_killed_at_a_step_is_there_in_the_end(world: World, step: Step) -> None:
    await world.fetchers(1)
    subjects = [world.new_subject() for _ in range(2)]
    versions = [Version.of(subject.body) for subject in subjects]
    job = await left_behind(world, *subjects)
    with ExitStack() as stack:
        for subject, version in zip(subjects, versions, strict=True):
            stack.enter_context(watching(world.root, subject.picture, version))
        await killed_and_done_again(world, step, job)
    for subject, version in zip(subjects, versions, strict=True):
        adopted = await current(world, subject.picture)
        assert (adopted.tree, adopted.id, adopted.files) == (
            Tree.CACHE,
            version.revision,
            frozenset(version.files),
        )
        assert await world.host.count(subject.path) == 0
    assert not [file for file in job.files if (world.layout.inbox / file.inbox).exists()]


async def left_behind(world: World, *subjects: Subject) -> AdoptPictures:
    """The subjects' bytes, as another program had downloaded them."""
    inbox = volume_to_keep(world.place).inbox
    files = [
        AdoptedFile(
            inbox=await inbox.put(subject.body),
            sha256=sha256(subject.body).hexdigest(),
            source_url=subject.source,
        )
        for subject in subjects
    ]
    return AdoptPictures(files=tuple(files))
