"""Picture hosts: whose pictures we know, and what their providers allow. Facts as of November 2026."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from shared.pictures.failure import RefusalReason
from shared.pictures.source import MAX_LENGTH, SourceUrl


@dataclass(frozen=True, slots=True)
class PictureHost:
    provider: str
    host: str
    immutable: bool
    """The URL changes when the picture does: never refreshed, cached for a year."""
    may_redirect: bool
    """Its policy lets us send a client there."""


PICTURE_HOSTS = (
    # Trakt: hot-linking is blocked, pictures must be cached.
    PictureHost("trakt", "walter.trakt.tv", immutable=True, may_redirect=False),
    PictureHost("trakt", "walter-r2.trakt.tv", immutable=True, may_redirect=False),
    PictureHost("trakt", "media.trakt.tv", immutable=True, may_redirect=False),
    PictureHost("tmdb", "image.tmdb.org", immutable=True, may_redirect=True),
    PictureHost("tvdb", "artworks.thetvdb.com", immutable=True, may_redirect=True),
    PictureHost("twitch", "static-cdn.jtvnw.net", immutable=False, may_redirect=True),
    PictureHost("fanart", "assets.fanart.tv", immutable=False, may_redirect=False),
    PictureHost("hardcover", "assets.hardcover.app", immutable=False, may_redirect=False),
)

_BY_HOST = {known.host: known for known in PICTURE_HOSTS}


def picture_host(host: str) -> PictureHost | None:
    return _BY_HOST.get(host)


def hosts_of(provider: str) -> tuple[PictureHost, ...]:
    return tuple(known for known in PICTURE_HOSTS if known.provider == provider)


@dataclass(frozen=True, slots=True)
class HostRules:
    """Which hosts we fetch from: `host`, `host:port`, `*.example.org` (what lies below it), or `*`.

    A rule without a port allows the scheme's default port only.
    """

    rules: frozenset[tuple[str, int | None]]
    longest_url: int = MAX_LENGTH

    @classmethod
    def of(cls, rules: Iterable[str], *, longest_url: int = MAX_LENGTH) -> Self:
        """Raise ValueError for a rule that is none."""
        return cls(frozenset(_parse(rule.strip()) for rule in rules if rule.strip()), longest_url)

    def source(self, text: str) -> SourceUrl:
        """Raise ValueError, with a sentence for the user, for what is no source URL, or one that is too long."""
        if len(text) > self.longest_url:
            raise ValueError(f"The URL is longer than {self.longest_url} characters.")
        return SourceUrl.parse(text)

    def allow(self, source: SourceUrl) -> bool:
        return self.refusal(source) is None

    def refusal(self, source: SourceUrl) -> RefusalReason | None:
        """The rule that this source breaks; None: it may be fetched."""
        parents = source.host.split(".")[1:]
        names = (source.host, "*", *("*." + ".".join(parents[i:]) for i in range(len(parents))))
        usual = any((name, None) in self.rules for name in names)
        if (usual and source.has_default_port) or any((name, source.port) in self.rules for name in names):
            return None
        return RefusalReason.PORT if usual else RefusalReason.HOST


def parse_pair(text: str) -> tuple[str, int | None]:
    """`host` or `host:port`, read by the parser that reads URLs: lower case, IDNA-encoded, IPv6 in brackets."""
    if set(text) & set("/?#@\\ "):
        raise ValueError(f"{text!r} is no host.")
    try:
        source = SourceUrl.parse(f"http://{text}/")
    except ValueError:
        raise ValueError(f"{text!r} is no host.") from None
    return source.host, source.url.explicit_port


def _parse(rule: str) -> tuple[str, int | None]:
    if rule.partition(":")[0] == "*":
        return "*", parse_pair(f"any{rule[1:]}")[1]
    below = "*." if rule.startswith("*.") else ""
    host, port = parse_pair(rule.removeprefix("*."))
    return below + host, port
