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
from typing import TYPE_CHECKING, Any

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

ANSWER_WITHIN_S = 1.0
SILENT_AT_MOST = 3
"""Questions in a row without an answer: one may be lost to a process that was busy itself. Then Redis counts as away."""

LEFT_ALONE_S = 2.0
"""After that, or where there is no connection."""

AT_ONCE = 16
"""Connections of a process; further questions wait for one."""

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


class TierUnavailable(Exception):
    """Redis does not answer, or is left alone because it did not."""


class SharedTier:
    def __init__(
        self,
        redis: "Redis",
        lost: tuple[type[Exception], ...],
        *,
        now: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`lost`: what the client raises."""
        self._redis = redis
        self._lost: tuple[type[Exception], ...] = (*lost, OSError, TimeoutError)
        self._now = now
        self._sleep = sleep
        self._away_until_s = 0.0
        self._silent = 0
        self._seats = asyncio.Semaphore(AT_ONCE)
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
            said = [await self._ask(partial(self._redis.config_get, name)) for name in ("save", "appendonly")]
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
            await self._ask(partial(self._redis.set, f"{PREFIX}said:{key}", json.dumps(said), px=lasts_ms))

    async def clear(self, name: str) -> None:
        """Forget all that one provider said."""
        with suppress(TierUnavailable):
            async for keys in self._keys(f"said:{name}:"):
                await self._ask(partial(self._redis.unlink, *keys))

    async def kept(self, key: str) -> tuple[bytes, float] | None:
        """What some process kept under the key, and for how many seconds it still counts; None also where Redis does not answer."""
        name = f"{PREFIX}{key}"
        with suppress(TierUnavailable):
            value = await self._ask(partial(self._redis.get, name))
            if value is not None:
                return bytes(value), await self._ask(partial(self._redis.pttl, name)) / 1000
        return None

    async def keep(self, key: str, value: bytes, lasts_s: float) -> None:
        """Not where another process has just dropped it: this one may have looked before. Nothing is raised where Redis does not
        answer.
        """
        names = (f"{PREFIX}{key}", f"{PREFIX}forgotten:{key}")
        with suppress(TierUnavailable):
            await self._ask(
                partial(self._redis.eval, _KEEP, 2, *names, self._token, value, max(1, int(lasts_s * 1000)))
            )

    async def drop(self, *keys: str) -> None:
        """Raise TierUnavailable."""
        for key in keys:
            names = (f"{PREFIX}{key}", f"{PREFIX}forgotten:{key}")
            await self._ask(
                partial(self._redis.eval, _FORGET, 2, *names, self._token, int(FORGOTTEN_FOR_S * 1000))
            )

    async def drop_all(self, beginning: str) -> int:
        """What is kept under keys that begin so; how many. Raise TierUnavailable."""
        dropped = 0
        async for keys in self._keys(beginning):
            dropped += await self._ask(partial(self._redis.unlink, *keys))
        return dropped

    async def count(self, beginning: str) -> int:
        """Raise TierUnavailable."""
        return sum([len(keys) async for keys in self._keys(beginning)])

    async def _keys(self, beginning: str) -> AsyncIterator[list[bytes]]:
        """Some at a time. Raise TierUnavailable."""
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
                with suppress(TierUnavailable):
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
        with suppress(TierUnavailable):
            while not await self._ask(claim):
                if self._now() >= until:
                    return
                await self._sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_LOOK_S)
            self._claims.add(name)

    async def _ask(self, question: Callable[[], Any]) -> Any:
        """The answer, to a question that may be asked twice. Raise TierUnavailable where there is none in time."""
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() < self._away_until_s:
                raise TierUnavailable
            try:
                async with self._seats, asyncio.timeout(ANSWER_WITHIN_S):
                    answer = await question()
            except self._refused():
                self._is_there()
                raise
            except self._lost as error:
                self._silent += 1
                if isinstance(error, TimeoutError) and self._silent < SILENT_AT_MOST:
                    continue
                self._leave_alone(error)
                raise TierUnavailable from error
            self._is_there()
            return answer

    def _leave_alone(self, error: Exception) -> None:
        self._away_until_s = asyncio.get_running_loop().time() + LEFT_ALONE_S
        if self._trouble is None:
            _log.warning("redis does not answer: each process goes on by itself", reason=repr(error))
        self._trouble = f"does not answer ({type(error).__name__}): each process goes on by itself"

    def _is_there(self) -> None:
        self._silent = 0
        if self._trouble is not None:
            _log.info("redis answers again")
            self._trouble = None

    @staticmethod
    def _refused() -> tuple[type[Exception], ...]:
        from redis.exceptions import ResponseError  # noqa: PLC0415 - where Redis is meant

        return (ResponseError,)


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
        socket_connect_timeout=ANSWER_WITHIN_S,
        retry=None,
    )
    tier = SharedTier(redis, (RedisError,), now=now)
    try:
        await tier.look()
        async with tier.keeping(background):
            yield tier
    finally:
        with suppress(RedisError, OSError):
            await redis.aclose()
