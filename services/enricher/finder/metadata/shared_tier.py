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
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from pydantic import Field

from services.enricher.finder.metadata.outcomes import Row
from shared.background import Background
from shared.settings import Settings
from shared.telemetry import utc_now

if TYPE_CHECKING:
    from redis.asyncio import Redis


class SharedTierSettings(Settings):
    url: str | None = Field(
        None,
        validation_alias="CACHE_URL",
        pattern=r"^(rediss?|unix)://",
        repr=False,
        examples=["redis://:password@host:6379/0"],
    )
    """A Redis, or what speaks like one; None: each process has what it asked for itself."""


PREFIX = "onesheet:1:"
"""Before all keys; the number changes with what they hold."""

ANSWER_WITHIN_S = 0.5
LEFT_ALONE_S = 2.0
"""After it did not answer."""

LOOK_EVERY_S = 30.0
CLAIM_LASTS_S = 6.0
"""So long others wait for a process that died while it asked."""

RENEW_EVERY_S = 1.5
FIRST_LOOK_S, LONGEST_LOOK_S = 0.02, 0.25
"""Pauses between two looks of who waits for another process."""

_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"

_Answer = TypeVar("_Answer")
_log = structlog.get_logger()


class TierUnavailable(Exception):
    """Redis does not answer, or is left alone because it did not."""


class SharedTier:
    def __init__(
        self,
        redis: "Redis[Any]",
        lost: tuple[type[Exception], ...],
        *,
        now: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`lost`: what the client raises."""
        self._redis = redis
        self._lost = (*lost, OSError, TimeoutError)
        self._now = now
        self._sleep = sleep
        self._away_until_s = 0.0
        self._trouble: str | None = None
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
        return {"redis": self._trouble or f"answers, and {kept}"}

    async def look(self) -> None:
        """See whether it is there, and whether it keeps what it is given."""
        try:
            said = [await self._ask(self._redis.config_get(name)) for name in ("save", "appendonly")]
        except TierUnavailable:
            return
        except self._refused() as error:
            _log.warning("redis does not say whether it persists", reason=str(error))
            said = [{}, {}]
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

    async def load(self, key: str) -> Row | None:
        """None also where it does not answer."""
        try:
            found = await self._ask(self._redis.get(f"{PREFIX}said:{key}"))
            said = json.loads(found) if found else None
            return said and Row(
                said["value"],
                datetime.fromisoformat(said["expires_at"]),
                datetime.fromisoformat(said["fetched_at"]),
            )
        except (TierUnavailable, ValueError, LookupError, TypeError):
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
        with suppress(TierUnavailable):
            await self._ask(self._redis.set(f"{PREFIX}said:{key}", json.dumps(said), px=lasts_ms))

    async def clear(self, name: str) -> None:
        """Forget all that one provider said."""
        with suppress(TierUnavailable):
            cursor = 0
            while True:
                cursor, keys = await self._ask(
                    self._redis.scan(cursor, match=f"{PREFIX}said:{name}:*", count=500)
                )
                if keys:
                    await self._ask(self._redis.unlink(*keys))
                if not cursor:
                    return

    @asynccontextmanager
    async def asking(self, key: str, until: datetime) -> AsyncIterator[bool]:
        """No other process asks for the same within; whether another one did before, so that it may be known by now.

        Nobody waits beyond `until`, nor while Redis does not answer.
        """
        name = f"{PREFIX}asking:{key}"
        waited = False
        try:
            waited = await self._claimed(name, until)
            yield waited
        finally:
            if name in self._claims:
                self._claims.discard(name)
                with suppress(TierUnavailable):
                    await self._ask(self._redis.eval(_RELEASE, 1, name, self._token))

    async def renew(self) -> None:
        """So that claims outlast what they are for, and not their process."""
        with suppress(TierUnavailable):
            for name in tuple(self._claims):
                await self._ask(self._redis.eval(_RENEW, 1, name, self._token, int(CLAIM_LASTS_S * 1000)))

    async def _claimed(self, name: str, until: datetime) -> bool:
        pause_s, waited = FIRST_LOOK_S, False
        with suppress(TierUnavailable):
            while not await self._ask(
                self._redis.set(name, self._token, nx=True, px=int(CLAIM_LASTS_S * 1000))
            ):
                waited = True
                if self._now() >= until:
                    return waited
                await self._sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_LOOK_S)
            self._claims.add(name)
        return waited

    async def _ask(self, asked: Awaitable[_Answer]) -> _Answer:
        """Raise TierUnavailable where it does not answer in time."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until_s:
            if asyncio.iscoroutine(asked):
                asked.close()
            raise TierUnavailable
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                answer = await asked
        except self._refused():
            raise
        except self._lost as error:
            self._away_until_s = loop.time() + LEFT_ALONE_S
            if self._trouble is None:
                _log.warning("redis does not answer: each process goes on by itself", reason=str(error))
            self._trouble = f"does not answer ({type(error).__name__}): each process goes on by itself"
            raise TierUnavailable from error
        if self._trouble is not None:
            _log.info("redis answers again")
            self._trouble = None
        return answer

    @staticmethod
    def _refused() -> type[Exception]:
        from redis.exceptions import ResponseError  # noqa: PLC0415 - where Redis is meant

        return ResponseError


def _text(said: Any) -> str | None:
    return said.decode() if isinstance(said, bytes) else said


@asynccontextmanager
async def open_shared_tier(
    settings: SharedTierSettings, background: Background, *, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[SharedTier | None]:
    """None: no Redis is set. One that is away does not keep anything from starting. Raises ValueError where the client is not
    installed.
    """
    if settings.url is None:
        yield None
        return
    try:
        from redis.asyncio import Redis  # noqa: PLC0415 - where Redis is meant
        from redis.exceptions import RedisError  # noqa: PLC0415 - where Redis is meant
    except ModuleNotFoundError as error:
        raise ValueError(f"CACHE_URL is set, but {error.name} is not installed.") from error
    redis = Redis.from_url(
        settings.url,
        socket_timeout=ANSWER_WITHIN_S,
        socket_connect_timeout=ANSWER_WITHIN_S,
        retry=None,
        max_connections=32,
    )
    tier = SharedTier(redis, (RedisError,), now=now)
    try:
        await tier.look()
        async with (
            background.repeating("looking at Redis", tier.look, every_s=LOOK_EVERY_S, at_once=False),
            background.repeating("renewing claims", tier.renew, every_s=RENEW_EVERY_S, at_once=False),
        ):
            yield tier
    finally:
        with suppress(RedisError, OSError):
            await redis.aclose()
