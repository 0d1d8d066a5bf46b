"""The source URL: where a picture comes from, exactly as it was asked for."""

import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Self

from yarl import URL

from shared.pictures.identity import PictureId, picture_id
from shared.pictures.text import TextValue

MAX_LENGTH = 2048
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9_-]{1,63}"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*", re.ASCII)
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
"""As browsers tell an address from a name (WHATWG URL, section 3.5)."""


@dataclass(frozen=True, slots=True)
class SourceUrl(TextValue):
    """One http(s) URL: the exact string, which gives the picture id, and what it says.

    `url` is parsed once, by the parser that the downloader dials with too, so that no check reads the
    URL differently from the connection. `host` is lower case and IDNA-encoded; `port` is never absent.
    """

    text: str
    url: URL = field(compare=False, repr=False)
    host: str = field(compare=False, repr=False)
    port: int = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raise ValueError, with a sentence for the user, for anything but a plain http(s) URL.

        An IPv4 address is four decimal numbers, and a name does not end in a dot: whatever else means the
        same host to some resolver would have a pause, a limit and a rule of its own.
        """
        if not text:
            raise ValueError("The URL is empty.")
        if len(text) > MAX_LENGTH:
            raise ValueError(f"The URL is longer than {MAX_LENGTH} characters.")
        if text != text.strip() or not text.isprintable():
            raise ValueError("The URL has control characters, or white space around it.")
        try:
            url = URL(text)
            host, port = url.raw_host, url.port
        except (ValueError, IndexError):  # yarl raises IndexError for `http://[::1]@`
            raise ValueError("The URL cannot be read.") from None
        if url.scheme not in _DEFAULT_PORTS:
            raise ValueError("The URL must start with http:// or https://.")
        if not host or not port:
            raise ValueError("The URL names no host.")
        if not _is_host(host.lower()):
            raise ValueError("The URL's host is no plain name or address.")
        if url.raw_user is not None or url.raw_password is not None:
            raise ValueError("The URL must not carry a user name or password.")
        return cls(text, url, host.lower(), port)

    @property
    def picture(self) -> PictureId:
        return picture_id(self.text)

    @property
    def has_default_port(self) -> bool:
        return self.port == _DEFAULT_PORTS[self.url.scheme]

    @property
    def authority(self) -> str:
        """What shares a pause and a limit of connections: the host, with its port where it is not the usual."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.has_default_port else f"{host}:{self.port}"

    def redirected(self, location: str) -> Self:
        """Where a redirect from here leads. Raise ValueError where that is no plain http(s) URL."""
        try:
            target = self.url.join(URL(location))
        except (ValueError, IndexError):
            raise ValueError("The redirect cannot be read.") from None
        return self.parse(str(target))

    def __str__(self) -> str:
        return self.text


def _is_host(host: str) -> bool:
    """What the parser lets through beyond that (spaces, quotes, escapes, zones) would go into a Host header."""
    try:
        if ":" in host:
            return IPv6Address(host).scope_id is None
        if _ENDS_IN_A_NUMBER.fullmatch(host):
            return str(IPv4Address(host)) == host
    except AddressValueError:
        return False
    return _HOST_NAME.fullmatch(host) is not None
