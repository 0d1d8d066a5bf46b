"""A refresh to other bytes and another format, killed at every step: the old picture or the new one, whole."""

import asyncio
import itertools
import signal

import pytest

from shared.contracts import Message, PictureFailed, PictureStored, RefreshPicture, RenderPicture
from shared.pictures import Rendition, Tree
from shared.queue import Lane
from tests.faults.steps import OF_A_REFRESH, is_in_sight
from tests.faults.versions import Version
from tests.faults.watching import stored_version, watching
from tests.faults.world import PATIENCE_S, Subject, World, drawn, eventually
from tests.providers.behaviour import Behaviour
from tests.servers.stopping_fetcher import Step

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED_FOR = "w154.webp"
THE_REST = "thumbnail.jpg w92.webp"


async def test_a_refresh_passes_its_steps_in_their_order(world: World) -> None:
    [fetcher] = await world.fetchers(1)
    subject = await stored_subject(world)
    await world.host.put(subject.path, drawn("webp")[1], content_type="image/webp")
    before = len(fetcher.lines)
    trace = await world.publish(RefreshPicture(source_url=subject.source), Lane.PICTURES_LATER)
    await world.done(trace)
    assert [line["step"] for line in fetcher.lines[before:] if "step" in line] == list(OF_A_REFRESH)


@pytest.mark.parametrize(
    ("step", "extension"), list(zip(OF_A_REFRESH, itertools.cycle(["png", "webp"]), strict=False))
)
async def test_a_refresh_killed_at_a_step_costs_no_picture(world: World, step: Step, extension: str) -> None:
    await world.fetchers(1)
    subject, (_, new_body) = await stored_subject(world), drawn(extension)
    old = Version.of(subject.body, ASKED_FOR, THE_REST)
    new = Version.of(new_body, f"{ASKED_FOR} {THE_REST}")
    with watching(world.root, subject.picture, old, new, always=True):
        await world.host.put(subject.path, new_body, content_type=f"image/{extension}")
        world.orders.give(step, signal.SIGKILL)
        trace = await world.publish(RefreshPicture(source_url=subject.source), Lane.PICTURES_LATER)
        await (await world.stopped()).ended()
        assert stored_version(world.root, subject.picture, old, new) is (new if is_in_sight(step) else old)
        await world.fetchers(1)
        await world.done(trace)
    assert stored_version(world.root, subject.picture, new)
    assert await world.host.count(subject.path) <= 3


async def test_nobody_who_waits_is_told_of_a_refresh_that_failed(world: World) -> None:
    """What they wait for is made of the revision that is there."""
    await world.fetchers(1)
    subject, next_one = await stored_subject(world), world.new_subject()
    state = world.layout.picture(Tree.CACHE, subject.picture) / "state.json"
    heard: asyncio.Queue[Message] = asyncio.Queue()
    async with world.queue.listen(lambda envelope: heard.put(envelope.payload), PictureStored, PictureFailed):
        await world.host.behave(subject.path, Behaviour.failing(404))
        await world.publish(RefreshPicture(source_url=subject.source), Lane.PICTURES_LATER)
        await eventually(lambda: '"gone"' in state.read_text())
        await world.publish(next_one.job())
        event = await asyncio.wait_for(heard.get(), PATIENCE_S)
    assert isinstance(event, PictureStored)
    assert event.picture == next_one.picture


async def stored_subject(world: World) -> Subject:
    """A picture that is there, with a rendition that was asked for and others that came later."""
    subject = world.new_subject()
    await world.done(await world.publish(subject.job(ASKED_FOR)))
    rest = RenderPicture(source_url=subject.source, renditions=tuple(map(Rendition.parse, THE_REST.split())))
    await world.done(await world.publish(rest, Lane.PICTURES_LATER))
    return subject
