"""The fetcher killed while it heals a picture: what is sound is served all the time, and the job done again heals."""

import signal
from hashlib import sha256

import pytest

from services.fetcher.steps import FetchStep, HealStep
from shared.contracts import HealPicture
from shared.pictures import Tree
from shared.pictures.paths import POINTER
from shared.queue import Lane
from shared.volume import volume_to_keep
from shared.volume.local.commit import CommitStep
from tests.faults.world import World
from tests.servers.stopping_fetcher import Step

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEPS: tuple[Step, ...] = (
    HealStep.EXAMINED,
    HealStep.TAKEN_OUT,
    FetchStep.DOWNLOADED,
    CommitStep.REVISION_PLACED,
    CommitStep.POINTER_SWITCHED,
    FetchStep.COMMITTED,
)


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_a_step_of_healing_the_original_is_back_in_the_end(world: World, step: Step) -> None:
    await world.fetchers(1)
    subject = world.new_subject()
    await world.done(await world.publish(subject.job()))
    inside = world.layout.picture(Tree.CACHE, subject.picture) / POINTER
    original = next(inside.glob("original.*"))
    with original.open("r+b") as opened:
        opened.truncate(len(subject.body) // 2)
    world.orders.give(step, signal.SIGKILL)
    heal = HealPicture(picture=subject.picture, source_url=subject.source)
    trace = await world.publish(heal, Lane.PICTURES_LATER)
    killed = await world.stopped()
    assert await killed.ended() == -signal.SIGKILL
    assert (inside / "medium.webp").exists()
    await world.fetchers(1)
    await world.done(trace)
    assert sha256(original.read_bytes()).digest() == sha256(subject.body).digest()
    findings = await volume_to_keep(world.place).integrity.examine(subject.picture)
    assert findings.is_sound
    current = await volume_to_keep(world.place).pictures.current(subject.picture)
    assert current is not None
    assert current.files == {original.name, "medium.webp"}
