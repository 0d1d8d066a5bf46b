"""Rendering is right: drawn pictures in every form, compared with what was drawn."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from services.fetcher.rendering.render import Order, RenderResult, Unsound, render
from shared.pictures import SIZES, Format, Rendition
from tests.providers import drawing, variants
from tests.providers.drawing import encode

WIDE = (1200, 800)
THUMBNAIL = Rendition.parse("thumbnail.png")
Render = Callable[..., tuple[RenderResult, dict[str, Image.Image]]]


@pytest.fixture
def rendered(tmp_path: Path) -> Render:
    """Render bytes as the named renditions; what they were, and the renditions as pictures."""

    def made(
        body: bytes, *names: str, max_pixels: int = 10**8
    ) -> tuple[RenderResult, dict[str, Image.Image]]:
        original = tmp_path / "download"
        original.write_bytes(body)
        renditions = tuple(Rendition.parse(name) for name in names)
        said = render(Order(original, tmp_path, renditions, quality=85, max_pixels=max_pixels))
        return said, {name: Image.open(BytesIO((tmp_path / name).read_bytes())) for name in names}

    return made


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of the samples, 0 to 255, of the worst channel."""
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


def scaled(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


@pytest.mark.parametrize("fmt", [fmt for fmt in drawing.FORMATS if fmt != "ico"])
def test_every_format_is_read(rendered: Render, fmt: drawing.Format) -> None:
    said, made = rendered(encode(drawing.backdrop(1, WIDE), fmt), "small.png")
    assert (said.width, said.height, said.frames) == (*WIDE, 1)
    assert said.mime == f"image/{fmt}"
    small = made["small.png"]
    assert small.size == (540, 360)
    assert difference(small.convert("RGB"), scaled(drawing.backdrop(1, WIDE), (540, 360))) < 8


def test_an_icon_is_read_in_its_largest_size(rendered: Render) -> None:
    said, made = rendered(encode(drawing.photo(1, (256, 256)), "ico"), "thumbnail.png")
    assert (said.mime, said.width, said.height) == ("image/vnd.microsoft.icon", 256, 256)
    assert made["thumbnail.png"].size == (169, 169)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["small.png", "w92.webp", "medium.jpg"])
def test_an_orientation_is_heeded_once_and_for_all(rendered: Render, orientation: int, name: str) -> None:
    upright = drawing.poster(2, (600, 900))
    said, made = rendered(variants.oriented(upright, orientation), name)
    assert (said.width, said.height) == (600, 900)
    picture = made[name]
    assert picture.size == SIZES[name.partition(".")[0]].fit(600, 900)
    assert difference(picture.convert("RGB"), scaled(upright, picture.size)) < 8
    assert 0x0112 not in picture.getexif()


@pytest.mark.parametrize("fmt", ["webp", "png", "avif"])
def test_transparency_is_kept_where_the_format_can(rendered: Render, fmt: str) -> None:
    picture = variants.translucent(drawing.poster(3, (400, 400)))
    _, made = rendered(encode(picture, "png"), f"thumbnail.{fmt}")
    small = made[f"thumbnail.{fmt}"]
    assert small.mode == "RGBA"
    alpha = small.getchannel("A")
    assert (alpha.getpixel((0, 0)), alpha.getpixel((84, 84))) == (0, 255)


def test_transparency_is_white_in_a_jpeg(rendered: Render) -> None:
    picture = variants.translucent(drawing.poster(3, (400, 400)))
    _, made = rendered(encode(picture, "png"), "thumbnail.jpg")
    corner = made["thumbnail.jpg"].convert("RGB").getpixel((1, 1))
    assert isinstance(corner, tuple)
    assert min(corner) > 245


def test_clear_pixels_do_not_darken_the_edge(rendered: Render) -> None:
    """What lies under full transparency is black here; scaling must not mix it into what is seen."""
    picture = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    picture.paste((255, 255, 255, 255), (100, 0, 400, 400))
    _, made = rendered(encode(picture, "png"), "w92.png")
    small = made["w92.png"].convert("RGBA")
    seen = [
        pixel
        for x in range(small.width)
        if isinstance(pixel := small.getpixel((x, 46)), tuple) and pixel[3] > 64
    ]
    assert min(min(pixel[:3]) for pixel in seen) > 230


@pytest.mark.parametrize(
    "form", ["indexed", "indexed gif", "grey", "deep png", "deep tiff", "inked", "progressive"]
)
def test_every_form_of_pixels_comes_out_as_it_was_drawn(rendered: Render, form: str) -> None:
    picture = drawing.backdrop(4, WIDE)
    body, expected = {
        "indexed": lambda: (encode(variants.indexed(picture, 256), "png"), picture),
        "indexed gif": lambda: (encode(variants.indexed(picture, 256), "gif"), picture),
        "grey": lambda: (encode(variants.grey(picture), "jpeg"), variants.grey(picture)),
        "deep png": lambda: (encode(variants.deep(picture), "png"), variants.grey(picture)),
        "deep tiff": lambda: (encode(variants.deep(picture), "tiff"), variants.grey(picture)),
        "inked": lambda: (variants.inked(picture), picture),
        "progressive": lambda: (variants.progressive(picture), picture),
    }[form]()
    _, made = rendered(body, "small.png")
    small = made["small.png"].convert("RGB")
    assert difference(small, scaled(expected, small.size)) < 10


def test_a_profile_is_heeded_and_not_passed_on(rendered: Render) -> None:
    picture = drawing.backdrop(5, WIDE)
    _, made = rendered(variants.profiled(picture), "small.png", "small.jpg", "small.webp")
    for name, small in made.items():
        assert difference(small.convert("RGB"), scaled(picture, small.size)) < 10, name
        assert "icc_profile" not in small.info


