"""Animations stay animations in WebP renditions; anywhere else, the first frame stands for them."""

from functools import cache
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from services.fetcher.rendering import animation
from services.fetcher.rendering.render import Unsound
from tests.integration.rendered import delta_e, difference, on_white, rendered_in
from tests.providers import drawing
from tests.providers.drawing import encode, encode_animation

AnimatedFormat = drawing.AnimatedFormat
FORMATS: tuple[AnimatedFormat, ...] = ("gif", "png", "webp", "avif")
FRAMES = drawing.frames(1, count=6, size=(480, 270))


@cache
def moving(fmt: AnimatedFormat) -> bytes:
    return encode_animation(FRAMES, fmt)


def frames_of(picture: Image.Image) -> list[tuple[Image.Image, int]]:
    """Each frame and how long it is shown, in milliseconds."""
    seen = []
    for number in range(getattr(picture, "n_frames", 1)):
        picture.seek(number)
        picture.load()
        seen.append((picture.convert("RGBA"), int(picture.info.get("duration", 0))))
    return seen


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_frame_is_there_in_its_turn_and_for_its_time(tmp_path: Path, fmt: AnimatedFormat) -> None:
    times = [100, 40, 250, 90, 60, 500]
    body = encode_animation(FRAMES, fmt, frame_ms=times)
    said, made = rendered_in(tmp_path, body, "small.webp", "thumbnail.webp")
    assert said.frames == 6
    for name, size in (("small.webp", (480, 270)), ("thumbnail.webp", (300, 169))):
        seen = frames_of(made[name])
        assert [time for _, time in seen] == times
        for (frame, _), drawn in zip(seen, FRAMES, strict=True):
            assert frame.size == size
            assert difference(on_white(frame), drawn.resize(size, Image.Resampling.LANCZOS)) < 12


@pytest.mark.parametrize("fmt", FORMATS)
def test_other_formats_show_the_first_frame(tmp_path: Path, fmt: AnimatedFormat) -> None:
    said, made = rendered_in(tmp_path, moving(fmt), "small.png", "small.jpg", "small.avif")
    assert said.frames == 6
    for still in made.values():
        assert getattr(still, "n_frames", 1) == 1
        assert delta_e(still, FRAMES[0]) < 4


def test_a_still_and_an_animation_are_made_by_one_order(tmp_path: Path) -> None:
    _, made = rendered_in(tmp_path, moving("gif"), "small.png", "small.webp", "w92.jpg")
    assert made["small.webp"].n_frames == 6  # type: ignore[attr-defined]  # as Pillow has it for animations
    assert (made["small.png"].size, made["w92.jpg"].size) == ((480, 270), (92, 52))


@pytest.mark.parametrize(
    ("fmt", "written", "shown"),
    [
        *(("gif", None, 1), ("gif", 0, 0), ("gif", 3, 4), ("gif", 65_535, 65_535)),
        *(("png", 0, 0), ("png", 3, 3), ("png", 2**31, 65_535), ("webp", 2, 2)),
    ],
)
def test_it_is_shown_as_often(tmp_path: Path, fmt: AnimatedFormat, written: int | None, shown: int) -> None:
    body = encode_animation(drawing.frames(1, count=3, size=(48, 27)), fmt, loop=written)
    _, made = rendered_in(tmp_path, body, "small.webp")
    assert made["small.webp"].info["loop"] == shown


@pytest.mark.parametrize("disposal", [1, 2, 3])
def test_what_a_frame_leaves_behind_is_what_its_disposal_says(tmp_path: Path, disposal: int) -> None:
    """A dot that moves over a clear ground: left standing, cleared, or as it was before."""
    dots = []
    for left in (0, 60, 120):
        dot = Image.new("RGBA", (180, 60), (0, 0, 0, 0))
        ImageDraw.Draw(dot).ellipse((left, 0, left + 59, 59), fill=(200, 40, 40))
        dots.append(dot)
    body = encode(
        dots[0], "gif", save_all=True, append_images=dots[1:], disposal=disposal, duration=50, loop=0
    )
    _, made = rendered_in(tmp_path, body, "small.webp")
    with Image.open(tmp_path / "download") as original:
        expected = frames_of(original)
    for (frame, _), (drawn, _) in zip(frames_of(made["small.webp"]), expected, strict=True):
        assert difference(frame.getchannel("A"), drawn.getchannel("A")) < 3
        assert difference(on_white(frame), on_white(drawn)) < 8


