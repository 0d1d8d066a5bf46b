"""Models of what providers send: only what must be right has to be."""

import importlib
from collections.abc import Iterator
from datetime import date

import pytest
from pydantic import BaseModel

from services.enricher.finder.providers import Unreadable
from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.tmdb import Resource, resources
from services.enricher.finder.providers.tmdb.models.titles import Movie, MoviePage
from services.enricher.finder.providers.trakt.client import TraktTitle


@pytest.mark.parametrize(
    "field",
    [
        '"release_date": ""',
        '"release_date": null',
        '"release_date": "soon"',
        '"release_date": 7',
        '"poster_path": null',
        '"poster_path": ""',
        '"poster_path": "/../../etc/passwd"',
        '"poster_path": "https://evil.example/x.jpg"',
        '"runtime": "long"',
        '"genres": null',
        '"genres": {}',
        '"genres": "Drama"',
        '"belongs_to_collection": []',
        '"overview": null',
    ],
)
def test_what_is_missing_null_empty_or_odd_counts_as_not_there(field: str) -> None:
    movie = Movie.read(f'{{"id": 1, "title": "One", {field}}}', "TMDB")
    assert movie == Movie(id=1, title="One")


def test_what_is_right_is_read() -> None:
    movie = Movie.read(
        '{"id": 1, "title": "One", "release_date": "1999-03-31", "runtime": "90", "new": 1}', "TMDB"
    )
    assert (movie.release_date, movie.runtime) == (date(1999, 3, 31), 90)


def test_of_a_list_what_cannot_be_read_is_left_out() -> None:
    page = MoviePage.read('{"results": [{"id": 1, "title": "One"}, {"id": 2}, null, 3]}', "TMDB")
    assert [movie.id for movie in page.results] == [1]


@pytest.mark.parametrize("body", ['{"title": "One"}', '{"id": null, "title": "One"}', "[]", "", "nonsense"])
def test_what_has_no_id_or_is_no_object_is_unreadable(body: str) -> None:
    with pytest.raises(Unreadable):
        Movie.read(body, "TMDB")


def test_trakts_pictures_get_their_scheme_and_odd_ones_are_left_out() -> None:
    images = (
        '{"poster": ["walter.trakt.tv/a.webp", "", null, "https://media.trakt.tv/b", "a b", "file:///x"]}'
    )
    title = TraktTitle.read(f'{{"title": "One", "ids": {{}}, "images": {images}}}', "Trakt")
    assert title.images.poster == ("https://walter.trakt.tv/a.webp", "https://media.trakt.tv/b")


@pytest.mark.parametrize(
    ("key", "resource"),
    [
        ("movie:603", resources.movie(603)),
        ("movie:603?language=de", resources.movie(603, language="de")),
        ("movie:603?append_to_response=credits%2Cimages", resources.movie(603, append=("images", "credits"))),
        ("tv:1:season:0", resources.season(1, 0)),
        ("person:1:combined_credits", resources.combined_credits(1)),
        ("collection:10", resources.collection(10)),
        ("search:movie:the matrix", resources.search_movie(" The  MATRIX")),
        ("search:movie:x%3Fpage%3D2", resources.search_movie("x?page=2")),
        ("search:tv:x?first_air_date_year=1999&page=2", resources.search_tv("x", page=2, year=1999)),
        ("trending:movie:week", resources.trending_movie()),
        ("trending:tv:week?page=2", resources.trending_tv(page=2)),
    ],
)
def test_a_resource_has_one_key(key: str, resource: Resource[Lenient]) -> None:
    assert resource.cache_key == key


@pytest.mark.parametrize("page", [0, 501, -1])
def test_a_page_that_tmdb_does_not_have_is_not_asked_for(page: int) -> None:
    with pytest.raises(ValueError, match="pages"):
        resources.trending_tv(page=page)


@pytest.mark.parametrize("language", ["english", "de_DE", "../x", "de&api_key=x", ""])
def test_a_language_that_is_none_is_not_asked_for(language: str) -> None:
    with pytest.raises(ValueError, match="language"):
        resources.movie(1, language=language)


@pytest.mark.parametrize("query", ["", "   ", "x" * 201])
def test_a_query_that_is_none_is_not_asked_for(query: str) -> None:
    with pytest.raises(ValueError, match="query"):
        resources.search_multi(query)


def test_every_model_can_be_built() -> None:
    importlib.import_module("services.one_process")

    def models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
        for model in base.__subclasses__():
            yield from (model, *models(model))

    ours = {model for model in models(BaseModel) if model.__module__.startswith(("services.", "shared."))}
    assert len(ours) > 100
    for model in ours:
        model.model_rebuild()
        assert model.__pydantic_complete__, model


def test_a_model_that_nobody_needs_is_not_built() -> None:
    class Answer(BaseModel):
        status: int

    assert not Answer.__pydantic_complete__
    assert Answer.model_validate_json('{"status": 200}').status == 200
    assert Answer.__pydantic_complete__
