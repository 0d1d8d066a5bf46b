"""Who takes a renderer over finds nothing there: it does what our own guards forbid, harmlessly, and each is refused."""

import ast
import ctypes
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import get_args

import psutil
import pytest
from structlog.testing import capture_logs

from services.fetcher.errors import PictureError, RendererDied
from services.fetcher.rendering import heif, lockdown
from services.fetcher.rendering import sandbox as sandbox_module
from services.fetcher.rendering.lockdown import PROCESSES, Reach
from services.fetcher.rendering.render import Order, render
from services.fetcher.rendering.sandbox import Sandbox
from shared.pictures import FailureClass, Format, Rendition
from tests.integration import misbehaving
from tests.integration.onesheet import until
from tests.integration.test_sandbox import MEMORY_BYTES, SMALL, SOUND, Studio, _at_once, studio
from tests.providers import drawing
from tests.providers.vectors import svg

KEY = "TMDB_API_KEY"


@pytest.fixture
async def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Studio]:
    """With a key in our environment, a state file, a volume, and a port that somebody listens at."""
    monkeypatch.setattr(sandbox_module, "render", misbehaving.render)
    monkeypatch.setenv(KEY, "a key")
    for name in ("state", "stored", "drafts"):
        (tmp_path / name).mkdir()
    (tmp_path / "state" / "admin-token").write_text("a token")
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        (tmp_path / "drafts" / "port").write_text(str(listening.getsockname()[1]))
        async with studio(tmp_path) as made:
            yield made


@pytest.mark.parametrize(
    "deed",
    [
        "read a state file",
        "read the parent's environment",
        "read the parent's memory",
        "write the volume",
        "change a file's mode",
        "link to a file",
        "connect",
        "send a datagram",
        "signal the parent",
        "fork",
        "start a program",
        "become a program",
    ],
)
async def test_a_renderer_may_not(at: Studio, deed: str) -> None:
    """And that it was refused is our fault, never the picture's."""
    with pytest.raises(PictureError, match=r"Permission denied|Operation not permitted") as caught:
        await at.misbehave(deed)
    assert (caught.value.failure_class, caught.value.crashed) == (FailureClass.OURS, False)


async def test_no_setting_is_in_a_renderers_environment(at: Studio) -> None:
    _, into = await at.misbehave("say environment")
    names = set((into / "environment").read_text().split())
    assert KEY not in names
    assert "PATH" in names
    assert os.environ[KEY] == "a key"


async def test_nor_in_that_of_renderers_whose_server_was_started_again(at: Studio) -> None:
    (server,) = (c for c in psutil.Process().children() if "forkserver" in " ".join(c.cmdline()))
    renderers = server.children()
    for process in (server, *renderers):
        process.kill()
    await until(lambda: server.status() == psutil.STATUS_ZOMBIE)
    _, into = await at.misbehave("say environment")
    assert KEY not in (into / "environment").read_text().split()
    started = [child for child in psutil.Process().children(recursive=True) if child != server]
    assert started
    if os.geteuid() == 0:
        assert [child for child in started if KEY in child.environ()] == []


async def test_a_renderer_has_no_rights_of_its_user_left(at: Studio) -> None:
    _, into = await at.misbehave("say rights")
    rights = ast.literal_eval((into / "rights").read_text())
    assert rights.pop("processes") <= PROCESSES
    bounding = rights.pop("bounding")
    assert rights == {"capabilities": 0, "dumpable": 0, "seccomp": 2}
    assert bounding == 0 or os.geteuid() != 0  # nobody but root may lower that


@pytest.mark.parametrize("deed", ["start a thread", "import late"])
async def test_what_decoders_do_is_allowed(at: Studio, deed: str) -> None:
    _, into = await at.misbehave(deed)
    assert (into / str(SMALL)).stat().st_size


async def test_a_renderer_still_knows_how_much_memory_it_took(at: Studio) -> None:
    """By which it tells a lack of it from damage."""
    _, into = await at.misbehave("say peak")
    assert 0 < int((into / "peak").read_text()) <= MEMORY_BYTES


async def test_a_heic_and_a_drawings_letters_are_shown_as_without_confinement(
    at: Studio, tmp_path: Path
) -> None:
    (tmp_path / "alone").mkdir()
    drawn = svg(b'<text x="1" y="20" font-size="20">abc</text>')
    for number, body in enumerate((heif.SAMPLE, drawn)):
        confined, into = await at.render(body)
        alone = tmp_path / "stored" / f"alone-{number}"
        alone.write_bytes(body)
        said = render(Order(alone, tmp_path / "alone", (SMALL,), 85, 120_000_000))
        assert replace(confined, sanitised=None) == replace(said, sanitised=None)
        assert (into / str(SMALL)).read_bytes() == (tmp_path / "alone" / str(SMALL)).read_bytes()


