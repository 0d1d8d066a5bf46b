"""Which entries are the same title.

Links join them, the strongest first: the IMDb id, the TMDB id, the TVDB id, title and year. A link joins all who have
it, unless some of them contradict each other by a stronger one: then only those that say nothing stronger. Movies and
series are never the same. The outcome depends on the entries alone, not on the order in which they came.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.enricher.library.item import Ids, MediaType

Link = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an entry that tells which title it is."""

    id: int
    media_type: MediaType
    ids: Ids
    plain_title: str
    year: int | None

    @property
    def links(self) -> tuple[Link | None, ...]:
        """One for each kind of link, the strongest first."""
        ids, kind = self.ids, self.media_type.value
        return (
            ("imdb", kind, ids.imdb) if ids.imdb else None,
            ("tmdb", kind, str(ids.tmdb)) if ids.tmdb else None,
            ("tvdb", kind, str(ids.tvdb)) if ids.tvdb else None,
            ("title", kind, self.plain_title, str(self.year or "")),
        )


KINDS = 4


def plain(title: str) -> str:
    """A title as it is compared: without case, accents and punctuation, unless nothing else is in it."""
    letters = unicodedata.normalize("NFKD", title.casefold().replace("&", " and "))
    words = re.findall(r"\w+", "".join(char for char in letters if not unicodedata.combining(char)))
    return " ".join(words) or title.strip()


def by_title(entries: Iterable[Known]) -> Mapping[str, list[Known]]:
    """The entries of each title, by its key: the strongest link that they have."""
    group_of = {entry.id: _Group.of(entry) for entry in entries}
    for strength in range(KINDS):
        holders: defaultdict[Link, set[_Group]] = defaultdict(set)
        for group in set(group_of.values()):
            for link in group.links[strength]:
                holders[link].add(group)
        for link in sorted(holders):
            found = {group_of[entry.id] for group in holders[link] for entry in group.entries}
            _join(_joinable(found, strength), group_of)
    return {group.key: group.entries for group in set(group_of.values())}


@dataclass(eq=False, slots=True)
class _Group:
    entries: list[Known]
    links: tuple[set[Link], ...]

    @classmethod
    def of(cls, entry: Known) -> "_Group":
        return cls([entry], tuple({link} if link else set() for link in entry.links))

    @property
    def key(self) -> str:
        return ":".join(min(next(links for links in self.links if links)))

    def take(self, other: "_Group") -> None:
        self.entries += other.entries
        for mine, others in zip(self.links, other.links, strict=True):
            mine.update(others)


def _joinable(groups: set[_Group], strength: int) -> list[_Group]:
    for kind in range(strength):
        if sum(bool(group.links[kind]) for group in groups) > 1:
            return [group for group in groups if not any(group.links[:strength])]
    return list(groups)


def _join(groups: list[_Group], group_of: dict[int, _Group]) -> None:
    if len(groups) < 2:  # noqa: PLR2004 - nothing to join
        return
    largest = max(groups, key=lambda group: len(group.entries))
    for group in groups:
        if group is not largest:
            largest.take(group)
            group_of.update((entry.id, largest) for entry in group.entries)
