"""What is kept of an upload: the same picture, and nothing else of what its file said."""

import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from zlib import crc32

import pytest
from PIL import Image, ImageSequence
from PIL.PngImagePlugin import PngInfo

from services.fetcher.rendering.exif import ORIENTATION
from services.fetcher.rendering.order import TooLarge, Unsound
from services.fetcher.rendering.original import open_original
from services.fetcher.rendering.render import Order, RenderResult, render
from tests.providers.drawing import Format, encode, encode_animation, frames, photo
from tests.providers.variants import deep_colors, inked, profiled, progressive, translucent

SECRET = b"48.8584 N 2.2945 E"
PHOTO = photo(1, (120, 80))


def exif(orientation: int = 1) -> bytes:
    told = Image.Exif()
    told[ORIENTATION] = orientation
    told[0x010E] = SECRET.decode()
    told.get_ifd(0x8825)[29] = SECRET.decode()
    return told.tobytes()


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">HH", 0xFF00 | marker, len(data) + 2) + data


def telling_jpeg(plain: bytes) -> bytes:
    """With whatever cameras, phones and programs write: before the picture, within it, and behind its end."""
    told = segment(0xE1, exif()) + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + SECRET)
    told += (
        segment(0xED, b"Photoshop 3.0\0" + SECRET) + segment(0xFE, SECRET) + segment(0xE2, b"FPXR\0" + SECRET)
    )
    told += segment(0xE0, b"JFXX\0" + SECRET)
    behind = plain[:2] + segment(0xE1, exif()) + plain[2:]
    scan = plain.index(b"\xff\xda")
    return plain[:2] + told + plain[2:scan] + segment(0xFE, SECRET) + plain[scan:] + behind + SECRET


