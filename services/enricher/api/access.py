"""Access: who may call the API and its pages, decided in one place, by the table in docs/settings.md.

Pictures are open to all, or to whoever has a signed URL. What changes something needs the admin token. Reading is open
at home, and closed where somebody put the API before strangers.
"""

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import structlog
from aiohttp import hdrs, web
from cachetools import TTLCache
from multidict import MultiMapping
from pydantic import Field, field_validator
from yarl import URL

from services.enricher.api.users import Users
from shared.http import HttpSettings, Problem
from shared.http.app import API_KEY
from shared.settings import KeyList, Settings

SENDABLE = r"^[!-~]*$"
"""A token, as it can stand in a header."""

ADMIN_TOKEN_FILE = "admin-token"  # noqa: S105 - the file's name
_log = structlog.get_logger()


class AccessSettings(Settings):
    admin_token: str = Field("", validation_alias="ADMIN_TOKEN", pattern=SENDABLE)
    api_tokens: KeyList = Field((), validation_alias="API_TOKENS")
    expose_api: bool = Field(default=False, validation_alias="EXPOSE_API")
    http: HttpSettings = Field(default_factory=HttpSettings)

    @field_validator("api_tokens")
    @classmethod
    def _sendable(cls, tokens: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(SENDABLE, one) for one in tokens):
            raise ValueError(
                "a token is sent in a header: it has ASCII's letters, digits and signs, and no spaces"
            )
        return tokens


class Access(Enum):
    """Who may call: the rows of the table `Who may what` in docs/settings.md."""

    ANYBODY = "Pictures"
    DESCRIPTION = "How the API is called"
    RETURNING = "Coming back from Trakt after signing in, with the state that proves it"
    TELLING = "What Twitch tells, with the signature that proves it"
    API = "What providers say, and counts"
    LISTS = "The library, lists, file paths, source URLs, events"
    UPLOADING = "Uploading a picture, and letting one's own go"
    STUDIO = "The studio, which costs money"
    USER = "A user's own avatar"
    ADMIN = "Changing, uploading, operating"


