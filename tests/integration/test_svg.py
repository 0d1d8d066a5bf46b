"""SVGs: drawn in every size, kept cleaned, and served as documents only where that is allowed."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from shared.contracts import FetchPicture
from tests.integration.conftest import Start
from tests.integration.onesheet import Answer, Onesheet
from tests.providers import vectors

LOGO = "/logo.svg"


@pytest.fixture
async def allowing(start: Start) -> Onesheet:
    return await start(ALLOW_SVG="true")


def put(onesheet: Onesheet, body: bytes = vectors.ACTIVE) -> None:
    onesheet.host.put(LOGO, body, content_type="image/svg+xml")


async def path_of_original(onesheet: Onesheet) -> str:
    current = await onesheet.current(LOGO)
    assert current is not None
    return f"/p/{current.picture}/{current.id}/original.svg"


async def test_a_size_of_a_drawing_is_a_picture_like_any_other(onesheet: Onesheet) -> None:
    put(onesheet)
    answer = await onesheet.get(LOGO, size="w342", format="png")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    assert Image.open(BytesIO(answer.body)).size == (342, 342)


async def test_what_is_kept_of_a_drawing_is_clean(onesheet: Onesheet) -> None:
    put(onesheet)
    await onesheet.get(LOGO, size="w45", format="png")
    current = await onesheet.current(LOGO)
    assert current is not None
    stored = await onesheet.volume.pictures.at(current.picture, current.id, "original.svg")
    assert stored is not None
    kept = await stored.content.whole()
    assert current.manifest.original.bytes == len(kept)
    assert stored.local
    directory = Path(stored.local.path).parent
    assert {file.name for file in directory.iterdir()} >= {"original.svg", "manifest.json"}
    assert not [file for file in directory.iterdir() if file.name in ("download", "sanitised.svg")]
    for trace in vectors.TRACES:
        assert trace not in kept.lower()
    assert b"<rect" in kept


async def test_the_original_is_refused_as_a_document_and_the_answer_says_what_to_ask_for(
    onesheet: Onesheet,
) -> None:
    put(onesheet)
    for _ in ("miss", "hit"):
        answer = await onesheet.get(LOGO)
        assert answer.status == 415
        assert "size" in answer.problem["detail"]
    assert_refused(await onesheet.ask(await path_of_original(onesheet), {}))


def assert_refused(answer: Answer) -> None:
    assert answer.status == 415
    assert b"<svg" not in answer.body


async def test_where_it_is_allowed_the_original_is_served_in_a_sandbox(allowing: Onesheet) -> None:
    put(allowing)
    for _ in ("miss", "hit", "hot"):
        assert_sandboxed(await allowing.get(LOGO))
    for _ in ("hit", "hot"):
        assert_sandboxed(await allowing.ask(await path_of_original(allowing), {}))


def assert_sandboxed(answer: Answer) -> None:
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"script" not in answer.body


async def test_nginx_is_never_told_to_send_a_drawing(start: Start) -> None:
    onesheet = await start(ALLOW_SVG="true", SEND_FILES="accel")
    put(onesheet, vectors.svg(b"<rect/><title>" + b"x" * 300_000 + b"</title>"))
    for _ in ("miss", "hit"):
        answer = await onesheet.get(LOGO)
        assert len(answer.body) > 256 * 1024
        assert_sandboxed(answer)


async def test_a_name_that_says_something_else_is_noted_and_not_believed(
    onesheet: Onesheet, capsys: pytest.CaptureFixture[str]
) -> None:
    onesheet.host.put("/poster.jpg", vectors.ACTIVE, content_type="image/jpeg")
    assert (await onesheet.get("/poster.jpg")).status == 415
    current = await onesheet.current("/poster.jpg")
    assert current is not None
    assert current.manifest.original.file_name == "original.svg"
    await onesheet.jobs_done(FetchPicture)
    said = capsys.readouterr().out
    assert "named_as=jpg" in said
    assert "sent_as=image/jpeg" in said
