"""Pictures as Chromium paints them, colour by colour and alpha by alpha; text apart. Skipped where there is none."""

import shutil
import struct
import subprocess
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image, ImageChops, ImageStat

from services.fetcher.rendering.order import Order
from services.fetcher.rendering.vector import Drawing
from tests.integration.rendered import rendered_in
from tests.providers import drawing, variants, written
from tests.providers.drawing import encode
from tests.providers.vectors import svg
from tests.providers.written import avif_of, deep_png, flat_png, gif, gif_frame

CHROMIUM = shutil.which("chromium")
CELL, COLUMNS = 96, 10
MEAN_AT_MOST, ALPHA_AT_MOST = 1.0, 2.0
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--force-color-profile=srgb",
)
RED = encode(Image.new("RGB", (8, 8), (200, 30, 60)), "jpeg", quality=100, subsampling=0)
GREEN = encode(Image.new("RGB", (8, 8), (30, 180, 60)), "avif", quality=100, subsampling="4:4:4")
P3 = (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))


def gamma(value: int) -> written.Chunk:
    return b"gAMA", struct.pack(">I", value)


def inside(url: str) -> bytes:
    return svg(f'<image href="{url}" width="24" height="20"/>'.encode())


RASTERS: dict[str, tuple[str, bytes]] = {
    "P3 by code points": ("png", flat_png((180, 90, 60), (b"cICP", b"\x0c\x0d\0\1"))),
    "BT.2020 by code points": ("png", flat_png((120, 90, 60), (b"cICP", b"\x09\x0e\0\1"))),
    "linear by code points": ("png", flat_png((120, 90, 60), (b"cICP", b"\1\x08\0\1"))),
    "code points over a profile": (
        "png",
        flat_png((9, 90, 60), (b"cICP", b"\x0c\x0d\0\1"), (b"iCCP", b"x\0\0")),
    ),
    "a gamma": ("png", flat_png((120, 90, 60), gamma(70_000))),
    "a gamma of grey": ("png", flat_png((90,), gamma(30_000))),
    "a gamma with chromaticities": ("png", flat_png((120, 90, 60), gamma(60_000), P3)),
    "chromaticities alone": ("png", flat_png((120, 90, 60), P3)),
    "the usual gamma": ("png", flat_png((120, 90, 60), gamma(45_455))),
    "half clear P3": ("png", flat_png((180, 90, 60, 100), (b"cICP", b"\x0c\x0d\0\1"))),
    "deep colours": ("png", variants.deep_colors(drawing.photo(4, (60, 40)))),
    "a clear colour of 16 bits": (
        "png",
        deep_png((1, 2, 3, 1, 2, 4, 60_000, 3, 9), 2, (b"tRNS", b"\0\1\0\2\0\3")),
    ),
    "clear grey of 2 bits": ("png", written.png((4, 4), b"\x1b" * 4, (b"tRNS", b"\0\1"), color=0, depth=2)),
    "deep grey with alpha": ("png", deep_png((30_000, 20_000, 60_000, 65_535), 4)),
    "P3 in AVIF": ("avif", avif_of((110, 190, 90), 12, 13)),
    "BT.2020 in AVIF": ("avif", avif_of((110, 130, 90), 9, 14)),
    "linear in AVIF": ("avif", avif_of((110, 130, 90), 1, 8)),
    "gamma 2.8 in AVIF": ("avif", avif_of((110, 130, 90), 1, 5)),
    "a first frame beyond the screen": ("gif", gif((32, 32), gif_frame(1, (16, 16, 32, 32)))),
    "a first frame that is small": ("gif", gif((32, 32), gif_frame(1, (4, 4, 10, 10)))),
    "a clear index": ("gif", gif((32, 32), gif_frame(2, (0, 0, 32, 32), clear=2))),
}

