"""What operators do with pictures, and pictures by the library's numbers; with a fetcher that does the jobs."""

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from services.enricher.pictures.shown import PictureUrlSettings
from services.fetcher.settings import FetcherSettings
from shared.contracts import FetchPicture, PurgePicture, RefuseName, ResolvePicture, UnpinPicture
from shared.http.signatures import EXPIRY, Signatures
from shared.pictures import Failure, FailureClass, Name, PictureId, Rendition, Tree, Upload, picture_id
from shared.queue import Lane
from shared.settings import HostSettings
from shared.telemetry import utc_now
from tests.integration.enricher import ADMIN, Reply, RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.behaviour import Behaviour
from tests.providers.gallery import picture_at
from tests.providers.metadata_host import Said
from tests.providers.picture_host import PictureHost
from tests.providers.tvdb import TvdbHost, artwork, movie

POSTER = Name.parse("movie/tvdb:7/poster")
FOUND, OTHER = "/poster/7-300x450.jpg", "/poster/8-300x450.jpg"
IMAGES = "/api/v1/admin/images"
PINS = f"{IMAGES}/{POSTER}"
EXPLAIN = "/api/v1/admin/explain"
WARM = "/api/v1/admin/warm"
ARTWORK = "/api/v1/images/artwork/1"
W342 = Rendition.parse("w342.webp")

Start = Callable[..., AbstractAsyncContextManager[RunningEnricher]]


@pytest.fixture
async def tvdb(picture_host: PictureHost) -> AsyncIterator[TvdbHost]:
    """Its movie 7 has one poster, which the picture host has."""
    async with TvdbHost.running() as host:
        described = {**movie(7), "artworks": [artwork(1, 14, image=picture_host.url(FOUND))]}
        host.put("/v4/movies/7/extended", Said({"status": "success", "data": described}))
        yield host


@pytest.fixture
def start(
    tmp_path: Path, picture_host: PictureHost, tvdb: TvdbHost, monkeypatch: pytest.MonkeyPatch
) -> Start:
    authority = picture_host.root.removeprefix("http://")
    usual = {"ALLOW_PRIVATE": authority, "RENDER_PROCESSES": "1", "DISK_FREE_FLOOR_GB": "0"}
    usual["ENABLE_IMAGE_OPTIMIZATION"] = "false"
    for name, value in (usual | {"ALLOWED_HOSTS": authority}).items():
        monkeypatch.setenv(name, value)
    return partial(running_enricher, tmp_path, tvdb=tvdb, fetcher=FetcherSettings(), hosts=HostSettings())


async def resolve(enricher: RunningEnricher, name: Name = POSTER) -> None:
    await enricher.publish(ResolvePicture(name=name, rendition=W342), Lane.RESOLVE_NOW)


async def shown(enricher: RunningEnricher, name: Name = POSTER) -> PictureId | None:
    """What the name points at, where that is stored."""
    picture = await enricher.volume.names.picture(name)
    return picture if picture and await enricher.volume.pictures.current(picture) else None


async def until_shown(enricher: RunningEnricher, url: str, name: Name = POSTER) -> None:
    async def is_shown() -> bool:
        return await shown(enricher, name) == picture_id(url)

    await until(is_shown)


async def pin(enricher: RunningEnricher, url: str) -> Reply:
    return await enricher.manage("PUT", PINS, {"url": url})


async def send(enricher: RunningEnricher, body: bytes) -> Reply:
    return await enricher.ask(
        "PUT", PINS, data=BytesIO(body), headers={**ADMIN, "Content-Type": "image/jpeg"}
    )