def test_the_picture_for_who_cannot_show_animations_is_no_frame(tmp_path: Path) -> None:
    still = Image.new("RGB", (480, 270), "green")
    body = encode(still, "png", save_all=True, append_images=FRAMES, default_image=True, duration=80)
    said, made = rendered_in(tmp_path, body, "small.webp", "small.png")
    assert (said.frames, made["small.webp"].n_frames) == (6, 6)  # type: ignore[attr-defined]  # as above
    assert difference(on_white(frames_of(made["small.webp"])[0][0]), FRAMES[0]) < 12
    assert made["small.png"].convert("RGB").getpixel((5, 5)) == (0, 128, 0)


@pytest.mark.parametrize("limit", ["MAX_FRAMES", "MAX_FRAME_PIXELS"])
def test_one_that_would_cost_too_much_is_shown_by_its_first_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(animation, limit, 5 if limit == "MAX_FRAMES" else 6 * 480 * 270 - 1)
    said, made = rendered_in(tmp_path, moving("gif"), "small.webp")
    assert (said.frames, getattr(made["small.webp"], "n_frames", 1)) == (6, 1)
    assert delta_e(made["small.webp"], FRAMES[0]) < 4


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_single_frame_is_a_still(tmp_path: Path, fmt: AnimatedFormat) -> None:
    said, made = rendered_in(tmp_path, encode_animation(FRAMES[:1], fmt), "small.webp")
    assert (said.frames, getattr(made["small.webp"], "n_frames", 1)) == (1, 1)


def test_the_pages_of_a_tiff_are_no_frames(tmp_path: Path) -> None:
    body = encode(FRAMES[0], "tiff", save_all=True, append_images=FRAMES[1:])
    said, made = rendered_in(tmp_path, body, "small.webp")
    assert (said.frames, getattr(made["small.webp"], "n_frames", 1)) == (1, 1)


def test_a_frame_that_is_cut_off_makes_the_whole_unsound(tmp_path: Path) -> None:
    body = moving("gif")
    with pytest.raises(Unsound):
        rendered_in(tmp_path, body[: int(len(body) * 0.7)], "small.webp")


REAL = {"animated.gif": 30, "big-height.webp": 99}


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "count"), REAL.items())
def test_real_animations_last_as_long_as_they_did(
    tmp_path: Path, corpus: Path, name: str, count: int
) -> None:
    body = (corpus / "good" / name).read_bytes()
    said, made = rendered_in(tmp_path, body, "large.webp")
    assert said.frames == count
    with Image.open(tmp_path / "download") as original:
        before = frames_of(original)[-count:]
    after = frames_of(made["large.webp"])
    assert sum(time for _, time in after) == sum(time for _, time in before)
    assert after[0][0].size == before[0][0].size
    assert delta_e(after[0][0], before[0][0]) < 3
    assert delta_e(after[-1][0], before[-1][0]) < 3


@pytest.mark.corpus
def test_a_real_animation_of_equal_frames_is_a_still(tmp_path: Path, corpus: Path) -> None:
    said, made = rendered_in(tmp_path, (corpus / "good" / "apng.png").read_bytes(), "large.webp")
    assert (said.frames, getattr(made["large.webp"], "n_frames", 1)) == (2, 1)
    with Image.open(tmp_path / "download") as original:
        frames = frames_of(original)[1:]  # before them is what is shown where nothing moves
    assert delta_e(made["large.webp"], frames[0][0]) < 3
