"""Bearer tokens: the operator's, and those for reading."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Self

import structlog

from shared.http import Problem

ADMIN_TOKEN_FILE = "admin-token"  # noqa: S105 - the file's name
_log = structlog.get_logger()


class BearerTokens:
    """Bearer tokens (RFC 6750), compared in constant time. The admin token opens everything."""

    def __init__(self, admin: str, api: Iterable[str] = ()) -> None:
        self._admin = admin.encode()
        self._api = tuple(token.encode() for token in api)

    @classmethod
    def of(cls, admin: str, api: Iterable[str], state_dir: Path) -> Self:
        """Where no admin token is set, the one that was made at the first start."""
        return cls(admin or _kept(state_dir / ADMIN_TOKEN_FILE), api)

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
        return self._is_one_of((self._admin, *self._api), given_token(authorization))

    def is_admin(self, authorization: str | None) -> bool:
        return self._is_one_of((self._admin,), given_token(authorization))

    def check(self, authorization: str | None, *, admin: bool) -> None:
        """Raise Problem where this `Authorization` is not enough."""
        given = given_token(authorization)
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


def given_token(authorization: str | None) -> str:
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
