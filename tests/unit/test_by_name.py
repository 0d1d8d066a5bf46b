"""What names are asked for with, and what is refused before anything looks for it."""

from collections.abc import Callable
from http import HTTPStatus

import pytest
from yarl import URL

from services.proxy.wanted import Named, by_bare_name, by_file, by_key, by_name, is_private
from shared.http import Problem
from shared.pictures import Format, Kind, Name, Rendition, Role
from shared.pictures.public_paths import NUMBERED_KINDS, PUBLIC_PATHS, FileForm

PROFILE, _, _, CATEGORY, STREAM, UPLOAD = PUBLIC_PATHS.all(FileForm)
WELCOME = (Format.AVIF, Format.WEBP)
ODD_IDS = (
    *(
        "",
        ".",
        "..",
        ".a",
        "-a",
        "_a",
        ":a",
        " a",
        "a ",
        "a b",
        "a\tb",
        "a\n",
        "a\0",
        "\0",
        "~a",
        "a~",
        "a+b",
        "a,b",
    ),
    *(
        "a;b",
        "a=b",
        "a&b",
        "a?b",
        "a#b",
        "a%b",
        "a%2Fb",
        "%2e%2e",
        "a*",
        "a!",
        "a'b",
        'a"b',
        "a(b)",
        "a[b]",
        "a{b}",
    ),
    *(
        "a|b",
        "a\\b",
        "..\\..",
        "a$b",
        "a@b",
        "a^b",
        "a`b",
        "<a>",
        "a/b",
        "/",
        "//",
        "../..",
        "a/../b",
        "/etc/passwd",
    ),
    *(
        "é",
        "aé",
        "e\u0301",
        "łódź",
        "映画",
        "🎬",
        "a\u200bb",
        "\u202ea",
        "a\u00a0b",
        "tmdb\uff1a603",
        "٦٠٣",
        "\uff41",
    ),
    *("ß", "a\ud800", "x" * 129, "x" * 10_000, "é" * 10_000, "a/" * 5_000, "../" * 3_000),
)
BARE_NUMBERS = ("0", "1", "007", "603", "9" * 128)
ODD_PLACES = (
    ("tv", "poster"),
    ("Movie", "poster"),
    ("movies", "poster"),
    ("", "poster"),
    ("..", "poster"),
    ("movie/tmdb:1", "poster"),
    ("movie", "posters"),
    ("movie", "POSTER"),
    ("movie", ""),
    ("movie", ".."),
    ("movie", "poster/x"),
    ("artwork", "cover"),
    ("x" * 10_000, "poster"),
    ("movie", "x" * 10_000),
)
ODD_FILES = (
    *("", ".", "..", "huge", "w343", "W342", "Small", "w342.", ".webp", "w342.gif", "w342.WEBP", "w342.jpeg"),
    *(
        "w342.webp.jpg",
        "original.jpg",
        "original.",
        "spool",
        "manifest.json",
        "current",
        "w342/../x",
        "x" * 10_000,
    ),
)


def test_more_than_sixty_odd_spellings_are_held_to_the_rules() -> None:
    assert len(set(ODD_IDS)) + len(set(ODD_PLACES)) + len(set(ODD_FILES)) > 60


def assert_refused(error: Problem) -> None:
    assert error.status == HTTPStatus.BAD_REQUEST
    assert error.detail.endswith(".")
    assert len(error.detail) < 300


@pytest.mark.parametrize("id_", ODD_IDS, ids=lambda id_: ascii(id_)[:30])
def test_an_odd_id_is_refused_in_every_form(id_: str) -> None:
    parsers: tuple[Callable[[], Named], ...] = (
        lambda: by_name("movie", id_, "poster", "w342", WELCOME),
        lambda: by_file(PROFILE, (id_, "jpg"), URL("/")),
        lambda: by_file(STREAM, ("somebody", id_, "jpg"), URL("/")),
        lambda: by_file(STREAM, (id_, "7", "jpg"), URL("/")),
    )
    for parse in parsers:
        with pytest.raises(Problem) as refused:
            parse()
        assert_refused(refused.value)


@pytest.mark.parametrize("id_", BARE_NUMBERS, ids=len)
@pytest.mark.parametrize("kind", NUMBERED_KINDS)
def test_a_bare_number_names_nothing_where_the_library_numbers_and_the_answer_says_why(
    kind: Kind, id_: str
) -> None:
    with pytest.raises(Problem, match="tmdb:603") as refused:
        by_name(kind, id_, "poster", "w342", WELCOME)
    assert_refused(refused.value)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in NUMBERED_KINDS])
def test_a_bare_number_is_an_id_of_the_kinds_that_others_number(kind: Kind) -> None:
    assert by_name(kind, "12", "profile", "w342", WELCOME).name == Name(kind, "12", Role.PROFILE)


@pytest.mark.parametrize(
    ("asked", "name", "rendition"),
    [
        (("series", "81189", "poster"), "series/tvdb:81189/poster", "original"),
        (("episode", "tvdb:5", "image"), "episode/tvdb:5/image", "original"),
        (("person", "7", "thumbnail"), "person/tvdb:7/thumbnail", "thumbnail.webp"),
        (("streamer", "7", "profile"), "streamer/7/profile", "original"),
    ],
)
def test_the_path_in_three_parts_is_tvdbs(asked: tuple[str, str, str], name: str, rendition: str) -> None:
    named = by_bare_name(*asked, WELCOME)
    assert (str(named.name), str(named.renditions[-1])) == (name, rendition)


