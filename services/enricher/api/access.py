"""Access: who may call the API. Pictures are open to all; what changes something needs the admin token."""

import hmac
import os
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Self

import structlog
from pydantic import Field

from shared.http import HttpSettings, Problem
from shared.settings import CommaList, Settings

ADMIN_TOKEN_FILE = "admin-token"  # noqa: S105 - the file's name
_log = structlog.get_logger()


class AccessSettings(Settings):
    admin_token: str = Field("", validation_alias="ADMIN_TOKEN")
    api_tokens: CommaList = Field((), validation_alias="API_TOKENS")
    http: HttpSettings = Field(default_factory=HttpSettings)


class BearerTokens:
    """Bearer tokens (RFC 6750), compared in constant time. The admin token opens everything."""

    def __init__(self, admin: str, api: Iterable[str] = ()) -> None:
        self._admin = admin.encode()
        self._api = tuple(token.encode() for token in api)

    @classmethod
    def of(cls, settings: AccessSettings, state_dir: Path) -> Self:
        """Where no admin token is set, the one that was made at the first start."""
        if not settings.api_tokens and not settings.http.is_local:
            _log.warning(
                "whoever reaches this server can read the library: set API_TOKENS, or a HOST of this machine alone"
            )
        return cls(settings.admin_token or _kept(state_dir / ADMIN_TOKEN_FILE), settings.api_tokens)

    def check(self, authorization: str | None, *, admin: bool) -> None:
        """Raise Problem where this `Authorization` is not enough."""
        if not admin and not self._api:
            return
        scheme, _, given = (authorization or "").partition(" ")
        welcome = (self._admin,) if admin else (self._admin, *self._api)
        if scheme.lower() != "bearer" or not given:
            what = "the admin token" if admin else "an API token"
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
