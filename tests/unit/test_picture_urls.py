import pytest
from pydantic import ValidationError
from yarl import URL

from services.enricher.pictures.shown import PictureUrls, PictureUrlSettings
from shared.http.signatures import Signatures
from shared.pictures import Name, PictureId, RevisionId

SOURCE = "https://image.tmdb.org/t/p/original/a b&c.jpg"
PICTURE, REVISION = PictureId("ab" * 16), RevisionId("cd" * 8)
NAME = Name.parse("movie/tmdb:603/poster")


def urls(**settings: object) -> PictureUrls:
    return PictureUrls(PictureUrlSettings.model_validate(settings))


def test_a_picture_is_ours_and_its_source_is_quoted_whole() -> None:
    url = urls().by_source(SOURCE)
    assert url == "/api/images/proxy?url=https%3A%2F%2Fimage.tmdb.org%2Ft%2Fp%2Foriginal%2Fa%20b%26c.jpg"
    assert dict(URL(url).query) == {"url": SOURCE}


def test_a_size_follows_the_source_as_nginx_reads_it_fastest() -> None:
    assert urls().by_source(SOURCE, "w342").endswith("a%20b%26c.jpg&size=w342")


@pytest.mark.parametrize(
    ("settings", "before"),
    [
        ({"public_url": "https://media.example.org/pictures"}, "https://media.example.org/pictures"),
        (
            {"public_url": "https://media.example.org", "cdn_base_url": "https://cdn.example.org"},
            "https://cdn.example.org",
        ),
    ],
)
def test_what_stands_before_pictures_is_a_setting(settings: dict[str, str], before: str) -> None:
    given = urls(**settings)
    assert given.by_source(SOURCE) == before + urls().by_source(SOURCE)
    assert given.by_name(NAME, "w342") == f"{before}/api/v1/images/movie/tmdb:603/poster/w342"
    assert given.stored(PICTURE, REVISION, "w342.webp") == f"{before}/p/{PICTURE}/{REVISION}/w342.webp"


@pytest.mark.parametrize(
    "origin", ["media.example.org", "https://media.example.org/", "https://a b", "ftp://a"]
)
def test_an_origin_that_is_none_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ValidationError):
        urls(public_url=origin)


def test_with_keys_every_url_is_signed_as_the_proxy_checks_it() -> None:
    given = urls(signing_keys=("new", "old"), public_url="https://media.example.org/pictures")
    named = given.by_name(NAME, "w342")
    for url in (given.by_source(SOURCE, "w342"), named, given.stored(PICTURE, REVISION, "w342.webp")):
        seen = URL(url.removeprefix("https://media.example.org/pictures"))
        Signatures(("new",)).check(seen, now_s=0)
