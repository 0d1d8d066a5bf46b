"""URLs of pictures, as they are handed out: ours, signed where that is asked for, never the source's."""

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from yarl import URL

from services.enricher.pictures.settings import PictureUrlSettings
from shared.http.signatures import EXPIRY, Signatures
from shared.pictures import Name, PictureId, RevisionId

REMEMBERED_AT_MOST = 20_000
_BY_SOURCE = "/api/images/proxy"


class PictureUrls:
    def __init__(self, settings: PictureUrlSettings) -> None:
        self._before = settings.before_pictures
        self._signatures = Signatures(settings.signing_keys)
        self.by_source = lru_cache(REMEMBERED_AT_MOST)(self._by_source_url)
        self.by_name = lru_cache(REMEMBERED_AT_MOST)(self._by_name_url)

    def _by_source_url(self, source_url: str, size: str | None = None) -> str:
        """Without a size the original; the format is negotiated. In the order that nginx reads fastest."""
        parameters = [("url", source_url)]
        if size:
            parameters.append(("size", size))
        if self._signatures.required:
            return self._before + self._signatures.sign(_BY_SOURCE, parameters)
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters)
        return f"{self._before}{_BY_SOURCE}?{query}"

    def _by_name_url(self, name: Name, size: str, until: str | None = None) -> str:
        """Where what a name shows is, in this size. `until`: its signature counts no longer, as `exp` says it."""
        return self._before + self._signed(f"/api/v1/images/{name}/{size}", until)

    def stored(self, picture: PictureId, revision: RevisionId, file_name: str) -> str:
        """The immutable path of a file that is there."""
        return self._before + self._signed(f"/p/{picture}/{revision}/{file_name}")

    def check(self, path: str, parameters: Mapping[str, str], *, now_s: float) -> None:
        """Raise BadSignature where pictures' URLs must be signed, and this one is not."""
        if self._signatures.required:
            self._signatures.check(URL.build(path=path, query=parameters), now_s=now_s)

    def _signed(self, path: str, until: str | None = None) -> str:
        if not self._signatures.required:
            return path
        return self._signatures.sign(path, [(EXPIRY, until)] if until else [])
