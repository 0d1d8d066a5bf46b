"""Pauses of hosts that processes tell each other by Redis: known at once, whatever each remembers of the volume; without it, as stored."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from shared.redis import RedisSettings
from shared.telemetry import utc_now
from shared.volume import HostPause, pauses_told_by
from shared.volume.told_pauses import TOLD_FOR_S, ToldPauses
from tests.servers.redis import RedisServer

HOST = "a.example:8080"


class RememberedPauses:
    """A volume as one process remembers it, who never looks again."""

    def __init__(self) -> None:
        self.known: dict[str, HostPause] = {}
        self.is_full = False

    async def pause_of(self, authority: str) -> HostPause | None:
        return self.known.get(authority)

    async def all(self) -> Mapping[str, HostPause]:
        return self.known

    async def pause(self, authority: str, pause: HostPause) -> None:
        if self.is_full:
            raise OSError("no space left on the device")
        self.known[authority] = pause

    async def forget(self, authority: str) -> None:
        self.known.pop(authority, None)


Process = tuple[ToldPauses, RememberedPauses]


@pytest.fixture
async def client(redis: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis.url) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def two(redis: RedisServer, client: Redis) -> AsyncIterator[tuple[Process, Process]]:
    assert client
    async with AsyncExitStack() as stack:

        async def process() -> Process:
            stored = RememberedPauses()
            told = await stack.enter_async_context(pauses_told_by(RedisSettings(url=redis.url), stored))
            assert isinstance(told, ToldPauses)
            return told, stored

        yield await process(), await process()


def pause() -> HostPause:
    return HostPause(utc_now() + timedelta(minutes=1), in_a_row=2, failing=True)


async def test_a_pause_that_one_begins_or_ends_the_others_know_at_once(two: tuple[Process, Process]) -> None:
    (one, _), (other, _) = two
    assert await other.pause_of(HOST) is None
    await one.pause(HOST, said := pause())
    assert await other.pause_of(HOST) == said
    assert await other.pause_of("b.example") is None
    await other.pause(HOST, longer := HostPause(said.until + timedelta(minutes=1)))
    assert await one.pause_of(HOST) == longer
    await one.forget(HOST)
    assert await other.pause_of(HOST) is None


async def test_what_was_told_ends_and_the_volume_has_the_last_word(
    two: tuple[Process, Process], client: Redis
) -> None:
    (one, stored), _ = two
    await one.pause(HOST, said := pause())
    [key] = await client.keys()
    assert 0 < await client.pttl(key) <= TOLD_FOR_S * 1000
    await client.delete(key)
    assert await one.pause_of(HOST) == said
    assert await one.all() == stored.known == {HOST: said}


async def test_a_pause_that_cannot_be_stored_is_told_all_the_same(two: tuple[Process, Process]) -> None:
    (one, stored), (other, _) = two
    stored.is_full = True
    said = pause()
    with pytest.raises(OSError, match="no space"):
        await one.pause(HOST, said)
    assert await other.pause_of(HOST) == said


@pytest.mark.parametrize("odd", [b"{}", b"\xff", b"not for us"])
async def test_what_cannot_be_read_counts_as_not_told(
    two: tuple[Process, Process], client: Redis, odd: bytes
) -> None:
    (one, _), _ = two
    await one.pause(HOST, said := pause())
    [key] = await client.keys()
    await client.set(key, odd)
    assert await one.pause_of(HOST) == said
    await client.delete(key)
    await client.lpush(key, odd)
    assert await one.pause_of(HOST) == said


async def test_while_redis_is_away_each_goes_by_the_volume_and_after_it_they_tell_again(
    two: tuple[Process, Process], redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.redis.LEFT_ALONE_S", 0.0)
    (one, stored), (other, _) = two
    redis.stop()
    try:
        await one.pause(HOST, said := pause())
        assert await one.pause_of(HOST) == said == stored.known[HOST]
        assert await other.pause_of(HOST) is None
        await one.forget(HOST)
        assert await one.pause_of(HOST) is None
    finally:
        redis.start()
    await one.pause(HOST, said)
    assert await other.pause_of(HOST) == said


async def test_without_a_redis_the_volume_is_asked() -> None:
    stored = RememberedPauses()
    async with pauses_told_by(RedisSettings(url=None), stored) as pauses:
        assert pauses is stored
