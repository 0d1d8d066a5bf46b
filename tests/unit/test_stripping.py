"""What is kept of an upload: the same picture, and nothing else of what its file said."""

import struct
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from zlib import compress, crc32, decompress

import pytest
from PIL import Image, ImageCms, ImageSequence
from PIL.PngImagePlugin import PngInfo

from services.fetcher.rendering.exif import ORIENTATION
from services.fetcher.rendering.hidden import of_stream, png_bytes, riff_chunk, riff_chunks
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


def hiding_webp() -> bytes:
    """XMP inside of each frame, and behind the loops."""
    plain = encode(frames(1)[0], "webp", save_all=True, append_images=frames(1)[1:])
    (size,) = struct.unpack_from("<I", plain, 4)
    made = []
    for kind, data in riff_chunks(plain, 12, 8 + size):
        more = {b"ANMF": riff_chunk(b"XMP ", SECRET), b"ANIM": SECRET}.get(kind, b"")
        made.append(riff_chunk(kind, data + more))
    whole = b"WEBP" + b"".join(made)
    return b"RIFF" + struct.pack("<I", len(whole)) + whole


def hiding_gif() -> bytes:
    """A plain text with a control of its own, and further blocks of the extension for loops."""
    plain = encode_animation(frames(1), "gif", frame_ms=70, loop=3)
    loops = plain.index(b"NETSCAPE2.0") + 11
    block = bytes((len(SECRET),)) + SECRET
    text = b"\x21\xf9\x04\0\x09\0\0\0" + b"\x21\x01\x0c" + bytes(12) + block + b"\0"
    return plain[: loops + 4] + block + plain[loops + 4 :][:1] + text + plain[loops + 5 :]


def png_chunks(plain: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], 8
    while at < len(plain):
        length, kind = struct.unpack_from(">I4s", plain, at)
        chunks.append((kind, plain[at + 8 : at + 8 + length]))
        at += length + 12
    return chunks


