"""Files that are small and sound, but made of so many pieces that decoding them would take for ever."""

import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from services.fetcher.rendering.limits import MAX_GIF_BLOCKS, MAX_GIF_PARTS, MAX_SCANS, check_pieces
from services.fetcher.rendering.render import Order, TooLarge, render
from shared.pictures import Rendition
from tests.providers.drawing import poster

_END_OF_IMAGE = b"\xff\xd9"


def ordered(directory: Path, body: bytes) -> Order:
    original = directory / "download"
    original.write_bytes(body)
    return Order(original, directory, (Rendition.parse("small.webp"),), 85, 120_000_000)


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated until there are so many."""
    file = BytesIO()
    poster(1, (60, 90)).save(file, "JPEG", progressive=True)
    jpeg = file.getvalue().removesuffix(_END_OF_IMAGE)
    last = jpeg[jpeg.rindex(b"\xff\xda") :]
    return jpeg + last * (count - jpeg.count(b"\xff\xda")) + _END_OF_IMAGE


def gif_of(*blocks: bytes) -> bytes:
    """One pixel, two colours."""
    return b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff" + b"".join(blocks) + b";"


FRAME = b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00"


def test_as_many_scans_as_may_be_are_rendered(tmp_path: Path) -> None:
    assert render(ordered(tmp_path, with_scans(MAX_SCANS))).width == 60


def test_as_many_frames_as_may_be_are_counted(tmp_path: Path) -> None:
    assert render(ordered(tmp_path, gif_of(*[FRAME] * 1500))).frames == 1500


def test_an_animation_of_frames_with_tables_of_their_own_is_read_to_its_end(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 30), (seed * 20, 80, 120)) for seed in range(12)]
    file = BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert render(ordered(tmp_path, file.getvalue())).frames == 12


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: with_scans(MAX_SCANS + 1), id="scans"),
        pytest.param(lambda: with_scans(100_000), id="scans without end"),
        pytest.param(lambda: gif_of(*[FRAME] * (MAX_GIF_BLOCKS + 1)), id="frames"),
        pytest.param(lambda: gif_of(b"!\xfe\x01x\x00" * (MAX_GIF_BLOCKS + 1), FRAME), id="comments"),
        pytest.param(
            lambda: gif_of(b"!\xfe" + b"\x01x" * (MAX_GIF_PARTS + 1) + b"\x00", FRAME),
            id="parts of a comment",
        ),
        pytest.param(lambda: gif_of(b"\x00" * 3_000_000, FRAME), id="nothing"),
    ],
)
def test_more_pieces_are_refused_at_once(tmp_path: Path, made: Callable[[], bytes]) -> None:
    order = ordered(tmp_path, made())
    began = time.process_time()
    with pytest.raises(TooLarge, match="made of more than"):
        render(order)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("cut", range(10, 40, 3))
def test_a_cut_animation_is_left_to_its_decoder(tmp_path: Path, cut: int) -> None:
    order = ordered(tmp_path, gif_of(FRAME, FRAME)[:cut])
    check_pieces(order.original.read_bytes())
