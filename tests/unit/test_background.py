"""Background work: no failure ends it, whoever's it is; and there is none that does not run here."""

import ast
import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from services.enricher.account import account
from services.enricher.account.account import AccountSettings, AccountWing
from services.enricher.characters import audit
from services.enricher.characters import opening as characters
from services.enricher.characters.files import CharacterFiles
from services.enricher.database.sharing import PostgresSharing
from services.enricher.finder.metadata.shared_tier import SharedTier
from services.enricher.finder.metadata.tmdb_cache import TmdbShelf
from services.enricher.finder.providers.ledger import Ledger, SharedLedger
from services.enricher.finder.resolving.opening import refreshing as refreshing_names
from services.enricher.keeper import videos
from services.enricher.keeper.catalog.budget import keeping_within
from services.enricher.keeper.catalog.indexer import AccessTimes, Swept, sweeping
from services.enricher.keeper.catalog.opening import refreshing as refreshing_pictures
from services.enricher.keeper.keeper import counting
from services.enricher.keeper.lanes import LaneWatch, watching_lanes
from services.enricher.library.matching.matching import Matching
from services.enricher.streamers.export import Export
from services.enricher.streamers.live import LiveThumbnails
from services.enricher.streamers.refreshing import StreamerRefresh
from services.enricher.streamers.upkeep import Upkeep
from services.enricher.studio import engine as studio_engine
from services.enricher.tasks.tasks import Tasks
from services.enricher.uploads.uploads import settling
from services.fetcher import app as fetcher_app
from services.proxy.access_counts import AccessCounts
from services.proxy.waiting_room import WaitingRoom
from shared.background import FIRST_PAUSE_S, LONGEST_PAUSE_S, Background, wait
from shared.http import create_skeleton
from shared.queue import Lane, LaneMeasure, telling_work
from shared.queue.consuming import Listener
from shared.queue.rabbitmq.consumer import Subscription
from shared.queue.rabbitmq.link import Link, Outage, addresses_of
from shared.redis import AskedRedis
from shared.telemetry import Metrics, utc_now

ROOT = Path(__file__).parents[2]
HOME = "shared/background.py"
PATIENCE_S = 10.0


@dataclass
class Beats:
    """Between two rounds no time passes; but after a failure all is still until the test says `go`."""

    failing: Callable[[], object] = lambda: None
    paused: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    pauses: list[float | None] = field(default_factory=list)

    async def wait(self, seconds: float | None, _wake: asyncio.Event | None) -> None:
        self.pauses.append(seconds)
        if self.failing():
            self.paused.set()
            await self.go.wait()
        await asyncio.sleep(0)


@dataclass
class Fault:
    """What background work meets: something that nobody expected, once."""

    answer: object = None
    calls: int = 0
    twice: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, *_: object, **__: object) -> Any:
        self.calls += 1
        if self.calls == 1:
            raise KeyError("unexpected")
        self.twice.set()
        return self.answer

    async def soon(self, *_: object, **__: object) -> Any:
        return self()

    def answering(self, answer: object) -> "Fault":
        self.answer = answer
        return self


async def nothing(*_: object, **__: object) -> Any:
    return None


@asynccontextmanager
async def nobody_speaks(*_: object) -> AsyncIterator[None]:
    yield