async def test_two_names_of_one_source_are_one_picture_downloaded_once_and_noted_as_stored(
    start: Start, picture_host: PictureHost, tvdb: TvdbHost
) -> None:
    second = Name.parse("movie/tvdb:7/cover")
    async with start() as enricher:
        for name in (POSTER, second):
            await resolve(enricher, name)
        for name in (POSTER, second):
            await until_shown(enricher, picture_host.url(FOUND), name)
        said = (await enricher.get(ARTWORK)).json
    assert (picture_host.count(FOUND), tvdb.counts["/v4/movies/7/extended"]) == (1, 1)
    assert (said["width"], said["height"]) == (300, 450)
    assert said["file_size"] == len(picture_at(FOUND) or b"")
    assert said["source_url"] == picture_host.url(FOUND)
    assert (
        said["local_image_url"]
        == f"/api/v1/images/{said['kind']}/{said['content_id']}/{said['role']}/original"
    )
    assert said["storage_path"].startswith(f"cache/{said['picture_id'][:2]}/")
    assert said["sizes"]["thumbnail"]["height"] == 169


async def test_what_is_handed_out_of_an_artwork_is_where_pages_find_it_and_signed(
    start: Start, picture_host: PictureHost
) -> None:
    keys = PictureUrlSettings(public_url="https://media.example.org/one", signing_keys=("key",))
    async with start(urls=keys) as enricher:
        await resolve(enricher)
        await until_shown(enricher, picture_host.url(FOUND))
        said = (await enricher.manage("GET", ARTWORK)).json
    handed_out = [one["url"] for one in said["sizes"].values()]
    assert {said["local_image_url"], said["local_thumbnail_url"]} <= set(handed_out)
    for url in handed_out:
        assert url.startswith("https://media.example.org/one/api/v1/images/movie/")
        signed = URL(url.removeprefix("https://media.example.org/one"), encoded=True)
        Signatures(("key",)).check(signed, now_s=0)


async def test_what_was_stored_is_in_the_table_beside_its_source(
    start: Start, picture_host: PictureHost, tmp_path: Path
) -> None:
    async with start() as enricher:
        await resolve(enricher)
        await until_shown(enricher, picture_host.url(FOUND))
        columns = "source_url, storage_path, file_size, local_image_url, local_thumbnail_url"
        statement = f"SELECT {columns} FROM artwork WHERE processed_at IS NOT NULL"
        await until(lambda: rows(tmp_path, statement))
        [(source, path, size, image, thumbnail)] = rows(tmp_path, statement)
        assert (enricher.layout.root / path / "manifest.json").exists()
        await enricher.manage("DELETE", f"{IMAGES}/p/{picture_id(source)}")
        await until(lambda: not rows(tmp_path, statement))
        assert (await enricher.get(ARTWORK)).json["local_image_url"] is None
    assert (source, size) == (picture_host.url(FOUND), len(picture_at(FOUND) or b""))
    assert (image, thumbnail) == tuple(f"/api/v1/images/{POSTER}/{s}" for s in ("original", "thumbnail"))


async def test_a_pin_is_shown_at_once_wins_over_what_is_found_and_is_kept(
    start: Start, picture_host: PictureHost
) -> None:
    async with start() as enricher:
        await resolve(enricher)
        await until_shown(enricher, picture_host.url(FOUND))
        answer = await pin(enricher, picture_host.url(OTHER))
        assert (answer.status, answer.json["stored"], answer.json["pinned"]) == (200, True, True)
        assert await shown(enricher) == picture_id(picture_host.url(OTHER))
        await resolve(enricher)
        await until(lambda: len(enricher.queue.jobs(FetchPicture)) == 2)
        assert str(enricher.queue.jobs(FetchPicture)[1].source_url) == picture_host.url(OTHER)
        kept = await enricher.volume.pictures.current(picture_id(picture_host.url(OTHER)))
    assert kept
    assert kept.tree is Tree.KEEP


async def test_what_is_unpinned_shows_what_is_found_again(start: Start, picture_host: PictureHost) -> None:
    async with start() as enricher:
        await pin(enricher, picture_host.url(OTHER))
        assert (await enricher.manage("DELETE", PINS)).status == 202
        await until_shown(enricher, picture_host.url(FOUND))
        said = (await enricher.get(ARTWORK)).json
    assert (said["pinned"], said["source_url"]) == (False, picture_host.url(FOUND))