def png_of(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    written = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def hiding_png(plain: bytes) -> bytes:
    """Behind the stream of each picture, in a chunk of its own as well; behind what has one length, and twice."""
    chunks = png_chunks(plain)
    made: list[tuple[bytes, bytes]] = []
    for (kind, data), (following, _) in zip(chunks, (*chunks[1:], (b"", b"")), strict=True):
        is_last = kind in (b"IDAT", b"fdAT") and following != kind
        made.append((kind, data + SECRET if is_last else data))
        if is_last and kind == b"IDAT":
            made.append((kind, SECRET))
        if kind == b"IHDR":
            made += [(b"gAMA", struct.pack(">I", 45455) + SECRET), (b"pHYs", bytes(9)), (b"pHYs", SECRET[:9])]
    return png_of(made)


def png_with_more_rows(interlaced: bool = False) -> bytes:
    """Than the picture has; the secret is one of them, as it is found when it is unpacked."""
    rows = b"".join(b"\0" + bytes(range(30)) for _ in range(10))
    if interlaced:
        rows = bytes(png_bytes(struct.pack(">2I5B", 10, 10, 8, 2, 0, 0, 1), 10, 10))
    header = struct.pack(">2I5B", 10, 10, 8, 2, 0, 0, interlaced)
    return png_of([(b"IHDR", header), (b"IDAT", compress(rows + SECRET)), (b"IEND", b"")])


HIDING: dict[str, Callable[[], bytes]] = {
    "WebP, within frames": hiding_webp,
    "GIF, in text and loops": hiding_gif,
    "PNG, behind the stream": lambda: hiding_png(encode(PHOTO, "png")),
    "PNG, behind the streams of frames": lambda: hiding_png(encode_animation(frames(1), "png")),
    "JPEG, in the segments that are kept": lambda: encode(PHOTO, "jpeg").replace(
        b"\xff\xdb", segment(0xEE, b"Adobe" + struct.pack(">3HB", 100, 0, 0, 1) + SECRET) + b"\xff\xdb", 1
    ),
}


@pytest.mark.parametrize("case", HIDING)
def test_what_is_hidden_within_the_parts_of_a_picture_goes(case: str, tmp_path: Path) -> None:
    hiding = HIDING[case]()
    assert SECRET in hiding
    _, kept = bared(hiding, tmp_path)
    assert SECRET not in kept
    assert shown(kept) == shown(hiding)


def test_a_gifs_control_before_a_text_stays_the_next_pictures_as_browsers_read_it(tmp_path: Path) -> None:
    plain = encode(PHOTO.quantize(16), "gif", transparency=3)
    at = plain.index(b"\x21\xf9") + 8
    text = b"\x21\x01\x0c" + bytes(12) + bytes((len(SECRET),)) + SECRET + b"\0"
    _, kept = bared(plain[:at] + text + plain[at:], tmp_path)
    assert kept == plain


def test_pixels_of_a_png_that_lie_apart_stay_together(tmp_path: Path) -> None:
    (header, (_, data), end) = png_chunks(encode(PHOTO, "png"))
    apart = [header, (b"IDAT", data[:99]), (b"pHYs", bytes(9)), (b"IDAT", data[99:] + SECRET), end]
    _, kept = bared(png_of(apart), tmp_path)
    assert SECRET not in kept
    assert shown(kept) == shown(png_of([header, (b"IDAT", data), end]))


def test_an_animation_that_is_not_shown_is_not_kept(tmp_path: Path) -> None:
    """It is broken, and its frames cannot be looked into."""
    chunks = png_chunks(encode_animation(frames(1), "png"))
    broken = [(kind, data[:4] + SECRET if kind == b"fdAT" else data) for kind, data in chunks]
    broken = [(kind, data[:7] if kind == b"fcTL" else data) for kind, data in broken]
    said, kept = bared(png_of(broken), tmp_path)
    assert said.frames == 1
    assert SECRET not in kept
    assert {kind for kind, _ in png_chunks(kept)} == {b"IHDR", b"IDAT", b"IEND"}


def test_a_profile_that_nobody_reads_is_not_mended(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    nameless = [
        (kind, b"\0\0" + compress(profile) if kind == b"iCCP" else data)
        for kind, data in png_chunks(encode(PHOTO, "png", icc_profile=profile))
    ]
    _, kept = bared(png_of(nameless), tmp_path)
    assert b"iCCP" not in dict(png_chunks(kept))


@pytest.mark.parametrize("interlaced", [False, True])
def test_rows_behind_the_last_one_go(interlaced: bool, tmp_path: Path) -> None:
    hiding = png_with_more_rows(interlaced)
    _, kept = bared(hiding, tmp_path)
    assert SECRET in decompress(dict(png_chunks(hiding))[b"IDAT"])
    assert SECRET not in decompress(dict(png_chunks(kept))[b"IDAT"])
    assert shown(kept) == shown(hiding)


def test_the_name_of_a_profile_goes_and_the_profile_stays(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    named = [
        (kind, SECRET + b"\0\0" + compress(profile) + SECRET if kind == b"iCCP" else data)
        for kind, data in png_chunks(encode(PHOTO, "png", icc_profile=profile))
    ]
    _, kept = bared(png_of(named), tmp_path)
    assert SECRET not in kept
    assert Image.open(BytesIO(kept)).info["icc_profile"] == profile


def test_pictures_in_a_drawing_lose_what_they_say(tmp_path: Path) -> None:
    for fmt, told in TELLING.items():
        telling = told()
        url = f"data:image/{fmt.partition(',')[0].partition(' ')[0].lower()};base64,{b64encode(telling).decode()}"
        svg = f"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9"
            height="9"><image width="9" height="9" xlink:href="{url}"/></svg>"""
        _, kept = bared(svg.encode(), tmp_path)
        embedded = b64decode(kept.partition(b"base64,")[2].partition(b'"')[0])
        assert SECRET not in embedded
        assert shown(embedded) == shown(telling)[: len(shown(embedded))]


def test_a_drawing_loses_its_titles_and_what_programs_wrote_beside_it(tmp_path: Path) -> None:
    told = SECRET.decode()
    svg = f"""<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" data-place="{told}">
        <title>{told}</title><g aria-label="{told}"><desc>{told}</desc><rect width="9" height="9"/></g></svg>"""
    _, kept = bared(svg.encode(), tmp_path)
    assert SECRET not in kept
    assert b"<rect" in kept


@pytest.mark.parametrize("more", [1, 7, 100_000])
@pytest.mark.parametrize("pieces", [1, 3, 100])
def test_a_stream_keeps_all_that_it_may_have(more: int, pieces: int) -> None:
    """Of what packs a thousandfold, too, where a decoder has read all long before it has told all."""
    for content in (bytes(3_000_000), PHOTO.resize((200, 200)).tobytes()):
        packed = compress(content)
        size = -(-len(packed) // pieces)
        parts = [packed[at : at + size] for at in range(0, len(packed), size)]
        assert decompress(b"".join(of_stream([*parts, SECRET], len(content)))) == content
        assert of_stream([*parts, SECRET], len(content)) == parts
        assert decompress(b"".join(of_stream(parts, len(content) - more))) == content[:-more]


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
        with suppress(Unsound):
            assert len(original.stripped(b"")) <= len(broken) + 64
