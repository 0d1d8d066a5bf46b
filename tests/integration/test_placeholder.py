"""The placeholder of a picture that is known is that picture, blurred; of any other one, a grey pixel."""

from io import BytesIO

import pytest
from PIL import Image, ImageStat

from tests.integration.conftest import Start
from tests.integration.onesheet import Answer, Onesheet
from tests.providers.drawing import encode

BROWSER_IMAGE = {"Sec-Fetch-Dest": "image"}


def two_halves(size: tuple[int, int]) -> Image.Image:
    picture = Image.new("RGB", size, (192, 32, 32))
    picture.paste((32, 64, 192), (size[0] // 2, 0, *size))
    return picture


def shown(answer: Answer) -> Image.Image:
    assert (answer.status, answer.headers["X-Image-Pending"]) == (200, "1")
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.body) < 4000
    picture = Image.open(BytesIO(answer.body))
    assert picture.get_format_mimetype() == answer.headers["Content-Type"]
    return picture.convert("RGBA")


def color(picture: Image.Image) -> list[float]:
    return ImageStat.Stat(picture.convert("RGB")).mean


async def stored(onesheet: Onesheet, picture: Image.Image) -> None:
    onesheet.host.put("/picture.png", encode(picture, "png"), content_type="image/png")
    assert (await onesheet.get("/picture.png", size="w45", format="png")).status == 200
    onesheet.queue.down = True  # so that whatever else is asked for cannot be made


@pytest.mark.parametrize(
    ("size", "expected"),
    [((600, 400), (32, 21)), ((300, 450), (21, 32)), ((160, 40), (32, 8)), ((20, 20), (20, 20))],
)
async def test_a_known_picture_is_shown_blurred_in_its_own_shape(
    onesheet: Onesheet, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    await stored(onesheet, two_halves(size))
    by_url = await onesheet.get("/picture.png", size="large", headers=BROWSER_IMAGE)
    current = await onesheet.current("/picture.png")
    assert current is not None
    by_path = await onesheet.ask(f"/p/{current.picture}/{current.id}/w780.webp", {}, BROWSER_IMAGE)
    for answer in (by_url, by_path):
        picture = shown(answer)
        assert picture.size == expected
        left = color(picture.crop((0, 0, expected[0] // 3, expected[1])))
        right = color(picture.crop((2 * expected[0] // 3, 0, *expected)))
        assert left[0] > left[2] + 60
        assert right[2] > right[0] + 60


async def test_what_is_transparent_stays_so(onesheet: Onesheet) -> None:
    picture = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    picture.paste((0, 160, 0, 255), (50, 50, 150, 150))
    await stored(onesheet, picture)
    small = shown(await onesheet.get("/picture.png", size="large", headers=BROWSER_IMAGE))
    corner, middle = small.getpixel((0, 0)), small.getpixel((16, 16))
    assert isinstance(corner, tuple)
    assert isinstance(middle, tuple)
    assert corner[3] < 100
    assert middle[3] > 180


async def test_an_unknown_picture_is_a_grey_pixel(start: Start) -> None:
    onesheet = await start(fetching=False, MISS_WAIT="0.05")
    answer = await onesheet.get("/poster/1-60x90.jpg", size="small", headers=BROWSER_IMAGE)
    assert shown(answer).size == (1, 1)
