"""Where pictures come from, source URLs and uploads, and the ids made of that."""

import hashlib
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, NewType, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema
from yarl import URL


class TextValue(ABC):
    """Mixin: a frozen value with `parse(text)` and `str(value)`, used as a field of pydantic models."""

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Self:
        """Raise ValueError, with a sentence for the user, for a text that is no such value."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.to_string_ser_schema(),
        )


PictureId = NewType("PictureId", str)
"""The first 32 hex digits of SHA-256 of the exact source URL string."""

RevisionId = NewType("RevisionId", str)
"""The first 16 hex digits of SHA-256 of the original's bytes."""

_PICTURE_ID = re.compile(r"[0-9a-f]{32}")
_REVISION_ID = re.compile(r"[0-9a-f]{16}")


REMEMBERED_AT_MOST = 1024
"""Source URLs of which it is remembered what they say, and their ids: one miss asks for the same some dozens of times."""
REMEMBERED_LENGTH = 500


def picture_id(source_url: str) -> PictureId:
    return _remembered_id(source_url) if len(source_url) <= REMEMBERED_LENGTH else _id_of(source_url)


def _id_of(source_url: str) -> PictureId:
    return PictureId(hashlib.sha256(source_url.encode()).hexdigest()[:32])


_remembered_id = lru_cache(REMEMBERED_AT_MOST)(_id_of)


def revision_id(sha256_hex: str) -> RevisionId:
    """The revision of an original whose whole SHA-256 (hex) is known."""
    return parse_revision_id(sha256_hex[:16])


def parse_picture_id(text: str) -> PictureId:
    """Raise ValueError for anything but 32 lower-case hex digits."""
    if not _PICTURE_ID.fullmatch(text):
        raise ValueError("a picture id is 32 lower-case hex digits")
    return PictureId(text)


def parse_revision_id(text: str) -> RevisionId:
    """Raise ValueError for anything but 16 lower-case hex digits."""
    if not _REVISION_ID.fullmatch(text):
        raise ValueError("a revision id is 16 lower-case hex digits")
    return RevisionId(text)


USUAL_LENGTH = 8192
"""At most, where MAX_URL_LENGTH says nothing else."""

MAX_LENGTH = 10_000
"""Of any at all; how long one may be that a client gives us is a setting."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9_-]{1,63}"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*", re.ASCII)
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
"""As browsers tell an address from a name (WHATWG URL, section 3.5)."""

_NOT_OF_URLS = re.compile(r"[^!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z|~]")
"""What stands in no path and no query: in a request it is escaped, byte by byte."""

_AFTER_HOST = re.compile(r"[A-Za-z]+://[^/?#]*([^?#]*)(\?[^#]*)?")
_WHOM = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://[^/?#]*)?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_RELATIVE_DOTS = re.compile(r"(?:^|/)\.\.?(?:/|$)")


@dataclass(frozen=True, slots=True)
class SourceUrl(TextValue):
    """One http(s) URL: the exact string, which gives the picture id, and what it says.

    `url` is parsed once, by the parser that the downloader dials with too, so that no check reads the
    URL differently from the connection. Its path and query are those of the text, byte for byte. `host` is lower
    case and IDNA-encoded; `port` is never absent.
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
        return cls(text, *(_remembered_parts(text) if len(text) <= REMEMBERED_LENGTH else _parts_of(text)))

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
        """Where a redirect from here leads (RFC 3986, section 5.2), as the header has it: bytes that are of no URL
        are escaped. Raise ValueError where that is no plain http(s) URL.
        """
        location = location.strip(" \t").partition("#")[0]
        whom = _WHOM.match(location)
        assert whom
        reference = whom[0] + _escaped(location[whom.end() :])
        if not reference:
            return self
        if _SCHEME.match(reference):
            return self.parse(reference)
        scheme, authority = self.url.scheme, self.url.raw_authority
        if reference.startswith("//"):
            return self.parse(f"{scheme}:{reference}")
        if reference.startswith("?"):
            reference = self.url.raw_path + reference
        elif not reference.startswith("/"):
            reference = self.url.raw_path.rpartition("/")[0] + "/" + reference
        path, mark, query = reference.partition("?")
        return self.parse(f"{scheme}://{authority}{_without_dots(path)}{mark}{query}")

    def __str__(self) -> str:
        return self.text


