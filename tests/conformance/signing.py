"""Signing as whoever hands out URLs does it."""

from yarl import URL

from shared.http.signatures import Signatures
from tests.conformance.conftest import SIGNING_KEYS


def sign(target: str, key: str = SIGNING_KEYS[0], *, expires_s: int | None = None) -> str:
    """The target with its signature, and with its end where it has one (seconds since the epoch)."""
    url = URL(target)
    expiry = [] if expires_s is None else [("exp", str(expires_s))]
    return Signatures([key]).sign(url.path, [*url.query.items(), *expiry])
