"""What a file says beside its pixels: heeded where viewers heed it, and never the end of the picture."""

import struct
import zlib
from base64 import b64encode
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from services.fetcher.rendering import heif
from services.fetcher.rendering.color_spaces import ColorSpace, tone_mapping
from services.fetcher.rendering.order import Order
from services.fetcher.rendering.render import RenderResult, TooLarge, Unsound, render
from tests.integration.rendered import difference, rendered_in
from tests.providers import drawing, variants, written
from tests.providers.drawing import encode
from tests.providers.vectors import svg
from tests.providers.written import apng, avif_of, chunk, deep_png, flat_png, frame, gif, gif_frame, gif_loops

GREY = (120, 120, 120)
TURNED = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="8"/></rdf:RDF></x:xmpmeta>'
)


def shown(directory: Path, body: bytes) -> tuple[RenderResult, Image.Image]:
    """As a PNG of its own size."""
    said, made = rendered_in(directory, body, "large.png")
    return said, made["large.png"].convert("RGBA")


def frames(directory: Path, body: bytes) -> tuple[Image.Image, list[Image.Image]]:
    _, made = rendered_in(directory, body, "large.webp")
    film = made["large.webp"]
    seen = []
    for number in range(getattr(film, "n_frames", 1)):
        film.seek(number)
        seen.append(film.convert("RGBA"))
    return film, seen


def near(pixel: object, wanted: tuple[int, ...], by: int = 3) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= by for a, b in zip(pixel, wanted, strict=False))


# What is not pixels

MUCH = zlib.compress(bytes(3_000_000))
NOT_PIXELS: dict[str, tuple[bytes, bool]] = {
    "compressed text": (flat_png(GREY, (b"zTXt", b"workflow\0\0" + MUCH)), False),
    "international text": (flat_png(GREY, (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + MUCH)), False),
    "text that is none": (flat_png(GREY, (b"iTXt", b""), (b"zTXt", b"\0"), (b"tEXt", b"\xff")), False),
    "a wrong checksum": (flat_png(GREY, chunk(b"tIME", bytes(7), 1)), True),
    "a wrong checksum of a profile": (flat_png(GREY, chunk(b"iCCP", b"x\0\0junk", 1)), True),
    "a profile packed in no way": (flat_png(GREY, (b"iCCP", b"x\0\7junk")), True),
    "a profile without end": (flat_png(GREY, (b"iCCP", b"x\0\0" + zlib.compress(bytes(20_000_000)))), True),
    "chunks that are empty": (flat_png(GREY, (b"cHRM", b""), (b"gAMA", b""), (b"cICP", b"\1")), True),
    "EXIF that is none": (flat_png(GREY, (b"eXIf", b"nothing")), False),
    "EXIF as text": (flat_png(GREY, (b"tEXt", b"Raw profile type exif\0\nexif\n 4\n49492a00 zz")), False),
    "no end": (
        written.png((9, 9), bytes(GREY) * 81, end=False),
        True,
    ),
    "an end that is cut": (written.png((9, 9), bytes(GREY) * 81)[:-7], True),
}


@pytest.mark.parametrize("what", NOT_PIXELS)
def test_what_is_not_pixels_never_costs_a_png(tmp_path: Path, what: str) -> None:
    body, is_noted = NOT_PIXELS[what]
    said, picture = shown(tmp_path, body)
    assert picture.getpixel((4, 4)) == (*GREY, 255)
    assert bool(said.notes) == is_noted


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">2H", 0xFF00 | marker, len(data) + 2) + data