DRAWINGS: dict[str, bytes] = {
    "units": svg(
        b'<rect width="3mm" height="0.2cm" fill="#c02020"/><path d="M0 18h24" stroke="#2040c0" stroke-width="3pt"/>'
        b'<circle cx="0.15in" cy="1pc" r="2pt"/>'
    ),
    "an import": svg(
        b"<style>/* a */@charset 'utf-8';@import url('http://a.example/a;b{}.css') screen;rect{fill:#208040}</style>"
        b'<rect width="20" height="20"/>'
    ),
    "media": svg(
        b"<style>@media print{rect{fill:red}}@media screen{rect{fill:#208040}}</style><rect width='20' height='20'/>"
    ),
    "variables": svg(
        b"<style>:root{--a:#08c;--b:var(--a)}rect{fill:var(--b)}</style><rect width='20' height='20'/>"
        b"<circle cx='20' cy='9' r='4' fill='var(--none, #c20)'/>"
    ),
    "modern colours": svg(
        b"<rect width='12' height='12' fill='rgb(0 200 40 / 50%)'/><rect x='12' width='12' height='12' "
        b"fill='hsl(200deg 50% 40%)'/><rect y='12' width='24' height='9' fill='rebeccapurple'/>"
    ),
    "newer colours": svg(
        b"<style>circle:root,rect{fill:oklch(60% 0.15 30deg)} rect:first-child,rect:nth-child(9){stroke:#024}</style>"
        b"<g><rect width='12' height='12'/></g><rect x='12' width='12' height='12' style='fill:hwb(200 10% 20%)'/>"
        b"<rect y='12' width='12' height='9' fill='oklab(0.6 none 0.1 / 50%)'/>"
        b"<rect x='12' y='12' width='9' height='9' fill='oklch(0.9 20% 250)'/>"
    ),
    "the root in a style sheet": svg(
        b"<style>:root{--a:1}svg:root{fill:#c02020}</style><rect width='9' height='9'/>"
    ),
    "geometry in a style": svg(b"<rect style='width:12px;height:9px;fill:#c02020'/>"),
    "a transform in a style": svg(b"<rect width='12' height='9' style='transform:translate(5px,4px)'/>"),
    "a background": svg(b"<rect width='12' height='9'/>", b'viewBox="0 0 24 24" style="background: #ffcc00"'),
    "names in other letters": svg(
        '<defs><rect id="слой" width="9" height="9"/></defs><use xlink:href="#слой"/>'
        "<style>.größe{fill:#c02020}</style><rect class='größe' y='12' width='9' height='9'/>".encode()
    ),
    "the order of paint": svg(
        b"<rect x='5' y='5' width='12' height='12' fill='#c02020' stroke='#2040c0' stroke-width='5' paint-order='stroke'/>"
    ),
    "languages": svg(
        b"<switch><rect systemLanguage='de' width='9' height='9'/><rect systemLanguage='en' width='20' height='9' "
        b"fill='#c02020'/><rect width='24' height='24'/></switch>"
    ),
    "a JPEG called jpg": inside(f"data:image/jpg;base64,{b64encode(RED).decode()}"),
    "a JPEG called PNG": inside(f"data:image/png,{quote(RED)}"),
    "a JPEG called nothing": inside(f"data:;base64,{b64encode(RED).decode()}"),
    "an AVIF": inside(f"data:image/avif;base64,{b64encode(GREEN).decode()}"),
}


def painted(directory: Path, files: dict[str, tuple[str, bytes]], ground: str) -> dict[str, Image.Image]:
    """Each in a cell of its own, at its left upper corner, on a ground of one colour."""
    assert CHROMIUM
    cells = []
    for at, (media_type, body) in enumerate(files.values()):
        left, top = CELL * (at % COLUMNS), CELL * (at // COLUMNS)
        url = f"data:image/{media_type};base64,{b64encode(body).decode()}"
        cells.append(f'<img style="position:absolute;left:{left}px;top:{top}px" src="{url}">')
    page, screenshot = directory / "page.html", directory / f"{ground}.png"
    page.write_text(f'<body style="margin:0;background:{ground}">' + "".join(cells))
    rows = -(-len(files) // COLUMNS)
    own = (f"--user-data-dir={directory / 'profile'}", f"--window-size={COLUMNS * CELL},{rows * CELL}")
    command = [CHROMIUM, *_OPTIONS, *own, f"--screenshot={screenshot}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with Image.open(screenshot) as picture:
        whole = picture.convert("RGB")
    boxes = [(CELL * (at % COLUMNS), CELL * (at // COLUMNS)) for at in range(len(files))]
    return {
        name: whole.crop((left, top, left + CELL, top + CELL))
        for name, (left, top) in zip(files, boxes, strict=True)
    }


def assert_same(directory: Path, files: dict[str, tuple[str, bytes]], ours: dict[str, Image.Image]) -> None:
    """On white and on black: what is between the two is the alpha."""
    grounds = [(ground, painted(directory, files, ground)) for ground in ("white", "black")]
    worst = {}
    for name, picture in ours.items():
        box = (0, 0, *picture.size)
        seen = [browser[name].crop(box) for _, browser in grounds]
        made = []
        for (ground, _), shown in zip(grounds, seen, strict=True):
            base = Image.new("RGBA", picture.size, ground)
            base.alpha_composite(picture.convert("RGBA"))
            made.append(base.convert("RGB"))
            mean = max(ImageStat.Stat(ImageChops.difference(made[-1], shown)).mean)
            worst[name, ground] = mean, MEAN_AT_MOST
        alphas = [ImageChops.invert(ImageChops.subtract(pair[0], pair[1])) for pair in (made, seen)]
        worst[name, "alpha"] = max(ImageStat.Stat(ImageChops.difference(*alphas)).mean), ALPHA_AT_MOST
    assert {key: value for key, value in worst.items() if value[0] > value[1]} == {}


@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here")
@pytest.mark.timeout(300)
def test_pictures_are_what_chromium_paints(tmp_path: Path) -> None:
    ours = {
        name: rendered_in(tmp_path, body, "large.png")[1]["large.png"] for name, (_, body) in RASTERS.items()
    }
    assert_same(tmp_path, RASTERS, ours)


@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here")
@pytest.mark.timeout(300)
def test_drawings_are_what_chromium_paints(tmp_path: Path) -> None:
    order = Order(tmp_path, tmp_path, (), 85, 10**8)
    side = 96
    files, ours = {}, {}
    for name, body in DRAWINGS.items():
        sized = body.replace(b"<svg ", f'<svg width="{side}" height="{side}" '.encode(), 1)
        files[name] = ("svg+xml", sized)
        ours[name] = Drawing.read(sized, order).drawn((side, side), order)
    assert_same(tmp_path, files, ours)
