"""Signed URLs: who has a key may name any picture; who has none may use what was handed out, until it expires.

The signature is HMAC-SHA256, in hex, over the path and the parameters in one canonical spelling, so that it
survives whoever orders or escapes them otherwise on the way. nginx computes the same.
"""

import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from yarl import URL

SIGNATURE, EXPIRY = "sig", "exp"


class BadSignature(Exception):
    """The URL was not signed by us, or not for now. The text says why, for users."""


def canonical(path: str, parameters: Iterable[tuple[str, str]]) -> str:
    """`/path?a=1&b=2`: all but the signature, sorted by name and value, escaped by RFC 3986."""
    pairs = sorted(
        (quote(name, safe=""), quote(value, safe="")) for name, value in parameters if name != SIGNATURE
    )
    return f"{quote(path, safe='/')}?{'&'.join(f'{name}={value}' for name, value in pairs)}"


class Signatures:
    """Signs with the first key, and accepts all of them: so that a key can be replaced."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]

    @property
    def required(self) -> bool:
        return bool(self._keys)

    def sign(self, path: str, parameters: Iterable[tuple[str, str]]) -> str:
        """The path with its parameters and their signature. `exp`, in seconds since the epoch, is one of them."""
        pairs = list(parameters)
        signed = [*pairs, (SIGNATURE, _digest(self._keys[0], canonical(path, pairs)))]
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in signed)
        return f"{quote(path, safe='/')}?{query}"

    def check(self, url: URL, *, now_s: float) -> None:
        """Raise BadSignature."""
        given, expiry = url.query.getall(SIGNATURE, []), url.query.getall(EXPIRY, [])
        if len(given) != 1 or len(expiry) > 1:
            raise BadSignature("The URL must be signed, once.")
        text = canonical(url.path, url.query.items())
        valid = [hmac.compare_digest(_digest(key, text).encode(), given[0].encode()) for key in self._keys]
        if not any(valid):
            raise BadSignature("The signature is not valid for this URL.")
        if expiry and not (expiry[0].isascii() and expiry[0].isdecimal() and now_s < int(expiry[0][:15])):
            raise BadSignature("The URL has expired.")


def _digest(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), "sha256").hexdigest()