@pytest.mark.parametrize(
    "told",
    [
        segment(0xE1, b"Exif\0\0nothing that could be read"),
        segment(0xE1, b"Exif\0\0MM\0*\0\0"),
        segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
        segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
        segment(0xE2, b"ICC_PROFILE\0\1"),
        segment(0xE2, b"ICC_PROFILE\0\2\5junk"),
        segment(0xED, b"Photoshop 3.0\x008BIM\4\4\xff"),
        segment(0xEE, b"Ad"),
        segment(0xFE, b"\xff" * 9000) * 20,
        b"stray bytes",
        b"\xff\0\xff\0",
    ],
)
@pytest.mark.parametrize("bare", [False, True], ids=["fetched", "uploaded"])
def test_what_is_not_pixels_never_costs_a_jpeg(tmp_path: Path, told: bytes, *, bare: bool) -> None:
    plain = encode(drawing.photo(3, (64, 32)), "jpeg")
    (tmp_path / "original").write_bytes(plain[:2] + told + plain[2:])
    said = render(Order(tmp_path / "original", tmp_path, (), 85, 10**8, bare=bare))
    assert (said.width, said.height) == (64, 32)
    if said.sanitised:
        with Image.open(said.sanitised) as one, Image.open(BytesIO(plain)) as other:
            assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_without_its_end_is_shown_where_all_of_it_is_there(
    tmp_path: Path, options: dict[str, int]
) -> None:
    body = encode(drawing.photo(3, (200, 120)), "jpeg", **options)
    said, picture = shown(tmp_path, body[:-2])
    assert said.notes == ("The end marker is missing.",)
    with Image.open(BytesIO(body)) as whole:
        assert difference(picture.convert("RGB"), whole.convert("RGB")) < 3
    for cut in (40, len(body) // 4):
        with pytest.raises(Unsound):
            shown(tmp_path, body[:-cut])


def test_a_gif_without_its_end_is_shown_and_kept(tmp_path: Path) -> None:
    body = gif((8, 8), gif_loops(0), gif_frame(0, (0, 0, 8, 8)), gif_frame(1, (0, 0, 8, 8)), end=False)
    _, seen = frames(tmp_path, body)
    assert len(seen) == 2
    (tmp_path / "original").write_bytes(body)
    kept = render(Order(tmp_path / "original", tmp_path, (), 85, 10**8, bare=True)).sanitised
    assert kept
    assert kept.read_bytes() == body + b";"


def test_other_programs_chunks_never_cost_a_webp(tmp_path: Path) -> None:
    body = encode(drawing.photo(3, (64, 32)), "webp", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff", xmp=b"<")
    _, picture = shown(tmp_path, body[:-3])
    assert picture.size == (64, 32)


# Which way is up


@pytest.mark.parametrize("fmt", ["jpeg", "png", "webp", "avif", "tiff"])
def test_no_picture_is_turned_by_what_its_xmp_says(tmp_path: Path, fmt: drawing.Format) -> None:
    picture = drawing.photo(3, (64, 32))
    body = encode(picture, fmt, **({"tiffinfo": {700: XMP}} if fmt == "tiff" else {"xmp": XMP}))
    if fmt == "png":
        body = written.png((64, 32), picture.tobytes(), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))
    said, seen = shown(tmp_path, body)
    assert (said.width, said.height) == seen.size == (64, 32)


def test_a_png_is_turned_by_its_exif_and_by_no_text(tmp_path: Path) -> None:
    pixels = drawing.photo(3, (64, 32)).tobytes()
    assert shown(tmp_path, written.png((64, 32), pixels, (b"eXIf", TURNED)))[1].size == (32, 64)
    behind = chunk(b"eXIf", TURNED)
    assert shown(tmp_path, written.png((64, 32), pixels, behind=behind))[1].size == (32, 64)
    text = b"Raw profile type exif\0\nexif\n%8d\n%s\n" % (len(TURNED), TURNED.hex().encode())
    assert shown(tmp_path, written.png((64, 32), pixels, (b"tEXt", text)))[1].size == (64, 32)


def test_an_avif_is_cut_to_its_clean_aperture_before_it_is_turned(tmp_path: Path) -> None:
    picture = Image.new("RGB", (64, 32), (30, 60, 200))
    picture.paste((200, 60, 30), (20, 10, 50, 26))
    plain = encode(picture, "avif", quality=100, subsampling="4:4:4")
    body = written.with_property(plain, written.aperture((30, 16), 2 * (20 + 15 - 32), 2 * (10 + 8 - 16)))
    said, seen = shown(tmp_path, body)
    assert (said.width, said.height) == seen.size == (30, 16)
    assert all(near(seen.getpixel(at), (200, 60, 30), 8) for at in ((1, 1), (28, 14)))
    body = written.with_property(body, struct.pack(">I4sB", 9, b"irot", 1))
    assert shown(tmp_path, body)[1].size == (16, 30)


def test_an_aperture_beyond_the_picture_is_none(tmp_path: Path) -> None:
    plain = encode(drawing.photo(3, (64, 32)), "avif")
    for box in (written.aperture((64, 32), 2, 0), written.aperture((0, 32), 0, 0)):
        assert shown(tmp_path, written.with_property(plain, box))[1].size == (64, 32)


# Colours


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (flat_png((180, 90, 60), (b"cICP", b"\x0c\x0d\0\1")), (194, 83, 51)),
        (avif_of((180, 90, 60), 12, 13), (194, 83, 51)),
        (avif_of((150, 150, 150), 1, 8), (202, 202, 202)),
        (flat_png((150, 150, 150), (b"gAMA", struct.pack(">I", 100_000))), (202, 202, 202)),
        (flat_png((150,), (b"gAMA", struct.pack(">I", 100_000))), (202, 202, 202)),
        (flat_png((150, 150, 150), (b"gAMA", struct.pack(">I", 45_455))), (150, 150, 150)),
        (flat_png((150, 150, 150), (b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))), (150, 150, 150)),
        (flat_png((180, 90, 60, 77), (b"cICP", b"\x0c\x0d\0\1")), (194, 83, 51, 77)),
    ],
)
def test_colours_are_what_the_file_says_by_numbers(
    tmp_path: Path, body: bytes, wanted: tuple[int, ...]
) -> None:
    assert near(shown(tmp_path, body)[1].getpixel((5, 5)), wanted)


