"""URLs of characters' pictures as SceneXtras writes them, and what they say of where a picture comes from."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

OWN = "/api/image-no-auth"
"""Where our own pictures are, by the names of their files."""

TMDB_WIDTH = "w500"
TMDB_HOST, TVDB_HOST, TVDB_PICTURES = "image.tmdb.org", "thetvdb.com", "https://artworks.thetvdb.com"

_LOCAL = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1", "host.docker.internal"})  # noqa: S104 - what URLs say
_MADE = re.compile(r"(?:anonymous|generated|ai_generated|created)_|tmp")
"""What a generated picture's file begins with."""

_TMDB_PATH = re.compile(r"/[A-Za-z0-9_-]{1,100}\.(?:jpg|jpeg|png|svg|webp)", re.ASCII)


def first_of(*values: str | None) -> str | None:
    """The first that is not empty."""
    return next((value for value in values if value and value.strip()), None)


def is_generated(url: str) -> bool:
    """Whether a picture's URL or path is that of a generated one. A provider's never is, however its file is called."""
    parts = urlsplit(url.strip())
    of_provider = (parts.hostname or "").endswith((TMDB_HOST, TVDB_HOST))
    if of_provider or (_TMDB_PATH.fullmatch(url.strip()) and not is_generated_file(url.strip())):
        return False
    folders, _, file = unquote(parts.path).rpartition("/")
    return bool(_MADE.match(file)) or not {"temp", "tmp"}.isdisjoint(folders.split("/"))


@dataclass(frozen=True, slots=True)
class CharacterUrls:
    """`backend_url`: origin before our own pictures; empty: they are paths. `tmdb_url`: TMDB's pictures, without the width."""

    backend_url: str = ""
    own_path: str = OWN
    tmdb_url: str = "https://image.tmdb.org/t/p"

    def own(self, file: str) -> str:
        return f"{self.backend_url}{self.own_path}/{quote(file, safe='')}"

    def qualified(self, url: str) -> str:
        """As a client can ask for it: ours at our own place, a provider's at the provider's, a bare file as one of ours.

        Empty for what is none.
        """
        url = url.strip()
        parts = urlsplit(url)
        if parts.hostname in _LOCAL:
            url = parts.path
            parts = urlsplit(url)
        if parts.scheme in ("http", "https"):
            return url
        path = parts.path
        if path.startswith(f"{self.own_path}/"):
            return self.own(unquote(path.rpartition("/")[2]))
        if path.startswith(("/image/", "/static/images/", "static/images/")):
            return self.own(unquote(path.rpartition("/")[2]))
        if _TMDB_PATH.fullmatch(path) and not is_generated_file(path):
            return f"{self.tmdb_url}/{TMDB_WIDTH}{path}"
        if path.startswith("/banners/"):
            return f"{TVDB_PICTURES}{path}"
        file = unquote(path.rpartition("/")[2])
        return self.own(file) if file else ""

    def own_file(self, url: str) -> str | None:
        """The name of the file where the URL is that of a picture of our own."""
        path = urlsplit(url).path
        before, _, file = path.rpartition("/")
        own = before == self.own_path and url.startswith((self.backend_url or "/", "/"))
        return unquote(file) if own and file else None

    def fetched_from(self, url: str) -> str:
        """Where the original of a qualified URL is: TMDB has it beside its widths."""
        return url.replace(f"{self.tmdb_url}/{TMDB_WIDTH}/", f"{self.tmdb_url}/original/", 1)

    def shown_as(self, url: str) -> str:
        """The other way round."""
        return url.replace(f"{self.tmdb_url}/original/", f"{self.tmdb_url}/{TMDB_WIDTH}/", 1)

    def profile(self, files: Iterable[str], profile_path: str | None) -> str | None:
        """The first of our own files, or else what the path says, qualified."""
        own = next(iter(files), None)
        if own:
            return self.own(own)
        path = first_of(profile_path)
        return self.qualified(path) if path else None


def is_generated_file(path: str) -> bool:
    """Of a path at the root, where TMDB's stand as well: only marks that no file of TMDB's has."""
    return bool(re.match(r"/(?:anonymous|generated|ai_generated|created)_", path))