async def test_an_unpinning_that_was_not_queued_can_be_asked_for_again_and_purges_nothing(
    start: Start, picture_host: PictureHost
) -> None:
    async with start() as enricher:
        await pin(enricher, picture_host.url(OTHER))
        enricher.queue.down = True
        assert (await enricher.manage("DELETE", PINS)).status == 503
        enricher.queue.down = False
        assert (await enricher.get(ARTWORK)).json["pinned"] is True
        assert (await enricher.manage("DELETE", PINS)).status == 202
        await until_shown(enricher, picture_host.url(FOUND))
        assert enricher.queue.jobs(PurgePicture) == []


async def test_a_pin_that_cannot_be_had_is_refused_and_changes_nothing(
    start: Start, picture_host: PictureHost
) -> None:
    picture_host.behave(OTHER, Behaviour(status=404))
    async with start() as enricher:
        await resolve(enricher)
        await until_shown(enricher, picture_host.url(FOUND))
        answer = await pin(enricher, picture_host.url(OTHER))
        assert answer.status == 404
        assert (await enricher.get(ARTWORK)).json["pinned"] is False
        assert await shown(enricher) == picture_id(picture_host.url(FOUND))


NO_PINS: tuple[tuple[str, dict[str, str], int], ...] = (
    (PINS, {"url": "https://example.org/x.jpg"}, 403),
    (PINS, {"url": "file:///etc/passwd"}, 400),
    (PINS, {}, 400),
    (f"{IMAGES}/movie/101/poster", {"url": "https://example.org/x.jpg"}, 400),
    (f"{IMAGES}/movie/..%2f..%2fetc/poster", {"url": "https://example.org/x.jpg"}, 400),
    (f"{IMAGES}/movie/{'x' * 200}/poster", {"url": "https://example.org/x.jpg"}, 400),
    (f"{IMAGES}/song/tmdb:1/poster", {"url": "https://example.org/x.jpg"}, 400),
    (f"{IMAGES}/movie/tmdb:1/sleeve", {"url": "https://example.org/x.jpg"}, 400),
)


async def test_a_pin_that_makes_no_sense_is_refused_before_anything_is_queued(start: Start) -> None:
    async with start() as enricher:
        for path, order, status in NO_PINS:
            assert (await enricher.manage("PUT", path, order)).status == status, (path, order)
            assert enricher.queue.published == [], (path, order)


async def test_an_upload_is_shown_under_its_name(start: Start) -> None:
    body = picture_at("/photo/3-400x300.jpg") or b""
    upload = Upload(hashlib.sha256(body).hexdigest())
    async with start() as enricher:
        answer = await send(enricher, body)
        assert (answer.status, answer.json["stored"]) == (200, True)
        assert (answer.json["source_url"], answer.json["width"]) == (str(upload), 400)
        assert await shown(enricher) == upload.picture
        await until(lambda: not list(enricher.layout.inbox.iterdir()))


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 400), (b"no picture", 415), (b"x" * (10 * 1024 * 1024 + 1), 413)]
)
async def test_an_upload_that_is_no_picture_or_too_large_is_refused(
    start: Start, body: bytes, status: int
) -> None:
    async with start() as enricher:
        try:
            assert (await send(enricher, body)).status == status
        except aiohttp.ClientConnectionError:
            assert status == 413
        assert await shown(enricher) is None
        assert (await enricher.get(ARTWORK)).status == 404
        assert list(enricher.layout.inbox.iterdir()) == []


async def test_what_is_purged_by_its_name_is_looked_for_and_fetched_again(
    start: Start, picture_host: PictureHost
) -> None:
    async with start() as enricher:
        await resolve(enricher)
        await until_shown(enricher, picture_host.url(FOUND))
        assert (await enricher.manage("DELETE", PINS)).status == 202
        await until(lambda: not_there(enricher, picture_host.url(FOUND)))
        assert (await enricher.get(ARTWORK)).status == 404
        assert (await enricher.manage("DELETE", f"{IMAGES}/movie/tvdb:9/poster")).status == 404
        await resolve(enricher)
        await until_shown(enricher, picture_host.url(FOUND))
    assert picture_host.count(FOUND) == 2


