"""Redis, as our processes use it: asked within a time, and left alone for a moment where it does not answer. It saves questions and
seconds; nothing needs it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import Field

from shared.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX = "onesheet:1:"
"""Before all keys; the number changes with what they hold."""

ANSWER_WITHIN_S = 1.0
SILENT_AT_MOST = 3
"""Questions in a row without an answer: one may be lost to a process that was busy itself. Then Redis counts as away."""

LEFT_ALONE_S = 2.0
"""After that, or where there is no connection."""

REFUSAL_TOLD_EVERY_S = 60.0
"""So long a refusal counts as how Redis is, for the next question may be one that it does answer."""

AT_ONCE = 16
"""Connections of a process for one purpose; further questions wait for one."""

_log = structlog.get_logger()


class RedisSettings(Settings):
    url: str | None = Field(
        None,
        validation_alias="CACHE_URL",
        pattern=r"^(rediss?|unix)://",
        repr=False,
        examples=["redis://:password@host:6379/0"],
    )
    """A Redis, or what speaks like one; None: each process knows what it was told itself."""


class RedisAway(Exception):
    """Redis does not answer, or is left alone because it did not."""


class RedisRefused(RedisAway):
    """Redis answers, and does not do what it is asked: it is full, may only be read, or does not let us. The text is its own."""


class AskedRedis:
    """A client of which each question has an end. `lost`: what the client raises, `refused`: where Redis answers with an error."""

    def __init__(
        self,
        redis: "Redis",
        *,
        lost: tuple[type[Exception], ...] = (),
        refused: tuple[type[Exception], ...] = (),
        answer_within_s: float = ANSWER_WITHIN_S,
        silent_at_most: int = SILENT_AT_MOST,
    ) -> None:
        self.redis = redis
        self._refused = refused
        self._away: str | None = None
        self._refusal = ""
        self._refused_until_s = 0.0
        self._lost: tuple[type[Exception], ...] = (*lost, OSError, TimeoutError)
        self._answer_within_s = answer_within_s
        self._silent_at_most = silent_at_most
        self._away_until_s = 0.0
        self._silent = 0
        self._seats = asyncio.Semaphore(AT_ONCE)

    @property
    def trouble(self) -> str | None:
        """For who looks after the server."""
        if self._away is None and asyncio.get_running_loop().time() < self._refused_until_s:
            return self._refusal
        return self._away

    async def ask(self, question: Callable[[], Any], *, may_refuse: bool = False) -> Any:
        """The answer, to a question that may be asked twice. Raise RedisAway where there is none in time, or a refusal, which
        is told unless it `may_refuse`.
        """
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() < self._away_until_s:
                raise RedisAway
            try:
                async with self._seats, asyncio.timeout(self._answer_within_s):
                    answer = await question()
            except self._refused as error:
                self._is_there()
                if not may_refuse:
                    self._note_refusal(error)
                raise RedisRefused(str(error)) from error
            except self._lost as error:
                self._silent += 1
                if isinstance(error, TimeoutError) and self._silent < self._silent_at_most:
                    continue
                self._leave_alone(error)
                raise RedisAway from error
            self._is_there()
            return answer

    def _leave_alone(self, error: Exception) -> None:
        self._away_until_s = asyncio.get_running_loop().time() + LEFT_ALONE_S
        if self._away is None:
            _log.warning("redis does not answer: each process goes on by itself", reason=repr(error))
        self._away = (
            f"does not answer ({str(error)[:200] or type(error).__name__}): each process goes on by itself"
        )

    def _note_refusal(self, error: Exception) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._refused_until_s:
            _log.warning("redis refuses what it is asked: each process goes on by itself", reason=repr(error))
            self._refused_until_s = now_s + REFUSAL_TOLD_EVERY_S
        self._refusal = f"refuses what it is asked ({str(error)[:200]}): each process goes on by itself"

    def _is_there(self) -> None:
        self._silent = 0
        if self._away is not None:
            _log.info("redis answers again")
            self._away = None


@asynccontextmanager
async def open_redis(
    settings: RedisSettings, *, answer_within_s: float = ANSWER_WITHIN_S, silent_at_most: int = SILENT_AT_MOST
) -> AsyncIterator[AskedRedis | None]:
    """None: none is set. One that is away does not keep anything from starting. Raises ValueError where the client is not installed."""
    if settings.url is None:
        yield None
        return
    try:
        from redis.asyncio import Redis  # noqa: PLC0415 - where Redis is meant
        from redis.exceptions import RedisError, ResponseError  # noqa: PLC0415 - where Redis is meant
    except ModuleNotFoundError as error:
        raise ValueError(f"CACHE_URL is set, but {error.name} is not installed.") from error
    redis = Redis.from_url(settings.url, socket_connect_timeout=answer_within_s, retry=None)
    try:
        yield AskedRedis(
            redis,
            lost=(RedisError,),
            refused=(ResponseError,),
            answer_within_s=answer_within_s,
            silent_at_most=silent_at_most,
        )
    finally:
        with suppress(RedisError, OSError):
            await redis.aclose()
