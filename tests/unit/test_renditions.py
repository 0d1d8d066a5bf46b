import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.pictures import ORIGINAL, SIZES, STANDARD_SIZES, Box, Format, Rendition
from shared.pictures.rendition import LONGEST_SIDE

RENDITIONS = st.just(ORIGINAL) | st.builds(Rendition, st.sampled_from(list(SIZES)), st.sampled_from(Format))
SIDES = st.integers(1, 40_000)
BOXES = st.builds(Box, st.none() | st.integers(1, 4000), st.none() | st.integers(1, 4000))


@given(RENDITIONS)
def test_a_rendition_reads_back_from_its_text(rendition: Rendition) -> None:
    assert Rendition.parse(str(rendition)) == rendition
    travelling = TypeAdapter(Rendition)
    assert travelling.validate_json(travelling.dump_json(rendition)) == rendition


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", ".webp", "medium", "medium.", "medium.gif", "medium.WEBP", "Medium.webp", "w343.webp"),
        *(
            "original.webp",
            "medium.webp.png",
            "medium .webp",
            "../medium.webp",
            "medium.jpeg",
            "manifest.json",
        ),
    ],
)
def test_the_set_of_renditions_is_closed(text: str) -> None:
    with pytest.raises(ValueError, match=r"[Tt]here is no|has a format|leave out the format"):
        Rendition.parse(text)


def test_the_sizes_are_the_documented_ones() -> None:
    assert set(STANDARD_SIZES) == {"large", "medium", "small", "thumbnail"}
    assert {size for size in SIZES if size not in STANDARD_SIZES} == {
        *(f"w{width}" for width in (45, 92, 154, 185, 300, 342, 500, 780, 1280)),
        "h632",
    }
    assert SIZES["large"] == Box(1920, 1080)
    assert SIZES["thumbnail"] == Box(300, 169)
    assert SIZES["w342"] == Box(342, None)
    assert SIZES["h632"] == Box(None, 632)


@pytest.mark.parametrize(
    ("box", "size", "fitted"),
    [
        (Box(1280, 720), (3840, 2160), (1280, 720)),
        (Box(1280, 720), (1000, 1500), (480, 720)),
        (Box(342, None), (1000, 1500), (342, 513)),
        (Box(None, 632), (1000, 1500), (421, 632)),
        (Box(300, 169), (200, 100), (200, 100)),
        (Box(300, 169), (10_000, 1), (300, 1)),
        (Box(300, 169), (1, 10_000), (1, 169)),
    ],
)
def test_a_picture_is_fitted_inside_its_box(box: Box, size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert box.fit(*size) == fitted


@given(BOXES, SIDES, SIDES)
def test_fitting_never_enlarges_and_never_leaves_the_box(box: Box, width: int, height: int) -> None:
    across, down = box.fit(width, height)
    assert 1 <= across <= min(width, box.width or width)
    assert 1 <= down <= min(height, box.height or height)


@given(BOXES, SIDES, SIDES)
def test_fitting_keeps_the_shape_within_a_pixel(box: Box, width: int, height: int) -> None:
    across, down = box.fit(width, height)
    least = max((across - 1) / width, (down - 1) / height)
    most = min((across + 1) / width, (down + 1) / height)
    assert least <= most  # one scale explains both sides


@given(BOXES, SIDES, SIDES)
def test_fitting_fills_the_box_where_the_picture_is_large_enough(box: Box, width: int, height: int) -> None:
    fitted = box.fit(width, height)
    assert (
        fitted == (width, height)
        or fitted[0] == box.width
        or fitted[1] == box.height
        or max(fitted) == LONGEST_SIDE
    )


@given(BOXES, SIDES, SIDES)
def test_a_drawing_fills_the_box_however_small_it_is(box: Box, width: int, height: int) -> None:
    filled = box.fill(width, height)
    assert filled[0] == box.width or filled[1] == box.height or max(filled) == LONGEST_SIDE
    assert filled[0] <= (box.width or LONGEST_SIDE)
    assert filled[1] <= (box.height or LONGEST_SIDE)


@given(BOXES, SIDES, SIDES)
def test_no_rendition_is_larger_than_its_formats_can_hold(box: Box, width: int, height: int) -> None:
    assert max(*box.fit(width, height), *box.fill(width, height)) <= LONGEST_SIDE
