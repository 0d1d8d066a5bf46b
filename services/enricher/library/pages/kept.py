"""What is kept until something in it changes: pages, and the items on them."""

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from cachetools import LRUCache, TTLCache

from shared.pictures import PictureId

MAX_BYTES = 32 * 1024 * 1024
KEPT_S = 60.0
"""How long a page may be behind what a cache would say by now."""

MADE_WITHIN_S = 60.0
"""Longer than a page takes to make: so long it is remembered which pictures changed meanwhile."""

CHANGES_REMEMBERED = 20_000

PAGE_BYTES, PICTURE_BYTES = 1000, 500
"""Memory of a page, and of each picture on it, beside its own bytes (measured)."""


class HasBody(Protocol):
    @property
    def body(self) -> bytes: ...


Body = TypeVar("Body", bound=HasBody)


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Body]):
    rendered: Body
    pictures: frozenset[PictureId]
    until_s: float

    @property
    def size(self) -> int:
        return len(self.rendered.body) + PAGE_BYTES + PICTURE_BYTES * len(self.pictures)


class KeptPages(Generic[Body]):
    """`parts`: what pages are made of, kept likewise; it hears of every change as well."""

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
        parts: "KeptPages[Any] | None" = None,
    ) -> None:
        self._parts = parts
        self._pages: LRUCache[Hashable, _Kept[Body]] = _Bounded(self._left_out, max_bytes)
        self._showing: defaultdict[PictureId, set[Hashable]] = defaultdict(set)
        self._changed: TTLCache[PictureId, float] = TTLCache(
            CHANGES_REMEMBERED, ttl=MADE_WITHIN_S, timer=clock
        )
        self._all_changed = self._latest_change = clock()
        self._clock = clock

    def get(self, key: Hashable) -> Body | None:
        try:
            kept = self._pages[key]
        except KeyError:
            return None
        if kept.until_s <= self._clock():
            del self._pages[key]
            return None
        return kept.rendered

    def keep(
        self,
        key: Hashable,
        rendered: Body,
        pictures: Iterable[PictureId],
        *,
        begun_s: float,
        until_s: float,
    ) -> None:
        """Unless something in it has changed since it was begun: then it is answered once, and made again."""
        shown = frozenset(pictures)
        if begun_s <= self._all_changed or self._have_changed(shown, since_s=begun_s):
            return
        self._pages.pop(key, None)
        kept = _Kept(rendered, shown, until_s)
        if kept.size > self._pages.maxsize:
            return
        self._pages[key] = kept
        for picture in shown:
            self._showing[picture].add(key)

    def _have_changed(self, pictures: Iterable[PictureId], *, since_s: float) -> bool:
        if self._latest_change < since_s:  # as a rule: looking each of them up takes longer than all the rest
            return False
        return any(since_s <= self._changed.get(picture, since_s - 1) for picture in pictures)

    def forget(self, picture: PictureId) -> None:
        """Something happened to the picture."""
        if self._parts:
            self._parts.forget(picture)
        self._changed[picture] = self._latest_change = self._clock()
        for key in tuple(self._showing.get(picture, ())):
            del self._pages[key]

    def clear(self) -> None:
        """The library changed, or what is known of its titles."""
        if self._parts:
            self._parts.clear()
        self._all_changed = self._clock()
        self._pages.clear()
        self._showing.clear()

    def _left_out(self, key: Hashable, kept: _Kept[Body]) -> None:
        for picture in kept.pictures:
            keys = self._showing[picture]
            keys.discard(key)
            if not keys:
                del self._showing[picture]


class _Bounded(LRUCache[Hashable, _Kept[Any]]):
    """By the memory of its pages. Says which page leaves it, for whatever reason."""

    def __init__(self, on_leaving: Callable[[Hashable, _Kept[Any]], None], max_bytes: int) -> None:
        super().__init__(max_bytes, getsizeof=lambda kept: kept.size)
        self._on_leaving = on_leaving

    def __delitem__(self, key: Hashable) -> None:
        kept = self[key]
        super().__delitem__(key)
        self._on_leaving(key, kept)
