"""The placeholder of a picture: values that follow from the definition of a thumbhash, and from the colours."""

import hashlib
import subprocess
import sys
from base64 import b64decode

import pytest
from PIL import Image
from thash import (
    rgba_to_thumb_hash_pure,
    thumb_hash_to_approximate_aspect_ratio,
    thumb_hash_to_average_rgba,
    thumb_hash_to_rgba,
)

from services.fetcher.rendering.placeholder import average_color, thumbhash
from tests.providers import drawing


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        # Of one colour all waves are 0: only the header says anything. L, P and Q in 6 bits each, as
        # https://evanw.github.io/thumbhash/ defines them: the mean, yellow against blue, red against green.
        ((255, 255, 255), "3f0802"),
        ((0, 0, 0), "000802"),
        ((255, 0, 0), "d5fb03"),
        ((0, 255, 0), "d50b00"),
        ((0, 0, 255), "150002"),
    ],
)
def test_the_header_holds_the_mean_colour(color: tuple[int, int, int], expected: str) -> None:
    assert b64decode(thumbhash(Image.new("RGB", (40, 40), color)))[:3].hex() == expected


@pytest.mark.parametrize(
    ("size", "ratio"), [((600, 400), 7 / 5), ((400, 600), 5 / 7), ((500, 500), 1.0), ((1000, 100), 7 / 1)]
)
def test_it_remembers_the_shape(size: tuple[int, int], ratio: float) -> None:
    hashed = b64decode(thumbhash(drawing.photo(1, size)))
    assert thumb_hash_to_approximate_aspect_ratio(list(hashed)) == pytest.approx(ratio)


def test_it_remembers_where_the_colours_are() -> None:
    picture = Image.new("RGB", (300, 200), (200, 30, 30))
    picture.paste((30, 30, 200), (150, 0, 300, 200))
    width, height, pixels = thumb_hash_to_rgba(b64decode(thumbhash(picture)))
    decoded = (
        Image.frombytes("RGBA", (width, height), pixels).convert("RGB").resize((2, 1), Image.Resampling.BOX)
    )
    left, right = decoded.getpixel((0, 0)), decoded.getpixel((1, 0))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > left[2] + 80
    assert right[2] > right[0] + 80


@pytest.mark.parametrize(("alpha", "remembered"), [(0, 0), (255, 1)])
def test_it_remembers_whether_it_is_clear(alpha: int, remembered: int) -> None:
    hashed = b64decode(thumbhash(Image.new("RGBA", (90, 90), (10, 200, 10, alpha))))
    average = thumb_hash_to_average_rgba(list(hashed))
    assert average is not None
    assert average[3] == remembered


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (24, 24), (5000, 20)])
def test_any_shape_has_one(size: tuple[int, int]) -> None:
    picture = Image.new("L", size, 77)
    assert 5 <= len(b64decode(thumbhash(picture))) <= 25
    assert average_color(picture) == "#4d4d4d"


@pytest.mark.parametrize("size", [(16, 16), (11, 16), (16, 11), (16, 1), (3, 16)])
@pytest.mark.parametrize("opaque", [True, False])
def test_it_is_what_others_make_of_the_same_pixels(size: tuple[int, int], opaque: bool) -> None:
    pixels = bytearray(hashlib.shake_128(repr(size).encode()).digest(4 * size[0] * size[1]))
    if opaque:
        pixels[3::4] = bytes([255]) * (len(pixels) // 4)
    made = thumbhash(Image.frombytes("RGBA", size, bytes(pixels)))
    assert list(b64decode(made)) == rgba_to_thumb_hash_pure(*size, list(pixels))


def test_numpy_is_not_loaded_for_it_and_changes_nothing_where_it_is() -> None:
    """It is there where faces are counted, and where an operator has it for something else."""
    said = [
        subprocess.run(
            (sys.executable, "-c", before + _HASHES), check=True, capture_output=True, text=True
        ).stdout.split()
        for before in ("", "import numpy\n")
    ]
    assert [loaded for _, loaded in said] == ["False", "True"]
    assert said[0][0] == said[1][0]


_HASHES = """
import sys
from PIL import Image
from services.fetcher.rendering.placeholder import thumbhash
print(thumbhash(Image.linear_gradient("L").convert("RGB")), "numpy" in sys.modules)
"""
