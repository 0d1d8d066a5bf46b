"""The fetcher killed (`kill -9`) at every named step of a miss: the job is done again, and nobody sees a part."""

import signal

import psutil
import pytest

from services.fetcher.steps import FetchStep
from shared.pictures import Name
from shared.volume.local.commit import CommitStep
from tests.faults.steps import OF_A_MISS, is_in_sight
from tests.faults.versions import Version
from tests.faults.watching import stored_version, watching
from tests.faults.world import World
from tests.servers.stopping_fetcher import Step

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_miss_passes_every_named_step_in_its_order(world: World) -> None:
    [fetcher] = await world.fetchers(1)
    await world.done(await world.publish(world.new_subject().job()))
    passed = [line["step"] for line in fetcher.lines if line.get("event") == "step"]
    assert passed == list(OF_A_MISS)
    assert set(OF_A_MISS) == {*FetchStep, *CommitStep}
    assert len(OF_A_MISS[OF_A_MISS.index(FetchStep.LOCKED) :]) >= 12


@pytest.mark.parametrize("step", OF_A_MISS)
async def test_killed_at_a_step_the_picture_is_there_in_the_end(world: World, step: Step) -> None:
    await world.fetchers(1)
    subject = world.new_subject()
    version = Version.of(subject.body, "medium.webp")
    name = Name.parse(f"series/{subject.picture}/poster")
    with watching(world.root, subject.picture, version, name=name):
        world.orders.give(step, signal.SIGKILL)
        trace = await world.publish(subject.job(name=name))
        killed = await world.stopped()
        assert await killed.ended() == -signal.SIGKILL
        await world.fetchers(1)
        await world.done(trace)
        assert stored_version(world.root, subject.picture, version)
    assert await world.host.count(subject.path) <= (1 if is_in_sight(step) else 2)


async def test_no_renderer_outlives_a_killed_fetcher(world: World) -> None:
    [fetcher] = await world.fetchers(1)
    await world.done(await world.publish(world.new_subject().job()))
    renderers = psutil.Process(fetcher.pid).children(recursive=True)
    assert renderers
    fetcher.signal(signal.SIGKILL)
    await fetcher.ended()
    _, alive = psutil.wait_procs(renderers, timeout=60)
    assert not alive
