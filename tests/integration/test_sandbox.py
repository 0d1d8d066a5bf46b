"""What a renderer may take is bounded by the kernel, and whatever it does costs its own order only."""

import ast
import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from services.fetcher.errors import PictureError, RendererDied
from services.fetcher.rendering import forking
from services.fetcher.rendering import sandbox as sandbox_module
from services.fetcher.rendering.confinement import DESCRIPTORS, FILE_BYTES
from services.fetcher.rendering.lockdown import Reach
from services.fetcher.rendering.render import Order, RenderResult
from services.fetcher.rendering.sandbox import Sandbox
from shared.pictures import FailureClass, Rendition
from tests.integration import misbehaving
from tests.integration.misbehaving import picture_that
from tests.integration.onesheet import forking_renderers, renderers, until
from tests.providers.drawing import encode, poster

MEMORY_BYTES = 256 * 1024**2
TIMEOUT_S = 4.0
SMALL = Rendition.parse("small.webp")
SOUND = encode(poster(1, (60, 90)), "jpeg")


class Studio:
    """A sandbox, and orders for it."""

    def __init__(self, sandbox: Sandbox, directory: Path, memory_bytes: int) -> None:
        self._sandbox = sandbox
        self._memory_bytes = memory_bytes
        self._directory = directory
        self._orders = 0

    async def render(self, body: bytes) -> tuple[RenderResult, Path]:
        """What it was, and the directory with what was made of it."""
        order = self._order(body)
        return await self._sandbox.render(order, urgent=True, starting=_at_once), order.into

    async def render_each(self, *bodies: bytes) -> Sequence[RenderResult | PictureError]:
        return await self._sandbox.render_each([self._order(body) for body in bodies], starting=_at_once)

    def _order(self, body: bytes) -> Order:
        self._orders += 1
        into = self._directory / "drafts" / str(self._orders)
        into.mkdir(parents=True)
        original = into / "download"
        original.write_bytes(body)
        return Order(original, into, (SMALL,), 85, 120_000_000, self._memory_bytes)

    async def misbehave(self, deed: str) -> tuple[RenderResult, Path]:
        return await self.render(picture_that(SOUND, deed))

    async def limits(self) -> dict[str, Any]:
        said: dict[str, Any] = ast.literal_eval(
            ((await self.misbehave("say limits"))[1] / "limits").read_text()
        )
        return said


async def _at_once() -> None:
    pass


@asynccontextmanager
async def studio(
    directory: Path,
    *,
    processes: int = 1,
    memory_bytes: int = MEMORY_BYTES,
    timeout_s: float = TIMEOUT_S,
    when_idle: bool = False,
) -> AsyncIterator[Studio]:
    (directory / "drafts").mkdir(exist_ok=True)
    async with Sandbox.running(
        processes=processes,
        timeout_s=timeout_s,
        memory_bytes=memory_bytes,
        reach=Reach(reads=(directory / "stored", misbehaving.CODE), writes=(directory / "drafts",)),
        when_idle=when_idle,
    ) as sandbox:
        yield Studio(sandbox, directory, memory_bytes)


@pytest.fixture(autouse=True)
def misbehaves_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_module, "render", misbehaving.render)


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("hang", "took longer"),
        ("spin", "took "),
        ("dereference", "crashed"),
        ("abort", "crashed"),
        ("leave", "took longer"),
        ("killed", "crashed"),
        ("eat", "more memory"),
        ("eat in C", "crashed"),
    ],
)
async def test_whatever_a_renderer_does_costs_its_own_order_only(tmp_path: Path, deed: str, why: str) -> None:
    async with studio(tmp_path, processes=2) as at:
        bad = asyncio.create_task(at.misbehave(deed))
        goods = [await at.render(SOUND) for _ in range(5)]
        with pytest.raises(RendererDied, match=why):
            await bad
        goods += await asyncio.gather(*(at.render(SOUND) for _ in range(4)))
        assert all((into / str(SMALL)).stat().st_size for _, into in goods)


