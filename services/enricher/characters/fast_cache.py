"""A fast cache of whole answers about characters, before the tables: in memory, and beyond it in Redis."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from cachetools import TLRUCache

from services.enricher.characters.matching import folded
from services.enricher.finder.metadata.shared_tier import SharedTier
from shared.redis import RedisAway

FAST_PREFIX = "char_img"
"""What all keys of the fast cache begin with."""

KEYS_VERSION = "v1"
"""Of what the fast cache holds."""


def id_key(character_id: str, name: str, title: str) -> str:
    """Of a look-up by id."""
    said = f"char_img:{character_id}:{folded(name)}:{folded(title)}"
    return f"char_img:{KEYS_VERSION}:{hashlib.md5(said.encode(), usedforsecurity=False).hexdigest()}"


def name_key(name: str, title: str) -> str:
    """Of a look-up by name and title."""
    return f"char_img_cache:{KEYS_VERSION}:{folded(name)}:{folded(title)}"


class FastCache(Protocol):
    """Whole answers by their keys. What is dropped may have been gone before."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, ttl_s: float) -> None: ...

    async def drop(self, *keys: str) -> None: ...

    async def drop_all(self, prefix: str) -> int:
        """How many went."""

    async def count(self, prefix: str) -> int: ...


class MemoryCache:
    """Within this process, until its room is needed."""

    def __init__(self, max_bytes: int, clock: Callable[[], float]) -> None:
        self._kept: TLRUCache[str, tuple[bytes, float]] = TLRUCache(
            max_bytes,
            ttu=lambda _key, value, now: now + value[1],
            timer=clock,
            getsizeof=lambda value: len(value[0]) + 200,
        )

    def at_hand(self, key: str) -> bytes | None:
        """The same without waiting."""
        kept = self._kept.get(key)
        return kept[0] if kept else None

    async def get(self, key: str) -> bytes | None:
        return self.at_hand(key)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        if len(value) < self._kept.maxsize // 2:
            self._kept[key] = (value, ttl_s)

    async def drop(self, *keys: str) -> None:
        for key in keys:
            self._kept.pop(key, None)

    async def drop_all(self, prefix: str) -> int:
        keys = [key for key in self._kept if key.startswith(prefix)]
        await self.drop(*keys)
        return len(keys)

    async def count(self, prefix: str) -> int:
        self._kept.expire()
        return sum(key.startswith(prefix) for key in self._kept)


NEAR_LASTS_S = 60.0
"""So long a process has what another one may have dropped meanwhile."""

OWED_AT_MOST = 10_000


class SharedCache:
    """The same of several processes: Redis, where CACHE_URL names one, and before it the memory of each. Redis away: each goes on
    with its own memory, and what was to be dropped meanwhile is, before anything that Redis has is believed again.
    """

    def __init__(self, near: MemoryCache, tier: SharedTier) -> None:
        self._near = near
        self._tier = tier
        self._owed: set[str] = set()
        """Keys that Redis has still to drop, and beginnings of keys, which end with `*`."""

    def at_hand(self, key: str) -> bytes | None:
        return self._near.at_hand(key)

    async def get(self, key: str) -> bytes | None:
        kept = self._near.at_hand(key)
        if kept is None and await self._owes_nothing() and (found := await self._tier.kept(key)):
            kept, left_s = found
            await self._near.put(key, kept, min(left_s, NEAR_LASTS_S))
        return kept

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._near.put(key, value, min(ttl_s, NEAR_LASTS_S))
        if await self._owes_nothing():
            await self._tier.keep(key, value, ttl_s)

    async def drop(self, *keys: str) -> None:
        await self._near.drop(*keys)
        self._owed |= set(keys)
        await self._owes_nothing()

    async def drop_all(self, prefix: str) -> int:
        here = await self._near.drop_all(prefix)
        try:
            return await self._tier.drop_all(prefix)
        except RedisAway:
            self._owed.add(f"{prefix}*")
            return here

    async def count(self, prefix: str) -> int:
        try:
            return await self._tier.count(prefix)
        except RedisAway:
            return await self._near.count(prefix)

    async def _owes_nothing(self) -> bool:
        """Whether Redis has dropped all that it should have."""
        if len(self._owed) > OWED_AT_MOST:
            self._owed = {f"{FAST_PREFIX}*"}
        with suppress(RedisAway):
            for key in list(self._owed):
                if key.endswith("*"):
                    await self._tier.drop_all(key.removesuffix("*"))
                else:
                    await self._tier.drop(key)
                self._owed.discard(key)
        return not self._owed
