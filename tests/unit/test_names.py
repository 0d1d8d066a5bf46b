from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pictures import Kind, Name, Role, name_path
from shared.volume import Layout

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", fullmatch=True)
NAMES = st.builds(Name, st.sampled_from(Kind), IDS, st.sampled_from(Role))


@given(NAMES)
def test_a_name_reads_back_from_its_text(name: Name) -> None:
    assert Name.parse(str(name)) == name


@given(NAMES)
def test_a_name_lies_below_the_root_whatever_its_id_is(name: Name) -> None:
    layout = Layout(Path("/volume"))
    path = layout.below(name_path(name))
    assert path.is_relative_to("/volume/names")
    assert str(path) == f"/volume/{name_path(name)}"  # nothing in it was a step up


@pytest.mark.parametrize("id_", ["123", "tmdb:603", "imdb:tt0133093", "a", "A.b_c-d:e", "x" * 128])
def test_ids_of_providers_and_libraries_are_accepted(id_: str) -> None:
    assert Name.parse(f"movie/{id_}/poster") == Name(Kind.MOVIE, id_, Role.POSTER)


@pytest.mark.parametrize(
    "id_",
    [
        *("", ".", "..", ".hidden", "-rf", "_a", ":a", "a b", "a\n", "\na", "a\x00", "a\\b", "a%2fb", "~"),
        *("x" * 129, "é", "٣", "a\u200bb", "a*", "a?"),
    ],
)
def test_other_ids_are_refused(id_: str) -> None:
    with pytest.raises(ValueError, match="An id has"):
        Name(Kind.MOVIE, id_, Role.POSTER)
    with pytest.raises(ValueError, match="id"):
        Name.parse(f"movie/{id_}/poster")


@pytest.mark.parametrize(
    "text",
    [
        *("movie", "movie/1", "movie/1/poster/x", "film/1/poster", "movie/1/photo", "/movie/1/poster"),
        *("Movie/1/poster", "movie/../poster", "movie/a/b/poster"),
    ],
)
def test_other_shapes_and_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"A name is|An id has"):
        Name.parse(text)
