"""`golden/paths.json` says what lies where. nginx reads the same file in its own tests: both must agree."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pictures import ORIGINAL, Format, Name, Rendition, candidates, name_path, picture_id
from shared.pictures.rendition import ORIGINAL_EXTENSIONS, extension_of, media_type_of

GOLDEN = json.loads((Path(__file__).parent / "golden" / "paths.json").read_text(encoding="utf-8"))
PICTURES = st.text().map(picture_id)
FORMATS = st.lists(st.sampled_from(Format), min_size=1, max_size=3, unique=True)


@pytest.mark.parametrize(
    "example", GOLDEN["pictures"], ids=lambda example: f"{example['url']} {example['size']}"
)
def test_a_request_alone_gives_the_paths(example: dict[str, Any]) -> None:
    """`formats`: those that would do, the preferred first; empty for the original."""
    picture = picture_id(example["url"])
    formats: list[Format | None] = [Format(name) for name in example["formats"]] or [None]
    renditions = tuple(Rendition(example["size"], format_) for format_ in formats)
    assert picture == example["picture"]
    assert list(candidates(picture, renditions)) == example["candidates"]


@pytest.mark.parametrize("example", GOLDEN["names"], ids=lambda example: example["name"])
def test_a_name_alone_gives_its_path(example: dict[str, str]) -> None:
    assert name_path(Name.parse(example["name"])) == example["path"]


def test_the_examples_cover_every_kind_of_original_and_every_format() -> None:
    paths = [path for example in GOLDEN["pictures"] for path in example["candidates"]]
    assert {path.rpartition(".")[2] for path in paths} == {*ORIGINAL_EXTENSIONS, *Format}


@given(PICTURES, FORMATS)
def test_the_candidates_are_few_and_the_preferred_come_first(picture: str, formats: list[Format]) -> None:
    renditions = tuple(Rendition("medium", format_) for format_ in formats)
    found = candidates(picture_id(picture), renditions)
    assert len(found) == len(set(found)) == 2 * len(formats)
    in_keep = [path for path in found if path.startswith("keep/")]
    assert list(found[: len(formats)]) == in_keep
    assert [path.rpartition(".")[2] for path in in_keep] == formats


@given(PICTURES)
def test_a_picture_lies_two_levels_below_its_tree(picture: str) -> None:
    for path in candidates(picture_id(picture), (ORIGINAL,)):
        tree, first, second, directory, pointer, _file = path.split("/")
        assert (tree in ("keep", "cache"), pointer) == (True, "current")
        assert directory.startswith(first + second)


@pytest.mark.parametrize("extension", ORIGINAL_EXTENSIONS)
def test_an_extension_says_what_the_bytes_are(extension: str) -> None:
    assert extension_of(media_type_of(extension)) == extension


def test_what_no_original_can_be_has_no_extension() -> None:
    with pytest.raises(ValueError, match="no original is"):
        extension_of("text/html")
