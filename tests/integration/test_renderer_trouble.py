"""A renderer that hangs or crashes costs its own job, and the second time makes the picture unsound."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from services.fetcher import app
from services.fetcher.rendering import sandbox
from services.fetcher.rendering.lockdown import Reach
from shared.pictures import DOWNLOAD, FailureClass, Rendition
from shared.telemetry import utc_now
from tests.integration import misbehaving
from tests.integration.conftest import Start
from tests.integration.onesheet import Onesheet, renderers, until
from tests.providers.drawing import encode, poster

LARGE_PICTURE = "/backdrop/1.png"
LONG_TO_RENDER = "/backdrop/1-5000x3000.png"
POSTER = "/poster/1-60x90.jpg"


async def let_it_be_over(onesheet: Onesheet, path: str) -> None:
    """As if the pause after the failure had passed."""
    state = await onesheet.state(path)
    past = {
        key: failure.model_copy(update={"retry_at": utc_now() - timedelta(seconds=1)})
        for key, failure in state.failures.items()
    }
    await onesheet.volume.pictures.put_state(
        onesheet.picture(path), state.model_copy(update={"failures": past})
    )


def seconds_of(renderer: psutil.Process) -> float:
    times = renderer.cpu_times()
    return float(times.user + times.system)


async def renderers_at_rest() -> None:
    """They practise at their start."""
    seen = None
    while (now := {renderer.pid: seconds_of(renderer) for renderer in renderers()}) != seen:
        seen = now
        await asyncio.sleep(0.2)


async def crash_while_rendering(onesheet: Onesheet, path: str) -> None:
    """Kill the renderer once it works on what came from this path."""
    asked = onesheet.host.count(path)
    before = {renderer.pid: seconds_of(renderer) for renderer in renderers()}
    await until(lambda: onesheet.host.count(path) > asked and onesheet.host.in_flight == 0)

    def working() -> list[psutil.Process]:
        return [r for r in renderers() if seconds_of(r) > before.get(r.pid, 0) + 0.02]

    await until(working)
    working()[0].kill()


async def test_a_renderer_that_takes_too_long_is_ours_once_and_then_the_pictures(start: Start) -> None:
    onesheet = await start(RENDER_TIMEOUT="0.001")
    first = await onesheet.get(LARGE_PICTURE, size="small")
    assert first.status == 503
    failure = (await onesheet.state(LARGE_PICTURE)).failures[DOWNLOAD]
    assert (failure.failure_class, failure.crashes) == (FailureClass.OURS, 1)
    assert onesheet.count("onesheet_renderers_killed_total", why="time") == 1
    assert onesheet.count("onesheet_job_wait_seconds_count", what="slot") == 1
    assert onesheet.count("onesheet_job_wait_seconds_count", what="seat") == 1
    assert (await onesheet.get(LARGE_PICTURE, size="small")).status == 503
    assert onesheet.host.count(LARGE_PICTURE) == 1
    await let_it_be_over(onesheet, LARGE_PICTURE)
    assert (await onesheet.get(LARGE_PICTURE, size="small")).status == 415
    failure = (await onesheet.state(LARGE_PICTURE)).failures[DOWNLOAD]
    assert (failure.failure_class, failure.crashes) == (FailureClass.UNSOUND, 2)
    assert failure.retry_at - failure.at == timedelta(hours=24)


async def test_a_crash_costs_its_own_job_and_no_other(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false")  # so that nothing else is rendered meanwhile
    for crashes, status in ((1, 503), (2, 415)):
        await renderers_at_rest()
        asking = asyncio.create_task(onesheet.get(LONG_TO_RENDER, size="large", format="avif"))
        await crash_while_rendering(onesheet, LONG_TO_RENDER)
        other = await onesheet.get(f"/poster/{crashes}-60x90.jpg", size="small")
        assert other.status == 200
        assert (await asking).status == status
        assert (await onesheet.state(LONG_TO_RENDER)).failures[DOWNLOAD].crashes == crashes
        await let_it_be_over(onesheet, LONG_TO_RENDER)


async def test_a_crash_over_one_rendition_leaves_the_others_and_the_original(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false", MAX_IMAGE_FILE_SIZE_MB="20")
    assert (await onesheet.get(LARGE_PICTURE, size="w45", format="webp")).status == 200
    asking = asyncio.create_task(onesheet.get(LARGE_PICTURE, size="large", format="avif"))
    before = {renderer.pid: seconds_of(renderer) for renderer in renderers()}
    await until(lambda: any(seconds_of(r) > before.get(r.pid, 0) + 0.05 for r in renderers()))
    renderers()[0].kill()
    assert (await asking).status == 503
    state = await onesheet.state(LARGE_PICTURE)
    assert set(state.failures) == {str(Rendition.parse("large.avif"))}
    assert (await onesheet.get(LARGE_PICTURE, size="w92", format="webp")).status == 200
    assert (await onesheet.get(LARGE_PICTURE)).status == 200


async def test_idle_renderers_that_are_killed_are_replaced(start: Start) -> None:
    onesheet = await start(RENDER_PROCESSES="2", ENABLE_IMAGE_OPTIMIZATION="false")
    for number in range(3):
        answer = await onesheet.get(f"/poster/{number}-60x90.jpg", size="small")
        assert answer.status == 200
        for renderer in renderers():
            renderer.kill()
        await asyncio.sleep(0.2)  # in which the pool may notice
    answers = await asyncio.gather(
        *(onesheet.get(f"/poster/{number}-60x90.jpg", size="small") for number in range(10, 20))
    )
    assert {answer.status for answer in answers} == {200}


async def test_after_a_rest_renderers_are_made_while_the_picture_is_downloaded(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    onesheet = await start(RENDER_PROCESSES="1", ENABLE_IMAGE_OPTIMIZATION="false")
    with monkeypatch.context() as soon:
        soon.setattr(sandbox, "RESTS_AFTER_S", 0.01)
        assert (await onesheet.get("/poster/2-60x90.jpg", size="small")).status == 200
        await until(lambda: not renderers())
    onesheet.host.hold(POSTER)
    asking = asyncio.create_task(onesheet.get(POSTER, size="small"))
    await until(renderers)
    assert onesheet.host.in_flight == 1
    onesheet.host.release(POSTER)
    assert (await asking).status == 200


@pytest.mark.parametrize("deed", ["hang", "dereference", "eat"])
async def test_a_picture_that_breaks_its_renderer_is_unsound_the_second_time(
    start: Start, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    monkeypatch.setattr(sandbox, "render", misbehaving.render)
    monkeypatch.setattr(app, "Reach", lambda reads, writes: Reach((*reads, misbehaving.CODE), writes))
    onesheet = await start(RENDER_TIMEOUT="1.5", RENDER_MEMORY_MB="256", RENDER_PROCESSES="2")
    path = "/bad.jpg"
    onesheet.host.put(path, misbehaving.picture_that(encode(poster(1, (60, 90)), "jpeg"), deed))
    assert (await onesheet.get(POSTER, size="small")).status == 200
    for crashes, status in ((1, 503), (2, 415)):
        await renderers_at_rest()
        asking = asyncio.create_task(onesheet.get(path, size="small"))
        await until(lambda: onesheet.host.count(path) == crashes)  # noqa: B023 - it is awaited here
        hit = await onesheet.get(POSTER, size="small")
        assert hit.headers["X-Image-Cached"] == "true"
        assert (await onesheet.get(f"/poster/{crashes}-30x45.jpg", size="small")).status == 200
        assert (await asking).status == status
        assert (await onesheet.state(path)).failures[DOWNLOAD].crashes == crashes
        failed = {"type": "FetchPicture", "outcome": "failed"}
        await until(lambda: onesheet.count("onesheet_jobs_total", **failed) == crashes)  # noqa: B023 - as above
        if crashes == 1:  # and who asks next is not told of that one
            await let_it_be_over(onesheet, path)
    assert (await onesheet.get(path, size="medium")).status == 415
    assert onesheet.host.count(path) == 2
    scratch = onesheet.layout.scratch
    await until(lambda: list(scratch.iterdir()) == [])  # others' renditions are still being made


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root may look into a renderer")
async def test_a_renderer_has_none_of_what_the_fetcher_has_open(start: Start, tmp_path: Path) -> None:
    onesheet = await start()
    onesheet.host.hold(POSTER)
    asking = asyncio.create_task(onesheet.get(POSTER, size="small"))
    await until(lambda: onesheet.host.count(POSTER))
    assert any(str(tmp_path / "volume" / "locks") in name for name in descriptors(os.getpid()))
    for renderer in renderers():
        renderer.kill()  # the next one begins while all of this is open
    assert (await onesheet.get(LARGE_PICTURE, size="thumbnail")).status == 200
    assert renderers()
    for renderer in renderers():
        held = descriptors(renderer.pid)
        assert [name for name in held if name.startswith(("socket:", str(tmp_path)))] == []
        its_own = ("/dev/null", f"/proc/{renderer.pid}/status")
        assert {name.partition(":")[0] for name in held if not name.startswith(its_own)} <= {"pipe"}
    onesheet.host.release(POSTER)
    assert (await asking).status == 200


def descriptors(process: int) -> list[str]:
    """What a process has open, but for standard error, which renderers share with us."""
    opened = Path(f"/proc/{process}/fd")
    return [os.readlink(link) for link in opened.iterdir() if link.name != "2" and link.is_symlink()]  # noqa: PTH115 - these are names, no paths


async def test_with_the_disk_nearly_full_nothing_new_is_downloaded(start: Start) -> None:
    onesheet = await start(DISK_FREE_FLOOR_GB="1000000")
    answer = await onesheet.get(POSTER)
    assert answer.status == 503
    assert "nearly full" in answer.problem["detail"]
    assert onesheet.host.requests == []


async def test_renderers_reach_the_fonts_that_a_setting_names(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sandbox, "render", misbehaving.render)
    monkeypatch.setattr(app, "Reach", lambda reads, writes: Reach((*reads, misbehaving.CODE), writes))
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    (fonts / "one.ttf").write_bytes(b"")
    onesheet = await start(SVG_FONTS=str(fonts))
    onesheet.host.put(
        "/drawn.jpg", misbehaving.picture_that(encode(poster(1, (60, 90)), "jpeg"), "read the fonts")
    )
    assert (await onesheet.get("/drawn.jpg", size="small")).status == 200


async def test_what_a_running_service_refuses_its_renderers_is_its_own_failure(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "render", misbehaving.render)
    monkeypatch.setattr(app, "Reach", lambda reads, writes: Reach((*reads, misbehaving.CODE), writes))
    onesheet = await start()
    (onesheet.layout.root / "stored").mkdir()
    onesheet.host.put(
        "/bad.jpg", misbehaving.picture_that(encode(poster(1, (60, 90)), "jpeg"), "write the volume")
    )
    assert (await onesheet.get("/bad.jpg", size="small")).status == 503
    failure = (await onesheet.state("/bad.jpg")).failures[DOWNLOAD]
    assert (failure.failure_class, failure.crashes) == (FailureClass.OURS, 0)
    assert list((onesheet.layout.root / "stored").iterdir()) == []
