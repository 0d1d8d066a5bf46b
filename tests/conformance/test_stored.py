"""What is stored is served as a static file would be, in every form it can be asked for."""

from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from shared.pictures import Format, Tree
from shared.pictures.rendition import ORIGINAL_EXTENSIONS, SIZES, media_type_of
from tests.conformance.servers import Servers
from tests.conformance.signing import sign
from tests.conformance.subjects import FORMS, Stored, by_url
from tests.conformance.world import World

YEAR = "public, max-age=31536000, immutable"
DAY = "public, max-age=86400, stale-while-revalidate=604800"
WEBP = {"Accept": "image/webp,*/*"}


def file_of(world: World, stored: Stored, file_name: str) -> Path:
    directory = world.layout.picture(Tree.CACHE, stored.subject.picture)
    return directory / stored.revision / file_name


def etag_of(world: World, stored: Stored, file_name: str) -> tuple[str, int]:
    found = file_of(world, stored, file_name).stat()
    return f'"{int(found.st_mtime):x}-{found.st_size:x}"', int(found.st_mtime)


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("form", FORMS)
async def test_status_headers_and_bytes(
    world: World, servers: Servers, form: str, method: str, *, large: bool
) -> None:
    stored = await world.stored("w342.webp", large=large)
    target = stored.target(form, "w342.webp")
    answer = await servers.ask(target, WEBP, method=method)
    again = await servers.ask(target, WEBP, method=method)
    assert again.without() == answer.without()
    etag, modified_s = etag_of(world, stored, "w342.webp")
    body = stored.files["w342.webp"]
    assert (answer.status, answer.body) == (200, body if method == "GET" else b"")
    headers = dict(answer.headers)
    assert parsedate_to_datetime(headers.pop("Last-Modified")).timestamp() == modified_s
    for of_the_server in ("Date", "Server", "Connection", "X-Trace-Id"):
        headers.pop(of_the_server, None)
    assert headers == {
        "Content-Type": "image/webp",
        "Content-Length": str(len(body)),
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": YEAR if form == "/p/" else DAY,
        "X-Image-Cached": "true",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",
        **({"Vary": "Accept"} if form == "/t/p/" else {}),
        **({"X-Image-Source": "unknown"} if form in ("?url=", "/t/p/") else {}),
    }


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("form", FORMS)
async def test_what_nginx_may_not_open_is_sent_by_the_proxy(
    world: World, servers: Servers, form: str, *, large: bool
) -> None:
    stored = await world.stored("w342.webp", large=large)
    file_of(world, stored, "w342.webp").chmod(0o600)
    for _ in range(2):
        answer = await servers.ask(stored.target(form, "w342.webp"), WEBP)
        assert (answer.status, answer.body) == (200, stored.files["w342.webp"])


@pytest.mark.parametrize(
    ("source", "provider", "cache_control"),
    [
        ("https://walter.trakt.tv/images/shows/000/001/x.jpg.webp", "trakt", YEAR),
        ("https://image.tmdb.org/t/p/original/x.jpg", "tmdb", YEAR),
        ("https://artworks.thetvdb.com/banners/posters/x.jpg", "tvdb", YEAR),
        ("https://static-cdn.jtvnw.net/x.png", "twitch", DAY),
        ("https://assets.fanart.tv/fanart/x.jpg", "fanart", DAY),
        ("https://assets.hardcover.app/x.jpg", "hardcover", DAY),
        ("https://pictures.example.org/x.jpg", "unknown", DAY),
    ],
)
async def test_how_long_it_may_be_kept_depends_on_the_host(
    world: World, servers: Servers, source: str, provider: str, cache_control: str
) -> None:
    stored = await world.stored("small.webp", source=source)
    answer = await servers.ask(by_url(source, "small", "webp"))
    assert (answer.status, answer.body) == (200, stored.files["small.webp"])
    assert answer.headers["X-Image-Source"] == provider
    assert answer.headers["Cache-Control"] == cache_control
    by_path = await servers.ask(stored.target("/p/", "small.webp"))
    assert by_path.headers["Cache-Control"] == YEAR
    assert "X-Image-Source" not in by_path.headers


@pytest.mark.parametrize("size", SIZES)
async def test_every_size_in_every_format(world: World, servers: Servers, size: str) -> None:
    names = [f"{size}.{format_}" for format_ in Format]
    stored = await world.stored(*names)
    for name in names:
        for form in ("?url=", "/p/"):
            answer = await servers.ask(stored.target(form, name))
            assert (answer.status, answer.body) == (200, stored.files[name])
            assert answer.media_type == media_type_of(name.rpartition(".")[2])


@pytest.mark.parametrize("extension", [name for name in ORIGINAL_EXTENSIONS if name != "svg"])
@pytest.mark.parametrize("form", FORMS)
async def test_the_original_is_what_its_bytes_are(
    world: World, servers: Servers, form: str, extension: str
) -> None:
    name = f"original.{extension}"
    stored = await world.commit(world.new_subject(), {name: b"whatever the URL is called"})
    answer = await servers.ask(stored.target(form, name), WEBP)
    assert (answer.status, answer.body) == (200, stored.files[name])
    assert answer.media_type == media_type_of(extension)
    assert "Vary" not in answer.headers


@pytest.mark.parametrize("form", FORMS)
async def test_the_original_of_a_drawing_is_refused_by_whoever_answers(
    world: World, servers: Servers, form: str
) -> None:
    name = "original.svg"
    stored = await world.commit(world.new_subject(), {name: b"<svg xmlns='http://www.w3.org/2000/svg'/>"})
    answer = await servers.ask(stored.target(form, name), WEBP)
    assert (answer.status, answer.media_type) == (415, "application/problem+json")


async def test_original_is_the_size_where_none_is_given(world: World, servers: Servers) -> None:
    stored = await world.stored("small.webp")
    body = stored.files["original.jpg"]
    for target in (stored.subject.by_url(), stored.subject.by_url("original")):
        assert (await servers.ask(target)).body == body


async def test_who_may_read_pictures_is_as_set(world: World, signed: Servers) -> None:
    stored = await world.stored("small.webp", large=True)
    answer = await signed.ask(sign(stored.target("/p/", "small.webp")))
    assert answer.headers["Access-Control-Allow-Origin"] == "https://site.example"
