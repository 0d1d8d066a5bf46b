"""What is over the limits is refused by its header: before anything of it is in memory."""

from multiprocessing import get_context
from pathlib import Path

import pytest
from PIL import Image

from services.fetcher.rendering import limits
from services.fetcher.rendering.forking import start_forking
from services.fetcher.rendering.render import TooLarge, Unsound
from shared.pictures import SIZES
from tests.integration.rendered import measured, rendered_in
from tests.providers import drawing, variants
from tests.providers.drawing import encode

STANDARD = ("large.webp", "medium.webp", "small.webp", "thumbnail.webp")


def rendered_by_a_child(
    original: Path, into: Path, *names: str, max_pixels: int = 120_000_000
) -> tuple[str, float]:
    """What came of it, and by how many MB the child grew at most."""
    start_forking(faces=False)
    ours, its = (forked := get_context("forkserver")).Pipe(duplex=False)
    child = forked.Process(target=measured, args=(its, original, into, max_pixels, names))
    child.start()
    its.close()
    outcome, grown_mb = ours.recv()
    child.join()
    return outcome, grown_mb


@pytest.mark.parametrize("form", ["png", "gif", "bmp", "tiff", "webp", "jpeg", "avif"])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, form: str) -> None:
    """25 megapixels of one colour, where 20 are allowed."""
    empty = Image.new("L", (5000, 5000))
    body = {
        "png": lambda: variants.bomb(5000),
        "bmp": lambda: variants.with_size(encode(Image.new("L", (8, 8)), "bmp"), 5000),
        "webp": lambda: encode(empty, "webp", lossless=True),
        "gif": lambda: encode(empty, "gif"),
        "tiff": lambda: encode(empty, "tiff"),
        "jpeg": lambda: encode(empty, "jpeg"),
        "avif": lambda: encode(empty, "avif"),
    }[form]()
    (tmp_path / "bomb").write_bytes(body)
    outcome, grown_mb = rendered_by_a_child(tmp_path / "bomb", tmp_path, "w45.webp", max_pixels=20_000_000)
    assert outcome == "TooLarge"
    assert grown_mb < 12


@pytest.mark.parametrize(
    ("size", "text"),
    [((66_000, 100), "longer"), ((1, 1001), "times"), ((10_001, 10), "times"), ((10_001, 10_000), "pixels")],
)
def test_sides_and_shapes_have_limits(tmp_path: Path, size: tuple[int, int], text: str) -> None:
    with pytest.raises(TooLarge, match=text):
        rendered_in(tmp_path, encode(Image.new("1", size), "png"), "w45.webp")


def test_what_is_just_within_them_is_rendered(tmp_path: Path) -> None:
    _, made = rendered_in(tmp_path, encode(Image.new("1", (1000, 1)), "png"), "w45.png", max_pixels=1000)
    assert made["w45.png"].size == (45, 1)


def test_a_rendition_is_never_larger_than_its_format_can_hold(tmp_path: Path) -> None:
    said, made = rendered_in(tmp_path, encode(Image.new("L", (400, 40_000)), "jpeg"), "w780.webp")
    assert (said.width, said.height) == (400, 40_000)
    assert made["w780.webp"].size == (164, 16_383)


@pytest.mark.parametrize("form", ["jpeg", "progressive", "png", "alpha", "webp", "avif"])
def test_what_needs_more_memory_than_there_is_is_refused(tmp_path: Path, form: str) -> None:
    """Six megapixels: what they really take is measured, and is neither under- nor overestimated by far."""
    picture = drawing.photo(1)
    body = {
        "jpeg": lambda: encode(picture, "jpeg", subsampling=0),
        "progressive": lambda: encode(picture, "jpeg", progressive=True),
        "png": lambda: encode(picture, "png"),
        "alpha": lambda: encode(picture.convert("RGBA"), "png"),
        "webp": lambda: encode(picture, "webp"),
        "avif": lambda: encode(picture, "avif"),
    }[form]()
    (tmp_path / "picture").write_bytes(body)
    name = "w45.webp" if form == "progressive" else "medium.webp"
    outcome, grown_mb = rendered_by_a_child(tmp_path / "picture", tmp_path, name)
    assert outcome == "3000x2000"
    reserved_mb = limits.RESERVED_BYTES / 1024**2
    with pytest.raises(TooLarge, match="memory"):
        rendered_in(tmp_path, body, name, memory_mb=int(reserved_mb + 0.8 * grown_mb))
    rendered_in(tmp_path, body, name, memory_mb=int(reserved_mb + 2.5 * grown_mb))


def test_a_cut_header_is_unsound_not_large(tmp_path: Path) -> None:
    with pytest.raises(Unsound):
        rendered_in(tmp_path, variants.bomb(100)[:20], "w45.webp")


@pytest.mark.corpus
def test_a_hundred_real_megapixels_are_rendered_in_every_standard_size(tmp_path: Path, corpus: Path) -> None:
    original = corpus / "hostile" / "huge-9643x10328.jpg"
    outcome, grown_mb = rendered_by_a_child(original, tmp_path, *STANDARD)
    assert outcome == "9643x10328"
    assert grown_mb < 200
    for name in STANDARD:
        with Image.open(tmp_path / name) as picture:
            picture.load()
            assert picture.size == SIZES[name.partition(".")[0]].fit(9643, 10328)


REFUSED = {
    "65536-uint32-limit.png": "TooLarge",
    "bomb-16384x16384.png": "TooLarge",
    "bomb-17000x17000.avif": "TooLarge",
    "broken-data-stream.png": "Unsound",
    "crash.tif": "Unsound",
    "decompression-bomb.gif": "TooLarge",
    "decompression-bomb.ico": "TooLarge",
    "giant-20000x14000.jpg": "TooLarge",
    "giant.svg": "TooLarge",
    "invalid-multiframe.gif": "Unsound",
    "truncated-square.jpg": "Unsound",
    "truncated.gif": "Unsound",
    "truncated.jpg": "Unsound",
}
RENDERED = {
    "bad-exif.jpg": "500x500",
    "crash-test.gif": "800x533",
    "icc-after-sof.jpg": "10x10",
    "invalid-quantization.jpg": "300x400",
    "looks-like-svg.webp": "256x256",
    "png-decompression-dos.png": "1x1",
    "xss.svg": "256x172",
}


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "expected"), (REFUSED | RENDERED).items())
def test_each_hostile_file_is_rendered_or_refused(
    tmp_path: Path, corpus: Path, name: str, expected: str
) -> None:
    outcome, grown_mb = rendered_by_a_child(corpus / "hostile" / name, tmp_path, *STANDARD)
    assert outcome == expected
    assert grown_mb < 150
    assert expected in RENDERED.values() or not list(tmp_path.iterdir())
