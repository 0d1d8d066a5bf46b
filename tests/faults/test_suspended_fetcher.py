"""Fetcher A suspended at every step, B doing the same job past its patience for the lock, A continued."""

import signal

import pytest

from tests.faults.steps import OF_A_MISS, is_in_sight
from tests.faults.versions import Version
from tests.faults.watching import stored_version, watching
from tests.faults.world import World, drawn
from tests.servers.stopping_fetcher import Step

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("step", OF_A_MISS)
async def test_two_fetchers_with_the_same_bytes_end_in_one_revision(world: World, step: Step) -> None:
    await world.fetchers(2)
    subject = world.new_subject()
    version = Version.of(subject.body, "medium.webp")
    with watching(world.root, subject.picture, version):
        world.orders.give(step, signal.SIGSTOP)
        first = await world.publish(subject.job())
        suspended = await world.stopped()
        await world.done(await world.publish(subject.job()))
        assert stored_version(world.root, subject.picture, version)
        suspended.signal(signal.SIGCONT)
        await world.done(first)
    assert stored_version(world.root, subject.picture, version)
    assert await world.host.count(subject.path) <= (1 if is_in_sight(step) else 2)


@pytest.mark.parametrize("step", OF_A_MISS)
async def test_two_fetchers_with_different_bytes_never_mix_them(world: World, step: Step) -> None:
    await world.fetchers(2)
    subject, (_, other_body) = world.new_subject(), drawn("png")
    versions = Version.of(subject.body, "medium.webp"), Version.of(other_body, "medium.webp")
    with watching(world.root, subject.picture, *versions):
        world.orders.give(step, signal.SIGSTOP)
        first = await world.publish(subject.job())
        suspended = await world.stopped()
        await world.host.put(subject.path, other_body, content_type="image/png")
        await world.done(await world.publish(subject.job()))
        assert stored_version(world.root, subject.picture, *versions)
        suspended.signal(signal.SIGCONT)
        await world.done(first)
    assert stored_version(world.root, subject.picture, *versions)
    assert await world.host.count(subject.path) <= (1 if is_in_sight(step) else 2)