async def test_a_failure_is_forgotten_with_its_name(start: Start, picture_host: PictureHost) -> None:
    failure = Failure.after(None, FailureClass.GONE, "There is none.", now=utc_now())
    async with start() as enricher:
        await enricher.volume.names.refuse(POSTER, failure)
        assert (await enricher.manage("DELETE", PINS)).status == 202
        await until(lambda: is_over(enricher))
        await resolve(enricher)
        await until_shown(enricher, picture_host.url(FOUND))


async def test_a_picture_is_purged_by_its_url_and_by_its_id(start: Start) -> None:
    url = "https://image.tmdb.org/t/p/original/x.jpg"
    async with start() as enricher:
        by_url = await enricher.ask("DELETE", IMAGES, params={"url": url}, headers=ADMIN)
        by_id = await enricher.manage("DELETE", f"{IMAGES}/p/{picture_id(url)}")
        assert (await enricher.manage("DELETE", f"{IMAGES}/p/xyz")).status == 400
        assert (await enricher.manage("DELETE", IMAGES)).status == 400
        jobs = enricher.queue.jobs(PurgePicture)
    assert by_url.json == by_id.json == {"picture_id": picture_id(url), "bytes": 0}
    assert [job.picture for job in jobs] == [picture_id(url)] * 2


@pytest.mark.parametrize(
    ("path", "purged"),
    [
        (f"/p/{picture_id('x')}/{'0' * 16}/w342.webp", picture_id("x")),
        (f"/p/{picture_id('x')}/{'0' * 16}/original.jpg", picture_id("x")),
        ("/t/p/w342/x.jpg", picture_id("https://image.tmdb.org/t/p/original/x.jpg")),
        ("?url=https://image.tmdb.org/x.jpg&size=small", picture_id("https://image.tmdb.org/x.jpg")),
    ],
)
async def test_a_picture_is_purged_by_whatever_path_it_is_shown_under(
    start: Start, path: str, purged: PictureId
) -> None:
    async with start() as enricher:
        tried = await enricher.manage("DELETE", f"{IMAGES}{path}{'&' if '?' in path else '?'}dry_run=true")
        assert enricher.queue.jobs(PurgePicture) == []
        done = await enricher.manage("DELETE", f"{IMAGES}{path}")
        jobs = enricher.queue.jobs(PurgePicture)
    assert (tried.status, done.status, tried.json) == (202, 202, done.json)
    assert [job.picture for job in jobs] == [purged]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{POSTER}/w342.webp", str(POSTER)),
        ("data/images/profiles/profile_avatar_123.jpg?size=small", "streamer/123/profile"),
        ("data/images/categories/just-chatting.png", "category/just-chatting/cover"),
        ("data/images/artwork/somebody/stream_7.webp", "stream/7/artwork"),
    ],
)
async def test_what_a_name_shows_is_unpinned_and_purged_by_any_path_of_it(
    start: Start, path: str, name: str
) -> None:
    body = picture_at("/photo/3-400x300.jpg") or b""
    async with start() as enricher:
        sent = {"data": BytesIO(body), "headers": {**ADMIN, "Content-Type": "image/jpeg"}}
        picture = (await enricher.ask("PUT", f"{IMAGES}/{name}", **sent)).json["picture_id"]
        unpinned = await enricher.manage("DELETE", f"{IMAGES}/{path}")
        assert enricher.queue.jobs(PurgePicture) == []
        purged = await enricher.manage("DELETE", f"{IMAGES}/{path}")
        assert [job.picture for job in enricher.queue.jobs(PurgePicture)] == [picture]
    assert (unpinned.status, unpinned.json["unpinned"], unpinned.json["picture_id"]) == (202, True, None)
    assert (purged.status, purged.json["unpinned"], purged.json["picture_id"]) == (202, False, picture)


