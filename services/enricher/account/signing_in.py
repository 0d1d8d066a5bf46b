"""Signing in at Trakt and staying signed in. What is done when is named, so that tests can end a process at each step."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from services.enricher.account.vault import Cipher, Remembered, Sealed
from services.enricher.finder.providers import Misconfigured, ProviderError, Turn, Urgency
from services.enricher.finder.providers.tokens import Token, TokenSource
from services.enricher.finder.providers.trakt.client import TraktSettings
from services.enricher.finder.providers.trakt.oauth import (
    DeviceCode,
    DeviceState,
    GrantRefused,
    TraktOAuth,
)
from shared.background import cancel_and_wait
from shared.locks import try_exclusively
from shared.telemetry import utc_now

ACCESS, REFRESH, EXPIRES = "trakt_access_token", "trakt_refresh_token", "trakt_expires_at"
SIGNING_IN, ENDED = "trakt_signing_in:", "trakt_sign_in_ended"
USER_SEEN = "trakt_user_seen"
"""Set once it was looked whose account it is that somebody signed in to."""

STATE_LASTS = timedelta(minutes=15)
PATIENCE = timedelta(seconds=45)
LOCK_FILE = "trakt-tokens.lock"
LOCK_LOOK_S = 0.05
LOCK_PATIENCE_S = 60.0
SLOWER_S = 5
"""By so much longer a device waits each time that it is told to slow down (RFC 8628, 3.5)."""

NOT_SIGNED_IN = "Nobody is signed in at Trakt: sign in first."
REQUIRED = {"client_id": "TRAKT_CLIENT_ID", "client_secret": "TRAKT_CLIENT_SECRET"}
Sleep = Callable[[float], Any]
_log = structlog.get_logger()


class SignInRefused(Exception):
    """Signing in did not work; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class SignInState:
    """`problem`: why nobody is signed in any more, or cannot be. `device`: what somebody types, while that may still be done."""

    signed_in: bool
    expires_at: datetime | None = None
    problem: str | None = None
    device: DeviceCode | None = None


def _no_step(_name: str) -> None:
    pass


class KeptTokens:
    """The `TokenStore` of the account. `at` hears of the steps `kept` and `keeping`."""

    def __init__(
        self, remembered: Remembered, cipher: Cipher, *, at: Callable[[str], None] = _no_step
    ) -> None:
        self._remembered = remembered
        self._cipher = cipher
        self._at = at

    async def load(self) -> Token | None:
        """Raise Misconfigured where it cannot be decrypted."""
        kept = await self._remembered.get(ACCESS, REFRESH, EXPIRES)
        if ACCESS not in kept or REFRESH not in kept:
            return None
        try:
            access, refresh = self._cipher.open(kept[ACCESS]), self._cipher.open(kept[REFRESH])
        except Sealed as error:
            raise Misconfigured(str(error)) from None
        return Token(access, refresh, _moment(kept.get(EXPIRES)))

    async def keep(self, token: Token) -> None:
        self._at("keeping")
        expires = (token.expires_at or utc_now()).isoformat()
        values = {ACCESS: self._cipher.seal(token.access), EXPIRES: expires}
        await self._remembered.put(
            {**values, REFRESH: self._cipher.seal(token.refresh or "")}, without=(ENDED,)
        )
        self._at("kept")

    async def forget(self, why: str | None = None) -> None:
        """`why` is shown until somebody signs in again."""
        await self._remembered.put({ENDED: why} if why else {}, without=(ACCESS, REFRESH, EXPIRES, ENDED))