@pytest.mark.parametrize("transfer", [16, 18], ids=["PQ", "HLG"])
def test_what_is_brighter_than_paper_is_brought_down_and_keeps_its_order(
    tmp_path: Path, transfer: int
) -> None:
    seen = []
    for value in (40, 100, 130, 150, 180):
        body = flat_png((value, value, value), (b"cICP", bytes((9, transfer, 0, 1))))
        pixel = shown(tmp_path, body)[1].getpixel((3, 3))
        assert isinstance(pixel, tuple)
        assert max(pixel[:3]) - min(pixel[:3]) <= 3
        seen.append(pixel[1])
    assert seen == sorted(seen)
    assert seen[0] < 40
    assert 200 < seen[-1] <= 255 or transfer == 18


def test_the_eetf_leaves_what_is_dark_and_white_at_the_peak() -> None:
    """ITU-R BT.2390: 20 nits are 20 of 203; the brightest of 1,000 is white."""
    space = ColorSpace.of_code_points(9, 16)
    assert space
    table = tone_mapping(space)
    for value, wanted in ((91, 90), (192, 255)):  # PQ of 20.4 and of 1,000 nits
        pixel = Image.new("RGB", (1, 1), (value, value, value)).filter(table).getpixel((0, 0))
        assert near(pixel, (wanted,) * 3, 4)


def test_floats_are_shown_from_black_to_white_and_refused_where_they_measure_something(
    tmp_path: Path,
) -> None:
    def tiff(*values: float) -> bytes:
        return encode(
            Image.frombytes("F", (len(values), 1), struct.pack(f"={len(values)}f", *values)), "tiff"
        )

    picture = shown(tmp_path, tiff(0, 0.25, 0.5, 1))[1]
    assert [picture.getpixel((x, 0))[0] for x in range(4)] == [0, 64, 128, 255]  # type: ignore[index]
    for values in ((-3.0, 1.0), (0.0, 8848.0), (float("nan"), 0.5)):
        with pytest.raises(Unsound):
            shown(tmp_path, tiff(*values))


def test_sixteen_bits_that_grow_darker_are_shown_so(tmp_path: Path) -> None:
    deep = Image.frombytes("I;16", (3, 1), struct.pack("<3H", 0, 40_000, 65_535))
    body = bytearray(encode(deep, "tiff"))
    at = body.index(struct.pack("<2HIH", 262, 3, 1, 1))
    body[at + 8] = 0
    picture = shown(tmp_path, bytes(body))[1]
    assert [picture.getpixel((x, 0))[0] for x in range(3)] == [255, 99, 0]  # type: ignore[index]


# Transparency and frames


