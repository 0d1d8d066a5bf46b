"""Tokens, where a provider or an account of it wants one: one for all requests, renewed once however many find it
refused.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from services.enricher.finder.providers import errors
from services.enricher.finder.providers.budget import Turn

PAUSE = timedelta(minutes=1)
"""After a login failed: until then nobody tries again, and everybody hears why."""

TRIES = 2
"""Tokens in a row that may turn out not to be accepted: what was given once is not hoped for for ever."""

MARGIN = timedelta(minutes=1)
"""Before its end a token is renewed."""


@dataclass(frozen=True, slots=True)
class Token:
    """`refresh`: what the next one is had for, where that is not the application's key. Secrets are not shown."""

    access: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


class TokenStore(Protocol):
    """Where a token is kept: in memory, or where a restart and other processes find it."""

    async def load(self) -> Token | None:
        """The one that was kept last."""

    async def keep(self, token: Token) -> None:
        """It is kept when this returns; only then it is used: some refresh tokens work once. Raise a
        ProviderError where it cannot be kept.
        """


Alone = Callable[[], AbstractAsyncContextManager[None]]
"""While it is held, no other process renews the token that is kept in the same place."""


class MemoryTokenStore:
    def __init__(self) -> None:
        self._token: Token | None = None

    async def load(self) -> Token | None:
        return self._token

    async def keep(self, token: Token) -> None:
        self._token = token


@dataclass(frozen=True, slots=True)
class Login:
    """How a token is had: what is posted where, as JSON or as a form, and how the answer is read.

    `path` is below the provider's base URL, or a URL of its own; `body` is told the token from before, whose
    `refresh` it may need, and raises Misconfigured where nobody is signed in; `read` is told the time.
    """

    path: str
    body: Callable[[Token | None], Mapping[str, str]]
    read: Callable[[bytes, datetime], Token]
    as_form: bool = False


class TokenSource:
    """The token of an application or of an account. `log_in` asks for one, and is told the one from before.

    Renewing goes on to its end whoever waits for it gives up: what a refresh token that works once was spent for is kept.
    """

    def __init__(
        self,
        log_in: Callable[[Turn, Token | None], Awaitable[Token]],
        *,
        now: Callable[[], datetime],
        store: TokenStore | None = None,
        alone: Alone = nullcontext,
    ) -> None:
        self._alone = alone
        self._renewals: set[asyncio.Task[Token]] = set()
        self._log_in = log_in
        self._now = now
        self._store = store or MemoryTokenStore()
        self._lock = asyncio.Lock()
        self._current: Token | None = None
        self._refused: Token | None = None
        self._unproven = 0
        self._failure: errors.ProviderError | None = None
        self._failed_until = now()

    async def get(self, turn: Turn, *, refused: Token | None = None) -> Token:
        """The token, another one than `refused`. Raise the ProviderError that logging in ended with."""
        async with self._lock:
            if not self._serves(self._current, refused):
                self._current = await asyncio.shield(self._renewal(turn, refused))
            assert self._current
            return self._current

    async def settle(self) -> None:
        """Return when nothing is being renewed: to be awaited before what keeps tokens is closed."""
        await asyncio.gather(*self._renewals, return_exceptions=True)

    def _renewal(self, turn: Turn, refused: Token | None) -> asyncio.Task[Token]:
        task = asyncio.create_task(self._new(turn, refused), name="renewing a token")
        self._renewals.add(task)
        task.add_done_callback(self._renewals.discard)
        return task

    def accepted(self, token: Token) -> None:
        """It let a request in."""
        if token == self._current:
            self._unproven = 0

    def refuse(self, token: Token) -> bool:
        """It was not accepted: whether another one is worth a try."""
        self._refused = token
        if token != self._current or self._unproven < TRIES:
            return True
        self._fail(
            errors.Misconfigured("The provider gives tokens that it does not accept (401).", status=401)
        )
        return False

    async def _new(self, turn: Turn, refused: Token | None) -> Token:
        if self._failure and self._now() < self._failed_until:
            raise self._failure
        async with self._alone():
            return await self._kept_or_new(turn, refused)

    async def _kept_or_new(self, turn: Turn, refused: Token | None) -> Token:
        kept = await self._store.load()
        if kept and self._serves(kept, refused):  # of another process, or of the time before a restart
            return kept
        try:
            token = await self._log_in(turn, kept)
            await self._store.keep(token)
        except errors.Busy:
            raise  # the budget knows when
        except (errors.NothingThere, errors.Refused) as error:
            # Says nothing about the thing that is asked for, as these would.
            raise self._fail(
                errors.Misconfigured(f"Logging in failed: {error.reason}", status=error.status)
            ) from None
        except errors.ProviderError as error:
            raise self._fail(error) from None
        self._unproven += 1
        return token

    def _serves(self, token: Token | None, refused: Token | None) -> bool:
        if token is None or token in (refused, self._refused):
            return False
        return token.expires_at is None or token.expires_at - MARGIN > self._now()

    def _fail(self, failure: errors.ProviderError) -> errors.ProviderError:
        self._failure, self._failed_until = failure, self._now() + PAUSE
        self._current, self._unproven = None, 0
        return failure