class SignIn:
    """Raises SignInRefused, a ProviderError, and DatabaseUnavailable. `oauth` None: Trakt has no key."""

    def __init__(
        self,
        oauth: TraktOAuth | None,
        settings: TraktSettings,
        remembered: Remembered,
        cipher: Cipher,
        state_dir: Path,
        *,
        exclusively: Callable[[str], AbstractAsyncContextManager[None]] = lambda _what: nullcontext(),
        now: Callable[[], datetime] = utc_now,
        sleep: Sleep = asyncio.sleep,
        at: Callable[[str], None] = _no_step,
    ) -> None:
        """`exclusively` keeps out the processes of other machines, the lock in the state directory those of this one."""
        self._exclusively = exclusively
        self._oauth = oauth
        self._settings = settings
        self._remembered = remembered
        self._cipher = cipher
        self._store = KeptTokens(remembered, cipher, at=at)
        self._lock_file = state_dir / LOCK_FILE
        self._now = now
        self._sleep = sleep
        self._at = at
        self._device: DeviceCode | None = None
        self._polling: asyncio.Task[None] | None = None
        self.ended: str | None = None
        """Why nobody is signed in any more, as far as this process knows."""
        self._tokens = self._source()

    def tokens(self) -> TokenSource:
        """Of whoever is signed in now."""
        return self._tokens

    async def look(self) -> None:
        """See whether a sign-in was ended before this process began."""
        state = await self.state()
        self.ended = None if self._missing() else state.problem

    async def close(self) -> None:
        """What is being renewed is kept first."""
        if self._polling:
            await cancel_and_wait(self._polling)
        await self._tokens.settle()

    async def state(self) -> SignInState:
        if missing := self._missing():
            return SignInState(signed_in=False, problem=f"{missing} is not set.")
        kept = await self._remembered.get(ACCESS, EXPIRES, ENDED)
        try:
            signed_in = await self._store.load() is not None
        except Misconfigured as error:
            return SignInState(signed_in=False, problem=error.reason)
        return SignInState(signed_in, _moment(kept.get(EXPIRES)), kept.get(ENDED), self._device)

    async def begin(self) -> tuple[str, str]:
        """The URL at Trakt where somebody says yes, and the state that comes back from there once."""
        oauth = self._required()
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        until = (self._now() + STATE_LASTS).isoformat()
        kept = self._cipher.seal(json.dumps({"state": state, "verifier": verifier, "until": until}))
        await self._remembered.forget_older(SIGNING_IN, self._now().isoformat())
        await self._remembered.put({_key(state): f"{until} {kept}"})
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        return oauth.authorize_url(state, challenge.decode()), state

    async def finish(self, code: str, state: str) -> None:
        """Of a code that came back with the state, signed in."""
        oauth = self._required()
        verifier = await self._verifier(state)
        await self._keep(await oauth.exchange(code, verifier, self._turn()))

    async def deny(self, state: str) -> None:
        """Somebody said no. Raise SignInRefused, which says so, also where nobody was asked."""
        await self._verifier(state)
        raise SignInRefused("Somebody said no at Trakt: nobody was signed in.")

    async def begin_device(self) -> DeviceCode:
        """A code that somebody types at Trakt. Until it ends, Trakt is asked whether that was done."""
        oauth = self._required()
        device = await oauth.device_code(self._turn())
        if self._polling:
            await cancel_and_wait(self._polling)
        self._device = device
        self._polling = asyncio.create_task(self._poll(oauth, device), name="asking about a device code")
        return device

    async def end(self) -> None:
        """Signed out here whatever Trakt says, and revoked there where it can be asked."""
        try:
            token = await self._store.load()
        except Misconfigured:
            token = None
        if self._polling:
            await cancel_and_wait(self._polling)
        async with self._alone():
            await self._store.forget()
        self._tokens, self.ended = self._source(), None
        if token and self._oauth:
            try:
                await self._oauth.revoke(token, self._turn())
            except ProviderError as error:
                _log.warning("token not revoked", reason=error.reason)

    async def _poll(self, oauth: TraktOAuth, device: DeviceCode) -> None:
        """As often as was told, and never longer."""
        until = self._now() + timedelta(seconds=device.expires_in)
        interval_s = max(1, device.interval)
        problem = "The code has expired: ask for another one."
        try:
            while self._now() < until:
                await self._sleep(interval_s)
                try:
                    answer = await oauth.ask_device(device, self._turn())
                except (GrantRefused, Misconfigured) as error:
                    problem = error.reason
                    break
                except ProviderError as error:
                    _log.warning("device code not asked about", reason=error.reason)
                    continue
                if isinstance(answer, Token):
                    await self._keep(answer)
                    return
                interval_s += SLOWER_S if answer is DeviceState.SLOW_DOWN else 0
            await self._remembered.put({ENDED: problem})
        finally:
            self._device = None

    async def _verifier(self, state: str) -> str:
        """Of a state that was given out and did not come back yet."""
        refused = SignInRefused(
            "This answer does not belong to a sign-in that was begun here in the last 15 minutes: begin again."
        )
        sealed = await self._remembered.take(_key(state))
        if sealed is None:
            raise refused
        try:
            begun = json.loads(self._cipher.open(sealed.partition(" ")[2]))
        except Sealed as error:
            raise SignInRefused(str(error)) from None
        until = _moment(begun["until"])
        if (
            not hmac.compare_digest(begun["state"].encode(), state.encode())
            or until is None
            or until < self._now()
        ):
            raise refused
        return str(begun["verifier"])

    async def _keep(self, token: Token) -> None:
        async with self._alone():
            await self._remembered.put({}, without=(USER_SEEN,))
            await self._store.keep(token)
        self._tokens, self.ended = self._source(), None
        _log.info("signed in at Trakt")

    def _source(self) -> TokenSource:
        return TokenSource(self._renew, now=self._now, store=self._store, alone=self._alone)

    async def _renew(self, turn: Turn, before: Token | None) -> Token:
        """Within the lock. A refresh token that Trakt does not take ends the sign-in."""
        if before is None or not before.refresh or not self._oauth:
            raise Misconfigured(NOT_SIGNED_IN)
        self._at("asking for tokens")
        try:
            return await self._oauth.renew(before.refresh, turn)
        except GrantRefused as error:
            await self._store.forget(error.reason)
            self.ended = error.reason
            _log.error("signed out by Trakt", reason=error.reason)
            raise Misconfigured(error.reason, status=error.status) from None

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """No other process renews. Raise Misconfigured where another one does not come to an end."""
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        ends_s = asyncio.get_running_loop().time() + LOCK_PATIENCE_S
        with self._lock_file.open("ab") as held:
            while not try_exclusively(held.fileno()):
                if asyncio.get_running_loop().time() > ends_s:
                    raise Misconfigured("Another process holds the tokens of Trakt: end it.")
                await asyncio.sleep(LOCK_LOOK_S)
            async with self._exclusively("the tokens of Trakt"):
                self._at("locked")
                yield

    def _missing(self) -> str | None:
        return next(
            (setting for field, setting in REQUIRED.items() if not getattr(self._settings, field)), None
        )

    def _required(self) -> TraktOAuth:
        """Raise SignInRefused, naming the setting without which nobody can sign in."""
        missing = self._missing()
        if missing or not self._oauth:
            raise SignInRefused(f"{missing or 'TRAKT_CLIENT_ID'} is not set: nobody can sign in at Trakt.")
        return self._oauth

    def _turn(self) -> Turn:
        return Turn(Urgency.NOW, self._now() + PATIENCE)


def _key(state: str) -> str:
    """Which sign-in it is, without the state itself."""
    return SIGNING_IN + hashlib.sha256(state.encode()).hexdigest()[:32]


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except ValueError:
        return None
