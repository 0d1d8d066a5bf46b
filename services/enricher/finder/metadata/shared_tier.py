"""The second tier of metadata that several enricher processes share: Redis, where CACHE_URL names one.

What one process was told the others need not ask for, and what one is asking for the others wait for. Each key has an end. Whatever
goes wrong with Redis is no failure of anything else: it is left alone for a moment, and the first tier does without.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from services.enricher.finder.metadata.outcomes import Row
from shared.background import Background
from shared.redis import PREFIX, AskedRedis, RedisAway, RedisRefused, RedisSettings, open_redis
from shared.telemetry import utc_now

LOOK_EVERY_S = 30.0
CLAIM_LASTS_S = 10.0
"""So long others wait for a process that died while it asked."""

RENEW_EVERY_S = 1.5
FIRST_LOOK_S, LONGEST_LOOK_S = 0.02, 0.25
"""Pauses between two looks of who waits for another process."""

_CLAIM = (
    "local by = redis.call('get', KEYS[1]) if by and by ~= ARGV[1] then return 0 end"
    " redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2]) return 1"
)
"""Also where it is ours already, and the answer that said so was lost."""

_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"

FORGOTTEN_FOR_S = 15.0
"""So long what another process found before does not come back: longer than any of them looks for something."""

_KEEP = (
    "local by = redis.call('get', KEYS[2]) if by and by ~= ARGV[1] then return 0 end"
    " redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3]) return 1"
)
_FORGET = "redis.call('set', KEYS[2], ARGV[1], 'px', ARGV[2]) return redis.call('unlink', KEYS[1])"

_log = structlog.get_logger()


class SharedTier:
    def __init__(
        self,
        asked: AskedRedis,
        *,
        now: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._asked = asked
        self._ask, self._redis = asked.ask, asked.redis
        self._now = now
        self._sleep = sleep
        self._token = uuid.uuid4().hex
        self._claims: set[str] = set()
        self._persists: bool | None = None

    @property
    def persists(self) -> bool:
        """Whether it writes to a disk what it is given, or nobody can say."""
        return self._persists is not False

    def status(self) -> Mapping[str, str]:
        """For who looks after the server."""
        kept = "keeps Trakt's texts out of it, for it is set to persist" if self.persists else "has all texts"
        return {"redis": self._asked.trouble or f"answers, and {kept}"}

    async def look(self) -> None:
        """See whether it is there, and whether it keeps what it is given."""
        try:
            said = [
                await self._ask(partial(self._redis.config_get, name), may_refuse=True)
                for name in ("save", "appendonly")
            ]
        except RedisRefused as error:
            if self._persists is None:
                _log.warning("redis does not say whether it persists", reason=str(error))
            said = [{}, {}]
        except RedisAway:
            return
        save, appendonly = (
            _text(one.get(name)) for one, name in zip(said, ("save", "appendonly"), strict=True)
        )
        persists = not (save == "" and appendonly == "no")
        if persists != self._persists:
            self._persists = persists
            if persists:
                _log.warning(
                    "CACHE_URL names a Redis that writes to its disk, or does not say that it does not: Trakt's texts stay "
                    "out of it. To have them shared, set save to nothing and appendonly to no."
                )
            else:
                _log.info("metadata is shared by Redis, which keeps nothing on a disk")

    @asynccontextmanager
    async def keeping(self, background: Background) -> AsyncIterator[None]:
        """Look at it, and renew what is claimed, while the context lasts."""
        looking = background.repeating("looking at Redis", self.look, every_s=LOOK_EVERY_S, at_once=False)
        renewing = background.repeating("renewing claims", self.renew, every_s=RENEW_EVERY_S, at_once=False)
        async with looking, renewing:
            yield

    async def load(self, key: str) -> Row | None:
        """None also where it does not answer."""
        try:
            found = await self._ask(partial(self._redis.get, f"{PREFIX}said:{key}"))
            said = json.loads(found) if found else None
            return said and Row(
                said["value"],
                datetime.fromisoformat(said["expires_at"]),
                datetime.fromisoformat(said["fetched_at"]),
            )
        except (RedisAway, ValueError, LookupError, TypeError):
            return None

    async def put(self, key: str, row: Row) -> None:
        """Until it expires. Nothing is raised where it does not answer."""
        lasts_ms = int((row.expires_at - self._now()) / timedelta(milliseconds=1))
        if lasts_ms <= 0:
            return
        said = {
            "value": row.value,
            "expires_at": row.expires_at.isoformat(),
            "fetched_at": row.fetched_at.isoformat(),
        }
        with suppress(RedisAway):
            await self._ask(partial(self._redis.set, f"{PREFIX}said:{key}", json.dumps(said), px=lasts_ms))

    async def clear(self, name: str) -> None:
        """Forget all that one provider said."""
        with suppress(RedisAway):
            async for keys in self._keys(f"said:{name}:"):
                await self._ask(partial(self._redis.unlink, *keys))

    async def kept(self, key: str) -> tuple[bytes, float] | None:
        """What some process kept under the key, and for how many seconds it still counts; None also where Redis does not answer."""
        name = f"{PREFIX}{key}"
        with suppress(RedisAway):
            value = await self._ask(partial(self._redis.get, name))
            if value is not None:
                return bytes(value), await self._ask(partial(self._redis.pttl, name)) / 1000
        return None

    async def keep(self, key: str, value: bytes, lasts_s: float) -> None:
        """Not where another process has just dropped it: this one may have looked before. Nothing is raised where Redis does not
        answer.
        """
        names = (f"{PREFIX}{key}", f"{PREFIX}forgotten:{key}")
        with suppress(RedisAway):
            await self._ask(
                partial(self._redis.eval, _KEEP, 2, *names, self._token, value, max(1, int(lasts_s * 1000)))
            )

    async def drop(self, *keys: str) -> None:
        """Raise RedisAway."""
        for key in keys:
            names = (f"{PREFIX}{key}", f"{PREFIX}forgotten:{key}")
            await self._ask(
                partial(self._redis.eval, _FORGET, 2, *names, self._token, int(FORGOTTEN_FOR_S * 1000))
            )

    async def drop_all(self, beginning: str) -> int:
        """What is kept under keys that begin so; how many. Raise RedisAway."""
        dropped = 0
        async for keys in self._keys(beginning):
            dropped += await self._ask(partial(self._redis.unlink, *keys))
        return dropped

    async def count(self, beginning: str) -> int:
        """Raise RedisAway."""
        return sum([len(keys) async for keys in self._keys(beginning)])

    async def _keys(self, beginning: str) -> AsyncIterator[list[bytes]]:
        """Some at a time. Raise RedisAway."""
        cursor = 0
        while True:
            cursor, keys = await self._ask(
                partial(self._redis.scan, cursor, match=f"{PREFIX}{beginning}*", count=500)
            )
            if keys:
                yield keys
            if not cursor:
                return

    @asynccontextmanager
    async def asking(self, key: str, until: datetime) -> AsyncIterator[None]:
        """No other process asks for the same within; what one was told before is known by then.

        Nobody waits beyond `until`, nor while Redis does not answer.
        """
        name = f"{PREFIX}asking:{key}"
        try:
            await self._claim(name, until)
            yield
        finally:
            if name in self._claims:
                self._claims.discard(name)
                with suppress(RedisAway):
                    await self._ask(partial(self._redis.eval, _RELEASE, 1, name, self._token))

    async def renew(self) -> None:
        """So that claims outlast what they are for, and not their process."""
        lasts_ms = int(CLAIM_LASTS_S * 1000)
        renewing = [
            partial(self._redis.eval, _RENEW, 1, name, self._token, lasts_ms) for name in self._claims
        ]
        await asyncio.gather(*(self._ask(one) for one in renewing), return_exceptions=True)

    async def _claim(self, name: str, until: datetime) -> None:
        pause_s = FIRST_LOOK_S
        claim = partial(self._redis.eval, _CLAIM, 1, name, self._token, int(CLAIM_LASTS_S * 1000))
        with suppress(RedisAway):
            while not await self._ask(claim):
                if self._now() >= until:
                    return
                await self._sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_LOOK_S)
            self._claims.add(name)


def _text(said: Any) -> str | None:
    return said.decode() if isinstance(said, bytes) else said


@asynccontextmanager
async def open_shared_tier(
    settings: RedisSettings, background: Background, *, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[SharedTier | None]:
    """None: no Redis is set."""
    async with open_redis(settings) as asked:
        if asked is None:
            yield None
            return
        tier = SharedTier(asked, now=now)
        await tier.look()
        async with tier.keeping(background):
            yield tier
