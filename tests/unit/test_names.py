from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pictures import (
    Failure,
    FailureClass,
    Kind,
    Name,
    Role,
    name_failure_path,
    name_path,
    picture_id,
)
from shared.volume import VolumeSettings, volume_to_write
from shared.volume.local.layout import Layout

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", fullmatch=True)
FAILURE = Failure.after(None, FailureClass.GONE, "There is none.", now=datetime(2026, 11, 2, tzinfo=UTC))
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


HOSTILE_IDS = (
    # steps out of the tree, however they are written
    *(
        "",
        ".",
        "..",
        "...",
        "../x",
        "..\\x",
        "../../etc/passwd",
        "/etc/passwd",
        "a/../b",
        "a/..",
        "a/b",
        "a\\b",
    ),
    *("%2e%2e", "%2e%2e%2f", "a%2fb", "a%00", "..%c0%af", "~", "~root", "$HOME", "`id`", "${x}", "C:\\x"),
    *("\uff0e\uff0e", "\u2025", "a\u2215b", "a\uff0fb", "\\\\host\\share", "file:///etc", "//host"),
    # what some file systems, shells or web servers read otherwise
    *(
        ".hidden",
        ".htaccess",
        "-rf",
        "--",
        "_a",
        ":a",
        ":",
        "a b",
        " a",
        "a ",
        "a\t",
        "a*",
        "a?",
        "a|b",
        "a<b",
    ),
    *('a"b', "a'b", "a;b", "a&b", "a=b", "a#b", "a+b", "a,b", "a@b", "a!b", "(a)", "[a]", "{a}", "a%", "a^b"),
    # control characters, and what cannot be seen
    *(
        "a\n",
        "\na",
        "a\r\n",
        "a\x00",
        "\x00",
        "a\x00.jpg",
        "a\x1b[0m",
        "a\x7f",
        "a\u200bb",
        "\ufeffa",
        "a\u202eb",
    ),
    # letters and digits that are not ASCII, composed or not, and half a character
    *(
        "\xe9",
        "e\u0301",
        "\ufb01",
        "\u017f",
        "\u212a",
        "\u0430",
        "\u0663",
        "\uff11",
        "\u540d\u524d",
        "\U0001f3ac",
    ),
    *("\ud800", "\u0130"),
    # too long
    *("x" * 129, "x" * 255, "x" * 256, "x" * 10_000, "../" * 3_333 + "x", "\xe9" * 128),
)

ODD_BUT_PLAIN_IDS = (
    *("a.", "a..", "a...b", "a..b", "a:", "a::b", "a-", "a_", "0", "00", "1e9", "A", "a", "x" * 128),
    *("CON", "con", "NUL", "nul.", "COM1", "LPT1.txt", "aux", "desktop.ini", "Thumbs.db"),
    *("current", "poster", "poster.json", "names", "tmp", "trash", "null", "None", "tmdb:603", "tmdb.603"),
)


@pytest.mark.parametrize("id_", HOSTILE_IDS)
def test_other_ids_are_refused_and_make_nothing(id_: str) -> None:
    with pytest.raises(ValueError, match="An id has"):
        Name(Kind.MOVIE, id_, Role.POSTER)
    with pytest.raises(ValueError, match="id"):
        Name.parse(f"movie/{id_}/poster")


def test_the_table_of_hostile_ids_is_long_and_each_row_another() -> None:
    assert len(set(HOSTILE_IDS)) == len(HOSTILE_IDS) >= 60


async def test_odd_ids_lie_below_the_root_and_never_at_one_place(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "volume")
    place = VolumeSettings(volume_url=f"file:{layout.root}", state_directory=tmp_path / "state")
    with volume_to_write(place) as volume:
        names = {Name(Kind.MOVIE, id_, Role.POSTER): picture_id(id_) for id_ in ODD_BUT_PLAIN_IDS}
        for name, picture in names.items():
            await volume.names.refuse(name, FAILURE)
            await volume.names.point(name, picture)
        assert {name: await volume.names.picture(name) for name in names} == names
        assert len({name_path(name) for name in names} | {name_failure_path(name) for name in names}) == (
            2 * len(ODD_BUT_PLAIN_IDS)
        )
    links = [entry for entry in entries_below(tmp_path) if entry.is_symlink()]
    assert len(links) == len(ODD_BUT_PLAIN_IDS)
    assert all(link.is_relative_to(layout.root / "names" / "movie") for link in links)
    assert {entry for entry in entries_below(tmp_path) if not entry.is_relative_to(layout.root)} == {
        place.state_dir
    }


def entries_below(directory: Path) -> list[Path]:
    return list(directory.rglob("*"))


@pytest.mark.parametrize(
    "text",
    [
        *("movie", "movie/1", "movie/1/poster/x", "film/1/poster", "movie/1/photo", "/movie/1/poster"),
        *("Movie/1/poster", "MOVIE/1/poster", "movie/1/POSTER", "movie/1/poster ", " movie/1/poster"),
        *(
            "movie/../poster",
            "movie/a/b/poster",
            "movie//poster",
            "movie/1/",
            "",
            "/",
            "//",
            "movie\\1\\poster",
        ),
        *("movie/1/poster.json", "movie/1/poster\n", "movie\x00/1/poster", "../movie/1/poster", "movie/1/.."),
        *("\uff4dovie/1/poster", "movie/" + "1/" * 5_000 + "poster"),
    ],
)
def test_other_shapes_and_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"A name is|An id has"):
        Name.parse(text)