@pytest.mark.parametrize(
    ("body", "alphas"),
    [
        (written.png((4, 1), b"\x0f\x5a", (b"tRNS", b"\0\5"), color=0, depth=4), [255, 255, 0, 255]),
        (written.png((4, 1), b"\x1b", (b"tRNS", b"\0\2"), color=0, depth=2), [255, 255, 0, 255]),
        (written.png((4, 1), b"\xa0", (b"tRNS", b"\0\1"), color=0, depth=1), [0, 255, 0, 255]),
        (written.png((3, 1), b"\x01\x02\x03", (b"tRNS", b"\xff\2"), color=0), [255, 0, 255]),
        (deep_png((500, 501, 65_535), 0, (b"tRNS", struct.pack(">H", 501))), [255, 0, 255]),
        (
            deep_png((9, 8, 7, 9, 8, 6, 9, 9, 7), 2, (b"tRNS", struct.pack(">3H", 9, 8, 7))),
            [0, 255, 255],
        ),
        (deep_png((500, 0, 501, 65_535), 4), [0, 255]),
    ],
)
def test_one_clear_colour_is_clear_in_every_depth(tmp_path: Path, body: bytes, alphas: list[int]) -> None:
    assert list(shown(tmp_path, body)[1].getchannel("A").tobytes()) == alphas


@pytest.mark.parametrize(
    ("bits", "masks", "pixels", "wanted"),
    [
        (16, (0x7C00, 0x3E0, 0x1F, 0x8000), (0xFC00, 0x7C00), [(255, 0, 0, 255), (0, 0, 0, 0)]),
        (16, (0xF00, 0xF0, 0xF, 0xF000), (0xF8F0, 0x80F0), [(136, 255, 0, 255), (0, 255, 0, 136)]),
        (16, (0xF00, 0xF0, 0xF, 0), (0x08F0, 0x00FF), [(136, 255, 0, 255), (0, 255, 255, 255)]),
        (
            32,
            (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
            (0x80FF00FF, 0xFF040506),
            [(255, 0, 255, 128), (6, 5, 4, 255)],
        ),
        (32, (0x3FF00000, 0xFFC00, 0x3FF, 0), (0x3FF00000, 0x200), [(255, 0, 0, 255), (0, 0, 128, 255)]),
        (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0x010203, 0x040506), [(1, 2, 3, 255), (4, 5, 6, 255)]),
    ],
)
def test_the_masks_of_a_bmp_are_heeded_that_of_alpha_as_well(
    tmp_path: Path,
    bits: int,
    masks: tuple[int, ...],
    pixels: tuple[int, ...],
    wanted: list[tuple[int, ...]],
) -> None:
    data = struct.pack("<2H" if bits == 16 else "<2I", *pixels)
    head = struct.pack("<I2i2H6I4I", 56, 2, 1, 1, bits, 3, len(data), 0, 0, 0, 0, *masks)
    body = struct.pack("<2sI4xI", b"BM", 70 + len(data), 70) + head + data
    picture = shown(tmp_path, body)[1]
    assert [picture.getpixel((x, 0)) for x in range(2)] == wanted


def test_an_old_icon_is_clear_by_its_mask(tmp_path: Path) -> None:
    pixels = bytes((30, 60, 200, 0)) * 256
    mask = (b"\x80\0\0\0" * 8) + bytes(32)
    bitmap = struct.pack("<3I2H6I", 40, 16, 32, 1, 32, 0, 0, 0, 0, 0, 0) + pixels + mask
    body = struct.pack("<3H4B2H2I", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(bitmap), 22) + bitmap
    picture = shown(tmp_path, body)[1]
    assert picture.getpixel((5, 5)) == (200, 60, 30, 255)
    assert picture.getchannel("A").getpixel((0, 15)) == 0


def test_frames_of_a_png_lie_over_one_another_to_the_alpha_value(tmp_path: Path) -> None:
    red, green = (220, 20, 40, 255), (20, 200, 60, 128)
    _, seen = frames(tmp_path, apng(32, frame(0, 32, red), frame(1, 16, green, at=(8, 8), over=True)))
    assert near(seen[1].getpixel((12, 12)), (120, 110, 50, 255), 6)
    assert near(seen[1].getpixel((2, 2)), red, 6)
    _, seen = frames(tmp_path, apng(32, frame(0, 32, red), frame(1, 16, green, at=(8, 8))))
    assert near(seen[1].getpixel((12, 12)), green, 8)


def test_a_frame_that_is_undone_leaves_nothing(tmp_path: Path) -> None:
    ground, dot, last = (20, 200, 60, 255), (220, 20, 40, 255), (20, 40, 220, 255)
    body = apng(
        32, frame(0, 32, ground), frame(1, 16, dot, disposal=2, over=True), frame(3, 8, last, at=(24, 24))
    )
    _, seen = frames(tmp_path, body)
    assert near(seen[1].getpixel((4, 4)), dot, 8)
    assert near(seen[2].getpixel((4, 4)), ground, 8)


