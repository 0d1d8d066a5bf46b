"""Pictures that another program had, many in one job: what befalls one of them is no business of the others."""

import asyncio
from hashlib import sha256

from shared.contracts import AdoptedFile, AdoptPictures, PictureFailed, PictureStored
from shared.pictures import FailureClass, SourceUrl
from shared.queue import Lane
from tests.integration.conftest import Start
from tests.integration.heard import Heard
from tests.integration.onesheet import Onesheet
from tests.integration.test_named_pictures import do, outcome
from tests.providers.gallery import drawn_file

BODIES = [drawn_file("poster", number, (60, 90), "jpeg") or b"" for number in range(4)]


def source(onesheet: Onesheet, number: int) -> SourceUrl:
    return onesheet.source(f"/left/{number}.jpg")


async def left_behind(onesheet: Onesheet, *bodies: bytes) -> AdoptPictures:
    inbox_ids = await onesheet.volume.inbox.put_all(bodies)
    return AdoptPictures(
        files=tuple(
            AdoptedFile(inbox=id_, sha256=sha256(body).hexdigest(), source_url=source(onesheet, number))
            for number, (id_, body) in enumerate(zip(inbox_ids, bodies, strict=True))
        )
    )


async def stored(onesheet: Onesheet, count: int) -> list[int]:
    found = [
        await onesheet.volume.pictures.current(source(onesheet, number).picture) for number in range(count)
    ]
    return [number for number, revision in enumerate(found) if revision]


async def test_what_is_no_picture_is_told_and_the_others_are_stored_without_a_question(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false")
    job = await left_behind(onesheet, BODIES[0], b"no picture", BODIES[2], b"")
    await onesheet.volume.inbox.remove(job.files[3].inbox)
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, job, Lane.PICTURES_LATER)
        refused = await heard.first(PictureFailed, picture=source(onesheet, 1).picture)
        gone = await heard.first(PictureFailed, picture=source(onesheet, 3).picture)
        await heard.first(PictureStored, picture=source(onesheet, 2).picture)
    assert (refused.failure.failure_class, gone.failure.failure_class) == (
        FailureClass.UNSOUND,
        FailureClass.GONE,
    )
    assert await stored(onesheet, 4) == [0, 2]
    assert onesheet.host.requests == []
    assert not list(onesheet.layout.inbox.iterdir())


async def test_one_that_somebody_works_on_is_waited_for_without_keeping_the_others_from_anybody(
    start: Start,
) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false")
    job = await left_behind(onesheet, *BODIES[:2])
    async with onesheet.volume.pictures.lock(source(onesheet, 1).picture):
        await do(onesheet, job, Lane.PICTURES_LATER)
        async with asyncio.timeout(60), onesheet.volume.pictures.lock(source(onesheet, 0).picture):
            assert await stored(onesheet, 2) == []
    await onesheet.jobs_done(AdoptPictures, 2)
    assert await stored(onesheet, 2) == [0, 1]


async def test_a_picture_is_adopted_once_however_often_it_is_sent(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false")
    one, other = (
        (await left_behind(onesheet, BODIES[0])).files[0],
        (await left_behind(onesheet, BODIES[0])).files[0],
    )
    await do(onesheet, AdoptPictures(files=(one, other)), Lane.PICTURES_LATER)
    assert await stored(onesheet, 1) == [0]
    assert outcome(onesheet, AdoptPictures, "adopted") == 1
    assert not list(onesheet.layout.inbox.iterdir())