@pytest.mark.parametrize("deed", ["abort", "hang"])
async def test_of_many_in_one_go_one_that_ends_its_renderer_costs_its_own_order_only(
    tmp_path: Path, deed: str
) -> None:
    bad = picture_that(SOUND, deed)
    async with studio(tmp_path) as at:
        first, broken, killer, last = await at.render_each(SOUND, b"no picture", bad, SOUND)
    assert isinstance(broken, PictureError)
    assert (broken.failure_class, type(killer)) == (FailureClass.UNSOUND, RendererDied)
    for sound in (first, last):
        assert isinstance(sound, RenderResult)
        assert (sound.width, sound.height) == (60, 90)


async def test_others_go_on_while_a_renderer_hangs(tmp_path: Path) -> None:
    async with studio(tmp_path, processes=2, timeout_s=6) as at:
        bad = asyncio.create_task(at.misbehave("hang"))
        for _ in range(5):
            await at.render(SOUND)
        assert not bad.done()
        bad.cancel()
        await asyncio.gather(bad, return_exceptions=True)


async def test_every_renderer_has_its_limits(tmp_path: Path) -> None:
    async with studio(tmp_path, when_idle=True) as at:
        limits = await at.limits()
    assert limits["RLIMIT_AS"] == MEMORY_BYTES
    assert limits["RLIMIT_FSIZE"] == FILE_BYTES
    assert limits["RLIMIT_NOFILE"] == DESCRIPTORS
    assert limits["RLIMIT_CORE"] == 0
    assert limits["policy"] == os.SCHED_IDLE
    assert limits["niceness"] == 19


async def test_renderers_compete_where_they_shall_and_are_counted_apart_all_the_same(tmp_path: Path) -> None:
    async with studio(tmp_path, when_idle=False) as at:
        limits = await at.limits()
    assert limits["policy"] == os.SCHED_OTHER
    assert limits["niceness"] == os.nice(0) + 1


async def test_each_order_has_processor_time_of_its_own(tmp_path: Path) -> None:
    async with studio(tmp_path, timeout_s=50) as at:
        before = await at.limits()
        await at.misbehave("use cpu")
        after = await at.limits()
    assert before["process"] == after["process"]
    assert after["RLIMIT_CPU"] > before["RLIMIT_CPU"]
    assert 40 <= after["RLIMIT_CPU"] - after["cpu used"] <= 42


async def test_no_file_grows_without_end(tmp_path: Path) -> None:
    async with studio(tmp_path, timeout_s=20) as at:
        with pytest.raises(PictureError, match="File too large"):
            await at.misbehave("write on")
    assert (tmp_path / "drafts" / "1" / "endless").stat().st_size <= FILE_BYTES


async def test_opening_without_end_ends(tmp_path: Path) -> None:
    async with studio(tmp_path) as at:
        with pytest.raises(PictureError, match="Too many open files") as caught:
            await at.misbehave("open on")
    assert caught.value.failure_class is FailureClass.OURS


async def test_what_needs_too_much_memory_is_refused_before_it_costs_a_renderer(tmp_path: Path) -> None:
    """A PNG, of which Pillow decodes all to find out which way is up."""
    large = encode(Image.new("RGBA", (8000, 7000)), "png")
    async with studio(tmp_path) as at:
        before = await at.limits()
        with pytest.raises(PictureError, match="more memory") as caught:
            await at.render(large)
        assert not caught.value.crashed
        assert (await at.limits())["process"] == before["process"]


async def test_a_chunk_that_says_it_is_larger_than_the_file_takes_no_memory(tmp_path: Path) -> None:
    png = encode(poster(1, (60, 90)), "png")
    lying = png.replace(png[png.index(b"IDAT") - 4 : png.index(b"IDAT")], b"\xff\xff\xff\xff", 1)
    async with studio(tmp_path) as at:
        before = await at.limits()
        await asyncio.gather(at.render(lying), return_exceptions=True)  # sound enough, or not
        assert (await at.limits())["process"] == before["process"]


@pytest.mark.corpus
async def test_a_hundred_megapixels_render_within_the_usual_memory(tmp_path: Path, corpus: Path) -> None:
    async with studio(tmp_path, memory_bytes=1024**3, timeout_s=40) as at:
        rendered, into = await at.render((corpus / "hostile" / "huge-9643x10328.jpg").read_bytes())
        assert (rendered.width, rendered.height) == (9643, 10328)
        assert (into / str(SMALL)).stat().st_size


