"""What changes while a client waits: it is never answered with something else than it asked for."""

import asyncio

from shared.contracts import FetchPicture
from shared.pictures import Rendition
from tests.contract.volumes import MEDIUM, SMALL, SOURCE, commit
from tests.integration.conftest import Start
from tests.integration.onesheet import Onesheet, until

POSTER = "/poster/1-60x90.jpg"
AVIF = Rendition.parse("medium.avif")


def waiting(onesheet: Onesheet) -> float:
    return onesheet.count("onesheet_waiting")


async def test_another_revisions_bytes_never_go_out_under_an_immutable_path(start: Start) -> None:
    onesheet = await start(fetching=False, ALLOWED_HOSTS="a.example")
    pictures = onesheet.volume.pictures
    first = await commit(pictures, b"one", MEDIUM)
    asking = asyncio.create_task(onesheet.ask(f"/p/{SOURCE.picture}/{first.id}/small.webp", {}))
    await until(lambda: waiting(onesheet) == 1)
    await commit(pictures, b"two", MEDIUM, SMALL, expected=first.id)
    async with asyncio.timeout(40):
        answer = await asking
    # The client follows to where the picture is now, and is told so by the path it ends at.
    assert answer.body == b"twosmall.webp"
    assert answer.history == 1


async def test_who_joins_a_question_gets_a_format_that_it_accepts(start: Start) -> None:
    onesheet = await start(fetching=False)
    modern = asyncio.create_task(
        onesheet.get(POSTER, size="medium", headers={"Accept": "image/avif,image/webp"})
    )
    joining = asyncio.create_task(onesheet.get(POSTER, size="medium", headers={"Accept": "image/webp"}))
    await until(lambda: waiting(onesheet) == 2 and onesheet.queue.published)
    assert len(onesheet.queue.jobs(FetchPicture)) == 1
    await commit(onesheet.volume.pictures, b"one", AVIF, MEDIUM, picture=onesheet.picture(POSTER))
    async with asyncio.timeout(40):
        types = [(await answering).headers["Content-Type"] for answering in (modern, joining)]
    assert types == ["image/avif", "image/webp"]


async def test_nothing_is_fetched_through_tmdbs_paths_where_its_host_is_not_allowed(start: Start) -> None:
    onesheet = await start(fetching=False, ALLOWED_HOSTS="a.example")
    answer = await onesheet.ask("/t/p/w342/poster.jpg", {})
    assert answer.status == 403
    assert answer.problem["detail"]
    assert not onesheet.queue.published


async def test_memory_of_answers_is_bounded_by_all_that_they_take(start: Start) -> None:
    onesheet = await start(fetching=False, HOT_CACHE_MB="1")
    await commit(onesheet.volume.pictures, b"one", MEDIUM, picture=onesheet.picture(POSTER))
    for number in range(600):  # of 12 bytes each: by their bodies alone, all of them would stay
        await onesheet.get(POSTER, size="medium", format="webp", x=str(number))
    assert len(onesheet.hot) < 512


async def test_a_date_beyond_all_calendars_is_no_date(onesheet: Onesheet) -> None:
    beyond = {"If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 +99999999999999999"}
    assert (await onesheet.get(POSTER, size="small", headers=beyond)).status == 200