def with_thumbnail(plain: bytes) -> bytes:
    """In the JFIF segment, one row of six pixels of three bytes each."""
    jfif = b"JFIF\0\1\1\0\0\1\0\1" + bytes((len(SECRET) // 3, 1)) + SECRET
    return plain[:2] + segment(0xE0, jfif) + plain[20:]


def telling_png(plain: bytes) -> bytes:
    def chunk(kind: bytes, before: bytes = b"") -> bytes:
        data = before + SECRET
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    told = chunk(b"tEXt", b"Comment\0") + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0") + chunk(b"prVt")
    return plain[:33] + told + plain[33:-12] + chunk(b"tEXt", b"Comment\0") + plain[-12:] + SECRET


def png_text() -> PngInfo:
    info = PngInfo()
    info.add_text("Place", SECRET.decode())
    return info


def telling_gif(plain: bytes) -> bytes:
    block = bytes((len(SECRET),)) + SECRET + b"\0"
    at = 13 + 3 * 2 ** ((plain[10] & 7) + 1)
    return plain[:at] + b"\x21\xfe" + block + b"\x21\xff\x0bXMP DataXMP" + block + plain[at:] + SECRET


TELLING: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: telling_jpeg(encode(PHOTO, "jpeg")),
    "JPEG, progressive": lambda: telling_jpeg(progressive(PHOTO)),
    "JPEG with a profile": lambda: telling_jpeg(profiled(PHOTO)),
    "JPEG in ink": lambda: telling_jpeg(inked(PHOTO)),
    "JPEG with restarts": lambda: telling_jpeg(encode(PHOTO, "jpeg", restart_marker_rows=1)),
    "JPEG with a thumbnail": lambda: with_thumbnail(encode(PHOTO, "jpeg")),
    "PNG": lambda: telling_png(encode(PHOTO, "png", exif=exif(), pnginfo=png_text())),
    "PNG, clear": lambda: telling_png(encode(translucent(PHOTO), "png")),
    "PNG, palette": lambda: telling_png(encode(PHOTO.quantize(16), "png", transparency=3)),
    "PNG of 16 bits": lambda: telling_png(deep_colors(PHOTO)),
    "PNG, animated": lambda: telling_png(encode_animation(frames(1), "png")),
    "WebP": lambda: encode(PHOTO, "webp", exif=exif(), xmp=SECRET),
    "WebP, simple": lambda: encode(PHOTO, "webp"),
    "WebP, lossless and clear": lambda: (
        encode(translucent(PHOTO), "webp", lossless=True, exif=exif()) + SECRET
    ),
    "WebP, animated": lambda: encode(
        frames(1)[0], "webp", save_all=True, append_images=frames(1)[1:], xmp=SECRET
    ),
    "GIF": lambda: telling_gif(encode(PHOTO.quantize(64), "gif", comment=SECRET)),
    "GIF, animated": lambda: telling_gif(encode_animation(frames(1), "gif", frame_ms=70, loop=3)),
}


def bared(body: bytes, directory: Path) -> tuple[RenderResult, bytes]:
    """As the sandbox does it."""
    original = directory / "upload"
    original.write_bytes(body)
    said = render(Order(original, directory, (), quality=85, max_pixels=10**7, bare=True))
    assert said.sanitised is not None
    return said, said.sanitised.read_bytes()


def shown(body: bytes) -> Sequence[tuple[object, ...]]:
    with Image.open(BytesIO(body)) as image:
        looks = (image.info.get("icc_profile"), image.info.get("loop"), image.info.get("gamma"))
        return [(looks, f.mode, f.info.get("duration"), f.tobytes()) for f in ImageSequence.Iterator(image)][
            :8
        ]


@pytest.mark.parametrize("case", TELLING)
def test_what_is_kept_shows_the_same_and_says_nothing(case: str, tmp_path: Path) -> None:
    told = TELLING[case]()
    _, kept = bared(told, tmp_path)
    assert SECRET not in kept
    assert b"GPS" not in kept
    assert dict(Image.open(BytesIO(kept)).getexif()) == {}
    before = shown(told)[: len(shown(kept))]  # without the second pictures behind a JPEG's end
    assert shown(kept) == before
    assert Image.open(BytesIO(kept)).format == Image.open(BytesIO(told)).format
    assert len(kept) <= len(told)


@pytest.mark.parametrize("fmt", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_picture_stays_upright(fmt: Format, orientation: int, tmp_path: Path) -> None:
    body = encode(PHOTO, fmt, exif=exif(orientation))
    said, kept = bared(body, tmp_path)
    assert SECRET not in kept
    assert dict(Image.open(BytesIO(kept)).getexif()) == {ORIENTATION: orientation}
    assert shown(kept) == shown(body)
    assert (said.width, said.height) == ((80, 120) if orientation != 3 else (120, 80))


@pytest.mark.parametrize("fmt", ["avif", "tiff", "bmp", "ico"])
def test_what_cannot_be_taken_apart_is_drawn_again_without_a_loss(fmt: Format, tmp_path: Path) -> None:
    telling: Mapping[str, Mapping[str, object]] = {
        "avif": {"exif": exif()},
        "tiff": {"description": SECRET.decode()},
    }
    body = encode(PHOTO, fmt, **telling.get(fmt, {}))
    said, kept = bared(body, tmp_path)
    assert SECRET not in kept
    assert (said.mime, said.frames) == ("image/png", 1)
    with Image.open(BytesIO(kept)) as drawn, Image.open(BytesIO(body)) as sent:
        assert drawn.format == "PNG"
        assert drawn.convert("RGB").tobytes() == sent.convert("RGB").tobytes()


def test_what_would_take_too_much_memory_to_draw_again_is_refused(tmp_path: Path) -> None:
    original = tmp_path / "upload"
    original.write_bytes(encode(Image.new("RGB", (2000, 2000)), "bmp"))
    order = Order(original, tmp_path, (), quality=85, max_pixels=10**7, memory_bytes=300 * 1024**2)
    assert render(order).sanitised is None
    with pytest.raises(TooLarge):
        render(replace(order, bare=True))


def test_a_drawing_is_kept_as_it_was_cleaned(tmp_path: Path) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><!--%s--><metadata>%s</metadata>'
    said, kept = bared(svg % (SECRET, SECRET) + b'<rect width="9" height="9"/></svg>', tmp_path)
    assert said.mime == "image/svg+xml"
    assert SECRET not in kept


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda body: body[: len(body) // 2],
    "its head alone": lambda body: body[:30],
    "a length of everything": lambda body: body[:4] + b"\xff" * 4 + body[8:],
    "nothing behind its head": lambda body: body[:12] + bytes(len(body)),
}


@pytest.mark.parametrize("damage", BROKEN)
@pytest.mark.parametrize("fmt", ["jpeg", "png", "webp", "gif"])
def test_a_file_that_is_not_built_so_is_refused_or_ends(damage: str, fmt: Format) -> None:
    """The decoder refuses it first; what it lets through may not hang or run away here."""
    broken = BROKEN[damage](encode(PHOTO, fmt))
    original = None
    with suppress(Unsound, OSError, SyntaxError, ValueError):
        original = open_original(broken)
    if original:
        assert original.stripped
        assert len(original.stripped(b"")) <= len(broken) + 64