def _parts_of(text: str) -> tuple[URL, str, int]:
    """The URL, its host and its port. Raise ValueError."""
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
    return _as_given(text, url), host.lower(), port


_remembered_parts = lru_cache(REMEMBERED_AT_MOST)(_parts_of)


def _as_given(text: str, url: URL) -> URL:
    """What was parsed, with the path and the query as they were written."""
    found = _AFTER_HOST.match(text)
    assert found
    path, query = _escaped(found[1]) or "/", _escaped((found[2] or "")[1:])
    if found[2] == "?":  # of which the parser would make nothing
        path += "?"
    return URL.build(
        scheme=url.scheme, authority=url.raw_authority, path=path, query_string=query, encoded=True
    )


def _escaped(text: str) -> str:
    """Headers come with the bytes that are no UTF-8 in a form that leads back to them."""
    return _NOT_OF_URLS.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape")), text
    )


def _without_dots(path: str) -> str:
    """Of a reference that is relative: `.` and `..` lead where they say (RFC 3986, section 5.2.4)."""
    if not _RELATIVE_DOTS.search(path):
        return path
    made: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            made = made[:-1]
        elif segment != ".":
            made.append(segment)
    if segments[-1] in (".", ".."):
        made.append("")
    return "/" + "/".join(made)


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


_PREFIX = "upload:"
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MARK = re.compile(r"[0-9a-f]{32}", re.ASCII)
_PRIVATE = "private"
_UPLOAD = re.compile(
    rf"(?P<sha256>{_SHA256.pattern})(?:\.(?P<mark>{_MARK.pattern})(?P<private>\.{_PRIVATE})?)?", re.ASCII
)
PRIVATE_ENDING = "0" * 12
"""What the id of a private picture ends with, and by chance one in 2^48 others: the id alone says that it must be signed."""


def is_private(picture: PictureId) -> bool:
    return picture.endswith(PRIVATE_ENDING)


@dataclass(frozen=True, slots=True)
class Upload(TextValue):
    """`upload:<SHA-256 of the bytes that were sent, hex>`: what an upload has in the place of a source URL.

    What belongs to somebody has a mark of its own behind it, `.<32 hex digits>`: the same bytes of another are another
    picture, and whoever knows the bytes does not know its id. A private one ends in `.private`.
    """

    sha256: str
    mark: str = ""
    private: bool = False

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError("An upload is named by its SHA-256: 64 lower-case hex digits.")
        if not _MARK.fullmatch(self.mark) and (self.mark or self.private):
            raise ValueError(
                "The mark of an upload is 32 lower-case hex digits, and a private one has a mark."
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        if not text.startswith(_PREFIX):
            raise ValueError("An upload begins with upload:.")
        found = _UPLOAD.fullmatch(text.removeprefix(_PREFIX))
        if not found:
            raise ValueError(
                "An upload is its SHA-256, 64 lower-case hex digits, and perhaps a mark and whether it is private."
            )
        return cls(found["sha256"], found["mark"] or "", private=found["private"] is not None)

    @property
    def picture(self) -> PictureId:
        own = picture_id(str(self))
        return PictureId(own[: -len(PRIVATE_ENDING)] + PRIVATE_ENDING) if self.private else own

    def __str__(self) -> str:
        marks = [one for one in (self.mark, _PRIVATE if self.private else "") if one]
        return ".".join([_PREFIX + self.sha256, *marks])


Source = SourceUrl | Upload
"""Where a picture comes from. Only a SourceUrl can be asked."""


def parse_source(text: str) -> Source:
    """Raise ValueError for what is neither a URL nor an upload."""
    return Upload.parse(text) if text.startswith(_PREFIX) else SourceUrl.parse(text)
