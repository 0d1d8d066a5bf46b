"""Leases: locks that are objects with an end, renewed while they are held. They prevent waste and promise nothing, for clocks differ
and processes are suspended; what must not happen twice is a write on a condition.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ValidationError

from shared.background import cancel_and_wait
from shared.locks import KeyedLock
from shared.telemetry import utc_now
from shared.volume import port
from shared.volume.objects.client import ConditionLost, ObjectClient

LASTS_S = 30.0
RENEWED_EVERY_S = 10.0
_JSON = "application/json"


class LeaseFile(BaseModel):
    token: str
    until: AwareDatetime

    @property
    def is_over(self) -> bool:
        return utc_now() >= self.until


@dataclass(slots=True)
class Lease:
    """One that is held, or (no tag) that somebody else holds, and whoever insisted goes on without."""

    client: ObjectClient
    key: str
    e_tag: str
    lasts_s: float = LASTS_S
    token: str = field(default_factory=lambda: uuid4().hex)
    until: AwareDatetime = field(default_factory=utc_now)
    first: asyncio.Task[None] | None = None
    """What has to end before it is given back."""

    async def take(self) -> bool:
        """False: somebody else has it. Raises VolumeAway."""
        body = self._body()
        try:
            self.e_tag = await self.client.create(self.key, body, media_type=_JSON)
        except (ConditionLost, port.VolumeAway):
            return await self._take_over()
        return True

    async def _take_over(self) -> bool:
        """Where it is over, or nobody's any more; or our own, of which we were not told."""
        try:
            stored = await self.client.get(self.key)
        except FileNotFoundError:
            with suppress(ConditionLost):
                self.e_tag = await self.client.create(self.key, self._body(), media_type=_JSON)
                return True
            return False
        held = _read(stored.body)
        if held and held.token == self.token:
            self.e_tag = stored.e_tag
            return True
        if held and not held.is_over:
            return False
        with suppress(ConditionLost):
            self.e_tag = await self.client.replace(
                self.key, self._body(), media_type=_JSON, e_tag=stored.e_tag
            )
            return True
        return False

    async def renew(self) -> None:
        """Again and again; ends where it is lost."""
        while self.e_tag:
            await asyncio.sleep(RENEWED_EVERY_S)
            try:
                self.e_tag = await self.client.replace(
                    self.key, self._body(), media_type=_JSON, e_tag=self.e_tag
                )
            except ConditionLost:
                self.e_tag = ""
            except OSError:
                continue

    async def give_back(self) -> None:
        """Only while it is ours for sure: later, what lies there may be another's."""
        if self.e_tag and (self.until - utc_now()).total_seconds() > self.lasts_s / 3:
            await self.client.delete([self.key])

    def _body(self) -> bytes:
        self.until = utc_now() + timedelta(seconds=self.lasts_s)
        return LeaseFile(token=self.token, until=self.until).model_dump_json().encode()


def _read(body: bytes) -> LeaseFile | None:
    try:
        return LeaseFile.model_validate_json(body)
    except ValidationError:
        return None


class Leases:
    """In one process, whoever comes second waits; in another, it is told so."""

    def __init__(self, client: ObjectClient) -> None:
        self._client = client
        self._here = KeyedLock()
        self._returned: dict[str, asyncio.Task[None]] = {}

    def is_held(self, key: str) -> bool:
        """By somebody in this process."""
        return self._here.is_wanted(key)

    @asynccontextmanager
    async def hold(self, key: str, *, insist: bool) -> AsyncIterator[Lease]:
        """Raise Locked when another process has it; with `insist`, go on without it. It is given back beside what comes next."""
        async with self._here.hold(key):
            if returned := self._returned.get(key):
                await asyncio.wait({returned})
            lease = Lease(self._client, key, "")
            if not await lease.take() and not insist:
                raise port.Locked("somebody else works on this picture")
            renewing = asyncio.create_task(lease.renew(), name="renewing a lease")
            try:
                yield lease
            finally:
                await cancel_and_wait(renewing)
                self._returned[key] = asyncio.create_task(self._give_back(lease), name="giving a lease back")

    async def _give_back(self, lease: Lease) -> None:
        try:
            if lease.first:
                await asyncio.wait({lease.first})
            await lease.give_back()
        except OSError:  # it ends by itself
            pass
        finally:
            self._returned.pop(lease.key, None)

    async def settled(self) -> None:
        await asyncio.gather(*self._returned.values(), return_exceptions=True)

    def close(self) -> None:
        """Without waiting for anything but the store."""
        self._client.delete_now(list(self._returned))