_FOR_USERS = frozenset({Access.UPLOADING, Access.STUDIO, Access.USER})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as far as it matters to who answers. `user`: who is signed in, as their token says (`sub`)."""

    user: str | None = None
    is_admin: bool = False


_NOBODY = Caller()
_caller = ContextVar("caller", default=_NOBODY)


def caller() -> Caller:
    """Who is answered just now. Known where it is `UPLOADING`, `STUDIO` or `USER`."""
    return _caller.get()


TMDB_PATHS = "/api/tmdb/"
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
"""Any of them: the request came through a web server before us, and so from anywhere. Who makes one up is let do less."""


_showed_token = ContextVar("showed_token", default=False)


def showed_token() -> bool:
    """Whether who is answered just now has shown a token of ours. Who has not may be anybody."""
    return _showed_token.get()


SESSION_COOKIE = "onesheet_session"
SESSION_LASTS_S = 12 * 3600.0
SESSIONS_AT_MOST = 1000
ATTEMPTS_AT_MOST = 10
"""Wrong tokens from one address within a minute; further ones are not looked at."""

_DOTS_OF_A_JWT = 2
_READING = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


@dataclass(slots=True)
class Session:
    """Somebody who showed a token in a browser. Ends when they say so, after twelve hours, or with the process where there is one."""

    is_admin: bool
    said: list[str] = field(default_factory=list)
    """What the next page tells of what was done."""


class Sessions:
    """`key`: by which another process knows the sessions that this one began, where several serve one site."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        key: bytes = b"",
        now: Callable[[], float] = time.time,
    ) -> None:
        self._open: TTLCache[str, Session] = TTLCache(SESSIONS_AT_MOST, ttl=SESSION_LASTS_S, timer=clock)
        self._ended: TTLCache[str, None] = TTLCache(SESSIONS_AT_MOST, ttl=SESSION_LASTS_S, timer=clock)
        self._wrong: TTLCache[str, int] = TTLCache(10 * SESSIONS_AT_MOST, ttl=60.0, timer=clock)
        self._key = key
        self._now = now

    def of(self, request: web.Request) -> Session | None:
        cookie = request.cookies.get(SESSION_COOKIE, "")
        if self._key and cookie not in self._ended and (is_admin := self._signed_for(cookie)) is not None:
            self._open.setdefault(cookie, Session(is_admin))
        return self._open.get(cookie)

    def begin(self, *, is_admin: bool) -> str:
        """What the cookie says."""
        cookie = secrets.token_urlsafe(32)
        if self._key:
            cookie = self._signed(f"{cookie}.{int(self._now() + SESSION_LASTS_S)}.{int(is_admin)}")
        self._open[cookie] = Session(is_admin)
        return cookie

    def end(self, request: web.Request) -> None:
        cookie = request.cookies.get(SESSION_COOKIE, "")
        if self._open.pop(cookie, None):
            self._ended[cookie] = None

    def _signed_for(self, cookie: str) -> bool | None:
        """Whether an admin's session is meant, whichever process began it; None: nobody's, or it is over."""
        begun, _, _ = cookie.rpartition(".")
        if not begun or not hmac.compare_digest(self._signed(begun).encode(), cookie.encode()):
            return None
        _, until, is_admin = begun.split(".")
        if float(until) <= self._now():
            self._open.pop(cookie, None)
            return None
        return is_admin == "1"

    def _signed(self, begun: str) -> str:
        return f"{begun}.{hmac.new(self._key, begun.encode(), hashlib.sha256).hexdigest()}"

    def attempt(self, address: str) -> None:
        """Raise Problem where so many tokens from there were wrong that no more are looked at for a while."""
        if self._wrong.get(address, 0) >= ATTEMPTS_AT_MOST:
            detail = "Too many wrong tokens came from your address. Try again in a minute."
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": "60"})

    def was_wrong(self, address: str) -> None:
        self._wrong[address] = self._wrong.get(address, 0) + 1


def came_through(request: web.Request) -> bool:
    """Whether a web server before us passed it on."""
    return any(name in request.headers for name in FORWARDED)


def client_address(request: web.Request) -> str:
    """Behind a web server what that one says, last."""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return forwarded or request.remote or ""


