"""The delivered nginx on a real volume: what is stored it sends itself, as the proxy would send it."""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.pictures import Name, PictureId, Tree, media_type_of, picture_id, picture_path
from shared.pictures.public_paths import NUMBERED_KINDS
from tests.contract.nginx_site import DAY, NAME, REVISION, TMDB, TMDB_PATH, YEAR, Site, at_the_site, by_url
from tests.servers.raw_http import RawAnswer, raw_connection
from tests.servers.upstream import BY_UPSTREAM

pytestmark = at_the_site
GOLDEN = json.loads(
    (Path(__file__).parents[1] / "unit" / "golden" / "paths.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(
    "example", GOLDEN["pictures"], ids=lambda example: f"{example['url']} {example['size']}"
)
async def test_the_first_of_the_golden_candidates_that_is_there_is_sent(
    site: Site, example: dict[str, Any]
) -> None:
    """Each is put there before the ones that come after it; of originals a revision has one."""
    is_plain = re.fullmatch(r"https?://[a-z0-9.-]+(/[ -~]*)?", example["url"]) is not None
    explicit = ["format=png"] if example["formats"] == ["png"] else []
    target = by_url(example["url"], f"size={example['size']}", *explicit)
    accept = ",".join("image/" + format_.replace("jpg", "jpeg") for format_ in example["formats"])
    previous: dict[str, Path] = {}
    for path in reversed(example["candidates"]):
        tree, name = path.partition("/")[0], path.rpartition("/")[2]
        if example["size"] == "original" and tree in previous:
            previous[tree].unlink()
        previous[tree] = site.store(PictureId(example["picture"]), name, path.encode(), tree=Tree(tree))
        answer = await site.ask(target, ("Accept", accept))
        if is_plain and not name.endswith(".svg"):
            assert answer.body.decode() == path
            assert answer.headers["content-type"] == media_type_of(name.rpartition(".")[2])
        else:
            assert BY_UPSTREAM.lower() in answer.headers


@pytest.mark.parametrize("example", GOLDEN["names"], ids=lambda example: example["name"])
@pytest.mark.parametrize("tree", Tree)
async def test_the_golden_names_lead_to_what_they_show(
    site: Site, example: dict[str, str], tree: Tree
) -> None:
    """But for the library's numbers, which nginx leaves to others; and nothing it sends where a link leads nowhere."""
    name = Name.parse(example["name"])
    link = site.name(name, picture_id(TMDB), tree=tree)
    assert str(link.relative_to(site.volume)) == example["path"]
    file = site.store(picture_id(TMDB), "w342.webp", b"a picture", tree=tree)
    for target in (f"/api/v1/images/{name}/w342", f"/api/v1/images/{name}/w342.webp"):
        answer = await site.ask(target, ("Accept", "image/webp"))
        if name.id.isdecimal() and name.kind in NUMBERED_KINDS:
            assert BY_UPSTREAM.lower() in answer.headers
        else:
            assert (answer.status, answer.body) == (200, file.read_bytes())
    file.unlink()
    gone = await site.ask(f"/api/v1/images/{name}/w342", ("Accept", "image/webp"))
    assert BY_UPSTREAM.lower() in gone.headers


async def test_what_only_the_library_knows_is_asked_of_the_enricher(site: Site) -> None:
    paths = [
        "/api/v1/images/series/101/poster/w342",
        "/api/v1/images/movie/7/fanart/original?x=1",
        "/api/v1/images/person/101/poster/w342",
        "/api/v1/images/artwork/5",
        "/api/v1/images/storage/stats",
    ]
    for path in paths:
        await site.ask(path)
    assert site.enricher.targets == paths
    others = [
        "/api/v1/images/streamer/101/poster/w342",
        "/api/v1/images/artwork/5/poster/w342",
        "/api/v1/images/series/101/poster",
        "/a-key/imdb/poster-default/tt0133093.jpg",
        "/a-key/isValid",
    ]
    for path in others:
        await site.ask(path)
    assert site.proxy.targets == others


@pytest.mark.parametrize(
    ("target", "name", "headers"),
    [
        (
            by_url(TMDB, "size=w342"),
            "w342.webp",
            {"cache-control": YEAR, "x-image-source": "tmdb", "vary": "Accept"},
        ),
        (TMDB_PATH, "w342.webp", {"cache-control": YEAR, "x-image-source": "tmdb", "vary": "Accept"}),
        (by_url(TMDB), "original.jpg", {"cache-control": YEAR, "x-image-source": "tmdb"}),
        (
            by_url("http://a.example/x", "size=small"),
            "small.webp",
            {"cache-control": DAY, "x-image-source": "unknown", "vary": "Accept"},
        ),
        (f"/p/{picture_id(TMDB)}/{REVISION}/w342.webp", "w342.webp", {"cache-control": YEAR}),
        (f"/api/v1/images/{NAME}/w342", "w342.webp", {"cache-control": DAY, "vary": "Accept"}),
        (f"/api/v1/images/{NAME}/original", "original.jpg", {"cache-control": DAY}),
    ],
)
async def test_what_is_stored_is_sent_without_asking_anybody(
    site: Site, target: str, name: str, headers: dict[str, str]
) -> None:
    url = TMDB if "a.example" not in target else "http://a.example/x"
    file = site.store(picture_id(url), name, b"a picture" * 1000)
    site.name(NAME, picture_id(TMDB))
    accept = ("Accept", "image/avif,image/webp,*/*")
    answer = await site.ask(target, accept)
    assert (answer.status, answer.body) == (200, file.read_bytes())
    found = file.stat()
    own = {"server", "date", "connection", "last-modified", "content-length"}
    assert {name: value for name, value in answer.headers.items() if name not in own} == {
        **headers,
        "content-type": media_type_of(name.rpartition(".")[2]),
        "etag": f'"{int(found.st_mtime):x}-{found.st_size:x}"',
        "accept-ranges": "bytes",
        "x-image-cached": "true",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "cross-origin",
        "access-control-allow-origin": "*",
    }
    assert answer.headers["server"] == "nginx"
    assert (await site.ask(target, accept, method="HEAD")).status == 200
    assert (await site.ask(target, accept, ("If-None-Match", answer.headers["etag"]))).status == 304
    assert (
        await site.ask(target, accept, ("If-Modified-Since", answer.headers["last-modified"]))
    ).status == 304
    known = [
        ("If-None-Match", answer.headers["etag"]),
        ("If-Modified-Since", answer.headers["last-modified"]),
    ]
    assert (await site.ask(target, accept, *known)).status == 304
    assert (await site.ask(target, accept, ("Range", "bytes=0-3"))).body == b"a pi"
    assert site.proxy.requests == []


async def test_its_workers_are_another_user_who_can_read_the_volume(site: Site) -> None:
    await site.ask("/healthz")  # a worker that answers has become whom it runs as
    users = {worker.uids().real for worker in psutil.Process(site.nginx.pid).children()}
    assert users
    if os.getuid() == 0:
        assert users != {0}


@pytest.mark.parametrize(
    ("method", "header"),
    [
        ("POST", ("X-Nothing", "")),
        ("DELETE", ("X-Nothing", "")),
        ("GET", ("Range", "bytes=5-")),
        ("GET", ("If-Match", '"0-0"')),
        ("GET", ("If-None-Match", "*\r\nIf-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT")),
        ("GET", ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT")),
        ("HEAD", ("Range", "bytes=0-3")),
    ],
)
@pytest.mark.parametrize(
    "target", [by_url(TMDB, "size=w342"), TMDB_PATH, f"/p/{picture_id(TMDB)}/{REVISION}/w342.webp"]
)
async def test_what_may_be_refused_is_left_to_the_proxy(
    site: Site, target: str, method: str, header: tuple[str, str]
) -> None:
    site.store(picture_id(TMDB), "w342.webp", b"a picture")
    answer = await site.ask(target, header, ("Accept", "image/webp"), method=method)
    assert BY_UPSTREAM.lower() in answer.headers
    assert site.proxy.targets == [target]


@pytest.mark.parametrize(
    "target", [by_url(TMDB, "size=w342"), TMDB_PATH, f"/p/{picture_id(TMDB)}/{REVISION}/w342.jpg"]
)
async def test_a_file_that_cannot_be_opened_after_all_is_left_to_the_proxy(site: Site, target: str) -> None:
    file = site.store(picture_id(TMDB), "w342.jpg", b"a picture")
    file.chmod(0)
    assert BY_UPSTREAM.lower() in (await site.ask(target)).headers or os.getuid() != 0


async def test_while_the_pointer_is_switched_all_the_time_nobody_gets_a_404(site: Site) -> None:
    file = site.store(picture_id(TMDB), "w342.jpg", b"a picture")
    directory = file.parent.parent
    answers: list[RawAnswer] = []

    async def look() -> None:
        async with raw_connection(site.nginx.port) as connection:
            while not switched.is_set():
                answers.append(await connection.ask(TMDB_PATH.encode()))

    def switch() -> None:
        for number in range(3000):
            revision = f"{number:016x}"
            (directory / revision).mkdir()
            (directory / revision / "w342.jpg").write_bytes(b"a picture")
            (directory / "new").symlink_to(revision)
            (directory / "new").rename(directory / "current")
            if number:
                (directory / f"{number - 1:016x}" / "w342.jpg").unlink()

    switched = asyncio.Event()
    lookers = [asyncio.create_task(look()) for _ in range(4)]
    await asyncio.to_thread(switch)
    switched.set()
    await asyncio.gather(*lookers)
    assert {answer.status for answer in answers} == {200}
    assert {answer.body for answer in answers} <= {b"a picture", b"from upstream"}


@pytest.mark.parametrize("name", ["manifest.json", "spool.jpg", "original.svg", "state.json"])
async def test_what_is_no_picture_to_send_cannot_be_fetched(site: Site, name: str) -> None:
    picture = picture_id(TMDB)
    site.store(picture, name, b"secret")
    place = picture_path(Tree.CACHE, picture)
    (site.volume / place / name).write_bytes(b"secret")
    targets = [
        *(
            f"/p/{picture}/{REVISION}/{name}",
            f"/p/{picture}/current/{name}",
            f"/p/{picture}/{REVISION}/../{name}",
        ),
        *(f"/{place}/{name}", f"/{place}/current/{name}", f"/stored/{place}/current/{name}", by_url(TMDB)),
        *(f"/_stored/date/{picture}/{REVISION}/{name}", f"/_stored/date/image.tmdb.org/{picture}/{name}"),
        *(f"/_stored/tag/image.tmdb.org/{picture}/.", "/settings.js", "/onesheet/settings.js", "/nginx.conf"),
    ]
    for target in targets:
        answer = await site.ask(target)
        assert b"secret" not in answer.body, target
        assert b"signing" not in answer.body, target