@pytest.mark.parametrize("path", [str(POSTER), f"{POSTER}/w342.webp", "data/images/categories/chess.png"])
async def test_what_a_name_would_lose_is_told_and_nothing_is_done(start: Start, path: str) -> None:
    name = "category/chess/cover" if path.startswith("data") else str(POSTER)
    failure = Failure.after(None, FailureClass.GONE, "There is none.", now=utc_now())
    sent = {
        "data": BytesIO(picture_at(OTHER) or b""),
        "headers": {**ADMIN, "Content-Type": "image/jpeg"},
    }
    dry = f"{IMAGES}/{path}?dry_run=true"
    async with start() as enricher:
        nothing = await enricher.manage("DELETE", dry)
        await enricher.volume.names.refuse(Name.parse(name), failure)
        refused = await enricher.manage("DELETE", dry)
        await enricher.ask("PUT", f"{IMAGES}/{name}", **sent)
        pinned = await enricher.manage("DELETE", dry)
        ordered = [type(envelope.payload) for _, envelope in enricher.queue.published]
    assert not {PurgePicture, UnpinPicture, RefuseName} & set(ordered)
    assert nothing.status == 404
    told = {"name": name, "picture_id": None, "bytes": 0, "dry_run": True}
    assert (refused.status, refused.json) == (202, told | {"unpinned": False})
    assert (pinned.status, pinned.json) == (202, told | {"unpinned": True})


async def test_of_a_name_that_would_be_purged_the_bytes_are_told(
    start: Start, picture_host: PictureHost
) -> None:
    async with start() as enricher:
        await resolve(enricher)
        await until_shown(enricher, picture_host.url(FOUND))

        async def told() -> bool:
            answer = (await enricher.manage("DELETE", f"{PINS}?dry_run=true")).json
            assert (answer["unpinned"], answer["picture_id"]) == (False, picture_id(picture_host.url(FOUND)))
            return bool(answer["bytes"] >= len(picture_at(FOUND) or b""))

        await until(told)
        assert enricher.queue.jobs(PurgePicture) == []
        assert await shown(enricher)


OF_NO_PICTURE = (
    "p/xyz/0/w342.webp",
    "t/p/w342/..%2fx.jpg",
    "t/p/w342/x",
    "movie/7/poster/w342",
    "data/images/categories/...jpg",
)


async def test_a_path_of_no_picture_purges_nothing(start: Start) -> None:
    async with start() as enricher:
        for path in OF_NO_PICTURE:
            assert (await enricher.manage("DELETE", f"{IMAGES}/{path}")).status == 400, path
            assert enricher.queue.published == [], path


async def test_warming_queues_in_later_what_is_allowed_and_not_there_yet(
    start: Start, picture_host: PictureHost
) -> None:
    urls = [picture_host.url(path) for path in (FOUND, OTHER, FOUND)]
    async with start() as enricher:
        first = await enricher.manage(
            "POST", WARM, {"urls": [*urls, "https://example.org/x.jpg", "nonsense"]}
        )
        for url in urls:
            await until(partial(enricher.volume.pictures.current, picture_id(url)))
        assert {lane for lane, _ in enricher.queue.published[:2]} == {Lane.PICTURES_LATER}
        again = await enricher.manage("POST", WARM, {"urls": urls})
        too_many = await enricher.manage("POST", WARM, {"urls": ["https://example.org/x.jpg"] * 1001})
        nothing = await enricher.manage("POST", WARM, {"urls": []})
    assert first.status == 202
    assert [first.json[what] for what in ("queued", "stored", "refused")] == [2, 0, 2]
    assert "ALLOWED_HOSTS" in first.json["problems"][0]
    assert [again.json[what] for what in ("queued", "stored", "refused")] == [0, 2, 0]
    assert (too_many.status, nothing.status) == (400, 400)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("movie/1/poster/medium", "movie/tmdb:603/poster/medium"),
        ("movie/1/fanart/w780.webp", "movie/tmdb:603/fanart/w780.webp"),
        ("series/2/banner/original", "series/imdb:tt0903747/banner/original"),
    ],
)
async def test_a_number_of_the_library_leads_to_the_name_that_counts_everywhere(
    start: Start, path: str, location: str
) -> None:
    urls = PictureUrlSettings(public_url="https://media.example.org/one")
    async with start(urls=urls, api_tokens=("token",)) as enricher:
        for item in ({"media_type": "movie", "tmdb_id": 603}, {"media_type": "tv", "imdb_id": "tt0903747"}):
            await enricher.manage("POST", "/api/library/items", {"title": "X", **item})
        answer = await enricher.ask("GET", f"/api/v1/images/{path}", allow_redirects=False)
    assert (answer.status, answer.body) == (302, b"")
    assert answer.headers["Location"] == f"https://media.example.org/one/api/v1/images/{location}"
    assert answer.headers["Cache-Control"] == "max-age=300"


