"""Refreshing: the picture that is there is served at once, and stays whatever the source does."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from services.fetcher.rendering.render import Order, RenderResult
from services.fetcher.rendering.sandbox import Sandbox
from shared.contracts import FetchPicture, PictureStored, RefreshPicture
from shared.pictures import DOWNLOAD, Failure, FailureClass, Rendition, RevisionId, SourceUrl, State
from shared.queue import Lane
from shared.telemetry import utc_now
from tests.contract.volumes import MEDIUM, commit
from tests.integration.conftest import Start
from tests.integration.onesheet import Onesheet, until
from tests.providers.behaviour import Behaviour
from tests.providers.gallery import picture_at

POSTER = "/poster/1-60x90.jpg"
TMDB = SourceUrl.parse("https://image.tmdb.org/t/p/original/a.jpg")
HOUR = timedelta(hours=1)


async def stored_and_stale(onesheet: Onesheet, *sizes: str) -> State:
    """The picture with these renditions, due for a refresh."""
    for size in sizes:
        assert (await onesheet.get(POSTER, size=size, format="webp")).status == 200
    await onesheet.jobs_done(FetchPicture, len(sizes))
    state = await onesheet.state(POSTER)
    assert state.fresh_until is not None
    stale = state.model_copy(update={"fresh_until": utc_now() - HOUR})
    await onesheet.volume.pictures.put_state(onesheet.picture(POSTER), stale)
    return stale


async def revision(onesheet: Onesheet) -> RevisionId:
    current = await onesheet.current(POSTER)
    assert current is not None
    return current.id


async def refreshed(onesheet: Onesheet) -> None:
    await onesheet.jobs_done(RefreshPicture)


async def test_a_fresh_picture_is_not_asked_for_again(onesheet: Onesheet) -> None:
    onesheet.host.put(POSTER, picture_at(POSTER) or b"", cache_control="max-age=7200")
    for _ in range(3):
        await onesheet.get(POSTER, size="small", format="webp")
    state = await onesheet.state(POSTER)
    assert state.fresh_until is not None
    assert state.checked_at is not None
    assert timedelta(hours=1.9) < state.fresh_until - utc_now() < timedelta(hours=2)
    assert onesheet.queue.jobs(RefreshPicture) == []


async def test_a_stale_one_is_served_at_once_and_refreshed_behind(onesheet: Onesheet) -> None:
    stale = await stored_and_stale(onesheet, "small")
    before = await revision(onesheet)
    gate = onesheet.host.hold(POSTER)
    for _ in range(5):
        answer = await onesheet.get(POSTER, size="small", format="webp")
        assert (answer.status, answer.headers["X-Image-Cached"]) == (200, "true")
    await gate.arrived()
    onesheet.host.release(POSTER)
    await refreshed(onesheet)
    asked = onesheet.host.requests[-1].headers
    assert asked["If-None-Match"] == stale.validators.etag
    assert asked["If-Modified-Since"] == stale.validators.last_modified
    state = await onesheet.state(POSTER)
    assert state.fresh_until is not None
    assert state.fresh_until > utc_now()
    assert state.validators == stale.validators
    assert await revision(onesheet) == before
    assert onesheet.host.count(POSTER) == 2
    assert [lane for lane, e in onesheet.queue.published if isinstance(e.payload, RefreshPicture)] == [
        Lane.PICTURES_LATER
    ]


@pytest.mark.parametrize("new", ["/poster/2-600x900.jpg", "/poster/2-600x900.png", "/animation/2.gif"])
async def test_new_bytes_are_a_new_revision_with_every_rendition_that_was_there(
    start: Start, new: str
) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false")
    await stored_and_stale(onesheet, "small", "w92", "medium")
    before = await onesheet.current(POSTER)
    body = picture_at(new)
    assert before is not None
    assert body is not None
    onesheet.host.put(POSTER, body)
    await onesheet.get(POSTER, size="small", format="webp")
    await refreshed(onesheet)
    after = await onesheet.current(POSTER)
    assert after is not None
    assert after.id != before.id
    assert set(after.renditions) == set(before.renditions)
    assert after.manifest.original.bytes == len(body)
    assert (await onesheet.get(POSTER)).body == body
    small = await onesheet.get(POSTER, size="w92", format="webp")
    assert small.headers["X-Image-Cached"] == "true"
    assert Image.open(BytesIO(small.body)).width == 92
    held = await onesheet.volume.pictures.at(before.picture, before.id, "w92.webp")
    assert held is not None  # for who still reads it


async def test_the_same_bytes_without_validators_only_extend_the_freshness(onesheet: Onesheet) -> None:
    onesheet.host.put(POSTER, picture_at(POSTER) or b"", validators=False)
    await stored_and_stale(onesheet, "small")
    before = await revision(onesheet)
    await onesheet.get(POSTER, size="small", format="webp")
    await refreshed(onesheet)
    assert await revision(onesheet) == before
    state = await onesheet.state(POSTER)
    assert state.fresh_until is not None
    assert state.fresh_until > utc_now()
    assert "If-None-Match" not in onesheet.host.requests[-1].headers


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour.failing(404),
        Behaviour.failing(403),
        Behaviour.failing(500),
        Behaviour.failing(429, retry_after=60),
        Behaviour.error_page(),
        Behaviour.empty(),
        Behaviour(reset=True),
    ],
)
async def test_an_error_keeps_what_is_there(onesheet: Onesheet, behaviour: Behaviour) -> None:
    await stored_and_stale(onesheet, "small")
    before = await revision(onesheet)
    onesheet.host.behave(POSTER, behaviour)
    await onesheet.get(POSTER, size="small", format="webp")
    await refreshed(onesheet)
    assert await revision(onesheet) == before
    failure = (await onesheet.state(POSTER)).failures[DOWNLOAD]
    assert failure.retry_at > utc_now()
    assert (await onesheet.get(POSTER, size="small", format="webp")).status == 200
    assert (await onesheet.get(POSTER)).status == 200


@pytest.mark.parametrize("behaviour", [Behaviour.failing(404), Behaviour.failing(500)])
async def test_what_is_not_made_yet_is_made_of_what_is_there_though_refreshing_failed(
    onesheet: Onesheet, behaviour: Behaviour
) -> None:
    await stored_and_stale(onesheet, "small")
    onesheet.host.behave(POSTER, behaviour)
    await onesheet.get(POSTER, size="small", format="webp")
    await refreshed(onesheet)
    assert (await onesheet.get(POSTER, size="w45", format="webp")).status == 200


async def test_while_refreshing_has_failed_lately_it_is_not_tried_at_every_hit(start: Start) -> None:
    onesheet = await start(fetching=False)
    past = State(fresh_until=utc_now() - HOUR)
    onesheet.host.behave(POSTER, Behaviour.failing(404))
    await commit(onesheet.volume.pictures, b"one", MEDIUM, picture=onesheet.picture(POSTER), state=past)
    assert (await onesheet.get(POSTER, size="medium", format="webp")).status == 200
    await until(lambda: onesheet.queue.jobs(RefreshPicture))
    assert (await onesheet.get(POSTER, size="medium", format="webp")).status == 200
    assert len(onesheet.queue.jobs(RefreshPicture)) == 1


async def test_pictures_of_hosts_that_never_change_them_are_kept_a_year_and_never_refreshed(
    start: Start,
) -> None:
    onesheet = await start(ALLOWED_HOSTS="image.tmdb.org")
    past = State(fresh_until=utc_now() - HOUR)
    await commit(onesheet.volume.pictures, b"one", MEDIUM, picture=TMDB.picture, state=past)
    answer = await onesheet.get(str(TMDB), size="medium", format="webp")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Image-Source"] == "tmdb"
    assert onesheet.queue.jobs(RefreshPicture) == []
    await onesheet.publish(RefreshPicture(source_url=TMDB), Lane.PICTURES_LATER)
    await refreshed(onesheet)
    assert onesheet.count("onesheet_jobs_total", type="RefreshPicture", outcome="never changes") == 1
    assert onesheet.host.requests == []


async def test_proxies_are_told_of_every_rendition_of_the_new_revision(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false")
    await stored_and_stale(onesheet, "small", "w92")
    heard: list[PictureStored] = []

    async def hear(envelope: object) -> None:
        payload = getattr(envelope, "payload", None)
        if isinstance(payload, PictureStored):
            heard.append(payload)

    onesheet.host.put(POSTER, picture_at("/poster/2-60x90.jpg") or b"")
    async with onesheet.queue.listen(hear):
        await onesheet.publish(RefreshPicture(source_url=onesheet.source(POSTER)), Lane.PICTURES_LATER)
        await until(lambda: heard)
    assert set(heard[0].renditions) >= {Rendition.parse("small.webp"), Rendition.parse("w92.webp")}


async def test_a_rendition_that_is_made_during_a_refresh_does_not_undo_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false")
    stale = await stored_and_stale(onesheet, "small")
    failure = Failure.after(None, FailureClass.OURS, "as a test", now=utc_now() - HOUR)
    pictures, picture = onesheet.volume.pictures, onesheet.picture(POSTER)
    await pictures.put_state(picture, stale.failed(str(MEDIUM), failure))
    rendering, fresh_until = Sandbox.render, utc_now() + HOUR

    async def refreshed_meanwhile(sandbox: Sandbox, order: Order, **more: Any) -> RenderResult:
        state = await pictures.state(picture)
        await pictures.put_state(picture, state.model_copy(update={"fresh_until": fresh_until}))
        return await rendering(sandbox, order, **more)

    monkeypatch.setattr(Sandbox, "render", refreshed_meanwhile)
    job = FetchPicture(source_url=onesheet.source(POSTER), rendition=MEDIUM)
    await onesheet.publish(job, Lane.PICTURES_NOW)
    await onesheet.jobs_done(FetchPicture, 2)
    state = await onesheet.state(POSTER)
    assert (state.fresh_until, state.failures) == (fresh_until, {})
