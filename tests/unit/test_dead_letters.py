"""Dead letters in their table: kept once, sent again once, and never lost in between."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from services.enricher.database.database import Database
from services.enricher.keeper.dead_letters import LetterFilter, LetterTaken, NotReadable
from services.enricher.keeper.dead_letters.redriving import CLAIM_LASTS, Redriving
from services.enricher.keeper.dead_letters.table import LetterTable
from services.enricher.tasks.task import Progress
from shared.contracts import DeadLetter, Envelope, FetchPicture, PurgePicture
from shared.pictures import Name, Rendition
from shared.queue import Delay, Lane, QueueUnavailable
from tests.unit.catalogs import NOON, Clock, picture, source

SMALL = Rendition.parse("small.webp")


@pytest.fixture
def table(database: Database) -> LetterTable:
    return LetterTable(database)


@dataclass
class Lanes:
    """Of a queue, all that redriving uses."""

    published: list[tuple[Lane, Envelope]] = field(default_factory=list)
    down: bool = False
    gate: asyncio.Event | None = None

    async def publish(self, envelope: Envelope, lane: Lane, *, delay: Delay | None = None) -> None:
        if self.gate:
            await self.gate.wait()
        if self.down:
            raise QueueUnavailable("the queue is down")
        self.published.append((lane, envelope))


def died(
    number: int = 1,
    *,
    lane: Lane = Lane.PICTURES_LATER,
    failure_class: str | None = "upstream",
    at: datetime = NOON,
    body: str | None = None,
) -> Envelope:
    job = Envelope.of(
        FetchPicture(source_url=source(number), rendition=SMALL), trace_id="trace", now=NOON
    ).model_copy(update={"id": f"job-{number}", "attempt": 4})
    letter = DeadLetter(
        lane=lane.value,
        reason="The source answered 500.",
        failure_class=failure_class,
        died_at=at,
        body=body or job.model_dump_json(),
    )
    return Envelope.of(letter, trace_id="trace", now=NOON).model_copy(update={"id": f"dead-job-{number}"})


def redriving(table: LetterTable, lanes: Lanes, clock: Clock | None = None) -> Redriving:
    return Redriving(table, lanes, now=clock or Clock())  # type: ignore[arg-type]  # all of the queue that is used


async def only(table: LetterTable) -> int:
    (letter,) = await table.list(LetterFilter(), limit=10, offset=0)
    return letter.id


async def test_a_letter_tells_what_its_job_was_about(table: LetterTable) -> None:
    await table.keep([died()])
    letter = await table.of_id(await only(table))
    assert letter
    assert (letter.type, letter.about, letter.lane) == ("FetchPicture", str(source(1)), "pictures.later")
    assert (letter.failure_class, letter.reason, letter.deaths) == ("upstream", "The source answered 500.", 1)
    assert (letter.died_at, letter.trace_id) == (NOON, "trace")


async def test_a_name_and_an_id_are_what_a_job_is_about_too(table: LetterTable) -> None:
    name = Name.parse("movie/tmdb:603/poster")
    for number, job in enumerate(
        [FetchPicture(source_url=source(1), rendition=SMALL, name=name), PurgePicture(picture=picture(1))]
    ):
        body = Envelope.of(job, trace_id="trace").model_dump_json()
        await table.keep([died(number, body=body)])
    letters = await table.list(LetterFilter(), limit=10, offset=0)
    assert [letter.about for letter in letters] == [picture(1), str(name)]


async def test_a_message_that_cannot_be_read_is_kept_as_it_was(table: LetterTable) -> None:
    await table.keep([died(body="{]")])
    letter = await table.of_id(await only(table))
    assert letter
    assert (letter.type, letter.about, letter.body) == (None, None, "{]")


async def test_the_same_death_told_twice_is_one(table: LetterTable) -> None:
    await table.keep([died()])
    await table.keep([died(), died()])
    letter = await table.of_id(await only(table))
    assert letter
    assert letter.deaths == 1


async def test_another_death_of_the_same_message_counts(table: LetterTable) -> None:
    await table.keep([died()])
    first = await only(table)
    await table.keep([died(at=NOON + timedelta(hours=1))])
    letter = await table.of_id(first)
    assert letter
    assert (letter.deaths, letter.died_at) == (2, NOON + timedelta(hours=1))


async def test_the_oldest_go_where_there_are_too_many(
    table: LetterTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.keeper.dead_letters.table.KEPT_AT_MOST", 3)
    assert await table.keep([died(number) for number in range(3)]) == 0
    assert await table.keep([died(number) for number in range(3, 5)]) == 2
    letters = await table.list(LetterFilter(), limit=10, offset=0)
    assert [letter.letter_id for letter in letters] == ["dead-job-4", "dead-job-3", "dead-job-2"]


async def test_letters_are_chosen_by_lane_and_class(table: LetterTable) -> None:
    await table.keep([died(1), died(2, lane=Lane.CATALOG, failure_class=None), died(3, failure_class="ours")])
    later = await table.list(LetterFilter(lane="pictures.later"), limit=10, offset=0)
    assert [letter.letter_id for letter in later] == ["dead-job-3", "dead-job-1"]
    assert len(await table.list(LetterFilter(failure_class="ours"), limit=10, offset=0)) == 1
    assert await table.counts(LetterFilter()) == {
        ("pictures.later", "upstream"): 1,
        ("pictures.later", "ours"): 1,
        ("catalog", None): 1,
    }
    assert await table.drop_all(LetterFilter(lane="pictures.later")) == 2
    assert await table.drop(await only(table))
    assert await table.counts(LetterFilter()) == {}


async def test_a_redriven_message_is_as_if_never_tried_and_its_letter_gone(table: LetterTable) -> None:
    await table.keep([died()])
    lanes = Lanes()
    await redriving(table, lanes).one(await only(table))
    ((lane, sent),) = lanes.published
    assert (lane, sent.id, sent.attempt, sent.history) == (Lane.PICTURES_LATER, "job-1", 1, ())
    assert await table.counts(LetterFilter()) == {}


async def test_two_who_redrive_the_same_letter_send_it_once(table: LetterTable) -> None:
    await table.keep([died()])
    lanes, letter = Lanes(gate=asyncio.Event()), await only(table)
    first = asyncio.create_task(redriving(table, lanes).one(letter))
    await asyncio.sleep(0.05)
    with pytest.raises(LetterTaken):
        await redriving(table, lanes).one(letter)
    assert lanes.gate
    lanes.gate.set()
    await first
    with pytest.raises(LetterTaken):
        await redriving(table, lanes).one(letter)
    assert len(lanes.published) == 1


async def test_a_letter_that_could_not_be_sent_stays_and_can_be_sent_later(table: LetterTable) -> None:
    await table.keep([died()])
    lanes, letter = Lanes(down=True), await only(table)
    with pytest.raises(QueueUnavailable):
        await redriving(table, lanes).one(letter)
    lanes.down = False
    await redriving(table, lanes).one(letter)
    assert len(lanes.published) == 1


async def test_whoever_was_killed_while_sending_leaves_the_letter(table: LetterTable) -> None:
    await table.keep([died()])
    letter, clock = await only(table), Clock()
    assert await table.claim(letter, clock.now, stale=clock.now - CLAIM_LASTS)
    lanes = Lanes()
    with pytest.raises(LetterTaken):
        await redriving(table, lanes, clock).one(letter)
    clock.advance(seconds=CLAIM_LASTS.total_seconds() + 1)
    await redriving(table, lanes, clock).one(letter)
    assert len(lanes.published) == 1


async def test_what_dies_again_before_its_letter_is_gone_is_not_lost(table: LetterTable) -> None:
    await table.keep([died()])
    letter = await only(table)
    assert await table.claim(letter, NOON, stale=NOON - CLAIM_LASTS)
    await table.keep([died(at=NOON + timedelta(seconds=1))])
    await table.sent(letter, NOON)
    again = await table.of_id(letter)
    assert again
    assert again.deaths == 2
    assert await table.claim(letter, NOON, stale=NOON - CLAIM_LASTS)


async def test_a_message_that_cannot_be_read_is_not_sent(table: LetterTable) -> None:
    await table.keep([died(body="{]")])
    lanes = Lanes()
    for _ in range(2):
        with pytest.raises(NotReadable):
            await redriving(table, lanes).one(await only(table))
    assert lanes.published == []


async def test_all_of_a_filter_are_redriven_each_once(
    table: LetterTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.keeper.dead_letters.redriving.REDRIVEN_AT_ONCE", 2)
    await table.keep(
        [died(number) for number in range(5)] + [died(5, failure_class="ours"), died(6, body="{")]
    )
    lanes, dry, done = Lanes(), Progress(), Progress()
    arguments = {"lane": "pictures.later", "failure_class": "upstream", "dry_run": True}
    await redriving(table, lanes)(arguments, dry)
    assert (dry.counts["would be sent"], dry.total, lanes.published) == (6, 6, [])
    await redriving(table, lanes)(arguments | {"dry_run": False}, done)
    assert (done.counts["sent"], done.counts["unreadable"], done.done) == (5, 1, 6)
    assert sorted(envelope.id for _, envelope in lanes.published) == [f"job-{number}" for number in range(5)]
    assert await table.counts(LetterFilter()) == {
        ("pictures.later", "ours"): 1,
        ("pictures.later", "upstream"): 1,
    }
