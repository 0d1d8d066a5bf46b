"""Drawings (SVG): in any size as sharp as it is, and drawn only where that is safe."""

import random
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from PIL import Image

from services.fetcher.rendering.confinement import DRAWING_S
from services.fetcher.rendering.render import TooLarge, Unsound
from shared.pictures import SIZES
from tests.integration.rendered import delta_e, rendered_in
from tests.providers import drawing, variants, vectors
from tests.providers.drawing import encode
from tests.providers.vectors import svg

RED, BLUE = (192, 32, 32), (32, 64, 192)


@pytest.mark.parametrize("name", ["w45.png", "w342.png", "large.webp", "medium.jpg", "h632.avif"])
def test_it_fills_the_size_that_is_asked_for_and_is_sharp(tmp_path: Path, name: str) -> None:
    said, made = rendered_in(tmp_path, vectors.HALVES, name)
    assert (said.mime, said.width, said.height, said.frames) == ("image/svg+xml", 24, 24, 1)
    picture = made[name].convert("RGB")
    assert picture.size == SIZES[name.partition(".")[0]].fill(24, 24)
    middle = picture.width // 2
    for x, color in ((middle - 4, RED), (middle + 4, BLUE)):
        seen = picture.getpixel((x, picture.height // 2))
        assert isinstance(seen, tuple)
        assert max(abs(a - b) for a, b in zip(seen, color, strict=True)) < 40


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        (b'width="30" height="20"', (30, 20)),
        (b'width="30px" height="20PX" viewBox="0 0 3 2"', (30, 20)),
        (b'width="1in" height="2.54cm"', (96, 96)),
        (b'width="72pt" height="6pc"', (96, 96)),
        (b'viewBox="5 5 480 360"', (480, 360)),
        (b'viewBox="0,0,480,360" width="100%" height="100%"', (480, 360)),
        (b'viewBox="0 0 480 360" width="240"', (240, 180)),
        (b'viewBox="0 0 480 360" height="240"', (320, 240)),
        (b'width="80"', (80, 150)),
        (b"", (300, 150)),
        (b'width="0.2" height="0.2"', (1, 1)),
    ],
)
def test_its_natural_size_is_what_a_page_would_give_it(
    tmp_path: Path, attributes: bytes, size: tuple[int, int]
) -> None:
    said, made = rendered_in(tmp_path, svg(b'<rect width="9" height="9"/>', attributes), "w92.png")
    assert (said.width, said.height) == size
    assert made["w92.png"].size == SIZES["w92"].fill(*size)


@pytest.mark.parametrize(
    "around",
    [
        b"\xef\xbb\xbf%s",
        b" \r\n\t%s",
        b'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<!-- made by hand -->\n%s',
        b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">%s',
        b"%s<!-- RIFF____WEBPVP8 -->",
    ],
)
def test_it_is_known_by_its_bytes(tmp_path: Path, around: bytes) -> None:
    said, _ = rendered_in(tmp_path, around % vectors.HALVES)
    assert said.mime == "image/svg+xml"


def test_it_is_known_in_other_encodings(tmp_path: Path) -> None:
    said, _ = rendered_in(tmp_path, vectors.HALVES.decode().encode("utf-16"))
    assert said.mime == "image/svg+xml"


def test_a_picture_with_a_drawing_inside_is_a_picture(tmp_path: Path) -> None:
    body = encode(drawing.photo(1, (60, 40)), "jpeg", comment=vectors.HALVES)
    assert rendered_in(tmp_path, body)[0].mime == "image/jpeg"


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("NESTED_ENTITIES", Unsound, "entities"),
        ("EXTERNAL_ENTITY", Unsound, "entities"),
        ("DEEP", TooLarge, "elements"),
        ("MANY", TooLarge, "elements"),
        ("HUGE", TooLarge, "pixels"),
        ("THREAD", TooLarge, "times"),
        ("MULTIPLYING", Unsound, "limit"),
    ],
)
def test_what_would_never_end_is_not_begun(
    tmp_path: Path, name: str, error: type[Unsound], text: str
) -> None:
    with pytest.raises(error, match=text):
        rendered_in(tmp_path, getattr(vectors, name), "w342.png")


def test_a_plain_entity_is_read(tmp_path: Path) -> None:
    _, made = rendered_in(tmp_path, vectors.PLAIN_ENTITY, "w45.png")
    assert delta_e(made["w45.png"], Image.new("RGB", (45, 45), RED)) < 1


