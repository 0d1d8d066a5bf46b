"""Told pauses: what a process says of a host's pause, every other one knows at once by Redis, where CACHE_URL names one.

The volume has the last word, and is told first of all that lasts. But whoever reads it may remember for seconds what it said (a store
of objects), or be shown what it was (a network's file system): as long as that can be, the last change is in Redis as well.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

from pydantic import ValidationError

from shared.redis import PREFIX, AskedRedis, RedisAway, RedisSettings, open_redis
from shared.volume.local.names import PauseFile
from shared.volume.port import HostPause, HostPauses

TOLD_FOR_S = 30.0
"""By then everybody sees in the volume what was told."""

ANSWER_WITHIN_S = 0.25
"""For what can be looked up elsewhere."""

_NONE = b"none"


class ToldPauses:
    """`HostPauses` that asks Redis first."""

    def __init__(self, stored: HostPauses, asked: AskedRedis) -> None:
        self._stored = stored
        self._asked = asked
        self._redis = asked.redis

    async def pause_of(self, authority: str) -> HostPause | None:
        try:
            told = await self._asked.ask(partial(self._redis.get, _key(authority)))
            if told == _NONE:
                return None
            if told is not None:
                return PauseFile.model_validate_json(told).pause
        except (RedisAway, ValidationError):
            pass
        return await self._stored.pause_of(authority)

    async def all(self) -> Mapping[str, HostPause]:
        return await self._stored.all()

    async def pause(self, authority: str, pause: HostPause) -> None:
        """Told also where the volume cannot be written."""
        told = PauseFile(host=authority, until=pause.until, in_a_row=pause.in_a_row, failing=pause.failing)
        await self._tell(authority, told.model_dump_json().encode())
        await self._stored.pause(authority, pause)

    async def forget(self, authority: str) -> None:
        await self._stored.forget(authority)
        await self._tell(authority, _NONE)

    async def _tell(self, authority: str, told: bytes) -> None:
        lasts_ms = int(TOLD_FOR_S * 1000)
        with suppress(RedisAway):
            await self._asked.ask(partial(self._redis.set, _key(authority), told, px=lasts_ms))


def _key(authority: str) -> str:
    return f"{PREFIX}pause:{authority}"


@asynccontextmanager
async def pauses_told_by(settings: RedisSettings, stored: HostPauses) -> AsyncIterator[HostPauses]:
    """Without a Redis, what is stored."""
    async with open_redis(settings, answer_within_s=ANSWER_WITHIN_S, silent_at_most=1) as asked:
        yield ToldPauses(stored, asked) if asked else stored
