"""Every picture comes out in its size, upright, in its colours and with its transparency."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageStat

from services.fetcher.rendering import colors
from shared.pictures import SIZES
from tests.integration.rendered import delta_e, difference, on_white, reference, rendered_in
from tests.providers import drawing, variants
from tests.providers.drawing import encode

SIZE = (450, 300)
NAMES = ("thumbnail.png", "thumbnail.webp", "thumbnail.jpg", "thumbnail.avif")
JUST_NOTICEABLE = 2.3

DRAWN: dict[str, Callable[[], bytes]] = {
    "jpeg, colours at half size": lambda: encode(drawing.photo(1, SIZE), "jpeg"),
    "jpeg, colours in full": lambda: encode(drawing.photo(1, SIZE), "jpeg", subsampling=0),
    "jpeg, odd size": lambda: encode(drawing.photo(1, (449, 301)), "jpeg"),
    "jpeg, progressive": lambda: variants.progressive(drawing.photo(1, SIZE)),
    "jpeg, grey": lambda: encode(variants.grey(drawing.photo(1, SIZE)), "jpeg"),
    "jpeg, inks": lambda: variants.inked(drawing.photo(1, SIZE)),
    "jpeg, profile": lambda: variants.profiled(drawing.photo(1, SIZE)),
    "jpeg, wide gamut": lambda: variants.wide_gamut(drawing.photo(1, SIZE)),
    "png, deep grey": lambda: encode(variants.deep(drawing.photo(1, SIZE)), "png"),
    "png, deep colours": lambda: variants.deep_colors(drawing.photo(1, SIZE)),
    "png, palette": lambda: encode(variants.indexed(drawing.photo(1, SIZE)), "png"),
    "png, clear palette": lambda: variants.indexed_translucent(drawing.photo(1, SIZE)),
    "png, one bit": lambda: encode(drawing.photo(1, SIZE).convert("1"), "png"),
    "png, grey with alpha": lambda: encode(variants.translucent(drawing.photo(1, SIZE)).convert("LA"), "png"),
    "png, alpha": lambda: encode(variants.translucent(drawing.photo(1, SIZE)), "png"),
    "webp, alpha": lambda: encode(variants.translucent(drawing.photo(1, SIZE)), "webp"),
    "avif, alpha": lambda: encode(variants.translucent(drawing.photo(1, SIZE)), "avif"),
    "tiff, inks": lambda: encode(drawing.photo(1, SIZE).convert("CMYK"), "tiff"),
    "gif": lambda: encode(variants.indexed(drawing.photo(1, SIZE)), "gif"),
    "bmp": lambda: encode(drawing.photo(1, SIZE), "bmp"),
    **{
        f"{fmt}, turned": lambda fmt=fmt: variants.oriented(drawing.photo(1, SIZE), 6, fmt)  # type: ignore[misc]
        for fmt in ("png", "webp", "avif", "tiff")
    },
}


def assert_true(body: bytes, directory: Path) -> None:
    expected = reference(body)
    said, made = rendered_in(directory, body, *NAMES)
    assert (said.width, said.height) == expected.size
    clear = expected.getchannel("A").getextrema()[0] != 255
    for name, picture in made.items():
        small = expected.resize(SIZES["thumbnail"].fit(*expected.size), Image.Resampling.LANCZOS)
        assert picture.size == small.size, name
        assert delta_e(picture, small) < JUST_NOTICEABLE, name
        assert not {"icc_profile", "exif", "xmp", "comment"} & set(picture.info), name
        if clear and not name.endswith("jpg"):
            assert picture.mode in ("RGBA", "LA"), name
            alpha = picture.convert("RGBA").getchannel("A")
            assert difference(alpha, small.getchannel("A")) < 3, name


@pytest.mark.parametrize("form", DRAWN)
def test_what_was_drawn_is_what_is_seen(tmp_path: Path, form: str) -> None:
    assert_true(DRAWN[form](), tmp_path)


GOOD = [
    *("16bit-qtables.jpg", "16bit.tif", "alpha.png", "cmyk-icc.jpg", "cosmos-10bit.avif"),
    *("exif-orientation-6.jpg", "gradients-rgb8.png", "icc-profile-big.jpg", "indexed.png"),
    *("photo-2725x2225.jpg", "photo.webp", "rgba.png", "ultra-hdr-gain-map.jpg"),
]


@pytest.mark.corpus
@pytest.mark.parametrize("name", GOOD)
def test_real_pictures_are_seen_as_they_are(tmp_path: Path, corpus: Path, name: str) -> None:
    assert_true((corpus / "good" / name).read_bytes(), tmp_path)


def test_a_broken_profile_is_no_profile(tmp_path: Path) -> None:
    picture = drawing.photo(2, SIZE)
    body = encode(picture, "jpeg", icc_profile=b"no profile at all" * 20)
    _, made = rendered_in(tmp_path, body, "thumbnail.png")
    assert delta_e(made["thumbnail.png"], picture.convert("RGBA")) < JUST_NOTICEABLE


def test_a_huge_profile_is_no_profile_and_not_kept(tmp_path: Path) -> None:
    """Renderers keep profiles, for the pictures of a site have few: eight of these would be all their memory."""
    picture = drawing.photo(2, SIZE)
    colors._to_srgb.cache_clear()
    profile = variants.exchanging_profile().ljust(colors.LARGEST_PROFILE_BYTES + 1, b"\0")
    _, made = rendered_in(tmp_path, encode(picture, "webp", icc_profile=profile), "thumbnail.png")
    assert delta_e(made["thumbnail.png"], picture) < JUST_NOTICEABLE
    assert colors._to_srgb.cache_info().currsize == 0


def test_a_profile_of_another_kind_of_colours_is_no_profile(tmp_path: Path) -> None:
    picture = drawing.photo(2, SIZE)
    grey = encode(variants.grey(picture), "jpeg", icc_profile=variants.exchanging_profile())
    _, made = rendered_in(tmp_path, grey, "thumbnail.png")
    assert delta_e(made["thumbnail.png"], variants.grey(picture)) < JUST_NOTICEABLE


def test_lab_colours_are_seen(tmp_path: Path) -> None:
    picture = drawing.photo(3, (300, 200))
    lab = ImageCms.profileToProfile(
        picture, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    _, made = rendered_in(tmp_path, encode(lab, "tiff"), "small.png")
    assert delta_e(made["small.png"], picture) < JUST_NOTICEABLE


@pytest.mark.parametrize("name", ["thumbnail.png", "thumbnail.jpg"])
def test_grey_stays_grey_where_the_format_has_it(tmp_path: Path, name: str) -> None:
    _, made = rendered_in(tmp_path, encode(variants.grey(drawing.photo(4, SIZE)), "jpeg"), name)
    assert made[name].mode == "L"


def test_sixteen_bits_keep_their_tones(tmp_path: Path) -> None:
    ramp = Image.linear_gradient("L").resize((256, 256))
    _, made = rendered_in(tmp_path, encode(variants.deep(ramp), "png"), "small.png")
    assert difference(made["small.png"].convert("L"), ramp) < 1


def test_scaling_does_not_soften_a_jpeg_whose_colours_are_scaled_apart(tmp_path: Path) -> None:
    body = encode(drawing.photo(5, (1500, 1000)), "jpeg", quality=95)
    _, made = rendered_in(tmp_path, body, "medium.png")
    exact = reference(body).resize((1080, 720), Image.Resampling.LANCZOS).convert("L")
    assert difference(made["medium.png"].convert("L"), exact) < 1.5
    assert ImageStat.Stat(exact).stddev[0] == pytest.approx(
        ImageStat.Stat(made["medium.png"].convert("L")).stddev[0], rel=0.01
    )


def test_transparency_is_flattened_on_white(tmp_path: Path) -> None:
    picture = variants.translucent(drawing.photo(6, SIZE))
    _, made = rendered_in(tmp_path, encode(picture, "png"), "thumbnail.jpg")
    small = on_white(picture).resize(made["thumbnail.jpg"].size, Image.Resampling.LANCZOS)
    assert difference(made["thumbnail.jpg"].convert("RGB"), small) < 6
