"""Subjects: what a name's kind and id say that a picture shows."""

import pytest

from services.enricher.finder.artwork.source import Ids, Subject, Whose
from shared.pictures import Kind, Name


@pytest.mark.parametrize(
    ("kind", "id_", "said"),
    [
        ("movie", "tmdb:603", {"ids": {"tmdb": 603}}),
        ("movie", "imdb:tt0133093", {"ids": {"imdb": "tt0133093"}}),
        ("series", "tvdb:81189", {"ids": {"tvdb": 81189}}),
        ("series", "trakt:breaking-bad", {"ids": {"trakt": "breaking-bad"}}),
        ("series", "trakt:show-s1", {"ids": {"trakt": "show-s1"}}),
        ("season", "tmdb:1399-s0", {"ids": {"tmdb": 1399}, "season": 0}),
        ("season", "trakt:show-s1-s2", {"ids": {"trakt": "show-s1"}, "season": 2}),
        ("season", "tvdb:364731", {"ids": {"tvdb": 364731}}),
        ("episode", "imdb:tt0944947-s1e10", {"ids": {"imdb": "tt0944947"}, "season": 1, "episode": 10}),
        ("episode", "imdb:tt1480055", {"ids": {"imdb": "tt1480055"}}),
        ("episode", "tvdb:3254641", {"ids": {"tvdb": 3254641}}),
        ("person", "imdb:nm0186505", {"ids": {"imdb": "nm0186505"}}),
        ("collection", "tmdb:10", {"ids": {"tmdb": 10}}),
    ],
)
def test_an_id_says_whose_it_is_and_which_part(kind: str, id_: str, said: dict[str, object]) -> None:
    subject = Subject.parse(Kind(kind), id_)
    assert subject.model_dump(exclude_none=True) == {"kind": kind, **said}
    assert Name.parse(f"{kind}/{id_}/image")


@pytest.mark.parametrize(
    ("kind", "id_"),
    [
        ("movie", "603"),
        ("movie", "tmdb:0603"),
        ("movie", "tmdb:-1"),
        ("movie", "tmdb:99999999999"),
        ("movie", "TMDB:603"),
        ("movie", "imdb:nm0186505"),
        ("movie", "tmdb:603\n"),
        ("movie", "tmdb:٣"),
        ("movie", "tmdb:603-s1"),
        ("movie", "trakt:../603"),
        ("season", "tmdb:3624"),
        ("season", "tmdb:1399-s01"),
        ("season", "tmdb:1399-s1e2"),
        ("episode", "tmdb:1399-s1"),
        ("episode", "trakt:73640"),
        ("person", "imdb:tt0186505"),
        ("collection", "imdb:tt0186505"),
        ("streamer", "tmdb:603"),
    ],
)
def test_any_other_id_is_refused_with_a_sentence(kind: str, id_: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        Subject.parse(Kind(kind), id_)


def test_the_title_of_a_part_is_its_series() -> None:
    episode = Subject.parse(Kind.EPISODE, "tmdb:1399-s1e2")
    assert episode.title == Subject.parse(Kind.SERIES, "tmdb:1399")
    own = Subject.parse(Kind.EPISODE, "tvdb:3254641")
    assert (own.is_placed, own.title) == (False, own)


def test_ids_that_are_there_stay() -> None:
    ids = Ids(tmdb=1, imdb="tt1") | Ids(tmdb=2, tvdb=3)
    assert ids == Ids(tmdb=1, imdb="tt1", tvdb=3)
    assert ids.has(Whose.TRAKT, Whose.TVDB)
    assert not ids.has(Whose.TRAKT)