def test_what_is_outside_is_neither_read_nor_kept(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(encode(Image.new("RGB", (24, 24), BLUE), "png"))
    paths = (str(secret), f"file://{secret}", secret.name, f"//localhost{secret}")
    images = "".join(f'<image href="{path}" width="24" height="24"/>' for path in paths)
    body = svg(images.encode() + b'<feImage href="%s"/>' % str(secret).encode())
    said, made = rendered_in(tmp_path, body, "w45.png")
    assert made["w45.png"].convert("RGBA").getchannel("A").getextrema() == (0, 0)
    assert said.sanitised is not None
    assert b"secret" not in said.sanitised.read_bytes()


def embedded(body: bytes) -> bytes:
    image = b'<image href="data:image/png;base64,%s" width="24" height="24"/>'
    return svg(image % b64encode(body))


def test_what_is_embedded_is_drawn(tmp_path: Path) -> None:
    _, made = rendered_in(tmp_path, embedded(encode(Image.new("RGB", (9, 9), BLUE), "png")), "w45.png")
    assert delta_e(made["w45.png"], Image.new("RGB", (45, 45), BLUE)) < 1


def test_a_bomb_inside_a_drawing_is_refused_before_it_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        rendered_in(tmp_path, embedded(variants.bomb(20_000)), "w45.png")
    with pytest.raises(TooLarge, match="memory"):
        rendered_in(tmp_path, embedded(variants.bomb(9_000)), "w45.png", memory_mb=512)


def test_layers_within_layers_are_counted(tmp_path: Path) -> None:
    layers = 150
    body = svg(b'<g opacity="0.9">' * layers + b'<rect width="9" height="9"/>' + b"</g>" * layers)
    with pytest.raises(TooLarge, match="memory"):
        rendered_in(tmp_path, body, "large.webp", memory_mb=512)
    rendered_in(tmp_path, body, "w92.webp", memory_mb=512)


def test_a_cleaned_drawing_is_cleaned_to_itself(tmp_path: Path) -> None:
    """What is kept is rendered again later, when another size is asked for."""
    said, first = rendered_in(tmp_path, vectors.ACTIVE, "w92.png")
    assert said.sanitised is not None
    again, second = rendered_in(tmp_path, said.sanitised.read_bytes(), "w92.png")
    assert (again.width, again.height, again.color) == (said.width, said.height, said.color)
    assert first["w92.png"].tobytes() == second["w92.png"].tobytes()


@pytest.mark.parametrize("seed", range(40))
def test_a_broken_drawing_is_drawn_or_unsound(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    body = bytearray(dice.choice([vectors.ACTIVE, vectors.HALVES, vectors.PLAIN_ENTITY]))
    for _ in range(dice.randint(1, 6)):
        body[dice.randrange(len(body))] = dice.randrange(256)
    try:
        rendered_in(tmp_path, bytes(body), "w45.png")
    except Unsound:
        assert not (tmp_path / "w45.png").exists()


REAL = {"good/vector.svg": (480, 360), "hostile/xss.svg": (256, 172)}


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "size"), REAL.items())
def test_real_drawings_are_drawn(tmp_path: Path, corpus: Path, name: str, size: tuple[int, int]) -> None:
    said, made = rendered_in(tmp_path, (corpus / name).read_bytes(), "w780.webp")
    assert ((said.width, said.height), made["w780.webp"].size) == (size, SIZES["w780"].fill(*size))
    assert said.sanitised is not None
    assert b"<script" not in said.sanitised.read_bytes()
    assert len(made["w780.webp"].convert("RGB").getcolors(10**6) or ()) > 50


@pytest.mark.corpus
def test_a_giant_is_refused(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(TooLarge):
        rendered_in(tmp_path, (corpus / "hostile" / "giant.svg").read_bytes(), "w45.png")


LIMITED = """
import resource, sys
from pathlib import Path
from services.fetcher.rendering.confinement import run_confined
from services.fetcher.rendering.order import Order
from services.fetcher.rendering.vector import Drawing

def draw(times):
    order = Order(Path(), Path(), (), 85, 10**8)
    for _ in range(times):
        Drawing.read(sys.argv[1].encode(), order).drawn((9, 9), order)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return resource.getrlimit(resource.RLIMIT_CPU)[0] - used.ru_utime - used.ru_stime

print(*(run_confined(draw, times, limit_s) for times, limit_s in ((0, 1000), (2, 1000), (1, 2))))
"""


def test_one_drawing_has_little_of_an_orders_time_and_none_has_more_than_its_order() -> None:
    command = [sys.executable, "-c", LIMITED, svg(b"<rect/>").decode()]
    said = subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True)
    order, drawing, short = map(float, said.stdout.split())
    assert order > 700
    assert drawing < DRAWING_S + 1
    assert short < 3
