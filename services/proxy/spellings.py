"""Spellings: source URLs that differ in what makes no other picture, each of which would be fetched and kept anew."""

from collections import OrderedDict

from services.proxy.wanted import WantedPicture
from shared.pictures import RefusalReason, SourceUrl

QUERIES_AT_MOST = 4
"""Of one path, at hosts whose pictures never change: there a query means little or nothing."""

PATHS_AT_MOST = 10_000
"""Paths whose queries are remembered; beyond them the longest unused is forgotten."""

FRAGMENT = "Leave out what begins with #: a picture's host never hears of it."
QUERIES = f"This picture was asked for with {QUERIES_AT_MOST} other queries already: leave the query out."


class Spellings:
    """What this process has been asked for and did not have. What is stored is served whatever it is called."""

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
