"""Purging: gone at once, and fetched anew by whoever asks next."""

import asyncio

from shared.contracts import PurgePicture
from shared.queue import Lane
from tests.integration.conftest import Start
from tests.integration.onesheet import Onesheet
from tests.providers.behaviour import Behaviour
from tests.providers.gallery import picture_at

POSTER = "/poster/1-60x90.jpg"
OTHER = "/poster/2-60x90.jpg"


async def purge(onesheet: Onesheet) -> None:
    await onesheet.publish(PurgePicture(picture=onesheet.picture(POSTER)), Lane.PICTURES_NOW)


async def test_a_purged_picture_is_gone_and_then_fetched_anew(onesheet: Onesheet) -> None:
    await onesheet.get(POSTER, size="small", format="webp")
    body = picture_at(OTHER)
    assert body is not None
    onesheet.host.put(POSTER, body)
    await purge(onesheet)
    await onesheet.jobs_done(PurgePicture)
    assert await onesheet.current(POSTER) is None
    answer = await onesheet.get(POSTER)
    assert (answer.body, answer.headers["X-Image-Cached"]) == (body, "false")


async def test_a_purge_forgets_failures_too(onesheet: Onesheet) -> None:
    onesheet.host.behave(POSTER, Behaviour.failing(404, times=1))
    assert (await onesheet.get(POSTER)).status == 404
    await purge(onesheet)
    await onesheet.jobs_done(PurgePicture)
    assert (await onesheet.get(POSTER)).status == 200


async def test_purging_what_is_not_there_does_no_harm(onesheet: Onesheet) -> None:
    await purge(onesheet)
    await onesheet.jobs_done(PurgePicture)
    assert onesheet.count("onesheet_jobs_total", type="PurgePicture", outcome="was not there") == 1


async def test_a_purge_during_a_fetch_costs_the_client_nothing_but_time(start: Start) -> None:
    onesheet = await start(MISS_WAIT_OTHERS="3")
    gate = onesheet.host.hold(POSTER)
    asking = asyncio.create_task(onesheet.get(POSTER, size="small", format="webp"))
    await gate.arrived()
    await purge(onesheet)
    onesheet.host.release(POSTER)
    assert (await asking).status == 200
    await onesheet.jobs_done(PurgePicture)
    assert (await onesheet.get(POSTER, size="small", format="webp")).status == 200
    assert onesheet.host.count(POSTER) <= 2