def test_one_frame_behind_a_hidden_picture_is_the_picture(tmp_path: Path) -> None:
    body = apng(16, frame(0, 16, (20, 200, 60, 255)), hidden=(220, 20, 40, 255))
    said, picture = shown(tmp_path, body)
    assert (said.frames, picture.getpixel((8, 8))) == (1, (20, 200, 60, 255))


@pytest.mark.parametrize(
    "body",
    [
        apng(16, frame(0, 16, (1, 2, 3, 255)), frame(5, 16, (9, 9, 9, 255))),
        apng(16, frame(0, 16, (1, 2, 3, 255)), frame(1, 16, (9, 9, 9, 255)), announced=3),
        apng(16, frame(0, 16, (1, 2, 3, 255)), frame(1, 16, (9, 9, 9, 255), at=(1, 0))),
        apng(16, (frame(0, 8, (1, 2, 3, 255))[0], frame(0, 16, (1, 2, 3, 255))[1])),
    ],
)
def test_an_animation_that_is_broken_is_shown_by_its_default(tmp_path: Path, body: bytes) -> None:
    said, made = rendered_in(tmp_path, body, "large.webp", "large.png")
    assert (said.frames, said.notes) == (1, ("The animation is broken: its first picture is shown.",))
    assert getattr(made["large.webp"], "n_frames", 1) == 1


def test_no_frame_lasts_longer_than_a_webp_can_say(tmp_path: Path) -> None:
    control, data = frame(0, 16, (1, 2, 3, 255))
    head = control[8:28] + struct.pack(">2H", 65_535, 1) + control[32:34]
    film, _ = frames(tmp_path, apng(16, (chunk(b"fcTL", head), data), frame(1, 16, (9, 9, 9, 255))))
    film.seek(0)
    film.load()
    assert film.info["duration"] == 16_777_215


def test_what_of_a_gif_is_beyond_the_screen_is_cut_off(tmp_path: Path) -> None:
    body = gif((32, 32), gif_frame(0, (0, 0, 32, 32)), gif_frame(1, (16, 16, 32, 32)))
    film, seen = frames(tmp_path, body)
    assert film.size == (32, 32)
    assert near(seen[1].getpixel((12, 12)), written.PALETTE[0], 20)
    assert near(seen[1].getpixel((24, 24)), written.PALETTE[1], 20)


def test_a_disposal_counts_for_its_own_frame_alone(tmp_path: Path) -> None:
    body = gif(
        (32, 32),
        gif_frame(0, (0, 0, 32, 32)),
        gif_frame(1, (0, 0, 16, 16), disposal=2),
        gif_frame(2, (16, 0, 16, 16), disposal=0),
        gif_frame(3, (16, 16, 16, 16), disposal=0),
    )
    _, seen = frames(tmp_path, body)
    assert seen[2].getpixel((4, 4))[3] == 0  # type: ignore[index]
    assert near(seen[3].getpixel((24, 4)), written.PALETTE[2], 20)


@pytest.mark.parametrize("name", [b"NETSCAPE2.0", b"ANIMEXTS1.0"])
@pytest.mark.parametrize(("repeats", "shown_times"), [(0, 0), (4, 5)])
@pytest.mark.parametrize("is_late", [False, True])
def test_a_gif_is_shown_as_often_as_it_says_wherever(
    tmp_path: Path, name: bytes, repeats: int, shown_times: int, *, is_late: bool
) -> None:
    blocks = [gif_frame(0, (0, 0, 8, 8)), gif_frame(1, (0, 0, 8, 8))]
    blocks.insert(1 if is_late else 0, gif_loops(repeats, name))
    film, _ = frames(tmp_path, gif((8, 8), *blocks))
    assert film.info["loop"] == shown_times


def test_an_avif_is_shown_as_often_as_its_edit_list_says(tmp_path: Path) -> None:
    body = bytearray(drawing.encode_animation(drawing.frames(1, count=3, size=(64, 36)), "avif"))
    assert frames(tmp_path, bytes(body))[0].info["loop"] == 0
    at = body.index(b"elst") + 4
    body[at + 3] &= ~1
    assert frames(tmp_path, bytes(body))[0].info["loop"] == 1