def check_same_origin(request: web.Request) -> None:
    """Raise Problem for what a page of another origin has a browser send with our cookie.

    Browsers say so themselves in Sec-Fetch-Site, and where they do not, by Origin.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:
        host = request.headers.get("X-Forwarded-Host", request.headers.get("Host", ""))
        same = request.headers.get("Origin", "").partition("://")[2].lower() == host.lower() != ""
    else:
        same = site == "same-origin"
    if not same:
        raise Problem(HTTPStatus.FORBIDDEN, "This was not sent from a page of this server.")


class Gate:
    """What every request for the API and its pages passes first, at whatever path."""

    def __init__(
        self,
        tokens: "BearerTokens",
        settings: AccessSettings,
        *,
        signs: bool = False,
        public_url: str = "",
        users: Users | None = None,
        shared: bool = False,
    ) -> None:
        """`signs`: pictures' URLs must be signed here. `users`: who can be signed in; None: nobody. `shared`: other processes
        with the same tokens serve the same site.
        """
        self._tokens = tokens
        self._users = users
        self._is_home = not (tokens.for_reading or signs)
        self._expose_api = settings.expose_api
        self._checks_host = settings.http.is_local
        self._names = frozenset({"localhost", (URL(public_url).raw_host or "").lower()})
        self.sessions = Sessions(key=tokens.session_key if shared else b"")
        self.guarded_routes: dict[tuple[str, str], Access] = {}
        """By method and path."""
        if self._is_home:
            _log.warning(
                "whoever reaches this server can read the library: set API_TOKENS, or see that nobody does"
            )

    @classmethod
    def of(
        cls,
        settings: AccessSettings,
        state_dir: Path,
        *,
        signs: bool,
        public_url: str,
        users: Users | None,
        shared: bool,
    ) -> Self:
        tokens = BearerTokens.of(settings, state_dir)
        return cls(tokens, settings, signs=signs, public_url=public_url, users=users, shared=shared)

    @property
    def tokens_name(self) -> str:
        """Tells which tokens are taken here, and nothing of them."""
        return self._tokens.name

    def guarded(self, route: web.RouteDef, access: Access) -> web.RouteDef:
        """The route, for those only who may."""
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = route.handler
        self.guarded_routes[route.method, route.path] = access

        async def answer(request: web.Request) -> web.StreamResponse:
            user = await self._user(request) if access in _FOR_USERS else None
            self.check(request, access, user=user)
            _caller.set(Caller(user, is_admin=self._is_admin(request)))
            is_known = self._tokens.know(_authorization(request)) or self.sessions.of(request) is not None
            _showed_token.set(is_known)
            return await handler(request)

        return web.route(route.method, route.path, answer)

    def check(self, request: web.Request, access: Access, *, user: str | None = None) -> None:
        """Raise Problem for who may not. `user`: who is signed in."""
        if access is Access.ANYBODY:
            return
        if self._checks_host:
            self._check_host(request.headers.get("Host", "localhost"))
        if access in {Access.DESCRIPTION, Access.RETURNING, Access.TELLING}:
            return
        if access in _FOR_USERS and user is not None:
            return
        if access is Access.USER:
            raise self._nobody_signed_in()
        if access in {Access.ADMIN, Access.UPLOADING, Access.STUDIO} or not self._is_open(access, request):
            is_admin = access is Access.ADMIN
            authorization = request.headers.get("Authorization") if is_admin else _authorization(request)
            if authorization is None and self._is_signed_in(access, request):
                return
            self._tokens.check(authorization, admin=is_admin)

    def may_read(self, headers: MultiMapping[str]) -> bool:
        """Whether who sends these may read what providers say. False: that takes a closer look."""
        try:
            if self._checks_host:
                self._check_host(headers.get("Host", "localhost"))
        except Problem:
            return False
        through = any(name in headers for name in FORWARDED)
        is_open = self._is_home and (self._expose_api or not through)
        return is_open or self._tokens.know(headers.get("Authorization"))

    def sign_in(self, request: web.Request, token: str) -> str:
        """What the session's cookie says, for whoever shows a token. Raise Problem for any other."""
        check_same_origin(request)
        address = client_address(request)
        self.sessions.attempt(address)
        for is_admin in (True, False):
            try:
                self._tokens.check(f"Bearer {token}", admin=is_admin)
            except Problem:
                continue
            return self.sessions.begin(is_admin=is_admin)
        self.sessions.was_wrong(address)
        _log.warning("wrong token at the login form", address=address)
        raise Problem(HTTPStatus.FORBIDDEN, "The token does not allow this.")

    async def _user(self, request: web.Request) -> str | None:
        """Who is signed in; None for who shows a token of ours, or none. Raise Problem for a token that is not good."""
        authorization = request.headers.get("Authorization")
        given = _bearer(authorization).strip()
        if self._users is None or self._tokens.know(authorization) or given.count(".") != _DOTS_OF_A_JWT:
            return None
        return await self._users.user(given)

    def _nobody_signed_in(self) -> Problem:
        detail = (
            "Send the JSON Web Token of who is signed in: Authorization: Bearer <token>."
            if self._users
            else "Nobody can be signed in here: set JWT_SECRET or JWT_JWKS_URL."
        )
        return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})

    def _is_admin(self, request: web.Request) -> bool:
        session = self.sessions.of(request)
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return session is not None and session.is_admin
        return self._tokens.is_admin(authorization)

    def _is_signed_in(self, access: Access, request: web.Request) -> bool:
        """Raise Problem where the browser was made to send its cookie."""
        session = self.sessions.of(request)
        if session is None or (access is Access.ADMIN and not session.is_admin):
            return False
        if request.method not in _READING:
            check_same_origin(request)
        return True

    def _is_open(self, access: Access, request: web.Request) -> bool:
        """Whether reading needs no token."""
        if not self._is_home:
            return False
        if came_through(request):
            return self._expose_api and access is Access.API
        return True

    def _check_host(self, given: str) -> None:
        """A page whose name was made to lead to this machine would else read what only its user may."""
        name = given.rpartition(":")[0] if given.rpartition(":")[2].isdecimal() else given
        if name.lower().removesuffix(".") in self._names or _is_address(name.strip("[]")):
            return
        raise Problem(
            HTTPStatus.MISDIRECTED_REQUEST,
            "This server answers for this machine only, and not by that name. If it is seen under it, set PUBLIC_URL.",
        )


