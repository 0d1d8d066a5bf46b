"""Signing in at Trakt: codes, devices, tokens. A refresh token works once, so whoever renews keeps the new pair first."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import NoReturn, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from yarl import URL

from services.enricher.finder.providers import errors
from services.enricher.finder.providers.asking import Provider, ProviderRequest, Reply
from services.enricher.finder.providers.budget import Turn
from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.tokens import Token
from services.enricher.finder.providers.trakt.client import PROVIDER, TraktSettings
from shared.telemetry import utc_now

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
"""Instead of an address to come back to: Trakt shows the code, and somebody pastes it."""

EARLIER = timedelta(minutes=1)
"""Than told a token ends, by our clock: it is on its way for a while."""

LONGEST = timedelta(days=365)
_ERRORS = re.compile(r"[a-z_]{1,40}", re.ASCII)
_SAID = frozenset({400, 401, 403})
_OF_DEVICES = frozenset({400, 404, 409, 410, 418, 429})


class GrantRefused(errors.Refused):
    """Trakt does not take the code or the refresh token: somebody has to sign in again."""


class DeviceState(StrEnum):
    PENDING = "pending"
    SLOW_DOWN = "slow down"


class DeviceCode(BaseModel):
    """`user_code` is what somebody types at `verification_url`. In seconds: until when, and how often may be asked."""

    device_code: SecretStr
    user_code: str
    verification_url: str
    expires_in: int
    interval: int = 5


class _TokenAnswer(BaseModel):
    access_token: str
    refresh_token: str
    expires_in: int


class _Error(Lenient):
    error: str = ""


_Answer = TypeVar("_Answer", bound=BaseModel)


class TraktOAuth:
    """Raises a ProviderError: GrantRefused where Trakt refuses what it was given, Misconfigured where it does not take our keys."""

    def __init__(
        self, provider: Provider, settings: TraktSettings, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._provider = provider
        self._settings = settings
        self._now = now

    @property
    def redirect_uri(self) -> str:
        return self._settings.redirect_uri or OUT_OF_BAND

    def authorize_url(self, state: str, challenge: str) -> str:
        """Where somebody says yes. `challenge` is the SHA-256 of the verifier (RFC 7636, `S256`)."""
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self.redirect_uri,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return str(URL(f"{self._settings.auth_url}/oauth/authorize").with_query(asked))

    async def exchange(self, code: str, verifier: str, turn: Turn) -> Token:
        """A code for a pair of tokens."""
        body = {"code": code, "code_verifier": verifier, "grant_type": "authorization_code"}
        refused = "Trakt does not take this code: it was used before, or has expired. Begin to sign in again."
        return await self._token({**body, "redirect_uri": self.redirect_uri}, refused, turn)

    async def renew(self, refresh: str, turn: Turn) -> Token:
        """A refresh token, which works once, for a new pair."""
        body = {"refresh_token": refresh, "grant_type": "refresh_token", "redirect_uri": self.redirect_uri}
        refused = "Trakt has ended the sign-in (invalid_grant): sign in again."
        return await self._token(body, refused, turn)

    async def revoke(self, token: Token, turn: Turn) -> None:
        body = {"token": token.access, **self._keys}
        await self._provider.ask(self._request("oauth/revoke", body, _SAID), turn, lambda _reply: None)

    async def device_code(self, turn: Turn) -> DeviceCode:
        def read(reply: Reply) -> DeviceCode:
            if reply.status != HTTPStatus.OK:
                _refuse(reply, "Trakt gives no device code.")
            return _read(DeviceCode, reply)

        request = self._request("oauth/device/code", {"client_id": self._client_id}, _SAID)
        return await self._provider.ask(request, turn, read)

    async def ask_device(self, device: DeviceCode, turn: Turn) -> Token | DeviceState:
        """The tokens, once somebody said yes. Raise GrantRefused where nobody will any more."""

        def read(reply: Reply) -> Token | DeviceState:
            match reply.status:
                case 200:
                    return self._token_in(reply)
                case 400:
                    return DeviceState.PENDING
                case 429:
                    return DeviceState.SLOW_DOWN
                case 418:
                    raise GrantRefused("Somebody said no at Trakt.", status=418)
                case 410:
                    raise GrantRefused("The code has expired: ask for another one.", status=410)
                case 409:
                    raise GrantRefused("The code was used already: ask for another one.", status=409)
                case _:
                    raise GrantRefused(
                        "Trakt does not know this code: ask for another one.", status=reply.status
                    )

        body = {"code": device.device_code.get_secret_value(), **self._keys}
        return await self._provider.ask(self._request("oauth/device/token", body, _OF_DEVICES), turn, read)

    async def _token(self, body: dict[str, str], refused: str, turn: Turn) -> Token:
        def read(reply: Reply) -> Token:
            if reply.status != HTTPStatus.OK:
                _refuse(reply, refused)
            return self._token_in(reply)

        return await self._provider.ask(
            self._request("oauth/token", {**body, **self._keys}, _SAID), turn, read
        )

    def _token_in(self, reply: Reply) -> Token:
        read = _read(_TokenAnswer, reply)
        lasts = min(timedelta(seconds=max(0, min(read.expires_in, 10**9))), LONGEST)
        return Token(read.access_token, read.refresh_token, self._now() + lasts - EARLIER)

    def _request(self, path: str, body: dict[str, str], answers: frozenset[int]) -> ProviderRequest:
        return ProviderRequest(f"{self._settings.auth_url}/{path}", "POST", json=body, answers=answers)

    @property
    def _client_id(self) -> str:
        return self._settings.client_id.get_secret_value() if self._settings.client_id else ""

    @property
    def _keys(self) -> dict[str, str]:
        secret = self._settings.client_secret
        return {
            "client_id": self._client_id,
            "client_secret": secret.get_secret_value() if secret else "",
        }


def _refuse(reply: Reply, refused: str) -> NoReturn:
    """Raise what a status of OAuth means. What is no JSON was not said by Trakt, and ends no sign-in."""
    try:
        said = _Error.model_validate_json(reply.body).error
    except ValidationError:
        raise errors.Broken(
            f"{PROVIDER} is kept from us by something before it ({reply.status}).", status=reply.status
        ) from None
    if said in ("invalid_grant", "access_denied"):
        raise GrantRefused(refused, status=reply.status)
    if said in ("invalid_client", "unauthorized_client") or reply.status in (401, 403):
        raise errors.Misconfigured(
            f"{PROVIDER} does not accept TRAKT_CLIENT_ID with TRAKT_CLIENT_SECRET ({reply.status}).",
            status=reply.status,
        )
    word = said if _ERRORS.fullmatch(said) else "without saying why"
    raise errors.Refused(f"{PROVIDER} refused to sign in ({reply.status}, {word}).", status=reply.status)


def _read(model: type[_Answer], reply: Reply) -> _Answer:
    try:
        return model.model_validate_json(reply.body)
    except ValidationError:
        raise errors.Unreadable(f"{PROVIDER} sent something else than it documents.") from None