@pytest.mark.parametrize(
    "asked", [("show", "1", "poster"), ("series", "1", "cat"), ("series", "..", "poster")]
)
def test_at_an_unknown_type_or_role_of_three_parts_there_is_nothing(asked: tuple[str, str, str]) -> None:
    with pytest.raises(Problem) as refused:
        by_bare_name(*asked, WELCOME)
    assert refused.value.status == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("asked", "names", "rendition"),
    [
        (
            ("imdb", "poster", "tt0133093", "jpg"),
            ["movie/imdb:tt0133093/poster", "series/imdb:tt0133093/poster"],
            "w500.jpg",
        ),
        (("tmdb", "backdrop", "movie-603", "jpg"), ["movie/tmdb:603/fanart"], "w1280.jpg"),
        (("tmdb", "logo", "series-1399", "png"), ["series/tmdb:1399/logo"], "w500.png"),
        (("tmdb", "poster", "603", "jpg"), ["movie/tmdb:603/poster"], "w500.jpg"),
        (("tvdb", "poster", "81189", "png"), ["series/tvdb:81189/poster"], "w500.png"),
        (("tvdb", "poster", "movie-5", "png"), ["movie/tvdb:5/poster"], "w500.png"),
    ],
)
def test_a_path_with_a_key_names_what_it_is_about(
    asked: tuple[str, str, str, str], names: list[str], rendition: str
) -> None:
    found = by_key(*asked)
    assert [str(named.name) for named in found] == names
    assert {str(named.renditions[0]) for named in found} == {rendition}


@pytest.mark.parametrize(
    ("whose", "id_"), [("imdb", "603"), ("tmdb", "tt0133093"), ("tvdb", "film-1"), ("tmdb", "0")]
)
def test_an_id_that_its_source_has_none_of_is_refused(whose: str, id_: str) -> None:
    with pytest.raises(Problem) as refused:
        by_key(whose, "poster", id_, "jpg")
    assert_refused(refused.value)


@pytest.mark.parametrize(("kind", "role"), ODD_PLACES, ids=lambda text: ascii(text)[:30])
def test_kinds_and_roles_are_of_the_known_ones(kind: str, role: str) -> None:
    with pytest.raises(Problem) as refused:
        by_name(kind, "tmdb:603", role, "w342", WELCOME)
    assert_refused(refused.value)


@pytest.mark.parametrize("file", ODD_FILES, ids=lambda text: ascii(text)[:30])
def test_sizes_and_formats_are_of_the_known_ones(file: str) -> None:
    with pytest.raises(Problem) as refused:
        by_name("movie", "tmdb:603", "poster", file, WELCOME)
    assert_refused(refused.value)


@pytest.mark.parametrize("query", ["?size=huge", "?size=w342&size=w342", "?size=small.webp", "?size=../x"])
def test_the_size_of_a_file_is_one_of_the_known_ones(query: str) -> None:
    with pytest.raises(Problem) as refused:
        by_file(CATEGORY, ("just-chatting", "jpg"), URL(f"/{query}"))
    assert_refused(refused.value)


@pytest.mark.parametrize("extension", ["", "gif", "svg", "JPG", "json", "x" * 10_000])
def test_a_file_is_called_after_a_format(extension: str) -> None:
    for size in ("", "?size=small"):
        with pytest.raises(Problem) as refused:
            by_file(CATEGORY, ("just-chatting", extension), URL(f"/{size}"))
        assert_refused(refused.value)


@pytest.mark.parametrize(
    ("file", "renditions", "negotiated"),
    [
        ("original", ("original",), False),
        ("w342.png", ("w342.png",), False),
        ("w342", ("w342.avif", "w342.webp"), True),
    ],
)
def test_a_name_and_the_renditions_that_would_do(
    file: str, renditions: tuple[str, ...], *, negotiated: bool
) -> None:
    named = by_name("series", "tvdb:81189", "poster", file, WELCOME)
    assert named.name == Name(Kind.SERIES, "tvdb:81189", Role.POSTER)
    assert (named.renditions, named.negotiated) == (tuple(map(Rendition.parse, renditions)), negotiated)


def test_an_original_is_what_it_is_whatever_the_file_is_called() -> None:
    for query in ("/", "/?size=", "/?size=original", "/?sig=0"):
        named = by_file(PROFILE, ("123", "png"), URL(query))
        assert (named.renditions, named.negotiated) == ((Rendition.parse("original"),), False)
    named = by_file(STREAM, ("somebody", "7", "png"), URL("/?size=small"))
    assert str(named.name) == "stream/7/artwork"
    assert named.renditions == (Rendition.parse("small.png"),)


@pytest.mark.parametrize(
    ("id_", "private"),
    [("private_a", True), ("private_", True), ("anonymous_a", False), ("Private_a", False)],
)
def test_a_file_of_an_upload_says_by_its_name_whether_it_is_private(id_: str, private: bool) -> None:
    asked = by_file(UPLOAD, (id_, "jpg"), URL(""))
    assert asked.name == Name(Kind.UPLOAD, id_, Role.IMAGE)
    assert is_private(asked) == private
    assert not is_private(by_file(PROFILE, (id_, "jpg"), URL("")))
