"""Dead letters from the lane into the table, and back into the lane they came from; on RabbitMQ as well."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from services.enricher.keeper.dead_letters import LetterFilter, open_dead_letters
from services.enricher.keeper.dead_letters.table import LetterTable
from shared.contracts import Envelope, FetchPicture, RenderPicture
from shared.pictures import Rendition
from shared.queue import Lane, Reject
from shared.queue.rabbitmq.engine import open_rabbitmq
from shared.telemetry import Metrics
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.servers.databases import opened_database
from tests.servers.rabbitmq import Broker
from tests.unit.catalogs import source
from tests.unit.test_dead_letters import died

DEAD = "/api/v1/admin/dead"
MANY = 1_000
SMALL = Rendition.parse("small.webp")


@pytest.fixture
async def enricher(tmp_path: Path) -> AsyncIterator[RunningEnricher]:
    async with running_enricher(tmp_path) as running:
        yield running


async def die(enricher: RunningEnricher, *letters: Envelope) -> None:
    for letter in letters:
        await enricher.queue.publish(letter, Lane.DEAD)
    await until(lambda: _there(enricher, len(letters)))


async def _there(enricher: RunningEnricher, count: int) -> bool:
    return bool((await listed(enricher))["total"] == count)


async def listed(enricher: RunningEnricher, query: str = "") -> dict[str, Any]:
    reply = await enricher.manage("GET", DEAD + query)
    assert reply.status == 200
    answer: dict[str, Any] = reply.json
    return answer


async def test_what_failed_for_good_is_told_with_its_reason(enricher: RunningEnricher) -> None:
    await die(enricher, died(1), died(2, lane=Lane.CATALOG, failure_class=None))
    answer = await listed(enricher)
    assert answer["by_lane"] == {"pictures.later": 1, "catalog": 1}
    assert answer["by_class"] == {"upstream": 1, "unknown": 1}
    chosen = await listed(enricher, "?lane=pictures.later&class=upstream")
    (letter,) = chosen["letters"]
    assert (letter["about"], letter["type"], letter["deaths"]) == (str(source(1)), "FetchPicture", 1)
    whole = (await enricher.manage("GET", f"{DEAD}/{letter['id']}")).json
    assert Envelope.model_validate_json(whole["body"]).id == "job-1"


async def test_one_is_sent_again_and_gone(enricher: RunningEnricher) -> None:
    await die(enricher, died(1), died(2))
    letter = (await listed(enricher))["letters"][0]
    assert (await enricher.manage("POST", f"{DEAD}/{letter['id']}/redrive")).status == 200
    assert [job.source_url for job in enricher.queue.jobs(FetchPicture)] == [source(2)]
    assert (await listed(enricher))["total"] == 1
    assert (await enricher.manage("POST", f"{DEAD}/{letter['id']}/redrive")).status == 404


async def test_of_one_nothing_is_done_where_it_was_only_asked_what_would_be(
    enricher: RunningEnricher,
) -> None:
    await die(enricher, died(1))
    path = f"{DEAD}/{(await listed(enricher))['letters'][0]['id']}"
    for method, action in (("POST", "/redrive"), ("DELETE", "")):
        assert (await enricher.manage(method, f"{path}{action}?dry_run=true")).status == 400
    assert (await listed(enricher))["total"] == 1
    assert enricher.queue.jobs(FetchPicture) == []


async def test_all_of_a_class_are_sent_again_by_a_task(enricher: RunningEnricher) -> None:
    await die(enricher, *(died(number) for number in range(5)), died(9, failure_class="gone"))
    for query, outcome in (("&dry_run=true", "would be sent"), ("", "sent")):
        task = await enricher.ended(f"{DEAD}/redrive?class=upstream{query}")
        assert task["counts"][outcome] == 5
    assert len(enricher.queue.jobs(FetchPicture)) == 5
    assert (await listed(enricher))["by_class"] == {"gone": 1}


async def test_letters_are_dropped_one_or_all_of_a_filter(enricher: RunningEnricher) -> None:
    await die(enricher, died(1), died(2), died(3, failure_class="gone"))
    letter = (await listed(enricher, "?class=gone"))["letters"][0]
    assert (await enricher.manage("DELETE", f"{DEAD}/{letter['id']}")).status == 204
    assert (await enricher.manage("DELETE", f"{DEAD}/{letter['id']}")).status == 404
    dry = (await enricher.manage("DELETE", f"{DEAD}?lane=pictures.later&dry_run=true")).json
    assert (dry["dropped"], len(dry["letters"])) == (2, 2)
    assert (await enricher.manage("DELETE", f"{DEAD}?lane=pictures.later")).json["dropped"] == 2
    assert (await listed(enricher))["total"] == 0


async def test_without_the_queue_a_letter_stays(enricher: RunningEnricher) -> None:
    await die(enricher, died(1))
    letter = (await listed(enricher))["letters"][0]
    enricher.queue.down = True
    reply = await enricher.manage("POST", f"{DEAD}/{letter['id']}/redrive")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "5")
    enricher.queue.down = False
    assert (await enricher.manage("POST", f"{DEAD}/{letter['id']}/redrive")).status == 200


async def test_dead_letters_are_for_operators_and_an_odd_filter_is_refused(enricher: RunningEnricher) -> None:
    for path in (DEAD, f"{DEAD}/1", f"{DEAD}/redrive", f"{DEAD}/1/redrive"):
        method = "POST" if path.endswith("redrive") else "GET"
        assert (await enricher.ask(method, path)).status == 401, path
    for query in ("?lane=other", "?class=other", "?limit=0", "?lane=dead&lane=catalog"):
        assert (await enricher.manage("GET", DEAD + query)).status == 400, query


async def test_one_of_a_thousand_is_sent_again_once_on_rabbitmq(rabbitmq: Broker, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        queue = await stack.enter_async_context(
            open_rabbitmq(rabbitmq.vhost(), lane_limit=2 * MANY, publish_timeout_s=60)
        )
        for first in range(0, MANY, 500):
            letters = (died(number) for number in range(first, first + 500))
            await asyncio.gather(*(queue.publish(letter, Lane.DEAD) for letter in letters))
        database = await stack.enter_async_context(opened_database(tmp_path))
        dead = await stack.enter_async_context(open_dead_letters(database, queue, Metrics()))

        async def all_there() -> bool:
            return sum((await dead.table.counts(LetterFilter())).values()) == MANY

        await until(all_there, every_s=0.1)
        chosen = (await dead.table.list(LetterFilter(), limit=1, offset=MANY // 2))[0]
        taken: list[Envelope] = []

        async def take(envelope: Envelope) -> None:
            taken.append(envelope)

        async with queue.consume(Lane.PICTURES_LATER, take, concurrency=100):
            await dead.redriving.one(chosen.id)
            await until(lambda: taken)
            await asyncio.sleep(0.5)  # for others, of which there are none
        assert [f"dead-{envelope.id}" for envelope in taken] == [chosen.letter_id]
        assert (taken[0].attempt, await queue.depth(Lane.PICTURES_LATER)) == (1, 0)
        assert sum((await dead.table.counts(LetterFilter())).values()) == MANY - 1
        assert await queue.depth(Lane.DEAD) == 0


async def test_a_job_that_dies_again_is_a_letter_again(rabbitmq: Broker, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        queue = await stack.enter_async_context(open_rabbitmq(rabbitmq.vhost(), lane_limit=100))
        database = await stack.enter_async_context(opened_database(tmp_path))
        dead = await stack.enter_async_context(open_dead_letters(database, queue, Metrics()))

        async def refuse(_envelope: Envelope) -> None:
            raise Reject("The source answered 404.", failure_class="gone")

        async def died_once() -> bool:
            return sum((await dead.table.counts(LetterFilter())).values()) == 1

        job = Envelope.of(RenderPicture(source_url=source(1), renditions=(SMALL,)), trace_id="trace")
        async with queue.consume(Lane.PICTURES_LATER, refuse, concurrency=1):
            await queue.publish(job, Lane.PICTURES_LATER)
            await until(died_once)
            (letter,) = await dead.table.list(LetterFilter(), limit=10, offset=0)
            assert (letter.failure_class, letter.reason) == ("gone", "The source answered 404.")
            await dead.redriving.one(letter.id)
            await until(lambda: _died_again(dead.table, letter.died_at))


async def _died_again(table: LetterTable, before: datetime) -> bool:
    letters = await table.list(LetterFilter(), limit=10, offset=0)
    return len(letters) == 1 and letters[0].died_at != before
