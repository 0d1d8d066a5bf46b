"""Who showed a token in a browser, and where a request came from."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web
from cachetools import TTLCache
from multidict import MultiMapping

from shared.http import Problem

SESSION_COOKIE = "onesheet_session"
SESSION_LASTS_S = 12 * 3600.0
NOTE_COOKIE = "onesheet_note"
NOTE_AT_MOST_BYTES = 1500
SESSIONS_AT_MOST = 1000
ATTEMPTS_AT_MOST = 10
"""Wrong tokens from one address within a minute; further ones are not looked at."""

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
"""Any of them: the request came through a web server before us, and so from anywhere. Who makes one up is let do less."""


@dataclass(slots=True)
class Session:
    """Somebody who showed a token in a browser. Ends when they say so, after twelve hours, or with the process where there is one."""

    is_admin: bool


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
        self._note_key = key or secrets.token_bytes()
        self._now = now

    def of(self, request: web.Request) -> Session | None:
        cookie = request.cookies.get(SESSION_COOKIE, "")
        if (
            self._key
            and _digest(cookie) not in self._ended
            and (is_admin := self._signed_for(cookie)) is not None
        ):
            self._open.setdefault(cookie, Session(is_admin))
        return self._open.get(cookie)

    def begin(self, *, is_admin: bool) -> str:
        """What the cookie says."""
        cookie = secrets.token_urlsafe(32)
        if self._key:
            cookie = self._signed(f"{cookie}.{int(self._now() + SESSION_LASTS_S)}.{int(is_admin)}")
        self._open[cookie] = Session(is_admin)
        return cookie

    def end(self, request: web.Request) -> str | None:
        """What other processes that know it are to be told of it; None: there was none."""
        if self.of(request) is None:
            return None
        self.ended(session := _digest(request.cookies[SESSION_COOKIE]))
        return session

    def ended(self, session: str) -> None:
        """At whichever process: it is none of ours any more."""
        self._ended[session] = None
        for cookie in [one for one in self._open if _digest(one) == session]:
            del self._open[cookie]

    def note(self, request: web.Request, text: str) -> str:
        """What a cookie says that brings a text to the page that is shown next, whichever process shows it."""
        written = text.encode()[:NOTE_AT_MOST_BYTES].hex()
        return f"{written}.{self._note_signature(request, written)}"

    def noted(self, request: web.Request) -> str:
        """The text of a note of ours for this session; empty: there is none."""
        written, _, signature = request.cookies.get(NOTE_COOKIE, "").partition(".")
        expected = self._note_signature(request, written)
        if not written or not hmac.compare_digest(expected.encode(), signature.encode()):
            return ""
        return bytes.fromhex(written).decode(errors="ignore")

    def _note_signature(self, request: web.Request, written: str) -> str:
        noted = f"note\0{request.cookies.get(SESSION_COOKIE, '')}\0{written}"
        return hmac.new(self._note_key, noted.encode(), hashlib.sha256).hexdigest()

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


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def came_through(headers: MultiMapping[str]) -> bool:
    """Whether a web server before us passed on what has these."""
    return any(name in headers for name in FORWARDED)


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
