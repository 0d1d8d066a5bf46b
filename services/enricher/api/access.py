"""Access: who may call the API and its pages, decided in one place, by the table in docs/settings.md.

Pictures are open to all, or to whoever has a signed URL. What changes something needs the admin token. Reading is open
at home, and closed where somebody put the API before strangers.
"""

import hmac
import os
import secrets
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import structlog
from aiohttp import web
from pydantic import Field
from yarl import URL

from shared.http import HttpSettings, Problem
from shared.settings import CommaList, Settings

ADMIN_TOKEN_FILE = "admin-token"  # noqa: S105 - the file's name
_log = structlog.get_logger()


class AccessSettings(Settings):
    admin_token: str = Field("", validation_alias="ADMIN_TOKEN")
    api_tokens: CommaList = Field((), validation_alias="API_TOKENS")
    expose_api: bool = Field(default=False, validation_alias="EXPOSE_API")
    http: HttpSettings = Field(default_factory=HttpSettings)


class Access(Enum):
    """Who may call: the rows of the table `Who may what` in docs/settings.md."""

    ANYBODY = "Pictures"
    DESCRIPTION = "How the API is called"
    RETURNING = "Coming back from Trakt after signing in, with the state that proves it"
    API = "What providers say, and counts"
    LISTS = "The library, lists, file paths, source URLs, events"
    ADMIN = "Changing, uploading, operating"


FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
"""Any of them: the request came through a web server before us, and so from anywhere. Who makes one up is let do less."""


class Gate:
    """What every request for the API and its pages passes first, at whatever path."""

    def __init__(
        self, tokens: "BearerTokens", settings: AccessSettings, *, signs: bool = False, public_url: str = ""
    ) -> None:
        """`signs`: pictures' URLs must be signed here."""
        self._tokens = tokens
        self._is_home = not (tokens.for_reading or signs)
        self._expose_api = settings.expose_api
        self._checks_host = settings.http.is_local
        self._names = frozenset({"localhost", (URL(public_url).raw_host or "").lower()})
        self.guarded_routes: dict[tuple[str, str], Access] = {}
        """By method and path."""
        if self._is_home:
            _log.warning(
                "whoever reaches this server can read the library: set API_TOKENS, or see that nobody does"
            )

    @classmethod
    def of(cls, settings: AccessSettings, state_dir: Path, *, signs: bool, public_url: str) -> Self:
        return cls(BearerTokens.of(settings, state_dir), settings, signs=signs, public_url=public_url)

    def guarded(self, route: web.RouteDef, access: Access) -> web.RouteDef:
        """The route, for those only who may."""
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = route.handler
        self.guarded_routes[route.method, route.path] = access

        async def answer(request: web.Request) -> web.StreamResponse:
            self.check(request, access)
            return await handler(request)

        return web.route(route.method, route.path, answer)

    def check(self, request: web.Request, access: Access) -> None:
        """Raise Problem for who may not."""
        if access is Access.ANYBODY:
            return
        if self._checks_host:
            self._check_host(request.headers.get("Host", "localhost"))
        if access in {Access.DESCRIPTION, Access.RETURNING}:
            return
        if access is Access.ADMIN or not self._is_open(access, request):
            self._tokens.check(request.headers.get("Authorization"), admin=access is Access.ADMIN)

    def _is_open(self, access: Access, request: web.Request) -> bool:
        """Whether reading needs no token."""
        if not self._is_home:
            return False
        if any(name in request.headers for name in FORWARDED):
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
    def for_reading(self) -> bool:
        """Whether there are any but the admin's."""
        return bool(self._api)

    def check(self, authorization: str | None, *, admin: bool) -> None:
        """Raise Problem where this `Authorization` is not enough."""
        scheme, _, given = (authorization or "").partition(" ")
        welcome = (self._admin,) if admin else (self._admin, *self._api)
        if scheme.lower() != "bearer" or not given:
            what = "the admin token" if admin else "an API token (see API_TOKENS)"
            headers = {"WWW-Authenticate": "Bearer"}
            raise Problem(
                HTTPStatus.UNAUTHORIZED, f"Send {what}: Authorization: Bearer <token>.", headers=headers
            )
        sent = given.strip().encode(errors="surrogateescape")  # as it came, whatever bytes it has
        same = [hmac.compare_digest(token, sent) for token in welcome]
        if not any(same):
            raise Problem(HTTPStatus.FORBIDDEN, "The token does not allow this.")


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