async def test_a_renderer_cannot_have_another_file_handed_out(at: Studio) -> None:
    with pytest.raises(RendererDied, match="crashed"):
        await at.misbehave("hand out a state file")
    await at.render(SOUND)


async def test_directories_that_were_replaced_are_allowed_again(at: Studio, tmp_path: Path) -> None:
    """As after a volume was mounted anew: what was allowed is gone."""
    await at.render(SOUND)
    (tmp_path / "drafts").rename(tmp_path / "before")
    (tmp_path / "drafts").mkdir()
    _, into = await at.render(SOUND)
    assert (into / str(SMALL)).stat().st_size


async def test_what_renderers_still_have_is_told_in_one_line(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with studio(tmp_path, processes=2) as at:
            await at.render(SOUND)
    told = [line for line in logs if line["event"] == "renderers are not wholly confined"]
    if os.geteuid() == 0:
        assert [line["still_have"] for line in told] == ["the user root (set PUID and PGID)"]
    else:
        assert told == []


def test_a_kernel_that_has_none_of_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    for name in ("_call", "_refuse_calls", "_drop_capabilities"):
        monkeypatch.setattr(lockdown, name, missing)
    for name in ("_bound_processes", "hide_memory"):
        monkeypatch.setattr(lockdown, name, lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    told = lockdown.lock_down(Reach((), ()))
    assert [line.partition(": ")[2] for line in told] == ["Function not implemented"] * 3
    assert told[0].startswith("files and TCP (Landlock)")


@pytest.mark.corpus
async def test_every_real_picture_is_rendered_as_without_confinement(tmp_path: Path, corpus: Path) -> None:
    for name in ("alone", "drafts"):
        (tmp_path / name).mkdir()
    reach = Reach(reads=(corpus,), writes=(tmp_path / "drafts",))
    async with Sandbox.running(processes=2, timeout_s=60, memory_bytes=1024**3, reach=reach) as sandbox:
        for original in sorted((corpus / "good").iterdir()):
            for bare in (False, True):
                orders = [
                    _order(original, tmp_path / name / f"{original.name}-{bare}", bare)
                    for name in ("alone", "drafts")
                ]
                alone = render(orders[0])
                confined = await sandbox.render(orders[1], urgent=True, starting=_at_once)
                assert replace(confined, sanitised=None) == replace(alone, sanitised=None)
                assert _made(orders[1]) == _made(orders[0])


def _order(original: Path, into: Path, bare: bool) -> Order:
    into.mkdir()
    renditions = tuple(Rendition("thumbnail", format_) for format_ in Format)
    return Order(original, into, renditions, 85, 120_000_000, bare=bare)


def _made(order: Order) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in order.into.iterdir()}


async def test_the_parents_memory_is_hidden_from_who_has_the_same_user(at: Studio) -> None:
    await at.render(SOUND)
    is_dumpable = 3
    assert ctypes.CDLL(None).prctl(is_dumpable, 0, 0, 0, 0) == 0


_AFTER_PRACTICE = """
import json, sys
from pathlib import Path
from services.fetcher.rendering import preload
from services.fetcher.rendering.render import Order, render
from shared.pictures import Format, Rendition

before = set(sys.modules)
into, *originals = map(Path, sys.argv[1:])
for original in originals:
    for bare in (False, True):
        render(Order(original, into, tuple(Rendition("small", f) for f in Format), 85, 10**7, bare=bare))
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_behind_the_practice_no_format_loads_anything_more(tmp_path: Path) -> None:
    """For a part that is loaded late may be out of reach."""
    for form in drawing.FORMATS:
        (tmp_path / form).write_bytes(drawing.encode(drawing.photo(1, (120, 80)), form))
    for moving in get_args(drawing.AnimatedFormat):
        (tmp_path / f"moving.{moving}").write_bytes(drawing.encode_animation(drawing.frames(1), moving))
    (tmp_path / "svg").write_bytes(svg(b'<text y="9" fill="color(srgb 1 0 0)">a</text>'))
    (tmp_path / "heic").write_bytes(heif.SAMPLE)
    into = tmp_path / "into"
    originals = sorted(map(str, tmp_path.iterdir()))
    into.mkdir()
    command = [sys.executable, "-c", _AFTER_PRACTICE, str(into), *originals]
    assert json.loads(subprocess.run(command, check=True, capture_output=True).stdout) == []