def test_the_code_points_of_an_animated_avif_count(tmp_path: Path) -> None:
    film = [Image.new("RGB", (32, 32), color) for color in ((180, 90, 60), (60, 90, 180))]
    options = {"save_all": True, "append_images": film[1:], "quality": 100, "subsampling": "4:4:4"}
    body = encode(film[0], "avif", **options)
    body = body.replace(b"colrnclx\0\1\0\x0d", b"colrnclx\0\x0c\0\x0d")
    _, seen = frames(tmp_path, body)
    assert near(seen[0].getpixel((9, 9)), (194, 83, 51), 8)


def test_an_avif_that_says_properties_twice_as_an_encoder_did_is_shown(tmp_path: Path) -> None:
    picture = variants.translucent(drawing.photo(3, (64, 32)))
    body = written.with_two_associations(encode(picture, "avif", quality=95, subsampling="4:4:4"))
    _, seen = shown(tmp_path, body)
    assert difference(seen.getchannel("A"), picture.getchannel("A")) < 3


@pytest.mark.parametrize("order", ["<", ">"])
def test_bands_of_sixteen_bits_that_lie_apart_are_put_together(tmp_path: Path, order: str) -> None:
    bands = [[1000 * x for x in range(4)], [40_000] * 4, [65_535, 0, 65_535, 0]]
    tags: dict[int, int | list[int | None]] = {256: 4, 257: 1, 258: [16] * 3, 259: 1, 262: 2}
    tags |= {273: [None] * 3, 277: 3, 278: 1, 279: [8] * 3, 284: 2}
    picture = shown(tmp_path, written.tiff(order, list(tags.items()), bands))[1]
    assert [picture.getpixel((x, 0))[:3] for x in range(4)] == [  # type: ignore[index]
        (1000 * x >> 8, 40_000 >> 8, 255 if x % 2 == 0 else 0) for x in range(4)
    ]


@pytest.mark.parametrize(("associated", "grey"), [(2, 100), (1, 199)])
def test_grey_and_its_alpha_that_lie_apart_are_put_together(
    tmp_path: Path, associated: int, grey: int
) -> None:
    tags: dict[int, int | list[int | None]] = {256: 4, 257: 1, 258: [8] * 2, 259: 1, 262: 1}
    tags |= {273: [None] * 2, 277: 2, 278: 1, 279: [4] * 2, 284: 2, 338: associated}
    body = written.tiff("<", list(tags.items()), [[100] * 4, [128] * 4], sample="B")
    assert near(shown(tmp_path, body)[1].convert("LA").getpixel((1, 0)), (grey, 128), 1)


def test_an_avif_beyond_its_decoders_own_limit_is_too_large(tmp_path: Path) -> None:
    body = avif_of((110, 190, 90), 1, 13)
    at = body.index(b"ispe") + 8
    with pytest.raises(TooLarge, match="pixels"):
        shown(tmp_path, body[:at] + struct.pack(">2I", 17_000, 17_000) + body[at + 8 :])


# HEIC

HEIC = heif.SAMPLE


def test_a_heic_is_a_picture_and_an_upload_of_one_is_kept_as_what_browsers_show(tmp_path: Path) -> None:
    said, picture = shown(tmp_path, HEIC)
    assert (said.mime, said.width, said.height, said.frames) == ("image/heic", 8, 8, 1)
    assert near(picture.getpixel((4, 4)), (200, 80, 40), 4)
    (tmp_path / "original").write_bytes(HEIC)
    kept = render(Order(tmp_path / "original", tmp_path, (), 85, 10**8, bare=True))
    assert kept.mime == "image/png"


def test_the_code_points_of_a_heic_count(tmp_path: Path) -> None:
    at = HEIC.index(b"colrnclx") + 8
    _, picture = shown(tmp_path, HEIC[:at] + struct.pack(">2H", 12, 13) + HEIC[at + 4 :])
    assert near(picture.getpixel((4, 4)), (216, 68, 18), 5)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_heic_that_is_cut_is_unsound(tmp_path: Path, share: float) -> None:
    with pytest.raises(Unsound):
        shown(tmp_path, HEIC[: int(len(HEIC) * share)])


def test_a_heic_that_would_need_more_memory_than_there_is_is_too_large(tmp_path: Path) -> None:
    at = HEIC.index(b"ispe") + 8
    wide = HEIC[:at] + struct.pack(">2I", 9000, 9000) + HEIC[at + 8 :]
    with pytest.raises((TooLarge, Unsound)):
        rendered_in(tmp_path, wide, "w92.webp", memory_mb=512)


