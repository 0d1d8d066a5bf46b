"""Slow and broken hosts beside healthy ones: what one does is felt by nobody who asks for another's pictures."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

import pytest

from shared.contracts import Envelope, FetchPicture, JobsUnwaited, Message
from shared.pictures import Rendition, SourceUrl
from shared.queue import Lane
from shared.telemetry import utc_now
from tests.integration.conftest import Start
from tests.integration.onesheet import Onesheet, until
from tests.providers.behaviour import Behaviour
from tests.providers.picture_host import PictureHost

SMALL = Rendition.parse("small.webp")
IMAGE = {"Sec-Fetch-Dest": "image"}


def poster(number: int) -> str:
    return f"/poster/{number}-60x90.jpg"


@asynccontextmanager
async def more_hosts(count: int) -> AsyncIterator[list[PictureHost]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(PictureHost.running()) for _ in range(count)]
        # nothing is let go before the fetcher has ended: the fixture `start` is torn down first


def authorities(*hosts: PictureHost) -> dict[str, str]:
    pairs = ",".join(host.root.removeprefix("http://") for host in hosts)
    return {"ALLOWED_HOSTS": pairs, "ALLOW_PRIVATE": pairs}


def hold(host: PictureHost, *numbers: int) -> None:
    for number in numbers:
        host.hold(poster(number))


@asynccontextmanager
async def asking(onesheet: Onesheet, urls: Sequence[str]) -> AsyncIterator[list[asyncio.Task[object]]]:
    """Clients who wait for these, until the block ends: then those who still do hang up."""
    clients: list[asyncio.Task[object]] = [
        asyncio.create_task(onesheet.get(url, size="small", format="webp")) for url in urls
    ]
    try:
        yield clients
    finally:
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


@asynccontextmanager
async def hearing(onesheet: Onesheet) -> AsyncIterator[list[Message]]:
    events: list[Message] = []

    async def hear(envelope: Envelope) -> None:
        events.append(envelope.payload)

    async with onesheet.queue.listen(hear):
        yield events


def jobs_in(onesheet: Onesheet, lane: Lane) -> dict[SourceUrl, list[str]]:
    """The ids of what was published to a lane, by the picture that is to be fetched."""
    found: dict[SourceUrl, list[str]] = {}
    for into, envelope in onesheet.queue.published:
        if into is lane and isinstance(envelope.payload, FetchPicture):
            assert isinstance(envelope.payload.source_url, SourceUrl)
            found.setdefault(envelope.payload.source_url, []).append(envelope.id)
    return found


def told_unwaited(events: list[Message]) -> set[str]:
    return {job for event in events if isinstance(event, JobsUnwaited) for job in event.jobs}


async def test_a_slow_host_holds_up_no_picture_of_another(start: Start, picture_host: PictureHost) -> None:
    async with more_hosts(1) as (slow,):
        onesheet = await start(**authorities(picture_host, slow))
        hold(slow, *range(120))
        async with asking(onesheet, [slow.url(poster(number)) for number in range(120)]):
            await until(lambda: slow.in_flight == 8 and len(onesheet.queue.jobs(FetchPicture)) == 120)
            for number in range(20):
                assert (await onesheet.get(poster(number), size="small")).status == 200
            assert slow.most_in_flight == 8
        slow.forget()


async def test_ten_slow_hosts_hold_up_no_picture_of_another_that_has_few_slots(
    start: Start, picture_host: PictureHost
) -> None:
    async with more_hosts(10) as slow:
        onesheet = await start(**authorities(picture_host, *slow), FETCH_CONCURRENCY="8")
        for host in slow:
            hold(host, *range(12))
        urls = [host.url(poster(number)) for number in range(12) for host in slow]
        async with asking(onesheet, urls):
            await until(lambda: all(host.in_flight for host in slow))
            for number in range(20):
                assert (await onesheet.get(poster(number), size="small")).status == 200
            assert sum(host.in_flight for host in slow) <= 32
        for host in slow:
            host.forget()


async def test_what_a_slow_host_has_nobody_wait_for_holds_up_nothing_either(
    start: Start, picture_host: PictureHost
) -> None:
    async with more_hosts(1) as (slow,):
        onesheet = await start(**authorities(picture_host, slow), FETCH_CONCURRENCY="4")
        hold(slow, *range(60))
        for url in [slow.url(poster(number)) for number in range(60)] + [picture_host.url(poster(1))]:
            job = FetchPicture(source_url=SourceUrl.parse(url), rendition=SMALL)
            await onesheet.publish(job, Lane.PICTURES_LATER)
        await until(lambda: onesheet.holds(poster(1), SMALL))
        slow.forget()
        last = SourceUrl.parse(slow.url(poster(59)))
        await until(lambda: onesheet.volume.pictures.current(last.picture))
        assert await onesheet.queue.depth(Lane.DEAD) == 0


async def test_jobs_of_who_hung_up_give_way_and_none_is_lost(start: Start, picture_host: PictureHost) -> None:
    async with more_hosts(1) as (slow,):
        onesheet = await start(**authorities(picture_host, slow), FETCH_CONCURRENCY="4")
        hold(slow, *range(100))
        urls = [slow.url(poster(number)) for number in range(100)]
        async with asking(onesheet, urls):
            await until(lambda: len(onesheet.queue.jobs(FetchPicture)) == 100 and slow.in_flight == 8)
        began = set(slow.counts)
        later = {SourceUrl.parse(url) for url in urls if url.removeprefix(slow.root) not in began}
        await until(lambda: set(jobs_in(onesheet, Lane.PICTURES_LATER)) >= later)
        assert {
            source: ids for source, ids in jobs_in(onesheet, Lane.PICTURES_NOW).items() if source in later
        } == {
            source: ids for source, ids in jobs_in(onesheet, Lane.PICTURES_LATER).items() if source in later
        }
        assert await onesheet.queue.depth(Lane.PICTURES_NOW) == 0
        assert (await onesheet.get(poster(1), size="small")).status == 200
        slow.forget()
        for source in map(SourceUrl.parse, urls):
            await until(partial(onesheet.volume.pictures.current, source.picture))


async def test_who_was_told_to_ask_again_counts_as_waiting_and_who_hung_up_does_not(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.proxy.waiting_room.LETS_GO_EVERY_S", 0.01)
    onesheet = await start(fetching=False, MISS_WAIT="0.05")
    async with hearing(onesheet) as events:
        assert (await onesheet.get(poster(1), headers=IMAGE)).headers["X-Image-Pending"] == "1"
        async with asking(onesheet, [poster(2)]):
            await until(lambda: len(onesheet.queue.jobs(FetchPicture)) == 2)
        now = jobs_in(onesheet, Lane.PICTURES_NOW)
        await until(lambda: told_unwaited(events) == set(now[onesheet.source(poster(2))]))
        monkeypatch.setattr("services.proxy.waiting_room.COMES_AGAIN_S", 0.0)
        await onesheet.get(poster(1), headers=IMAGE)  # joins, and is the last to be counted
        assert jobs_in(onesheet, Lane.PICTURES_NOW) == now
        await until(lambda: told_unwaited(events) == {job for jobs in now.values() for job in jobs})
        await onesheet.get(poster(1), headers=IMAGE)  # is a question of its own again
        assert len(jobs_in(onesheet, Lane.PICTURES_NOW)[onesheet.source(poster(1))]) == 2


@pytest.mark.parametrize("in_hand", [True, False])
async def test_what_is_fetched_for_a_name_gives_way_with_the_question_for_it(
    start: Start, picture_host: PictureHost, in_hand: bool
) -> None:
    onesheet = await start(HOST_CONCURRENCY="1")
    hold(picture_host, 0)
    async with asking(onesheet, [poster(0)]):
        await until(lambda: picture_host.in_flight == 1)
        told = Envelope.of(JobsUnwaited(jobs=("the-question",)), trace_id="a-test")
        job = FetchPicture(source_url=onesheet.source(poster(1)), rendition=SMALL)
        following = Envelope.of(job, trace_id="a-test", follows="the-question")
        if in_hand:
            await onesheet.queue.publish(following, Lane.PICTURES_NOW)
            await until(lambda: no_longer_waits(onesheet, Lane.PICTURES_NOW))
        await onesheet.queue.announce(told)
        if not in_hand:
            await onesheet.queue.publish(following, Lane.PICTURES_NOW)
        await until(lambda: jobs_in(onesheet, Lane.PICTURES_LATER).get(onesheet.source(poster(1))))
    assert jobs_in(onesheet, Lane.PICTURES_LATER)[onesheet.source(poster(1))] == [following.id]


async def no_longer_waits(onesheet: Onesheet, lane: Lane) -> bool:
    measure = await onesheet.queue.measure(lane)
    return measure.waiting == 0 and measure.in_hand == 2


async def test_as_long_as_one_waits_the_question_stays(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.proxy.waiting_room.LETS_GO_EVERY_S", 0.01)
    onesheet = await start(fetching=False)
    async with hearing(onesheet) as events, asking(onesheet, [poster(1)]):
        async with asking(onesheet, [poster(1), poster(2)]):
            await until(lambda: onesheet.count("onesheet_waiting") == 3)
        await until(lambda: told_unwaited(events))
        now = jobs_in(onesheet, Lane.PICTURES_NOW)
        assert told_unwaited(events) == set(now[onesheet.source(poster(2))])


async def test_one_host_has_at_most_half_of_the_waiting_room(start: Start, picture_host: PictureHost) -> None:
    async with more_hosts(1) as (slow,):
        onesheet = await start(fetching=False, MAX_WAITING="6", **authorities(picture_host, slow))
        async with asking(onesheet, [slow.url(poster(number)) for number in range(3)]):
            await until(lambda: onesheet.count("onesheet_waiting") == 3)
            crowded_out = await onesheet.get(slow.url(poster(9)))
            assert (crowded_out.status, "Too many" in crowded_out.problem["detail"]) == (503, True)
            async with asking(onesheet, [poster(number) for number in range(3)]):
                await until(lambda: onesheet.count("onesheet_waiting") == 6)
        async with asking(onesheet, [slow.url(poster(number)) for number in range(10, 13)]):
            await until(lambda: len(onesheet.queue.jobs(FetchPicture)) == 9)  # nobody waits for the others


async def test_a_job_that_is_older_than_anybody_waits_goes_behind_the_others(
    start: Start, picture_host: PictureHost
) -> None:
    async with more_hosts(1) as (slow,):
        onesheet = await start(**authorities(picture_host, slow), HOST_CONCURRENCY="1")
        hold(slow, *range(3))
        for number in range(3):
            job = FetchPicture(source_url=SourceUrl.parse(slow.url(poster(number))), rendition=SMALL)
            old = Envelope.of(job, trace_id="a-test", now=utc_now() - timedelta(minutes=2))
            await onesheet.queue.publish(old, Lane.PICTURES_NOW)
        await until(lambda: slow.in_flight == 1 and len(jobs_in(onesheet, Lane.PICTURES_LATER)) == 2)
        slow.forget()
        for number in range(3):
            picture = SourceUrl.parse(slow.url(poster(number))).picture
            await until(partial(onesheet.volume.pictures.current, picture))


async def test_where_the_other_lane_is_full_the_job_stays_in_its_own(
    start: Start, picture_host: PictureHost
) -> None:
    async with more_hosts(1) as (slow,):
        onesheet = await start(**authorities(picture_host, slow), HOST_CONCURRENCY="1")
        onesheet.queue.full.add(Lane.PICTURES_LATER)
        hold(slow, 0)
        urls = [slow.url(poster(number)) for number in range(2)]
        async with asking(onesheet, urls[:1]):
            await until(lambda: slow.in_flight == 1)
            async with asking(onesheet, urls[1:]):
                await until(lambda: len(onesheet.queue.jobs(FetchPicture)) == 2)
            await until(lambda: len(jobs_in(onesheet, Lane.PICTURES_NOW)) == 2)
            assert jobs_in(onesheet, Lane.PICTURES_LATER) == {}
        onesheet.queue.full.clear()
        slow.forget()
        picture = SourceUrl.parse(urls[1]).picture
        await until(lambda: onesheet.volume.pictures.current(picture))


async def test_broken_pictures_of_a_healthy_host_end_as_dead_letters_and_all_others_are_served(
    start: Start, picture_host: PictureHost
) -> None:
    onesheet = await start()
    for number in range(14):
        picture_host.behave(poster(number), Behaviour.failing(500))
        job = FetchPicture(source_url=onesheet.source(poster(number)), rendition=SMALL)
        await onesheet.publish(job, Lane.PICTURES_LATER)
    authority = picture_host.root.removeprefix("http://")
    await until(lambda: onesheet.volume.hosts.pause_of(authority))  # nobody has asked for a good one so far
    served, number = set(), 100
    while await onesheet.queue.depth(Lane.DEAD) < 14:
        served.add(
            (await onesheet.get(poster(number), size="small", headers=IMAGE)).headers["X-Image-Cached"]
        )
        number += 1
        await asyncio.sleep(0.05)  # as often as they come
    assert served == {"false"}
    assert await onesheet.volume.hosts.pause_of(authority) is None


async def test_of_a_host_that_fails_clients_are_told_so_and_when_to_ask_again(
    start: Start, picture_host: PictureHost
) -> None:
    onesheet = await start(HOST_FAILURES="2")
    for number in range(10):
        picture_host.behave(poster(number), Behaviour.failing(500))
    for number in range(2):
        assert (await onesheet.get(poster(number))).status == 502
    answers = [await onesheet.get(poster(number)) for number in range(2, 6)]
    assert answers[0].status == 502  # it has tried the host
    for answer in answers[1:]:
        assert answer.status == 503
        assert "keeps failing" in answer.problem["detail"]
        assert int(answer.headers["Retry-After"]) <= 10
    assert picture_host.count(poster(5)) == 0