class Spent:
    """Of a provider's budget, all that the ledger uses."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self.worth_keeping = asyncio.Event()

    def snapshot(self, *, closed: bool = False) -> Any:
        return SimpleNamespace(model_dump_json=lambda: f'{{"closed": {closed}}}')

    @property
    def has_changed(self) -> bool:
        return bool(self._fault())


DATABASE: Any = SimpleNamespace(read=nothing, write=nothing, read_at_once=nothing, write_at_once=nothing)
Starting = Callable[[Background, Fault, pytest.MonkeyPatch], AbstractAsyncContextManager[Any]]


def _queue(**methods: object) -> Any:
    return SimpleNamespace(**{"listen": nobody_speaks, **methods})


def _telling_work(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    return telling_work(_queue(announce=fault.soon), Metrics(), "test", background=background)


def _sweeping_volume(
    background: Background, fault: Fault, patch: pytest.MonkeyPatch
) -> AbstractAsyncContextManager[None]:
    async def in_no_thread(work: Callable[..., object], *arguments: object) -> object:
        return work(*arguments)

    patch.setattr(asyncio, "to_thread", in_no_thread)
    return fetcher_app.sweeping(SimpleNamespace(sweep=fault.soon), background)  # type: ignore[arg-type]


def _telling_use(
    background: Background, fault: Fault, patch: pytest.MonkeyPatch
) -> AbstractAsyncContextManager[None]:
    use = AccessCounts(_queue(), SimpleNamespace(), Metrics())
    patch.setattr(use, "tell", fault.soon)
    return use.telling("", background)


def _letting_questions_go(
    background: Background, fault: Fault, patch: pytest.MonkeyPatch
) -> AbstractAsyncContextManager[None]:
    room = WaitingRoom(_queue(), SimpleNamespace(), Metrics(), limit=1, question_lasts_s=1)  # type: ignore[arg-type]
    patch.setattr(room, "_let_questions_go", fault.soon)
    return room.open(background)


def _measuring(
    background: Background, fault: Fault, patch: pytest.MonkeyPatch
) -> AbstractAsyncContextManager[None]:
    queue = _queue(put_off=fault.answering(0).soon, measure=nothing)
    measured = [LaneMeasure(0)] * len(Lane)
    patch.setattr(LaneWatch, "look_at_all", Fault(calls=1).answering(measured).soon)
    return watching_lanes(LaneWatch(queue, Metrics()), queue, background)


def _counting(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    dead: Any = SimpleNamespace(count=fault.soon)
    return counting(dead, SimpleNamespace(all=fault.answering({}).soon), Metrics(), background)


def _letting_videos_go(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    return videos.letting_go(SimpleNamespace(let_old_go=fault.soon), background, utc_now)  # type: ignore[arg-type]


def _ledger(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    return Ledger(DATABASE, background).keeping("key", Spent(fault.answering(answer=False)))  # type: ignore[arg-type]


def _shelf(method: str) -> Starting:
    def starting(
        background: Background, fault: Fault, patch: pytest.MonkeyPatch
    ) -> AbstractAsyncContextManager[Any]:
        shelf = TmdbShelf(DATABASE, max_bytes=1)
        patch.setattr(shelf, "sweep", nothing)
        patch.setattr(shelf, method, fault.soon)
        return shelf.open(background)

    return starting


def _matching(
    background: Background, fault: Fault, patch: pytest.MonkeyPatch
) -> AbstractAsyncContextManager[Any]:
    matching = Matching(SimpleNamespace(), SimpleNamespace(), lambda _kind: (), now=utc_now)  # type: ignore[arg-type]
    patch.setattr(matching, "_match_waiting", fault.soon)
    return matching.open(background)


def _refreshing_names(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    table: Any = SimpleNamespace(due=fault.answering([]).soon)
    return refreshing_names(table, SimpleNamespace(), background)  # type: ignore[arg-type]


def _refreshing_pictures(
    background: Background, fault: Fault, _: object
) -> AbstractAsyncContextManager[None]:
    return refreshing_pictures(SimpleNamespace(refresh=fault.soon), background)  # type: ignore[arg-type]


def _noting_use(
    background: Background, fault: Fault, patch: pytest.MonkeyPatch
) -> AbstractAsyncContextManager[None]:
    use = AccessTimes(SimpleNamespace(), now=utc_now)  # type: ignore[arg-type]
    patch.setattr(use, "note", fault.soon)
    return use.noting(background)


def _sweeping_catalog(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    sweep: Any = SimpleNamespace(all=fault.answering(Swept()).soon)
    return sweeping(sweep, background, every_s=900)


def _keeping_within(method: str) -> Starting:
    def starting(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
        methods = {"make_room": nothing, "tidy": nothing, method: fault.soon}
        budget: Any = SimpleNamespace(change=asyncio.Event(), **methods)
        return keeping_within(budget, background)

    return starting


def _tasks(method: str) -> Starting:
    def starting(
        background: Background, fault: Fault, patch: pytest.MonkeyPatch
    ) -> AbstractAsyncContextManager[Any]:
        patch.setattr(Tasks, method, fault.soon)
        return Tasks.running(DATABASE, {}, background=background)

    return starting


def _listening(
    background: Background, fault: Fault, patch: pytest.MonkeyPatch
) -> AbstractAsyncContextManager[None]:
    listener = Listener(nothing)
    patch.setattr(listener, "_hand_on", fault.soon)
    return listener.listening(background)


def _consuming(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    link: Any = SimpleNamespace(session=fault.soon)

    async def subscribe(_channel: object) -> Any:
        raise AssertionError

    subscription = Subscription(link, subscribe)
    subscription._last = nothing  # type: ignore[method-assign]
    return subscription.lasting(background, patience_s=0)


@asynccontextmanager
async def _connecting(background: Background, fault: Fault, patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    link = Link(addresses_of("amqp://nobody@127.0.0.1:1/"), "test", nothing, Outage())
    patch.setattr(link, "_connect", fault.soon)
    await link.open(background, patience_s=0)
    yield
    await link.close()


def _syncing_with_trakt(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    unused: dict[str, Any] = dict.fromkeys(AccountWing.__slots__)
    remembered: Any = SimpleNamespace(get=fault.answering({"trakt_auto_sync_enabled": "false"}).soon)
    wing = AccountWing(
        **unused | {"_remembered": remembered, "_settings": AccountSettings(), "_background": background}
    )
    return wing.syncing(SimpleNamespace(start=nothing))  # type: ignore[arg-type]


def _writing_to_trakt(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    return account.sending(SimpleNamespace(send_one=fault.soon), asyncio.Event(), background)  # type: ignore[arg-type]


def _renewing_details(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    applying: Any = SimpleNamespace(aging=fault.answering([]).soon)
    return account.renewing(SimpleNamespace(), applying, background, utc_now)  # type: ignore[arg-type]


def _sharing_budgets(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    async def write_at_once(_work: object) -> tuple[object, int, object]:
        return None, 0, None

    database = SimpleNamespace(beside=lambda _name: SimpleNamespace(write_at_once=write_at_once))
    budget = SimpleNamespace(
        share=lambda: None,
        granted=lambda *_: None,
        claim=fault.answering(((), ())),
        worth_keeping=asyncio.Event(),
        limits=(),
    )
    return SharedLedger(database, background).keeping("key", budget)  # type: ignore[arg-type]


def _sharing_the_database(
    background: Background, fault: Fault, patch: pytest.MonkeyPatch
) -> AbstractAsyncContextManager[None]:
    dialect = SimpleNamespace(loaded_dbapi=SimpleNamespace(Error=OSError))
    connecting: Any = SimpleNamespace(sync=SimpleNamespace(dialect=dialect))
    sharing = PostgresSharing(connecting, connecting, lost=())
    patch.setattr(sharing, "keep", fault.soon)
    return sharing.keeping(background)


def _sharing_metadata(method: str) -> Starting:
    def starting(
        background: Background, fault: Fault, patch: pytest.MonkeyPatch
    ) -> AbstractAsyncContextManager[None]:
        tier = SharedTier(AskedRedis(SimpleNamespace()))  # type: ignore[arg-type]
        for one in ("look", "renew"):
            patch.setattr(tier, one, fault.soon if one == method else nothing)
        return tier.keeping(background)

    return starting


def _character_files(method: str) -> Starting:
    def starting(
        background: Background, fault: Fault, patch: pytest.MonkeyPatch
    ) -> AbstractAsyncContextManager[Any]:
        files = CharacterFiles(())
        patch.setattr(files, "hear", nothing)
        if method == "look":
            patch.setattr(files, "look", Later(fault.soon))
        else:
            patch.setattr(files, method, fault.soon)
        return files.watching(background)

    return starting


class Later:
    """The first time all is well."""

    def __init__(self, then: Callable[..., Any]) -> None:
        self._then = then
        self._called = False

    async def __call__(self) -> Any:
        if self._called:
            return await self._then()
        self._called = True
        return None


def _forgetting_characters(
    background: Background, fault: Fault, _: object
) -> AbstractAsyncContextManager[None]:
    return characters.forgetting(SimpleNamespace(files_changed=fault.soon), asyncio.Event(), background)  # type: ignore[arg-type]


def _measuring_characters(
    background: Background, fault: Fault, _: object
) -> AbstractAsyncContextManager[None]:
    found: Any = SimpleNamespace(measure_what_came=fault.soon, chosen=SimpleNamespace(wake=asyncio.Event()))
    return characters.measuring(found, background)


def _looking_after_characters(
    background: Background, fault: Fault, _: object
) -> AbstractAsyncContextManager[None]:
    tasks: Any = SimpleNamespace(list=fault.answering([]).soon, start=nothing)
    return audit.looking_after(tasks, background, utc_now)


def _settling_uploads(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    return settling(SimpleNamespace(settle=fault.soon), background)  # type: ignore[arg-type]


def _asking_about_streamers(
    background: Background, fault: Fault, patch: pytest.MonkeyPatch
) -> AbstractAsyncContextManager[None]:
    patch.setattr(StreamerRefresh, "round", fault.soon)
    nobody: Any = None
    return StreamerRefresh(nobody, nobody, nobody, asyncio.Event()).keeping(background)


def _looking_who_is_live(
    background: Background, fault: Fault, patch: pytest.MonkeyPatch
) -> AbstractAsyncContextManager[None]:
    patch.setattr(LiveThumbnails, "round", fault.soon)
    live: Any = SimpleNamespace(every=timedelta(seconds=1), wake=asyncio.Event(), round=fault.soon)
    return LiveThumbnails.keeping(live, background)


def _exporting(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
    export: Any = SimpleNamespace(_hear=nothing, _wake=asyncio.Event(), round=fault.soon)
    queue: Any = SimpleNamespace(listen=nobody_speaks)
    return Export.keeping_up(export, queue, background)


def _looking_for_streamers_pictures(
    background: Background, fault: Fault, _: object
) -> AbstractAsyncContextManager[None]:
    upkeep: Any = SimpleNamespace(order_missing=fault.soon)
    return Upkeep.looking(upkeep, background)


def _of_studio(name: str) -> Starting:
    def starting(background: Background, fault: Fault, _: object) -> AbstractAsyncContextManager[None]:
        its: Any = SimpleNamespace(take=fault.soon, beat=fault.soon, forget=fault.soon, wake=asyncio.Event())
        loop: AbstractAsyncContextManager[None] = getattr(studio_engine, name)(its, background)
        return loop

    return starting


LOOPS: dict[str, Starting] = {
    "letting videos go": _letting_videos_go,
    "taking studio jobs": _of_studio("taking"),
    "telling that studio jobs go on": _of_studio("beating"),
    "forgetting old studio jobs": _of_studio("forgetting"),
    "asking about streamers": _asking_about_streamers,
    "looking who is live": _looking_who_is_live,
    "exporting for media servers": _exporting,
    "looking for streamers' missing pictures": _looking_for_streamers_pictures,
    "sharing budgets": _sharing_budgets,
    "sharing the database": _sharing_the_database,
    "looking at Redis": _sharing_metadata("look"),
    "renewing claims": _sharing_metadata("renew"),
    "looking at characters' files": _character_files("look"),
    "hearing of characters' files": _character_files("hear"),
    "forgetting characters whose files changed": _forgetting_characters,
    "measuring characters' pictures": _measuring_characters,
    "looking after characters": _looking_after_characters,
    "syncing with Trakt": _syncing_with_trakt,
    "writing to Trakt": _writing_to_trakt,
    "renewing titles' details": _renewing_details,
    "settling uploads": _settling_uploads,
    "telling work": _telling_work,
    "sweeping the volume": _sweeping_volume,
    "telling use": _telling_use,
    "letting questions go": _letting_questions_go,
    "measuring lanes": _measuring,
    "counting for metrics": _counting,
    "keeping budgets": _ledger,
    "matching titles": _matching,
    "writing the TMDB cache": _shelf("_write_what_came"),
    "sweeping the TMDB cache": _shelf("sweep"),
    "refreshing names": _refreshing_names,
    "refreshing pictures": _refreshing_pictures,
    "noting use": _noting_use,
    "sweeping the catalog": _sweeping_catalog,
    "making room": _keeping_within("make_room"),
    "tidying the catalog": _keeping_within("tidy"),
    "taking tasks": _tasks("_take"),
    "telling how far tasks are": _tasks("_beat"),
    "handing on events": _listening,
    "consuming": _consuming,
    "keeping connected": _connecting,
}


@pytest.mark.parametrize("name", LOOPS)
async def test_one_unexpected_exception_is_told_counted_and_noted_and_the_work_goes_on(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics, fault = Metrics(), Fault()
    skeleton = create_skeleton("test", metrics)
    background, beats = skeleton.background, Beats(skeleton.background.failing)
    monkeypatch.setattr(background, "_wait", beats.wait)
    async with TestClient(TestServer(skeleton.app)) as client:
        with capture_logs() as lines:
            async with asyncio.timeout(PATIENCE_S), LOOPS[name](background, fault, monkeypatch):
                await beats.paused.wait()
                answer = await client.get("/readyz")
                assert answer.status == 200
                assert (await answer.json())["background"] == {name: "failed 1 × in a row: KeyError"}
                beats.go.set()
                await fault.twice.wait()
                while background.failing():  # noqa: ASYNC110 - the round that succeeds ends a moment later
                    await asyncio.sleep(0)
                assert "background" not in await (await client.get("/readyz")).json()
    [line] = [line for line in lines if line["log_level"] == "error"]
    assert (line["event"], line["work"]) == ("background work failed", name)
    assert isinstance(line["exc_info"], KeyError)
    assert line["exc_info"].__traceback__
    assert counted(metrics, name) == 1


def counted(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value("onesheet_background_failures_total", {"name": name})


def background_with(beats: Beats) -> tuple[Background, Metrics]:
    metrics = Metrics()
    return Background(metrics, wait=beats.wait), metrics


class Rounds:
    """Work whose rounds end in what the test says, one after the other; the one after them does not end."""

    def __init__(self, *ends: BaseException | bool) -> None:
        self._ends = iter(ends)
        self.done = asyncio.Event()

    async def __call__(self) -> bool:
        end = next(self._ends, None)
        if isinstance(end, BaseException):
            raise end
        if end is None:
            self.done.set()
            await asyncio.Event().wait()
        return bool(end)


async def pauses_of(*ends: BaseException | bool, **how: Any) -> list[float | None]:
    beats, rounds = Beats(), Rounds(*ends)
    background, _ = background_with(beats)
    with capture_logs():
        async with asyncio.timeout(PATIENCE_S), background.repeating("test", rounds, **how):
            await rounds.done.wait()
            return list(beats.pauses)


async def test_pauses_grow_while_it_fails_and_begin_anew_once_it_succeeded() -> None:
    errors = [ValueError(str(number)) for number in range(8)]
    pauses = await pauses_of(*errors, False, ValueError(), every_s=0.5)
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S, 0.5, FIRST_PAUSE_S]


async def test_it_does_not_come_sooner_because_it_failed_nor_much_later_where_it_is_rare() -> None:
    assert await pauses_of(ValueError(), every_s=5) == [5]
    assert await pauses_of(ValueError(), every_s=3600) == [LONGEST_PAUSE_S]


async def test_what_was_expected_is_told_ever_more_seldom_without_a_traceback_and_tried_again_at_its_beat() -> (
    None
):
    beats, rounds = Beats(), Rounds(*(OSError("away") for _ in range(9)))
    background, metrics = background_with(beats)
    with capture_logs() as lines:
        async with background.repeating("test", rounds, every_s=5, expected=(OSError,)):
            await rounds.done.wait()
    assert beats.pauses == [5] * 9
    warnings = [line for line in lines if line["log_level"] == "warning"]
    assert [(line["error"], line["in_a_row"]) for line in warnings] == [("away", n) for n in (1, 2, 4, 8)]
    assert not any("exc_info" in line for line in lines)
    assert counted(metrics, "test") == 9


async def test_what_fails_as_expected_is_not_tried_again_faster_than_it_may_be() -> None:
    assert await pauses_of(OSError(), every_s=5, soon_s=1, expected=(OSError,)) == [1, 4]


async def test_with_more_to_do_the_next_round_comes_soon() -> None:
    assert await pauses_of(True, False, every_s=60, soon_s=1) == [1, 1, 59]


async def test_failures_are_counted_as_none_from_the_start() -> None:
    background, metrics = background_with(Beats())
    async with background.repeating("test", nothing, every_s=1):
        assert counted(metrics, "test") == 0


async def test_a_cancellation_of_something_it_waited_for_is_a_failure_and_no_end() -> None:
    background, metrics = background_with(Beats())
    rounds = Rounds(asyncio.CancelledError(), asyncio.CancelledError())
    with capture_logs() as lines:
        async with asyncio.timeout(PATIENCE_S), background.repeating("test", rounds, every_s=1):
            await rounds.done.wait()
    assert [line["in_a_row"] for line in lines if line["log_level"] == "error"] == [1, 2]
    assert counted(metrics, "test") == 2


async def test_a_round_that_keeps_its_cancellation_to_itself_ends_all_the_same() -> None:
    begun, rounds = asyncio.Event(), 0

    async def deaf() -> None:
        nonlocal rounds
        rounds += 1
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    background, _ = background_with(Beats())
    async with asyncio.timeout(PATIENCE_S), background.repeating("test", deaf, every_s=1):
        await begun.wait()
    assert rounds == 1


async def test_a_cancellation_that_was_left_over_ends_nothing() -> None:
    """As libraries do that time out by cancelling, and do not take it back."""
    rounds = Rounds()
    left_over = iter([True])

    async def once() -> object:
        if next(left_over, False):
            task = asyncio.current_task()
            assert task
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(0)
            return None
        if task := asyncio.current_task():
            assert not task.cancelling()
        return await rounds()

    background, _ = background_with(Beats())
    async with asyncio.timeout(PATIENCE_S), background.repeating("test", once, every_s=1):
        await rounds.done.wait()


async def test_a_failure_while_it_ends_is_told_and_not_waited_on() -> None:
    begun = asyncio.Event()

    async def once() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while leaving")

    background = Background(Metrics())
    with capture_logs() as lines:
        async with asyncio.timeout(PATIENCE_S), background.repeating("test", once, every_s=1):
            await begun.wait()
    assert [line["event"] for line in lines] == ["background work failed"]
    assert background.failing() == {}


async def test_whoever_waits_is_woken_by_the_event_which_is_cleared() -> None:
    wake = asyncio.Event()
    asyncio.get_running_loop().call_soon(wake.set)
    async with asyncio.timeout(PATIENCE_S):
        await wait(None, wake)
    assert not wake.is_set()


# --- that there is no other


ONE_OFF = {
    "services/command/files.py": "a server for the time of one command, which ends it",
    "services/command/volumes.py": "one picture of a copy, which waits for it",
    "shared/volume/objects/cached_files.py": "until all is written that came",
    "shared/volume/objects/leases.py": "one lease, until it is given back",
    "shared/volume/objects/names.py": "one object that is read",
    "shared/volume/objects/pictures.py": "one file that is fetched",
    "shared/volume/objects/records.py": "one record that is read",
    "shared/volume/objects/store.py": "what is left to do after one commit",
    "services/fetcher/rendering/lockdown.py": "a thread that ends at once, to see whether there may be one",
    "services/enricher/account/importing.py": "one title, which its task waits for",
    "services/enricher/account/signing_in.py": "asking about a device code, until that ends",
    "services/enricher/finder/providers/tokens.py": "renewing a token once, within its turn",
    "services/enricher/database/database.py": "a transaction, or one round of writing: both end",
    "services/enricher/finder/metadata/cache.py": "a flight, within its turn",
    "services/enricher/library/pages/enrichment.py": "until all is written that came",
    "services/enricher/pictures/prefetch.py": "the pictures of one page",
    "services/enricher/finder/resolving/table.py": "until all is noted that came",
    "services/enricher/library/sync.py": "one picture, within its patience",
    "services/enricher/studio/engine.py": "one job, which has an edge of its own",
    "services/enricher/tasks/tasks.py": "one task, which has an edge of its own",
    "services/fetcher/rendering/sandbox.py": "the first renderers, and the end of a pool",
    "services/proxy/lookup.py": "one look at one picture",
    "services/proxy/waiting_room.py": "one question, within its time",
    "shared/queue/embedded/engine.py": "the queue file, until it is closed; each turn has an edge of its own",
    "shared/queue/rabbitmq/topology.py": "one question to the broker",
    "shared/queue/consuming.py": "one job, which has an edge of its own",
}
"""Where tasks are started that end by themselves. Whatever does not belongs into `Background.repeating`."""

STARTERS = {"create_task", "ensure_future", "TaskGroup", "run_coroutine_threadsafe", "Thread"}


@cache
def sources() -> Sequence[tuple[str, ast.Module]]:
    files = [file for folder in ("services", "shared") for file in sorted((ROOT / folder).rglob("*.py"))]
    return [(file.relative_to(ROOT).as_posix(), ast.parse(file.read_text())) for file in files]


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """Without those of functions inside."""
    for node in ast.iter_child_nodes(function):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from own_nodes(node)


def called(node: ast.AST) -> str:
    match node:
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
            return name
    return ""


def endless_loops(tree: ast.AST) -> Iterable[str]:
    """Coroutines that hold a loop without a condition, and without a way out of it."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        for loop in own_nodes(function):
            match loop:
                case ast.While(test=ast.Constant(value=always)) if always:
                    pass
                case ast.For(iter=ast.Call() as over) if called(over) in {"cycle", "count", "repeat", "iter"}:
                    pass
                case _:
                    continue
            if not any(isinstance(node, ast.Return | ast.Break) for node in own_nodes(loop)):
                yield function.name