ORPHAN = """
import asyncio, pathlib
from tests.integration import misbehaving, test_sandbox
test_sandbox.sandbox_module.render = misbehaving.render
async def main(directory):
    async with test_sandbox.studio(directory, timeout_s=2) as at:
        limits = await at.limits()
        hanging = asyncio.create_task(at.misbehave("hang"))
        await asyncio.sleep(0.5)
        print(limits["process"], flush=True)
        await hanging
if __name__ == "__main__":
    import sys
    asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


async def test_a_renderer_that_hangs_ends_when_nobody_is_left_to_kill_it(tmp_path: Path) -> None:
    script = tmp_path / "orphan.py"
    script.write_text(ORPHAN)
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert parent.stdout
    while not (said := await parent.stdout.readline()).strip().isdigit():  # what is logged
        assert said
    renderer = psutil.Process(int(said))
    os.kill(parent.pid, signal.SIGKILL)
    await parent.communicate()
    await until(lambda: not renderer.is_running() or renderer.status() == psutil.STATUS_ZOMBIE)


async def test_a_picture_is_not_to_blame_when_others_took_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_module, "was_taken", lambda _before, _after: True)
    async with studio(tmp_path, timeout_s=1) as at:
        with pytest.raises(PictureError, match="Others took") as caught:
            await at.misbehave("hang")
    assert (caught.value.failure_class, caught.value.crashed) == (FailureClass.OURS, False)


async def test_who_waits_is_served_also_where_others_take_the_processor_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studio(tmp_path, when_idle=True) as at:
        before = (await at.limits())["policy"]
        with monkeypatch.context() as busy:
            busy.setattr(sandbox_module, "was_taken", lambda _before, _after: True)
            busy.setattr(sandbox_module, "STARVED_AFTER_S", 0.2)
            await at.misbehave("starve")
            while_busy = (await at.limits())["policy"]
        monkeypatch.setattr(at._sandbox, "_competes_until_s", 0.0)
        afterwards = (await at.limits())["policy"]
    assert (before, while_busy, afterwards) == (os.SCHED_IDLE, os.SCHED_OTHER, os.SCHED_IDLE)


async def test_who_spins_is_ended_by_the_processors_limit_however_busy_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_module, "was_taken", lambda _before, _after: True)
    monkeypatch.setattr(sandbox_module, "LATE_S", 120)
    async with studio(tmp_path, timeout_s=2) as at:
        await at.render(SOUND)  # there are renderers
        schedule = at._sandbox._pool.schedule

        def with_time(work: Any, args: Any, timeout: float) -> Any:
            return schedule(work, args=args, timeout=60 * timeout)

        monkeypatch.setattr(at._sandbox._pool, "schedule", with_time)
        with pytest.raises(RendererDied, match="processor time"):
            await at.misbehave("spin without an alarm")


async def test_renderers_without_work_are_let_go_with_what_forks_them_and_made_again_for_who_expects_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMDB_API_KEY", "a key")
    async with studio(tmp_path) as at:
        with monkeypatch.context() as soon:
            soon.setattr(sandbox_module, "RESTS_AFTER_S", 0.01)
            await at.render(SOUND)
            await until(lambda: not forking_renderers())
        at._sandbox.expect_orders()
        await until(renderers)
        at._sandbox.expect_orders()
        said = await asyncio.gather(*(at.misbehave("say environment") for _ in range(3)))
        for _, into in said:
            assert "TMDB_API_KEY" not in (into / "environment").read_text().split()


async def test_what_another_forked_keeps_the_server_it_was_forked_from() -> None:
    forking.start_forking(faces=False)
    ours, its = (forked := get_context("forkserver")).Pipe()
    other = forked.Process(target=its.__class__.recv, args=(its,))
    await asyncio.to_thread(other.start)
    before = forking_renderers()
    await asyncio.to_thread(forking.stop_forking)
    assert forking_renderers() == before
    assert other.is_alive()
    ours.send("enough")
    await asyncio.to_thread(other.join)
    await asyncio.to_thread(forking.stop_forking)
    assert forking_renderers() == []
    assert other.exitcode == 0
