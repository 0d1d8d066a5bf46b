"""Questions: what is asked for on behalf of those who wait, which events speak of it, and what is not asked for."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Self

from services.proxy.lookup import About
from services.proxy.wanted import WantedPicture
from shared.contracts import FetchPicture, Message, NameRefused, PictureFailed, ResolvePicture
from shared.pictures import Failure, Name, PictureId, RefusalReason, Rendition, SourceUrl
from shared.queue import Lane

Key = tuple[About, Rendition, Lane]
"""Who asks the same waits for the same answer."""


@dataclass(frozen=True, slots=True)
class FetchRequest:
    about: About
    rendition: Rendition
    job: FetchPicture | ResolvePicture

    @classmethod
    def for_source(cls, wanted: WantedPicture) -> Self:
        job = FetchPicture(
            source_url=wanted.source, rendition=wanted.to_make, authorised_host=wanted.authorised_host
        )
        return cls(wanted.picture, wanted.to_make, job)

    @classmethod
    def for_name(cls, name: Name, rendition: Rendition) -> Self:
        return cls(name, rendition, ResolvePicture(name=name, rendition=rendition))

    @classmethod
    def for_evicted(cls, picture: PictureId, rendition: Rendition) -> Self:
        return cls(picture, rendition, ResolvePicture(picture=picture, rendition=rendition))

    @property
    def lane(self) -> Lane:
        return Lane.PICTURES_NOW if isinstance(self.job, FetchPicture) else Lane.RESOLVE_NOW

    @property
    def key(self) -> Key:
        return self.about, self.rendition, self.lane

    @property
    def host(self) -> str | None:
        """That is asked for it, where that is known."""
        source = self.job.source_url if isinstance(self.job, FetchPicture) else None
        return source.authority if isinstance(source, SourceUrl) else None

    @property
    def is_guess(self) -> bool:
        """Whether it may be about nothing at all: anybody can make up a picture's id."""
        return self.lane is Lane.RESOLVE_NOW and not isinstance(self.about, Name)

    def refused_by(self, event: Message) -> Failure | None:
        """The failure, where the event says that there is nothing to wait for."""
        match event:
            case PictureFailed(picture=picture, failure=failure, unknown=True):
                ours = self.is_guess and self.about == picture
            case PictureFailed(picture=picture, name=name, rendition=rendition, failure=failure):
                ours = self.about in (picture, name) and rendition in (None, self.rendition)
            case NameRefused(name=name, failure=failure):
                ours = self.about == name
            case _:
                return None
        return failure if ours else None


QUERIES_AT_MOST = 4
"""Of one path, at hosts whose pictures never change: there a query means little or nothing."""

PATHS_AT_MOST = 10_000
"""Paths whose queries are remembered; beyond them the longest unused is forgotten."""

FRAGMENT = "Leave out what begins with #: a picture's host never hears of it."
QUERIES = f"This picture was asked for with {QUERIES_AT_MOST} other queries already: leave the query out."


class Spellings:
    """Source URLs that differ in what makes no other picture, each of which would be fetched and kept anew.

    What this process has been asked for and did not have. What is stored is served whatever it is called.
    """

    def __init__(self, *, paths_at_most: int = PATHS_AT_MOST) -> None:
        self._paths_at_most = paths_at_most
        self._queries: OrderedDict[int, frozenset[int]] = OrderedDict()

    def refusal(self, wanted: WantedPicture) -> tuple[RefusalReason, str] | None:
        """The rule, and a sentence for the user; None: it may be fetched under this URL."""
        source = wanted.source
        if not isinstance(source, SourceUrl):
            return None
        if "#" in source.text:
            return RefusalReason.FRAGMENT, FRAGMENT
        if source.url.raw_query_string and wanted.host and wanted.host.immutable and self._is_fifth(source):
            return RefusalReason.QUERY, QUERIES
        return None

    def _is_fifth(self, source: SourceUrl) -> bool:
        """Digests are enough: who meets another's by chance shares its four queries."""
        path, query = hash((source.authority, source.url.raw_path)), hash(source.url.raw_query_string)
        before = self._queries.pop(path, frozenset())
        known = before if len(before) >= QUERIES_AT_MOST else before | {query}
        self._queries[path] = known
        if len(self._queries) > self._paths_at_most:
            self._queries.popitem(last=False)
        return query not in known