async def test_where_pictures_are_signed_a_number_leads_nobody_to_what_they_could_not_ask_for(
    start: Start,
) -> None:
    """What it leads to is signed as well, and for as long."""
    signatures = Signatures(("key",))
    number, name = "/api/v1/images/movie/1/poster/small", "/api/v1/images/movie/tmdb:603/poster/small"
    async with start(urls=PictureUrlSettings(signing_keys=("key",))) as enricher:
        await enricher.manage(
            "POST", "/api/library/items", {"title": "X", "media_type": "movie", "tmdb_id": 603}
        )
        for parameters in ([], [(EXPIRY, "9999999999")]):
            asked = URL(signatures.sign(number, parameters), encoded=True)
            answer = await enricher.ask("GET", str(asked), allow_redirects=False)
            assert (answer.status, answer.headers["Location"]) == (302, signatures.sign(name, parameters))
        over = signatures.sign(number, [(EXPIRY, "1")])
        for refused in (number, f"{number}?sig={'0' * 64}", over, f"{asked}".replace("movie/1", "movie/2")):
            answer = await enricher.ask("GET", refused, allow_redirects=False)
            assert (answer.status, "Location" in answer.headers) == (403, False)


async def test_a_number_in_no_known_size_is_refused_at_once(start: Start) -> None:
    async with start() as enricher:
        for size in ("huge", "w343", "original.jpg", "w342.gif", "w342."):
            answer = await enricher.get(f"/api/v1/images/movie/1/poster/{size}")
            assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json"), size


async def test_a_number_that_leads_nowhere_is_not_found(start: Start) -> None:
    async with start() as enricher:
        for item in ({"tmdb_id": 603}, {}):
            added = {"title": f"Title {item}", "media_type": "movie", **item}
            assert (await enricher.manage("POST", "/api/library/items", added)).status == 201
        for path in ("movie/9/poster/small", "series/1/poster/small", "movie/2/poster/small"):
            answer = await enricher.ask("GET", f"/api/v1/images/{path}", allow_redirects=False)
            assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json"), path


async def test_it_is_explained_why_a_name_shows_what_it_shows(
    start: Start, picture_host: PictureHost, tvdb: TvdbHost
) -> None:
    described = [
        artwork(1, 14, image=picture_host.url(FOUND)),
        artwork(2, 14, image=picture_host.url(OTHER), language="deu"),
    ]
    said = {"status": "success", "data": {**movie(7), "artworks": described}}
    tvdb.put("/v4/movies/7/extended", Said(said))
    async with start() as enricher:
        before = (await enricher.manage("GET", f"{EXPLAIN}/{POSTER}")).json
        await resolve(enricher)
        await until_shown(enricher, picture_host.url(FOUND))
        after = (await enricher.manage("GET", f"{EXPLAIN}/{POSTER}")).json
        wrong = await enricher.manage("GET", f"{EXPLAIN}/streamer/x/profile")
    verdicts = [(one["candidate"]["id"], one["lost"]) for one in after["finding"]["choice"]["verdicts"]]
    assert verdicts == [("1", None), ("2", "its language is none of ours")]
    assert {one["provider"]: one["answered"] for one in after["finding"]["answers"]}["trakt"] == "off"
    assert (before["picture"], before["source_url"]) == (None, None)
    assert after["picture"]["manifest"]["source_url"] == after["source_url"] == picture_host.url(FOUND)
    assert (wrong.status, wrong.headers["Content-Type"]) == (400, "application/problem+json")


