"""A volume in a store of objects: everything in one process, on a real one."""

import json
from pathlib import Path
from urllib.parse import quote

import aiohttp

from services.proxy.hot_answers import HOT_BYTES
from shared.pictures import SourceUrl
from tests.integration.onesheet import until
from tests.integration.test_one_process import everything, get, press_ctrl_c, said, serving
from tests.providers.picture_host import PictureHost
from tests.servers.object_stores import ObjectStore
from tests.servers.onesheet_nginx import running_onesheet_nginx
from tests.servers.raw_http import raw_connection

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
