"""Who is signed in: whoever shows a JSON Web Token (RFC 7519) that was signed for us, by the secret or by a published key.

Each key belongs to one algorithm. What a token says of its algorithm chooses between ours, and nothing else.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import AsyncResolver
from pydantic import Field, SecretStr, field_validator
from yarl import URL

from shared.http.addresses import AddressPolicy, CheckedResolver
from shared.http.answers import Problem
from shared.http.outbound import Outbound, OutboundSettings, open_outbound
from shared.http.untrusted import read_bounded
from shared.pictures import SourceUrl
from shared.settings import ONESHEET_VERSION, CommaList, Settings, UserAgent

if TYPE_CHECKING:  # 8 MB of memory, where nobody can be signed in
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

SHORTEST_SECRET = 32
"""Bytes: a key of HS256 has as many bits as its hash, at least (RFC 7518, section 3.2)."""


class UserSettings(Settings):
    secret: SecretStr | None = Field(None, validation_alias="JWT_SECRET", examples=["x" * SHORTEST_SECRET])
    """Of HS256."""
    keys_url: str = Field("", validation_alias="JWT_JWKS_URL", examples=["https://id.example/jwks.json"])
    """Where the keys of RS256 are published (RFC 7517)."""
    issuer: str = Field("", validation_alias="JWT_ISSUER")
    audience: CommaList = Field((), validation_alias="JWT_AUDIENCE")
    allow_private: CommaList = Field((), validation_alias="ALLOW_PRIVATE")
    outbound: OutboundSettings = Field(default_factory=OutboundSettings)
    user_agent: UserAgent = Field(f"Onesheet/{ONESHEET_VERSION}", validation_alias="USER_AGENT")

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and len(secret.get_secret_value().encode()) < SHORTEST_SECRET:
            raise ValueError(f"it has less than {SHORTEST_SECRET} bytes, and could be guessed")
        return secret

    @field_validator("keys_url")
    @classmethod
    def _plain(cls, url: str) -> str:
        if url:
            SourceUrl.parse(url)
        return url


HS256, RS256 = "HS256", "RS256"
LEEWAY_S = 30
"""By which clocks may differ."""

LONGEST_TOKEN = 16 * 1024
LONGEST_USER = 255
KEYS_LAST_S = 3600.0
"""Then they are read again, so that one that was withdrawn is not good for ever."""

KEYS_LAST_AT_MOST_S = 24 * 3600.0
"""Where they cannot be read again."""

READ_AGAIN_S = 60.0
"""From one reading to the next at least, whatever keys tokens name."""

KEYS_TIMEOUT_S = 5.0
_MOST_BYTES = 256 * 1024
_MOST_KEYS = 100
_SHORTEST_RSA_BITS = 2048
_log = structlog.get_logger()


class KeysMissing(Exception):
    """No published key could be read, and so nothing can be said of any token."""


class PublishedKeys:
    """RSA keys by their ids (`kid`), read when they are needed, and again for an id that is not among them."""

    def __init__(
        self, fetch: Callable[[], Awaitable[bytes]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`fetch`: the document that has them. Raises OSError, ValueError or aiohttp.ClientError."""
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str | None, RSAPublicKey] = {}
        self._read_at = self._tried_at = -KEYS_LAST_AT_MOST_S
        self._reading = asyncio.Lock()

    async def get(self, id_: str | None) -> "RSAPublicKey | None":
        """None: there is no such key. Without an id the only one. Raise KeysMissing."""
        if self._age_s > KEYS_LAST_S or id_ not in self._keys:
            await self._read()
        if self._age_s >= KEYS_LAST_AT_MOST_S:
            raise KeysMissing
        return self._keys.get(id_)

    @property
    def _age_s(self) -> float:
        return self._clock() - self._read_at

    async def _read(self) -> None:
        """Not sooner than a minute after the last time; who comes meanwhile waits for what is on its way."""
        async with self._reading:
            if self._clock() - self._tried_at < READ_AGAIN_S:
                return
            self._tried_at = self._clock()
            try:
                self._keys = _keys_in(await self._fetch())
            except (OSError, ValueError, aiohttp.ClientError) as error:  # a timeout is an OSError
                _log.warning("keys of signed-in users could not be read", error=type(error).__name__)
            else:
                self._read_at = self._clock()


