"""Sweeping a bucket: what is over, and what nobody speaks of. The only one that lists what may be much, and seldom."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta

from shared.pictures import PictureId
from shared.pictures.source import parse_picture_id
from shared.telemetry import utc_now
from shared.volume import port
from shared.volume.local.sweep import INBOX_AGE_S, PAUSE_REMEMBERED_S, REFUSAL_REMEMBERED_S
from shared.volume.objects.client import Listed, ObjectClient
from shared.volume.objects.leases import Lease
from shared.volume.objects.names import ObjectHostPauses
from shared.volume.objects.records import GOING_S, PictureRecords, file_key

SMALL_EVERY_S = 900.0
"""Uploads, refusals, locks and pauses."""

ALL_EVERY_S = 7 * 86_400.0
"""All files, of all pictures: a request for each thousand files and one for each picture."""

UNSPOKEN_AGE_S = 86_400.0
"""A file that is younger may be of a commit under way."""

REFUSED_AT_MOST = 100_000
DELETED_AT_ONCE = 500


class ObjectSweep:
    """Of all fetchers one does it, for it holds a lease that lasts until the next time is due."""

    def __init__(self, client: ObjectClient, records: PictureRecords, hosts: ObjectHostPauses) -> None:
        self._client = client
        self._records = records
        self._hosts = hosts
        self._next_at_s = 0.0

    async def once(self) -> int:
        """How many objects went. Cheap where nothing is due. Raises OSError."""
        if time.monotonic() < self._next_at_s:
            return 0
        self._next_at_s = time.monotonic() + SMALL_EVERY_S
        swept = 0
        if await self._is_ours("small", SMALL_EVERY_S * 0.9):
            swept += await self.small()
        if await self._is_ours("all", ALL_EVERY_S):
            swept += await self.unspoken()
        return swept

    async def small(self) -> int:
        over = [one.key async for one in self._older("inbox", INBOX_AGE_S)]
        over += [one.key async for one in self._older("locks", INBOX_AGE_S)]
        over += [one.key async for one in self._older("probe", INBOX_AGE_S)]
        refused = [one async for one in self._client.list("refused")]
        refused.sort(key=lambda one: one.modified_at, reverse=True)
        limit = utc_now() - timedelta(seconds=REFUSAL_REMEMBERED_S)
        over += [
            one.key
            for place, one in enumerate(refused)
            if place >= REFUSED_AT_MOST or one.modified_at < limit
        ]
        await self._client.delete(over)
        return len(over) + await self._hosts.forget_over(time.time() - PAUSE_REMEMBERED_S)

    async def unspoken(self) -> int:
        """Files that no record names, as a commit leaves them that was stopped; and pictures that were about to go."""
        await self._finish_removals()
        swept, unspoken = 0, list[str]()
        picture, spoken = None, frozenset[str]()
        async for listed in self._older("p", UNSPOKEN_AGE_S):
            of = _picture(listed.key)
            if of is None:
                continue
            if of != picture:
                picture, spoken = of, await self._spoken(of)
            if listed.key not in spoken:
                unspoken.append(listed.key)
            if len(unspoken) >= DELETED_AT_ONCE:
                await self._client.delete(unspoken)
                swept, unspoken = swept + len(unspoken), []
        await self._client.delete(unspoken)
        return swept + len(unspoken)

    async def _spoken(self, picture: PictureId) -> frozenset[str]:
        record = (await self._records.read(picture)).record
        entries = (record.current, record.before)
        return frozenset(
            file_key(picture, entry.id, name) for entry in entries if entry for name in entry.files
        )

    async def _finish_removals(self) -> None:
        """Of whoever did not get to the end of one, and whose job nobody did again. A record that goes is a short one."""
        async for listed in self._older("index", GOING_S):
            picture = _picture(f"p/{listed.key.rpartition('/')[2].removesuffix('.json')}/")
            if (
                picture
                and listed.bytes < LONGEST_GOING
                and (await self._records.read(picture)).record.going_since
            ):
                try:
                    await self._records.remove(picture, lambda record: record.going_since is not None)
                except port.Locked:
                    continue

    async def _older(self, prefix: str, age_s: float) -> AsyncIterator[Listed]:
        limit = utc_now() - timedelta(seconds=age_s)
        async for listed in self._client.list(prefix):
            if listed.modified_at < limit:
                yield listed

    async def _is_ours(self, what: str, lasts_s: float) -> bool:
        """Nobody else has done it since, or is about to."""
        return await Lease(self._client, f"sweeps/{what}", "", lasts_s=lasts_s).take()


LONGEST_GOING = 64 * 1024


def _picture(key: str) -> PictureId | None:
    try:
        return parse_picture_id(key.split("/")[1])
    except (ValueError, IndexError):
        return None
