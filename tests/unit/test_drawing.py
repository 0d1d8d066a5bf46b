import io
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256

import pytest
from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat

from tests.providers import drawing, variants
from tests.providers.drawing import FORMATS, Format

SMALL = (300, 200)


def opened(body: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(body))
    picture.load()
    return picture


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of the samples, 0 to 255."""
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_format_can_be_read_again(fmt: Format) -> None:
    picture = opened(drawing.encode(drawing.photo(1, SMALL), fmt))
    assert picture.format == fmt.upper()
    if fmt != "ico":  # an icon is drawn in its own sizes
        assert picture.size == SMALL
        assert difference(picture, drawing.photo(1, SMALL)) < 12


def test_a_seed_draws_the_same_bytes_in_another_process() -> None:
    program = (
        "import sys; from tests.providers import drawing;"
        f"sys.stdout.buffer.write(drawing.encode(drawing.poster(7, {SMALL}), 'png'))"
    )
    there = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    assert there == drawing.encode(drawing.poster(7, SMALL), "png")


def test_seeds_differ() -> None:
    assert len({sha256(drawing.poster(seed, SMALL).tobytes()).digest() for seed in range(20)}) == 20


def test_drawing_on_a_poster_does_not_change_the_next_one() -> None:
    drawing.poster(1, SMALL).paste(0, (0, 0, *SMALL))
    assert drawing.poster(1, SMALL).getextrema() != ((0, 0), (0, 0), (0, 0))


def test_a_photo_has_six_megapixels_and_compresses_like_one() -> None:
    photo = drawing.photo(1)
    assert photo.size == (3000, 2000)
    assert 0.5 < 8 * len(drawing.encode(photo, "jpeg")) / (3000 * 2000) < 3  # bits per pixel


@pytest.mark.parametrize("fmt", ["gif", "webp", "png", "avif"])
def test_an_animation_keeps_its_frames(fmt: str) -> None:
    body = drawing.encode_animation(drawing.frames(1, count=5), fmt)  # type: ignore[arg-type]
    assert getattr(opened(body), "n_frames", 1) == 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_oriented_jpeg_is_upright_for_who_heeds_exif(orientation: int) -> None:
    upright = drawing.photo(1, SMALL)
    picture = opened(variants.oriented(upright, orientation))
    assert picture.getexif()[0x0112] == orientation
    assert difference(ImageOps.exif_transpose(picture), upright) < 3
    if orientation > 1:
        assert picture.size != SMALL or difference(picture, upright) > 20


def test_a_profiled_jpeg_looks_right_only_through_its_profile() -> None:
    meant = drawing.photo(1, SMALL)
    picture = opened(variants.profiled(meant))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
    seen = ImageCms.profileToProfile(picture, profile, ImageCms.createProfile("sRGB"))
    assert seen is not None
    assert difference(seen, meant) < 3
    assert difference(picture, meant) > 20


@pytest.mark.parametrize(
    ("variant", "mode"),
    [
        (lambda photo: drawing.encode(variants.translucent(photo), "png"), "RGBA"),
        (lambda photo: drawing.encode(variants.indexed(photo), "png"), "P"),
        (lambda photo: drawing.encode(variants.grey(photo), "jpeg"), "L"),
        (lambda photo: drawing.encode(variants.deep(photo), "png"), "I;16"),
        (lambda photo: drawing.encode(variants.deep(photo), "tiff"), "I;16"),
        (variants.inked, "CMYK"),
        (variants.progressive, "RGB"),
    ],
)
def test_a_variant_has_the_mode_it_says(variant: Callable[[Image.Image], bytes], mode: str) -> None:
    assert opened(variant(drawing.photo(1, SMALL))).mode == mode


def test_a_progressive_jpeg_is_progressive() -> None:
    assert opened(variants.progressive(drawing.photo(1, SMALL))).info["progressive"]


def test_a_comment_changes_the_bytes_and_not_the_picture() -> None:
    jpeg = drawing.encode(drawing.photo(1, SMALL), "jpeg")
    other = variants.with_comment(jpeg, "42")
    assert other != jpeg
    assert opened(other).tobytes() == opened(jpeg).tobytes()


def test_a_cut_file_cannot_be_read() -> None:
    body = variants.cut(drawing.encode(drawing.photo(1, SMALL), "png"))
    with pytest.raises(OSError, match="truncated"):
        opened(body)


def test_a_bomb_is_small_and_asks_for_much() -> None:
    body = variants.bomb(8_000)
    assert len(body) < 20_000
    assert Image.open(io.BytesIO(body)).size == (8_000, 8_000)
