"""Faces are counted where that is wanted, in the renderer's confinement, and cost a portrait that shows none or several."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image
from pydantic import ValidationError

from services.fetcher.rendering import faces
from services.fetcher.rendering.lockdown import Reach
from services.fetcher.rendering.order import Order
from services.fetcher.rendering.sandbox import Sandbox
from services.fetcher.settings import RenderSettings
from shared.pictures import Measure, Rendition
from tests.providers.drawing import encode, portraits, poster

MEMORY_BYTES = 256 * 1024**2


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    running = Sandbox.running(
        processes=1,
        timeout_s=60,
        memory_bytes=MEMORY_BYTES,
        reach=Reach(reads=(), writes=(tmp_path,)),
        when_idle=False,
        faces=True,
    )
    async with running as sandbox:
        yield sandbox


async def measured(sandbox: Sandbox, into: Path, picture: Image.Image, *, wanted: bool = True) -> Measure:
    original = into / "download"
    original.write_bytes(encode(picture, "jpeg"))
    small = (Rendition.parse("small.webp"),)
    order = Order(original, into, small, 85, 10**7, MEMORY_BYTES, faces=wanted)

    async def at_once() -> None: ...

    said = await sandbox.render(order, urgent=True, starting=at_once)
    assert said.measure
    return said.measure


async def test_a_confined_renderer_counts_the_faces_that_a_picture_shows(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    for count in (1, 2):
        assert (await measured(sandbox, tmp_path, portraits(count))).faces == count
    assert (await measured(sandbox, tmp_path, portraits(1).resize((1200, 1600)))).faces == 1
    assert (await measured(sandbox, tmp_path, poster(3))).faces == 0
    assert (await measured(sandbox, tmp_path, portraits(1), wanted=False)).faces is None


def test_somebody_in_the_background_is_no_second_face() -> None:
    picture = portraits(1).resize((960, 1280))
    picture.paste(portraits(1).resize((240, 320)), (720, 0))
    assert faces.counted(picture) == 1


def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not RenderSettings().faces
    assert RenderSettings(faces=True).faces
    monkeypatch.setattr(faces, "find_spec", lambda _name: None)
    with pytest.raises(ValidationError, match="the extra faces"):
        RenderSettings(faces=True)
    assert not RenderSettings(faces=False).faces