def _authorization(request: web.Request) -> str | None:
    """Clients of TMDB's send their key in the query, where they can send no other token."""
    if "Authorization" not in request.headers and request.path.startswith(TMDB_PATHS):
        keys = request.query.getall(API_KEY, ())
        return f"Bearer {keys[0]}" if len(keys) == 1 else None
    return request.headers.get("Authorization")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class BearerTokens:
    """Bearer tokens (RFC 6750), compared in constant time. The admin token opens everything."""

    def __init__(self, admin: str, api: Iterable[str] = ()) -> None:
        self._admin = admin.encode()
        self._api = tuple(token.encode() for token in api)

    @classmethod
    def of(cls, settings: AccessSettings, state_dir: Path) -> Self:
        """Where no admin token is set, the one that was made at the first start."""
        return cls(settings.admin_token or _kept(state_dir / ADMIN_TOKEN_FILE), settings.api_tokens)

    @property
    def session_key(self) -> bytes:
        return hashlib.sha256(b"onesheet sessions\0" + self._admin).digest()

    @property
    def name(self) -> str:
        """Tells which they are, and nothing of them."""
        said = [hashlib.sha256(b"onesheet token\0" + token).digest() for token in (self._admin, *self._api)]
        return hashlib.sha256(b"".join(said)).hexdigest()

    @property
    def for_reading(self) -> bool:
        """Whether there are any but the admin's."""
        return bool(self._api)

    def know(self, authorization: str | None) -> bool:
        """Whether it is enough for reading, where a token is needed for that."""
        return self._is_one_of((self._admin, *self._api), _bearer(authorization))

    def is_admin(self, authorization: str | None) -> bool:
        return self._is_one_of((self._admin,), _bearer(authorization))

    def check(self, authorization: str | None, *, admin: bool) -> None:
        """Raise Problem where this `Authorization` is not enough."""
        given = _bearer(authorization)
        if not given:
            what = "the admin token" if admin else "an API token (see API_TOKENS)"
            headers = {"WWW-Authenticate": "Bearer"}
            raise Problem(
                HTTPStatus.UNAUTHORIZED, f"Send {what}: Authorization: Bearer <token>.", headers=headers
            )
        if not self._is_one_of((self._admin,) if admin else (self._admin, *self._api), given):
            raise Problem(HTTPStatus.FORBIDDEN, "The token does not allow this.")

    def _is_one_of(self, welcome: Iterable[bytes], given: str) -> bool:
        sent = given.strip().encode(errors="surrogateescape")  # as it came, whatever bytes it has
        same = [hmac.compare_digest(token, sent) for token in welcome]
        return any(same)


def _bearer(authorization: str | None) -> str:
    """What is given for a token; empty: nothing is."""
    scheme, _, given = (authorization or "").partition(" ")
    return given if scheme.lower() == "bearer" else ""


def _kept(file: Path) -> str:
    """Made once, for its owner's eyes only."""
    try:
        if token := file.read_text().strip():
            return token
    except FileNotFoundError:
        pass
    token = secrets.token_urlsafe(32)
    aside = file.with_suffix(".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(f"{token}\n")
    aside.replace(file)
    _log.info("admin token made", file=str(file))
    return token