async def test_it_is_explained_what_a_name_shows_of_which_no_provider_has_pictures(start: Start) -> None:
    name = Name.parse("streamer/123/profile")
    body = picture_at("/photo/3-400x300.jpg") or b""
    failure = Failure.after(None, FailureClass.GONE, "There is none.", now=utc_now())
    async with start() as enricher:
        await enricher.volume.names.refuse(name, failure)
        refused = (await enricher.manage("GET", f"{EXPLAIN}/{name}")).json
        sent = {"data": BytesIO(body), "headers": {**ADMIN, "Content-Type": "image/jpeg"}}
        picture = (await enricher.ask("PUT", f"{IMAGES}/{name}", **sent)).json["picture_id"]
        pinned = (await enricher.manage("GET", f"{EXPLAIN}/{name}")).json
    assert (refused["failure"]["reason"], refused["picture"]) == ("There is none.", None)
    assert (pinned["pinned"], pinned["picture"]["picture_id"]) == (True, picture)
    for said in (refused, pinned):
        assert "streamer" in said["finding"]["lack"]["reason"]
        assert said["finding"]["choice"]["verdicts"] == said["finding"]["answers"] == []


async def test_it_is_explained_why_a_picture_is_not_here_and_when_it_is_tried_again(
    start: Start, picture_host: PictureHost
) -> None:
    picture_host.behave(FOUND, Behaviour(status=404))
    url = picture_host.url(FOUND)
    async with start() as enricher:
        await resolve(enricher)
        await until(lambda: has_failed(enricher, url))
        by_url = (await enricher.ask("GET", EXPLAIN, params={"url": url}, headers=ADMIN)).json
        by_name = (await enricher.manage("GET", f"{EXPLAIN}/{POSTER}")).json
    failure = by_url["failures"]["download"]
    assert (failure["class"], failure["status"], by_url["manifest"]) == ("gone", 404, None)
    assert by_url["next_try"] == by_name["next_try"] == failure["retry_at"]


FOR_OPERATORS = (
    ("PUT", PINS),
    ("DELETE", PINS),
    ("DELETE", f"{IMAGES}?url=https://image.tmdb.org/x.jpg"),
    ("DELETE", f"{IMAGES}/p/{picture_id('x')}"),
    ("POST", WARM),
    ("GET", f"{EXPLAIN}/{POSTER}"),
    ("GET", f"{EXPLAIN}?url=https://image.tmdb.org/x.jpg"),
)


async def test_only_who_has_the_admin_token_may_and_all_is_described(start: Start) -> None:
    async with start() as enricher:
        document = (await enricher.get("/api/openapi.json")).json
        for method, path in FOR_OPERATORS:
            assert (await enricher.ask(method, path)).status == 401, path
            plain = path.partition("?")[0].replace(str(POSTER), "{kind}/{id}/{role}")
            operation = document["paths"][plain.replace(picture_id("x"), "{id}")][method.lower()]
            assert operation["security"] == [{"token": []}], path
        assert enricher.queue.published == []
    assert "/api/v1/images/{kind}/{id}/{role}/{size}" in document["paths"]


async def test_what_cannot_be_queued_is_said(start: Start, picture_host: PictureHost) -> None:
    async with start() as enricher:
        enricher.queue.down = True
        answer = await pin(enricher, picture_host.url(OTHER))
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        enricher.queue.down = False
        assert (await enricher.get(ARTWORK)).status == 404


async def not_there(enricher: RunningEnricher, url: str) -> bool:
    return await enricher.volume.pictures.current(picture_id(url)) is None


async def is_over(enricher: RunningEnricher) -> bool:
    failure = await enricher.volume.names.failure(POSTER)
    return failure is None or failure.is_over(utc_now())


async def has_failed(enricher: RunningEnricher, url: str) -> bool:
    return bool((await enricher.volume.pictures.state(picture_id(url))).failures)


def rows(directory: Path, statement: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(directory / "state" / "enricher.sqlite") as database:
        return list(database.execute(statement))