def _keys_in(document: bytes) -> "Mapping[str | None, RSAPublicKey]":
    """Those that verify RS256, by their ids; the only one also without. Raise ValueError where there are none."""
    said = json.loads(document)
    listed = said.get("keys") if isinstance(said, dict) else None
    found = [
        one for one in (listed if isinstance(listed, list) else [])[:_MOST_KEYS] if isinstance(one, dict)
    ]
    keys = {one.get("kid"): key for one in found if (key := _key_of(one))}
    if not keys:
        raise ValueError("there is no key of RS256 there")
    return keys if len(keys) > 1 else {**keys, None: next(iter(keys.values()))}


def _key_of(said: dict[str, Any]) -> "RSAPublicKey | None":
    """None for one that is of no use, or not to be used: for something else, or too short."""
    import jwt  # noqa: PLC0415 - as it is here everywhere: where users can be signed in
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415 - the same

    ours = (
        said.get("kty") == "RSA"
        and said.get("use", "sig") == "sig"
        and said.get("alg", RS256) == RS256
        and isinstance(said.get("kid"), str | None)
    )
    try:
        key = jwt.PyJWK(said, algorithm=RS256).key if ours else None
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= _SHORTEST_RSA_BITS else None


class Users:
    def __init__(self, settings: UserSettings, keys: PublishedKeys | None) -> None:
        self._secret = settings.secret.get_secret_value() if settings.secret else None
        self._keys = keys
        self._issuer = settings.issuer or None
        self._audience = settings.audience or None

    async def user(self, token: str) -> str:
        """Who it was signed for (`sub`). Raise Problem where it is not good, or that cannot be said now."""
        import jwt  # noqa: PLC0415 - see `_key_of`

        if len(token) > LONGEST_TOKEN:
            raise _refused("The token is too long.")
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            claims = self._claims(token, algorithm, await self._key(algorithm, header.get("kid")))
        except jwt.ExpiredSignatureError:
            raise _refused("The token has expired: sign in again.") from None
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
            raise _refused("The token was not made for this server.") from None
        except jwt.PyJWTError:
            raise _refused("The token is not valid.") from None
        except KeysMissing:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Tokens cannot be checked now.",
                headers={"Retry-After": str(int(READ_AGAIN_S))},
            ) from None
        return _subject(claims)

    async def _key(self, algorithm: str, id_: str | None) -> "str | RSAPublicKey":
        """Ours for this algorithm, whatever key the token names. Raise InvalidTokenError where we have none."""
        import jwt  # noqa: PLC0415 - see `_key_of`

        key: str | RSAPublicKey | None = None
        if algorithm == HS256:
            key = self._secret
        elif algorithm == RS256 and self._keys:
            key = await self._keys.get(id_)
        if key is None:
            raise jwt.InvalidTokenError
        return key

    def _claims(self, token: str, algorithm: str, key: "str | RSAPublicKey") -> dict[str, Any]:
        import jwt  # noqa: PLC0415 - see `_key_of`

        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_S,
            options={"require": ["exp", "sub"], "verify_aud": self._audience is not None},
        )


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_USER or not subject.isprintable():
        raise _refused("The token names no user.")
    return subject


def _refused(detail: str) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return Problem(HTTPStatus.UNAUTHORIZED, detail, headers=headers)


@asynccontextmanager
async def open_users(
    settings: UserSettings, *, resolver: AbstractResolver | None = None
) -> AsyncIterator[Users | None]:
    """Who can be signed in while the context lasts; None: nobody, for nothing is set."""
    if not settings.keys_url:
        yield Users(settings, None) if settings.secret else None
        return
    if not settings.audience:
        _log.warning(
            "whoever the issuer of JWT_JWKS_URL signs in for anything may upload here: set JWT_AUDIENCE"
        )
    policy, source = AddressPolicy(settings.allow_private), SourceUrl.parse(settings.keys_url)
    async with open_outbound(
        settings.outbound,
        resolver=CheckedResolver(policy, resolver or AsyncResolver()),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=KEYS_TIMEOUT_S),
        headers={"User-Agent": settings.user_agent, "Accept": "application/json"},
    ) as outbound:

        async def fetch() -> bytes:
            policy.check_literal(source)
            return await _fetched(source.url, outbound)

        yield Users(settings, PublishedKeys(fetch))


async def _fetched(url: URL, outbound: Outbound) -> bytes:
    """The answer to a GET that is no redirect. Raise OSError, ValueError or aiohttp.ClientError."""
    async with outbound.session_for(url).get(url, allow_redirects=False) as answer:
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"it answered {answer.status}")
        return await read_bounded(answer.content.readany, _MOST_BYTES)
