"""Several enrichers with one PostgreSQL, one queue and one volume: each answers for all, and one does what is done once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.enricher.finder.metadata import MetadataSettings
from services.fetcher.settings import DownloadSettings, FetcherSettings
from shared.contracts import FetchPicture
from shared.pictures import Rendition, SourceUrl
from shared.queue import Lane
from shared.redis import RedisSettings
from shared.settings import HostSettings
from shared.volume import pauses_told_by
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.integration.test_events import listening
from tests.providers.behaviour import Behaviour
from tests.providers.picture_host import PictureHost
from tests.providers.trakt import TraktHost
from tests.servers.postgresql import PostgresServer
from tests.servers.redis import RedisServer, running_redis
from tests.unit.test_told_pauses import RememberedPauses


@pytest.fixture
async def first(postgresql: PostgresServer, tmp_path: Path) -> AsyncIterator[RunningEnricher]:
    metadata = MetadataSettings(page_deadline_s=0.01)
    async with running_enricher(tmp_path, database=postgresql.migrated(), metadata=metadata) as enricher:
        yield enricher


async def test_a_title_that_one_asked_for_the_other_has_and_no_text_of_trakts_is_where_it_is_written_to_a_disk(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    for persists in (False, True):
        database = postgresql.migrated()
        for redis in running_redis(persists=persists):
            metadata = MetadataSettings(page_deadline_s=60, shared=RedisSettings(url=redis.url))
            async with (
                TraktHost.running() as trakt,
                running_enricher(
                    tmp_path / str(persists), trakt=trakt, database=database, metadata=metadata
                ) as one,
                one.another() as other,
            ):
                await one.add(3)
                for enricher in (one, other):
                    page = await enricher.get("/api/library/items")
                    assert all(item["overview"] for item in page.json["items"])
                assert trakt.total == (6 if persists else 3)
                assert (await one.get("/readyz")).json["cache"]["redis"].startswith("answers")


async def titles_at(enricher: RunningEnricher) -> int:
    total: int = (await enricher.get("/api/library/items")).json["total"]
    return total


async def test_what_one_writes_is_on_the_pages_that_the_other_had_kept(first: RunningEnricher) -> None:
    async with first.another() as second:
        await first.add(1)
        await until(lambda: _is(second, 1))
        await second.add(1, first=2)  # both had kept the page
        assert await titles_at(second) == 2
        await until(lambda: _is(first, 2))


async def _is(enricher: RunningEnricher, titles: int) -> bool:
    return await titles_at(enricher) == titles


async def test_a_task_that_one_began_is_seen_and_told_of_at_the_other(first: RunningEnricher) -> None:
    async with first.another() as second, listening(second) as stream:
        task = await first.ended("/api/v1/admin/sync/images/cleanup")
        assert task["state"] == "done"
        assert (await second.manage("GET", f"/api/v1/admin/tasks/{task['id']}")).json["state"] == "done"
        while (await stream.next())[1].get("state") != "done":
            pass


async def test_one_leads_and_the_others_follow(first: RunningEnricher) -> None:
    async def lead(enricher: RunningEnricher) -> str:
        said: str = (await enricher.get("/readyz")).json["lead"]["enricher"]
        return said

    async with first.another() as second, second.another() as third:
        assert await lead(first) == "leads"
        assert [await lead(one) for one in (second, third)] == ["follows another one"] * 2


async def test_a_pause_that_a_fetcher_was_told_is_known_elsewhere_by_redis_until_an_enricher_ends_it(
    redis: RedisServer, tmp_path: Path
) -> None:
    settings = RedisSettings(url=redis.url)
    async with PictureHost.running() as host:
        authority = host.url("").removeprefix("http://").rstrip("/")
        hosts = HostSettings.model_validate({"ALLOWED_HOSTS": authority})
        download = DownloadSettings(hosts=hosts, allow_private=(authority,))
        host.behave("/poster/1-60x90.jpg", Behaviour.failing(429, retry_after=60))
        async with (
            running_enricher(
                tmp_path,
                metadata=MetadataSettings(shared=settings),
                fetcher=FetcherSettings(redis=settings, download=download),
            ) as enricher,
            pauses_told_by(settings, RememberedPauses()) as elsewhere,
        ):
            source = SourceUrl.parse(host.url("/poster/1-60x90.jpg"))
            job = FetchPicture(source_url=source, rendition=Rendition.parse("w92.webp"))
            await enricher.publish(job, Lane.PICTURES_NOW)

            async def is_paused() -> bool:
                return await elsewhere.pause_of(authority) is not None

            await until(is_paused)
            ended = await enricher.manage("DELETE", f"/api/v1/admin/hosts/{authority}")
            assert (ended.status, ended.json["reason"]) == (200, "asked")
            assert not await is_paused()
