"""The queues, and the hosts that are left alone, as operators see them."""

from datetime import timedelta
from pathlib import Path

import pytest

from services.fetcher.settings import FetcherSettings
from shared.contracts import Envelope, PurgePicture, ServiceStats
from shared.queue import Delay, Lane
from shared.telemetry import utc_now
from shared.volume import HostPause
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.unit.catalogs import picture


async def lane(enricher: RunningEnricher, name: Lane) -> dict[str, object]:
    reply = await enricher.manage("GET", "/api/v1/admin/queues")
    assert reply.status == 200
    assert [one["lane"] for one in reply.json["lanes"]] == [lane.value for lane in Lane]
    found: dict[str, object] = next(one for one in reply.json["lanes"] if one["lane"] == name)
    return found


async def test_a_lane_that_nobody_takes_from_grows_old(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        await enricher.publish(PurgePicture(picture=picture(1)), Lane.PICTURES_NOW)
        found = await lane(enricher, Lane.PICTURES_NOW)
        assert (found["waiting"], found["in_hand"], found["consumers"]) == (1, 0, 0)
        assert isinstance(found["oldest_s"], float)
        assert (await enricher.get("/api/v1/admin/queues")).status == 401


async def test_how_fast_a_lane_moves_is_told_by_who_takes_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.queue.consuming.TELL_EVERY_S", 0.2)
    async with running_enricher(tmp_path, fetcher=FetcherSettings()) as enricher:
        await enricher.publish(PurgePicture(picture=picture(1)), Lane.PICTURES_NOW)

        async def told() -> bool:
            found = await lane(enricher, Lane.PICTURES_NOW)
            return found["done_per_s"] == 5.0 and found["consumers"] == 1

        await until(told)


async def test_what_is_put_off_and_who_else_is_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.queue.consuming.TELL_EVERY_S", 0.1)
    async with running_enricher(tmp_path) as enricher:

        async def put_off_is_told() -> bool:
            """The test's ten minutes are short: it is put off again for each look."""
            job = Envelope.of(PurgePicture(picture=picture(1)), trace_id="trace")
            await enricher.queue.publish(job, Lane.PICTURES_LATER, delay=Delay.TEN_MINUTES)
            return bool((await enricher.manage("GET", "/api/v1/admin/queues")).json["put_off"])

        await until(put_off_is_told)
        assert "services" not in (await enricher.get("/readyz")).json
        another = ServiceStats(service="enricher", instance="host/another", during_s=5, lanes={})
        await enricher.announce(another)

        async def noted() -> bool:
            return "enricher" in (await enricher.get("/readyz")).json.get("services", {})

        await until(noted)


async def test_without_the_queue_that_is_said(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        enricher.queue.down = True
        assert (await enricher.manage("GET", "/api/v1/admin/queues")).status == 503


async def test_an_enricher_tells_from_its_start_what_alerts_are_written_on(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:

        async def told() -> bool:
            lines = (await enricher.text("/metrics")).splitlines()
            return {
                "onesheet_queue_connected 1.0",
                'onesheet_lane_depth{lane="pictures.now"} 0.0',
                'onesheet_dead_letters_kept{lane="pictures.now"} 0.0',
                'onesheet_dead_letters_total{lane="pictures.now"} 0.0',
                'onesheet_tasks_total{kind="warm",state="failed"} 0.0',
                "onesheet_hosts_paused 0.0",
                "onesheet_jobs_put_off 0.0",
            } <= set(lines)

        await until(told)


async def test_pauses_of_hosts_are_seen_and_can_be_ended(tmp_path: Path) -> None:
    path = "/api/v1/admin/hosts"
    async with running_enricher(tmp_path) as enricher:
        hosts, now = enricher.volume.hosts, utc_now()
        await hosts.pause("[::1]:8080", HostPause(now + timedelta(minutes=2), in_a_row=3, failing=True))
        await hosts.pause("b.example", HostPause(now - timedelta(seconds=5)))
        reply = await enricher.manage("GET", path)
        assert [
            (one["host"], one["reason"], one["left_s"] > 0, one["in_a_row"]) for one in reply.json["hosts"]
        ] == [("[::1]:8080", "failing", True, 3), ("b.example", "asked", False, 0)]
        for dry in ("?dry_run=true", ""):
            ended = await enricher.manage("DELETE", f"{path}/[::1]:8080{dry}")
            assert (ended.status, ended.json["reason"]) == (200, "failing")
        assert list(await hosts.all()) == ["b.example"]
        assert (await enricher.manage("DELETE", f"{path}/[::1]:8080")).status == 404
        assert (await enricher.get(path)).status == 401
        assert (await enricher.ask("DELETE", f"{path}/b.example")).status == 401
