"""A volume in a store of objects: everything in one process, on a real one."""

import json
from pathlib import Path
from urllib.parse import quote

import aiohttp

from services.proxy.hot_answers import HOT_BYTES
from shared.pictures import SourceUrl
from shared.volume import VolumeSettings, volume_to_write
from tests.integration.onesheet import until
from tests.integration.test_one_process import everything, get, press_ctrl_c, said, serving
from tests.providers.picture_host import PictureHost
from tests.providers.videos import an_mp4
from tests.servers.object_stores import ObjectStore
from tests.servers.onesheet_nginx import running_onesheet_nginx
from tests.servers.raw_http import raw_connection
from tests.servers.service import RunningService

POSTER, LARGE = "/poster/1-600x900.jpg", "/poster/2-1600x2400.jpg"
TOKEN = "only-for-this-test"


def requests(metrics: bytes, kind: str) -> float:
    begin = f'onesheet_store_requests_total{{kind="{kind}"'
    lines = [line for line in metrics.decode().splitlines() if line.startswith(begin)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def test_a_picture_is_fetched_kept_in_the_store_served_again_and_purged(
    tmp_path: Path, picture_host: PictureHost, seaweedfs: ObjectStore
) -> None:
    settings = seaweedfs.settings(tmp_path / "state")
    query = {"url": picture_host.url(POSTER), "size": "small", "format": "webp"}
    environment = {
        **seaweedfs.environment(settings),
        **serving(picture_host),
        "S3_CREATE_BUCKETS": "true",
        "ADMIN_TOKEN": TOKEN,
        "VOLUME_CACHE_DIR": str(tmp_path / "kept"),
    }
    answers = set()
    async with everything(tmp_path, **environment) as service:
        await service.listening()
        for cached in ("false", "true"):
            answer, body = await get(service, "/api/images/proxy", **query)
            assert (answer.status, answer.headers["X-Image-Cached"]) == (200, cached), said(service)
            answers.add((body, answer.headers["ETag"]))
        await press_ctrl_c(service)
    async with everything(tmp_path, **environment) as service:
        await service.listening()
        answer, body = await get(service, "/api/images/proxy", **query)
        assert (answer.status, answer.headers["X-Image-Cached"]) == (200, "true")
        assert {*answers, (body, answer.headers["ETag"])} == answers
        assert len(answers) == picture_host.count(POSTER) == 1

        async def counted() -> bool:
            stored = json.loads((await get(service, "/api/v1/images/storage/stats"))[1])
            assert (stored["backend"], stored["enabled"], stored["bucket"]) == ("s3", True, "pictures")
            assert stored["endpoint"] == seaweedfs.endpoint
            return bool(stored["total_objects"])

        await until(counted)
        await a_video(service, settings, tmp_path)
        picture = SourceUrl.parse(picture_host.url(POSTER)).picture
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as operator,
            operator.delete(f"{service.address}/api/v1/admin/images/p/{picture}") as purging,
        ):
            assert purging.status == 202, await purging.text()
        await until(lambda: any(line.get("outcome") == "purged" for line in service.lines))

        async def fetched_again() -> bool:
            answer, _ = await get(service, "/api/images/proxy", **query)
            return answer.headers.get("X-Image-Cached") == "false"

        await until(fetched_again)
        assert picture_host.count(POSTER) == len(("at first", "after it was purged"))
        assert requests((await get(service, "/metrics"))[1], "put") > 0
        await press_ctrl_c(service)


async def test_what_exceeds_the_budget_leaves_the_store_and_comes_back_when_it_is_asked_for(
    tmp_path: Path, picture_host: PictureHost, seaweedfs: ObjectStore
) -> None:
    environment = {
        **seaweedfs.environment(seaweedfs.settings(tmp_path / "state")),
        **serving(picture_host),
        "S3_CREATE_BUCKETS": "true",
        "VOLUME_CACHE_DIR": str(tmp_path / "kept"),
        "DISK_BUDGET_GB": "0.0002",  # one original and what is made of it
        "EVICTION_GRACE": "0",
    }
    paths = [f"/poster/{number}-600x900.jpg" for number in range(1, 5)]
    async with everything(tmp_path, **environment) as service:
        await service.listening()

        async def ask(path: str) -> None:
            answer, _ = await get(
                service, "/api/images/proxy", url=picture_host.url(path), size="small", format="webp"
            )
            assert answer.status == 200, said(service)

        for path in paths:
            await ask(path)

        async def few_are_left() -> bool:
            stored = json.loads((await get(service, "/api/v1/images/storage/stats"))[1])
            return bool(0 < stored["total_objects"] < len(paths) and not stored["excess"]["bytes"])

        await until(few_are_left)

        async def one_was_fetched_again() -> bool:
            """Once the proxy has forgotten what it remembers for seconds."""
            for path in paths:
                await ask(path)
            return sum(map(picture_host.count, paths)) > len(paths)

        await until(one_was_fetched_again)
        await press_ctrl_c(service)


async def a_video(service: RunningService, settings: VolumeSettings, directory: Path) -> None:
    """It is served from the store, whole and by parts."""
    name, body = "0e4fb7a8-33f6-4b29-8f6f-000000000001", an_mp4(5_000_000)
    draft = directory / "a.mp4"
    draft.write_bytes(body)
    with volume_to_write(settings) as volume:
        await volume.videos.put(name, draft, is_private=False)
    answer, whole = await get(service, f"/videos/{name}.mp4")
    assert (answer.status, whole == body) == (200, True)
    ranged = {"Range": "bytes=10-19,4000000-4499999", "If-Range": answer.headers["ETag"]}
    async with aiohttp.ClientSession() as client:
        async with client.get(f"{service.address}/videos/{name}.mp4", headers=ranged) as parts:
            assert (parts.status, body[4_000_000:4_500_000] in await parts.read()) == (206, True)
        async with client.get(f"{service.address}/videos/{name}.mp4", headers={"Range": "bytes=-7"}) as end:
            assert (end.status, await end.read()) == (206, body[-7:])


async def test_nginx_leaves_what_it_cannot_find_to_the_proxies_and_sends_their_large_files(
    tmp_path: Path, picture_host: PictureHost, seaweedfs: ObjectStore
) -> None:
    settings = seaweedfs.settings(tmp_path / "state")
    kept = tmp_path / "kept"
    environment = {
        **seaweedfs.environment(settings),
        **serving(picture_host),
        "S3_CREATE_BUCKETS": "true",
        "VOLUME_CACHE_DIR": str(kept),
        "SEND_FILES": "accel",
    }
    async with everything(tmp_path, **environment) as service:
        await service.listening()
        proxy = service.address.removeprefix("http://")
        told = {
            "VOLUME_URL": settings.volume_url,
            "VOLUME_CACHE_DIR": str(kept),
            "NGINX_MISS_RATE": "1",
            "NGINX_MISS_BURST": "1",
        }
        async with running_onesheet_nginx(kept, proxies=[proxy], settings=told) as nginx:
            target = f"/api/images/proxy?url={quote(picture_host.url(LARGE), safe='')}".encode()
            async with raw_connection(nginx.port) as connection:
                answers = [await connection.ask(target) for _ in range(5)]
        assert {answer.status for answer in answers} == {200}, said(service)
        assert len({answer.body for answer in answers}) == 1
        assert len(answers[0].body) > HOT_BYTES
        assert len({answer.headers["etag"] for answer in answers}) == 1
        await press_ctrl_c(service)
