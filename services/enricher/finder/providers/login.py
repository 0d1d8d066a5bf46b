"""Logging in, where a provider wants a token: one for all requests, renewed once however many find it refused."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.enricher.finder.providers.budget import Turn
from services.enricher.finder.providers.errors import (
    Busy,
    Misconfigured,
    NothingThere,
    ProviderError,
    Refused,
)

PAUSE = timedelta(minutes=1)
"""After a login failed: until then nobody tries again, and everybody hears why."""

TRIES = 2
"""Tokens in a row that may turn out not to be accepted: what was given once is not hoped for for ever."""


@dataclass(frozen=True, slots=True)
class Login:
    """How a token is had: what is posted where, as JSON, and which part of the answer it is."""

    path: str
    body: Mapping[str, str]
    read: Callable[[bytes], str]


class Tokens:
    """In memory only. `log_in` asks for one."""

    def __init__(self, log_in: Callable[[Turn], Awaitable[str]], *, now: Callable[[], datetime]) -> None:
        self._log_in = log_in
        self._now = now
        self._lock = asyncio.Lock()
        self._current: str | None = None
        self._unproven = 0
        self._failure: ProviderError | None = None
        self._failed_until = now()

    async def get(self, turn: Turn, *, refused: str | None = None) -> str:
        """The token, another one than `refused`. Raise the ProviderError that logging in ended with."""
        async with self._lock:
            if self._current is None or self._current == refused:
                self._current = await self._new(turn)
            return self._current

    def accepted(self, token: str) -> None:
        """It let a request in."""
        if token == self._current:
            self._unproven = 0

    def refuse(self, token: str) -> bool:
        """It was not accepted: whether another one is worth a try."""
        if token != self._current or self._unproven < TRIES:
            return True
        self._fail(Misconfigured("The provider gives tokens that it does not accept (401).", status=401))
        return False

    async def _new(self, turn: Turn) -> str:
        if self._failure and self._now() < self._failed_until:
            raise self._failure
        try:
            token = await self._log_in(turn)
        except Busy:
            raise  # the budget knows when
        except (NothingThere, Refused) as error:
            # Says nothing about the thing that is asked for, as these would.
            raise self._fail(
                Misconfigured(f"Logging in failed: {error.reason}", status=error.status)
            ) from None
        except ProviderError as error:
            raise self._fail(error) from None
        self._unproven += 1
        return token

    def _fail(self, failure: ProviderError) -> ProviderError:
        self._failure, self._failed_until = failure, self._now() + PAUSE
        self._current, self._unproven = None, 0
        return failure
