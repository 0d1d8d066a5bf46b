"""How renditions are scaled and encoded: as Pillow would, where something else does it; AVIF as WebP looks."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from services.fetcher.jobs.making import made_ahead
from services.fetcher.rendering import decode
from services.fetcher.rendering.decode import resized
from services.fetcher.rendering.encode import avif_quality
from services.fetcher.rendering.order import Order
from services.fetcher.rendering.render import render
from services.fetcher.settings import RenderSettings
from shared.pictures import Format, Original, Rendition
from tests.providers.drawing import encode, photo


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBa", "CMYK", "La"])
@pytest.mark.parametrize("size", [(75, 50), (1, 50), (150, 1), (150, 100)])
def test_a_picture_is_made_smaller_as_pillow_does_it(mode: str, size: tuple[int, int]) -> None:
    picture = photo(3, (150, 100))
    picture.putalpha(Image.linear_gradient("L").resize((150, 100)))
    picture = picture.convert({"RGBa": "RGBA", "La": "LA"}.get(mode, mode)).convert(mode)
    exact = picture.resize(size, Image.Resampling.LANCZOS)
    ours = resized(picture, size)
    assert (ours.mode, ours.size) == (mode, size)
    assert max(abs(a - b) for a, b in zip(ours.tobytes(), exact.tobytes(), strict=True)) <= 6


def test_without_the_resizer_pillow_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = photo(3, (150, 100))
    with_it = resized(picture, (60, 40))
    monkeypatch.setattr(decode, "cykooz_resizer", None)
    without = resized(picture, (60, 40))
    assert without.size == (60, 40)
    assert max(ImageChops.difference(with_it, without).tobytes()) <= 12


@pytest.mark.parametrize(
    ("largest", "decoded"),
    [((300, 200), (450, 300)), ((301, 200), (900, 600)), ((150, 100), (225, 150)), ((1000, 900), (900, 600))],
)
def test_a_jpeg_is_decoded_no_larger_than_its_rendition_needs(
    largest: tuple[int, int], decoded: tuple[int, int]
) -> None:
    with Image.open(BytesIO(encode(photo(1, (900, 600)), "jpeg"))) as image:
        decode.draft(image, largest)
        assert image.size == decoded


@pytest.mark.parametrize("size", [(900, 600), (1001, 667), (1999, 1333)])
def test_decoding_less_costs_no_sharpness_and_moves_nothing(tmp_path: Path, size: tuple[int, int]) -> None:
    original = tmp_path / "original"
    original.write_bytes(encode(photo(1, size), "jpeg"))
    render(Order(original, tmp_path, (Rendition.parse("w300.png"),), 85, 5_000_000, described=False))
    with Image.open(original) as whole, Image.open(tmp_path / "w300.png") as ours:
        exact = whole.convert("RGB").resize(ours.size, Image.Resampling.LANCZOS)
        assert max(ImageStat.Stat(ImageChops.difference(ours, exact)).mean) < 0.8


def test_what_is_kept_in_another_format_is_kept_in_its_own_size(tmp_path: Path) -> None:
    original = tmp_path / "original"
    original.write_bytes(encode(photo(1, (160, 120)), "jpeg"))
    said = render(Order(original, tmp_path, (), 85, 100_000, bare=True, kept_as=Format.WEBP))
    assert said.sanitised
    with Image.open(said.sanitised) as kept:
        assert kept.size == (160, 120)


@pytest.mark.parametrize(("webp", "avif"), [(1, 1), (40, 33), (85, 70), (100, 100)])
def test_avif_has_a_scale_of_its_own(webp: int, avif: int) -> None:
    assert avif_quality(webp) == avif


def test_avif_never_gets_worse_by_asking_for_more() -> None:
    scale = [avif_quality(quality) for quality in range(1, 101)]
    assert scale == sorted(scale)
    assert min(scale) >= 1


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((1000, 1500), {"medium", "small", "thumbnail"}),
        ((1500, 1000), {"large", "medium", "small", "thumbnail"}),
        ((800, 800), {"large", "medium", "small", "thumbnail"}),
    ],
)
def test_what_stands_upright_is_not_made_large_ahead(size: tuple[int, int], sizes: set[str]) -> None:
    original = Original(mime="image/jpeg", bytes=1, width=size[0], height=size[1], frames=1)
    assert {rendition.size for rendition in made_ahead(RenderSettings(), original)} == sizes
    assert "large" not in {rendition.size for rendition in made_ahead(RenderSettings())}


@pytest.mark.parametrize("described", [True, False])
def test_what_nobody_wants_to_know_is_not_found_out(tmp_path: Path, described: bool) -> None:
    original = tmp_path / "original"
    original.write_bytes(encode(photo(1, (90, 60)), "jpeg"))
    small = Rendition.parse("w45.webp")
    said = render(Order(original, tmp_path, (small,), 85, 10_000, described=described))
    assert (bool(said.color), bool(said.thumbhash)) == (described, described)
    assert (tmp_path / "w45.webp").exists()
