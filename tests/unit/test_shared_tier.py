"""The tier of metadata that processes share: one asks, the others know; nobody minds when Redis is away."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from services.enricher.characters.fast_cache import NEAR_LASTS_S, MemoryCache, SharedCache, id_key, name_key
from services.enricher.finder.metadata.cache import Cache, CacheRequest
from services.enricher.finder.metadata.outcomes import Found, NotFound, Row
from services.enricher.finder.metadata.shared_tier import (
    CLAIM_LASTS_S,
    SharedTier,
    open_shared_tier,
)
from services.enricher.finder.providers import Broken, NothingThere
from shared.background import Background
from shared.redis import PREFIX, RedisSettings
from shared.telemetry import Metrics
from tests.servers.redis import RedisServer, running_redis
from tests.unit.test_metadata_cache import Asking, Said

PROJECT = Path(__file__).resolve().parents[2]
HOUR = timedelta(hours=1)
Opening = Callable[[], Awaitable[SharedTier]]


@pytest.fixture
async def client(redis: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis.url) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def another(redis: RedisServer, client: Redis) -> AsyncIterator[Opening]:
    """The tier as one more process has it."""
    async with AsyncExitStack() as stack:

        async def opened() -> SharedTier:
            tier = await stack.enter_async_context(opening(redis))
            assert tier
            return tier

        yield opened


def opening(redis: RedisServer) -> AbstractAsyncContextManager[SharedTier | None]:
    return open_shared_tier(RedisSettings(url=redis.url), Background(Metrics()))


async def told(client: Redis, *command: str) -> None:
    await client.execute_command(*command)  # type: ignore[no-untyped-call]


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=30)


def a_cache(tier: SharedTier) -> Cache:
    return Cache(max_entries=100, max_bytes=10**6, name="trakt", tier=lambda: tier)


def wanted(asking: Asking) -> CacheRequest[Said]:
    return CacheRequest("movie:1", Said, HOUR, asking)


async def test_many_processes_that_want_one_thing_ask_once(another: Opening) -> None:
    asking = Asking()
    asking.open.clear()
    caches = [a_cache(await another()) for _ in range(3)]
    looking = [
        asyncio.create_task(cache.look(wanted(asking), until=soon())) for cache in caches for _ in range(5)
    ]
    async with asyncio.timeout(30):
        while not asking.count:  # noqa: ASYNC110 - whoever of them it is
            await asyncio.sleep(0.01)
    asking.open.set()
    assert await asyncio.gather(*looking) == [Found(Said(text="one"))] * 15
    assert asking.count == 1


async def test_what_one_was_told_another_knows_until_it_expires(another: Opening, client: Redis) -> None:
    asking = Asking()
    for _ in range(2):
        assert await a_cache(await another()).look(wanted(asking), until=soon()) == Found(Said(text="one"))
    assert asking.count == 1
    ends_ms = await client.pttl(f"{PREFIX}said:trakt:movie:1")
    assert 0 < ends_ms <= HOUR.total_seconds() * 1000
    assert await client.keys(f"{PREFIX}asking:*") == []


async def test_who_looked_before_another_was_told_and_claims_after_it_does_not_ask(another: Opening) -> None:
    tier, asking = await another(), Asking()
    loads, load = list[str](), tier.load

    async def before_it_is_told(key: str) -> Row | None:
        loads.append(key)
        if len(loads) == 1:
            assert await a_cache(await another()).look(wanted(asking), until=soon()) == Found(
                Said(text="one")
            )
            return None
        return await load(key)

    tier.load = before_it_is_told  # type: ignore[method-assign] # the first look comes too early
    assert await a_cache(tier).look(wanted(asking), until=soon()) == Found(Said(text="one"))
    assert asking.count == 1


async def test_that_there_is_nothing_is_shared_as_well(another: Opening) -> None:
    asking = Asking()
    asking.answer = NothingThere("nothing")
    for _ in range(2):
        assert await a_cache(await another()).look(wanted(asking), until=soon()) == NotFound()
    assert asking.count == 1


async def test_who_waited_for_one_that_failed_asks_itself(another: Opening) -> None:
    failing, asking = Asking(), Asking()
    failing.answer = Broken("down")
    failing.open.clear()
    first = asyncio.create_task(a_cache(await another()).look(wanted(failing), until=soon()))
    async with asyncio.timeout(30):
        while not failing.count:  # noqa: ASYNC110 - a fake tells nobody
            await asyncio.sleep(0.01)
    second = asyncio.create_task(a_cache(await another()).look(wanted(asking), until=soon()))
    failing.open.set()
    await first
    assert await second == Found(Said(text="one"))


async def test_a_claim_ends_with_its_process_and_outlasts_what_it_is_for(
    another: Opening, client: Redis
) -> None:
    tier = await another()
    async with tier.asking("movie:1", soon()):
        await client.pexpire(f"{PREFIX}asking:movie:1", 50)
        await tier.renew()
        assert await client.pttl(f"{PREFIX}asking:movie:1") > 1000
        assert await client.pttl(f"{PREFIX}asking:movie:1") <= CLAIM_LASTS_S * 1000
    await client.set(f"{PREFIX}asking:movie:1", "another's", px=50)  # of a process that died meanwhile
    async with tier.asking("movie:1", soon()):
        assert await client.get(f"{PREFIX}asking:movie:1") != b"another's"


async def test_nobody_waits_for_another_process_longer_than_it_may(another: Opening, client: Redis) -> None:
    await client.set(f"{PREFIX}asking:movie:1", "another's")
    async with (await another()).asking("movie:1", datetime.now(UTC)):
        pass
    assert await client.get(f"{PREFIX}asking:movie:1") == b"another's"


async def test_without_redis_each_process_goes_on_by_itself_and_with_it_again(
    another: Opening, redis: RedisServer
) -> None:
    tier, asking = await another(), Asking()
    redis.stop()
    try:
        with capture_logs() as lines:
            cache = a_cache(tier)
            assert await cache.look(wanted(asking), until=soon()) == Found(Said(text="one"))
            await tier.put("movie:2", Row("{}", soon(), soon()))
            assert await tier.load("movie:2") is None
        assert [line["event"] for line in lines] == ["redis does not answer: each process goes on by itself"]
        assert "does not answer" in tier.status()["redis"]
        async with opening(redis) as started_without:
            assert started_without
            assert started_without.persists
    finally:
        redis.start()
    tier._asked._away_until_s = 0
    await tier.put("movie:2", Row("{}", soon(), soon()))
    assert await tier.load("movie:2")
    assert tier.status()["redis"].startswith("answers")


@pytest.mark.parametrize(
    ("refusing", "said"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), "command not allowed when used memory > 'maxmemory'"),
        (("REPLICAOF", "127.0.0.1", "1"), "You can't write against a read only replica"),
        (("ACL", "SETUSER", "default", "-set", "-eval"), "has no permissions to run the 'eval' command"),
    ],
    ids=["full", "read only", "not allowed"],
)
async def test_a_redis_that_refuses_to_write_keeps_nobody_from_asking(
    another: Opening, client: Redis, refusing: tuple[str, ...], said: str
) -> None:
    tier, asking = await another(), Asking()
    row = Row("{}", soon(), soon())
    await tier.put("movie:0", row)
    await told(client, *refusing)
    try:
        with capture_logs() as lines:
            assert await a_cache(tier).look(wanted(asking), until=soon()) == Found(Said(text="one"))
            await tier.put("movie:2", row)
            await tier.keep("character:1", b"one", 60)
        assert [line["event"] for line in lines] == [
            "redis refuses what it is asked: each process goes on by itself"
        ]
        assert said in tier.status()["redis"]
        assert await tier.load("movie:0") == row, "what it has is read all the same"
    finally:
        await told(client, "CONFIG", "SET", "maxmemory", "0")
        await told(client, "REPLICAOF", "NO", "ONE")
        await told(client, "ACL", "SETUSER", "default", "+@all")
    tier._asked._refused_until_s = 0
    await tier.put("movie:2", row)
    assert await tier.load("movie:2") == row
    assert tier.status()["redis"].startswith("answers")


async def test_a_redis_that_does_not_know_our_password_counts_as_away_and_says_so(
    redis: RedisServer, client: Redis
) -> None:
    await told(client, "ACL", "SETUSER", "default", "resetpass", ">secret")
    url = redis.url.replace("//", "//:another@")
    try:
        async with open_shared_tier(RedisSettings(url=url), Background(Metrics())) as tier:
            assert tier
            assert await tier.load("movie:1") is None
            said = tier.status()["redis"]
            assert "does not answer (invalid username-password pair" in said
            assert "another" not in said
    finally:
        await told(client, "ACL", "SETUSER", "default", "nopass")


async def test_a_redis_is_asked_over_tls_as_a_user_who_may_do_no_more_than_is_needed(tmp_path: Path) -> None:
    needed = re.search(r"`(ACL SETUSER [^`]+)`", (PROJECT / "docs/scaling.md").read_text())
    assert needed
    *_, rules = needed[1].partition("onesheet ")
    for redis in running_redis(encrypted=True):
        trusting = f"?ssl_ca_certs={redis.authority}"
        async with Redis.from_url(redis.url + trusting) as client:
            await told(client, "ACL", "SETUSER", "onesheet", *rules.replace("…", "secret").split())
        url = redis.url.replace("//", "//onesheet:secret@")
        async with open_shared_tier(RedisSettings(url=url + trusting), Background(Metrics())) as tier:
            assert tier
            asking, fast = Asking(), a_fast_tier(tier)
            for _ in range(2):
                await a_cache(tier).look(wanted(asking), until=soon())
            await fast.put(KEY, b"{}", 3600)
            await fast.drop(KEY)
            await tier.renew()
            await tier.clear("trakt")
            assert asking.count == 1
            assert await fast.drop_all("char_img") == 0
            assert tier.status()["redis"] == "answers, and has all texts"
        async with open_shared_tier(RedisSettings(url=url), Background(Metrics())) as distrusting:
            assert distrusting
            assert await distrusting.load("movie:1") is None
            assert "certificate verify failed" in distrusting.status()["redis"]


async def test_a_redis_that_is_emptied_costs_questions_and_nothing_else(
    another: Opening, client: Redis
) -> None:
    one, two = await another(), await another()
    first, second = Asking(), Asking()
    async with one.asking("movie:2", soon()):
        await client.flushall()
        async with two.asking("movie:2", soon()):  # of the claim nobody knows any more
            pass
        await one.renew()
        assert await client.keys("*") == [], "what is another's, or nobody's, is not renewed"
    await a_cache(one).look(wanted(first), until=soon())
    await client.flushall()
    assert await a_cache(two).look(wanted(second), until=soon()) == Found(Said(text="one"))
    assert (first.count, second.count) == (1, 1)
    fast = a_fast_tier(one)
    await fast.put(KEY, b"old", 3600)
    await client.flushall()
    assert await a_fast_tier(two).get(KEY) is None
    await fast.drop(KEY)
    await fast.put(KEY, b"new", 3600)
    assert await a_fast_tier(two).get(KEY) == b"new"
    assert one.status()["redis"].startswith("answers")


async def test_a_redis_that_lets_nobody_see_its_settings_counts_as_one_that_persists_and_is_told_of_once(
    redis: RedisServer, client: Redis
) -> None:
    await told(client, "ACL", "SETUSER", "default", "-config")
    try:
        with capture_logs() as lines:
            async with opening(redis) as tier:
                assert tier
                await tier.look()
                assert tier.persists
                assert tier.status()["redis"].startswith("answers")
        said = [line["event"] for line in lines]
        assert said.count("redis does not say whether it persists") == 1
    finally:
        await told(client, "ACL", "SETUSER", "default", "+@all")


async def test_what_is_forgotten_is_forgotten_of_one_provider(another: Opening) -> None:
    tier = await another()
    for key in ("trakt:1", "trakt:2", "tmdb:1"):
        await tier.put(key, Row("{}", soon(), soon()))
    await tier.clear("trakt")
    assert [await tier.load(key) is None for key in ("trakt:1", "trakt:2", "tmdb:1")] == [True, True, False]


async def test_a_redis_that_persists_is_told_of_at_the_start_and_one_that_does_not_as_well(
    another: Opening,
) -> None:
    assert not (await another()).persists
    for persisting in running_redis(persists=True):
        with capture_logs() as lines:
            async with opening(persisting) as tier:
                assert tier
                assert tier.persists
                assert "keeps Trakt's texts out of it" in tier.status()["redis"]
        assert any("Trakt's texts stay out of it" in line["event"] for line in lines)


KEY = name_key("Tony Stark", "Iron Man")


def a_fast_tier(tier: SharedTier) -> SharedCache:
    return SharedCache(MemoryCache(10**6, time.monotonic), tier)


async def test_a_characters_answer_is_known_to_all_processes_until_it_ends(
    another: Opening, client: Redis
) -> None:
    one, two = a_fast_tier(await another()), a_fast_tier(await another())
    assert await two.get(KEY) is None
    await one.put(KEY, b"{}", 14 * 24 * 3600)
    assert await two.get(KEY) == two.at_hand(KEY) == b"{}"
    assert (await one.count("char_img"), await two.count("char_img_cache:v1:")) == (1, 1)
    assert await client.keys("*") == [f"{PREFIX}{KEY}".encode()]
    assert 13 * 24 * 3600 < await client.ttl(f"{PREFIX}{KEY}") <= 14 * 24 * 3600


async def test_a_process_believes_its_memory_for_a_minute_where_others_may_drop_something(
    another: Opening,
) -> None:
    now = [0.0]
    near = MemoryCache(10**6, lambda: now[0])
    one, two = a_fast_tier(await another()), SharedCache(near, await another())
    await one.put(KEY, b"{}", 3600)
    assert await two.get(KEY) == b"{}"
    await one.drop(KEY)
    assert await one.get(KEY) is None
    now[0] = NEAR_LASTS_S + 1
    assert await two.get(KEY) is None


async def test_what_was_looked_for_before_another_process_dropped_it_does_not_come_back(
    another: Opening,
) -> None:
    one, two, three = [a_fast_tier(await another()) for _ in range(3)]
    await one.drop(KEY)
    await two.put(KEY, b"old", 3600)
    assert await three.get(KEY) is None
    await one.put(KEY, b"new", 3600)  # who dropped it knows what it is now
    assert await three.get(KEY) == b"new"


async def test_all_answers_are_dropped_at_once_and_what_providers_said_stays(another: Opening) -> None:
    tier = await another()
    fast = a_fast_tier(tier)
    await tier.put("trakt:1", Row("{}", soon(), soon()))
    for key in (KEY, id_key("1", "Tony Stark", "Iron Man")):
        await fast.put(key, b"{}", 3600)
    assert await fast.drop_all("char_img") == 2
    assert (await fast.count("char_img"), await fast.get(KEY)) == (0, None)
    assert await tier.load("trakt:1")


async def test_what_was_dropped_while_redis_was_away_is_dropped_before_redis_is_believed_again(
    another: Opening, redis: RedisServer
) -> None:
    """Redis goes on with what it had, as one that cannot be reached for a while does."""
    tier = await another()
    one, two = a_fast_tier(tier), a_fast_tier(await another())
    other = name_key("Pepper Potts", "Iron Man")
    await one.put(KEY, b"{}", 3600)
    await one.put(other, b"{}", 3600)
    away = asyncio.get_running_loop().time() + 3600
    tier._asked._away_until_s = away
    assert await one.get(other) == b"{}"  # from memory
    await one.drop(KEY)
    assert await one.get(KEY) is None
    assert await one.drop_all("char_img_cache:v1:pepper") == 1
    await one.put(KEY, b"its own", 3600)
    assert (await one.get(KEY), await one.count("char_img")) == (b"its own", 1)
    tier._asked._away_until_s = 0
    assert await one.get(other) is None
    assert (await two.get(KEY), await two.get(other)) == (None, None)