# Drawings


def test_what_a_drawing_asks_for_and_does_not_get_is_named(tmp_path: Path) -> None:
    inner = b64encode(svg(b"<rect/>")).decode().encode()
    body = svg(
        b"<foreignObject><p>x</p></foreignObject>"
        b'<image href="https://a.example/x.png" width="9" height="9"/>'
        b'<image href="data:image/svg+xml;base64,' + inner + b'" width="9" height="9"/>'
        b'<style>@import "https://a.example/x.css"; rect:not(.a) { fill: red } rect { width: 9px }</style>'
        b'<rect vector-effect="non-scaling-stroke" style="clip-path:circle(3px)"><animate/></rect>'
        b'<rect fill="lch(50% 20 20)" width="9" height="9"/><text>\xe6\x98\xa0\xe7\x94\xbb</text>'
    )
    said, _ = rendered_in(tmp_path, body, "w92.png")
    notes = " ".join(said.notes)
    named = ("foreignObject", "elsewhere", "embedded", "@import", ":not", "width", "colour", "scripts")
    for what in (*named, "animate", "vector-effect", "clip-path"):
        assert what in notes


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"<rect style='rotate:45deg'/>", "rotate"),
        (b"<rect style='translate: 2px'/>", "translate"),
        (b"<style>rect{transform-box:fill-box}</style>", "transform-box"),
        (b"<rect width='calc(1px + 2px)'/>", "calc()"),
        (b"<rect style='height:min(9px, 5px)'/>", "min()"),
        (b"<rect style='fill:unset'/>", "the value unset"),
        (b"<rect clip-path='circle(3px)'/>", "clip-path"),
        (b"<path d='M0 0h9' pathLength='10'/>", "pathLength"),
        (b"<style>svg{background:#fc0}</style>", "the background"),
        (b"<style>rect:last-child,circle{fill:red}</style>", "the selector rect:last-child"),
        (b"<style>[id='a:b'] rect:lang(en){fill:red}</style>", "the selector [id='a:b'] rect:lang(en)"),
        (b"<style>rect{r:9px;fill:color(display-p3 1 0 0)}</style>", "a colour function"),
        (b"<style>rect{fill:lab(50% nan 1e999)}</style>", "a colour function"),
    ],
)
def test_what_the_renderer_of_drawings_lacks_is_named(tmp_path: Path, content: bytes, named: str) -> None:
    said, _ = rendered_in(tmp_path, svg(content), "w92.png")
    assert f"Not drawn: {named}." in said.notes


@pytest.mark.parametrize(
    "color", ["oklch(nan 1 1)", "oklab(1e999 1 1)", "oklch(9e99% 1e300 1e300)", "hwb(1 9e9% 9e9%)"]
)
def test_a_colour_that_is_none_costs_nothing_but_itself(tmp_path: Path, color: str) -> None:
    body = svg(f"<rect width='9' height='9' fill='{color}'/>".encode())
    assert rendered_in(tmp_path, body, "w92.png")[0].mime == "image/svg+xml"


def test_a_drawing_that_gets_all_has_no_notes(tmp_path: Path) -> None:
    body = svg(
        b'<title>x</title><rect style="fill:var(--c,#123456)" width="9mm" height="9"/><text y="9">x</text>'
    )
    assert rendered_in(tmp_path, body, "w92.png")[0].notes == ()


def test_text_is_drawn(tmp_path: Path) -> None:
    for text in ("Poster", "Плакат", "Αφίσα"):
        body = svg(f'<text x="1" y="16" font-family="Nowhere Sans">{text}</text>'.encode())
        _, made = rendered_in(tmp_path, body, "w92.png")
        assert sum(made["w92.png"].convert("RGBA").getchannel("A").tobytes()) > 10_000


def test_what_the_style_of_a_drawing_grows_to_is_bounded(tmp_path: Path) -> None:
    chain = "".join(f"--v{at}:{f'var(--v{at - 1})' * 30};" for at in range(1, 7))
    body = svg(f"<style>:root{{--v0:red;{chain}}}rect{{fill:var(--v6)}}</style><rect/>".encode())
    with pytest.raises(TooLarge):
        rendered_in(tmp_path, body, "w92.png")
