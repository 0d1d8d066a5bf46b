"""Access: who may call the API and its pages, decided in one place, by the table in docs/settings.md.

Pictures are open to all, or to whoever has a signed URL. What changes something needs the admin token. Reading is open
at home, and closed where somebody put the API before strangers.
"""

import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import structlog
from aiohttp import hdrs, web
from multidict import MultiMapping
from pydantic import Field, field_validator
from yarl import URL

from services.enricher.api.bearer_tokens import BearerTokens, given_token
from services.enricher.api.sessions import (
    Sessions,
    came_through,
    check_same_origin,
    client_address,
)
from services.enricher.api.users import Users
from shared.contracts import Envelope, Message, SessionEnded
from shared.http import HttpSettings, Problem
from shared.http.app import API_KEY
from shared.queue import QueueError
from shared.settings import KeyList, Settings

SENDABLE = r"^[!-~]*$"
"""A token, as it can stand in a header."""

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

_showed_token = ContextVar("showed_token", default=False)


def showed_token() -> bool:
    """Whether who is answered just now has shown a token of ours. Who has not may be anybody."""
    return _showed_token.get()


_DOTS_OF_A_JWT = 2
_READING = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


class Gate:
    """What every request for the API and its pages passes first, at whatever path."""

    def __init__(
        self,
        tokens: BearerTokens,
        settings: AccessSettings,
        *,
        signs: bool = False,
        public_url: str = "",
        users: Users | None = None,
        tell: Callable[[Message], Awaitable[None]] | None = None,
    ) -> None:
        """`signs`: pictures' URLs must be signed here. `users`: who can be signed in; None: nobody. `tell`: what other processes
        hear that serve the same site with the same tokens; None: there are none.
        """
        self._tokens = tokens
        self._users = users
        self._is_home = not (tokens.for_reading or signs)
        self._expose_api = settings.expose_api
        self._checks_host = settings.http.is_local
        self._names = frozenset({"localhost", (URL(public_url).raw_host or "").lower()})
        self.sessions = Sessions(key=tokens.session_key if tell else b"")
        self._tell = tell
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
        tell: Callable[[Message], Awaitable[None]] | None,
    ) -> Self:
        tokens = BearerTokens.of(settings.admin_token, settings.api_tokens, state_dir)
        return cls(tokens, settings, signs=signs, public_url=public_url, users=users, tell=tell)

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
        is_open = self._is_home and (self._expose_api or not came_through(headers))
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

    async def sign_out(self, request: web.Request) -> None:
        """At every process that serves the site. Where they cannot be told now, it is over in this one."""
        session = self.sessions.end(request)
        if session and self._tell:
            try:
                await self._tell(SessionEnded(session=session))
            except QueueError as error:
                _log.warning("signed out here alone", error=str(error))

    async def hear(self, event: Envelope) -> None:
        """Somebody signed out, here or at another process."""
        assert isinstance(event.payload, SessionEnded)
        self.sessions.ended(event.payload.session)

    async def _user(self, request: web.Request) -> str | None:
        """Who is signed in; None for who shows a token of ours, or none. Raise Problem for a token that is not good."""
        authorization = request.headers.get("Authorization")
        given = given_token(authorization).strip()
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
        if came_through(request.headers):
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
