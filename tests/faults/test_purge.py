"""A purge while a fetch of the same picture runs: gone, or fetched again whole; never half."""

import os
import signal
from pathlib import Path

import pytest

from shared.contracts import PurgePicture
from shared.pictures import Tree
from tests.faults.steps import OF_A_MISS
from tests.faults.versions import Version
from tests.faults.watching import stored_version, watching
from tests.faults.world import Subject, World
from tests.servers.rabbitmq import Broker
from tests.servers.stopping_fetcher import Step

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_purge_waits_for_the_fetch_that_runs_and_leaves_nothing(
    rabbitmq: Broker, tmp_path: Path
) -> None:
    """However long it takes: none of these fetchers goes on without the lock."""
    async with World.running(tmp_path, rabbitmq.vhost(), FETCH_CONCURRENCY="1") as world:
        await world.fetchers(2)
        subject = world.new_subject()
        version = Version.of(subject.body, "medium.webp")
        await world.host.hold(subject.path)
        fetch = await world.publish(subject.job())
        await world.host.arrived(subject.path)
        purge = await world.publish(PurgePicture(picture=subject.picture))
        await world.put_off(purge)
        with watching(world.root, subject.picture, version):
            await world.host.release(subject.path)
            await world.done(fetch)
            await world.done(purge)
        assert is_gone(world, subject)


@pytest.mark.parametrize("step", OF_A_MISS)
async def test_a_purge_without_the_lock_leaves_nothing_or_all(world: World, step: Step) -> None:
    await world.fetchers(2)
    subject = world.new_subject()
    version = Version.of(subject.body, "medium.webp")
    with watching(world.root, subject.picture, version):
        world.orders.give(step, signal.SIGSTOP)
        fetch = await world.publish(subject.job())
        suspended = await world.stopped()
        await world.done(await world.publish(PurgePicture(picture=subject.picture)))
        assert is_gone(world, subject)
        suspended.signal(signal.SIGCONT)
        await world.done(fetch)
        assert is_gone(world, subject) or stored_version(world.root, subject.picture, version)
        await world.done(await world.publish(subject.job()))
    assert stored_version(world.root, subject.picture, version)


def is_gone(world: World, subject: Subject) -> bool:
    """Neither a picture nor a pointer to one that is not there."""
    return not any(os.path.lexists(world.layout.picture(tree, subject.picture) / "current") for tree in Tree)