def test_nothing_of_the_metadata_is_passed_on(rendered: Render) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    exif[0x8825] = {1: "N", 2: (51.0, 30.0, 0.0)}  # where it was taken
    body = variants.with_comment(encode(drawing.photo(6, WIDE), "jpeg", exif=exif), "a secret comment")
    names = [f"small.{format_}" for format_ in Format]
    _, made = rendered(body, *names)
    for small in made.values():
        assert not small.getexif()
        assert not {"exif", "comment", "icc_profile", "xmp", "photoshop"} & set(small.info)


@pytest.mark.parametrize("size", [(200, 100), (1, 1), (3, 700)])
def test_a_small_picture_is_never_enlarged(rendered: Render, size: tuple[int, int]) -> None:
    names = [f"{name}.png" for name in SIZES]
    _, made = rendered(encode(drawing.poster(7, size), "png"), *names)
    for name, picture in made.items():
        assert picture.size == SIZES[name.partition(".")[0]].fit(*size)
        assert picture.width <= size[0]
        assert picture.height <= size[1]


def test_every_size_comes_from_one_order_as_it_would_alone(rendered: Render) -> None:
    body = encode(drawing.backdrop(8, WIDE), "jpeg")
    names = [f"{name}.png" for name in ("large", "small", "w342", "h632", "w45")]
    _, together = rendered(body, *names)
    for name, picture in together.items():
        _, alone = rendered(body, name)
        assert difference(picture, alone[name]) < 3, name


def test_the_first_frame_stands_for_an_animation(rendered: Render) -> None:
    pictures = drawing.frames(9, count=3)
    for fmt in ("gif", "webp", "png"):
        said, made = rendered(drawing.encode_animation(pictures, fmt), "thumbnail.png")
        assert said.frames == len(pictures)
        small = made["thumbnail.png"].convert("RGB")
        assert difference(small, scaled(pictures[0], small.size)) < 10


def test_the_placeholder_is_the_average_colour(rendered: Render) -> None:
    said, _ = rendered(encode(Image.new("RGB", WIDE, (32, 64, 128)), "png"), "small.webp")
    assert said.color == "#204080"
    transparent, _ = rendered(encode(Image.new("RGBA", WIDE, (0, 0, 0, 0)), "png"))
    assert transparent.color == "#ffffff"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00" * 1000,
        b"<svg xmlns='http://www.w3.org/2000/svg'>",
        b"<html><body>Not found</body></html>",
        b"%PDF-1.4",
    ],
    ids=["empty", "zeros", "svg", "html", "pdf"],
)
@pytest.mark.parametrize("names", [(), ("w45.webp",)], ids=["looked at", "rendered"])
def test_what_cannot_be_decoded_whole_is_unsound(
    rendered: Render, body: bytes, names: tuple[str, ...]
) -> None:
    with pytest.raises(Unsound):
        rendered(body, *names)


@pytest.mark.parametrize("fmt", ["jpeg", "png", "webp", "gif", "avif"])
def test_what_is_cut_short_is_unsound(rendered: Render, fmt: drawing.Format) -> None:
    cut = variants.cut(encode(drawing.poster(1, (300, 450)), fmt))
    for names in ((), ("w45.webp",)):  # looked at, rendered
        with pytest.raises(Unsound):
            rendered(cut, *names)


def test_too_many_pixels_are_refused_before_they_are_decoded(rendered: Render) -> None:
    with pytest.raises(Unsound, match="pixels"):
        rendered(variants.bomb(10_100), "w45.webp")


def test_an_original_that_went_away_is_no_unsound_picture(tmp_path: Path) -> None:
    order = Order(tmp_path / "gone", tmp_path, (), quality=85, max_pixels=10**8)
    with pytest.raises(FileNotFoundError):
        render(order)


def test_neither_is_one_for_which_the_disk_is_full(rendered: Render, tmp_path: Path) -> None:
    (tmp_path / "w45.webp").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        rendered(encode(drawing.poster(1, (60, 90)), "png"), "w45.webp")


OF_ONE_COLOUR = {"16bit.tif", "apng.png", "big-height.webp"}
REAL = {
    "16bit-qtables.jpg": (128, 128),
    "16bit.tif": (64, 64),
    "alpha.png": (2048, 1536),
    "animated.gif": (80, 80),
    "apng.png": (128, 64),
    "big-height.webp": (13, 169),
    "cmyk-icc.jpg": (500, 333),
    "cosmos-10bit.avif": (2048, 858),
    "exif-orientation-6.jpg": (450, 600),
    "gradients-rgb8.png": (1000, 1000),
    "icc-profile-big.jpg": (425, 250),
    "indexed.png": (290, 442),
    "photo-2725x2225.jpg": (2725, 2225),
    "photo.webp": (1024, 772),
    "rgba.png": (128, 128),
    "ultra-hdr-gain-map.jpg": (3840, 2160),
}


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "size"), REAL.items())
def test_real_pictures_are_rendered_in_the_right_size(
    rendered: Render, corpus: Path, name: str, size: tuple[int, int]
) -> None:
    body = (corpus / "good" / name).read_bytes()
    said, made = rendered(body, "large.webp", "medium.jpg", "thumbnail.png", max_pixels=120_000_000)
    assert (said.width, said.height) == size
    for rendition, picture in made.items():
        picture.load()
        assert picture.size == SIZES[rendition.partition(".")[0]].fit(*size)
        assert name in OF_ONE_COLOUR or ImageStat.Stat(picture.convert("L")).stddev[0] > 5
