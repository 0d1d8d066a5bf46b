"""Picture hosts: whose pictures we know, and what their providers allow. Facts as of November 2026."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from shared.pictures.source import SourceUrl


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


@dataclass(frozen=True, slots=True)
class HostRules:
    """Which hosts we fetch from: `host`, `host:port`, `*.example.org` (what lies below it), or `*`.

    A rule without a port allows the scheme's default port only.
    """

    rules: frozenset[str]

    @classmethod
    def of(cls, rules: Iterable[str]) -> Self:
        return cls(frozenset(rule.strip().lower() for rule in rules if rule.strip()))

    def allow(self, source: SourceUrl) -> bool:
        suffix = "" if source.has_default_port else f":{source.port}"
        parents = source.host.split(".")[1:]
        names = [source.host, "*", *("*." + ".".join(parents[i:]) for i in range(len(parents)))]
        return any(name + suffix in self.rules for name in names)