def test_no_loop_is_endless_but_the_one_of_background_work() -> None:
    found = {(path, name) for path, tree in sources() for name in endless_loops(tree)}
    assert {path for path, _ in found} <= {HOME}, f"run these by Background.repeating: {found}"


def test_tasks_are_started_only_where_it_is_known_what_ends_them() -> None:
    found = {path for path, tree in sources() for node in ast.walk(tree) if called(node) in STARTERS}
    assert found == {HOME, *ONE_OFF}


def test_all_background_work_is_among_the_examples_here() -> None:
    names = [
        str(ast.literal_eval(node.args[0]))
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and called(node) == "repeating"
    ]
    assert sorted(names) == sorted(LOOPS)  # each name once: it is the label of its failures


@pytest.mark.parametrize(
    "source",
    [
        "async def f():\n while True:\n  await g()",
        "async def f():\n while 1:\n  try:\n   await g()\n  except E:\n   continue",
        "async def f():\n for a in itertools.cycle(b):\n  await g()",
        "def f():\n async def g():\n  while True:\n   def h():\n    return 1\n   await h()",
    ],
)
def test_an_endless_loop_is_found(source: str) -> None:
    assert list(endless_loops(ast.parse(source)))


def test_a_loop_that_ends_is_none() -> None:
    assert not list(endless_loops(ast.parse("async def f():\n while True:\n  if await g():\n   return 1")))


async def test_work_that_one_process_does_waits_until_it_is_this_one() -> None:
    leads, rounds = asyncio.Event(), asyncio.Queue[int]()

    async def lead() -> None:
        await leads.wait()

    async def once() -> None:
        rounds.put_nowait(1)

    background = Background(Metrics())
    async with background.led(lead).repeating("led", once, every_s=0.001):
        async with background.repeating("not led", once, every_s=None, wake=asyncio.Event()):
            async with asyncio.timeout(PATIENCE_S):
                await rounds.get()
        assert rounds.empty()
        leads.set()
        async with asyncio.timeout(PATIENCE_S):
            await rounds.get()
    assert background.failing() == {}
