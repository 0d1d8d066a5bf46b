"""Names, refusals, the inbox and the pauses of hosts, as small objects."""

import asyncio
import hashlib
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from shared.pictures import Failure, Name, PictureId, name_path
from shared.pictures.source import parse_picture_id
from shared.volume.local.names import PauseFile
from shared.volume.objects.client import ConditionLost, ObjectClient
from shared.volume.objects.records import ABSENT_S, PATIENCE_S, REMEMBERED_AT_MOST, TOKENS_KEPT, WHILE_AWAY_S
from shared.volume.port import HostPause, VolumeAway

_JSON = "application/json"
CHANGES_AT_MOST = 20
T = TypeVar("T")


@dataclass(slots=True)
class _Known(Generic[T]):
    value: T | None
    read_at_s: float


class Remembering(Generic[T]):
    """Small things of the store by their keys, for a few seconds, and until an event speaks of them. None: not there."""

    def __init__(self, read: Callable[[str], Awaitable[T | None]], lasts_s: float) -> None:
        self._read = read
        self._lasts_s = lasts_s
        self._known: OrderedDict[str, _Known[T]] = OrderedDict()
        self._flights: dict[str, asyncio.Task[T | None]] = {}

    async def get(self, key: str) -> T | None:
        """Without waiting for anything where it is known. Raise VolumeAway."""
        known = self._known.get(key)
        age_s = time.monotonic() - known.read_at_s if known else 0.0
        if known and age_s < (self._lasts_s if known.value is not None else min(ABSENT_S, self._lasts_s)):
            if age_s > self._lasts_s / 2 and known.value is not None:
                self._flight(key)
            return known.value
        flight = self._flight(key)
        usable = known is not None and age_s < WHILE_AWAY_S
        await asyncio.wait({flight}, timeout=PATIENCE_S if usable else None)
        failed = not flight.done() or flight.cancelled() or flight.exception()
        if failed and usable and known and self._known.get(key) is known:
            return known.value
        return await asyncio.shield(flight)

    def peek(self, key: str) -> T | None:
        """What is known, however long."""
        known = self._known.get(key)
        return known.value if known else None

    def ask_ahead(self, key: str) -> None:
        """It is about to be asked for."""
        if key not in self._known or time.monotonic() - self._known[key].read_at_s > self._lasts_s / 2:
            self._flight(key)

    def forget(self, key: str) -> None:
        self._known.pop(key, None)
        self._flights.pop(key, None)  # it may have begun before

    def note(self, key: str, value: T | None) -> None:
        self._flights.pop(key, None)
        self._known[key] = _Known(value, time.monotonic())
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED_AT_MOST:
            self._known.popitem(last=False)

    def _flight(self, key: str) -> "asyncio.Task[T | None]":
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.ensure_future(self._read_once(key))
            flight.add_done_callback(lambda done: self._landed(key, done))
        return flight

    async def _read_once(self, key: str) -> T | None:
        return await self._read(key)

    def _landed(self, key: str, flight: "asyncio.Task[T | None]") -> None:
        if self._flights.get(key) is not flight:
            return
        del self._flights[key]
        if not flight.cancelled() and not flight.exception():
            self.note(key, flight.result())


class NameFile(BaseModel):
    picture: str
    tokens: tuple[str, ...] = ()


class ObjectNames:
    """`Names` in a bucket."""

    def __init__(self, client: ObjectClient) -> None:
        self._client = client
        lasts_s = client.settings.pointer_s
        self._shown: Remembering[PictureId] = Remembering(self._read_shown, lasts_s)
        self._refused: Remembering[Failure] = Remembering(self._read_refusal, lasts_s)

    async def picture(self, name: Name) -> PictureId | None:
        return await self._shown.get(name_path(name))

    async def failure(self, name: Name) -> Failure | None:
        return await self._refused.get(refusal_key(name))

    async def shown(self) -> AsyncIterator[tuple[Name, PictureId]]:
        """All, with the pictures that they show: a listing, and a request for each."""
        async for listed in self._client.list("names"):
            with suppress(ValueError):
                _, kind, _, _, id_, role = listed.key.split("/")
                name = Name.parse(f"{kind}/{id_}/{role}")
                if picture := await self._read_shown(listed.key):
                    yield name, picture

    def forget(self, name: Name) -> None:
        """Something happened to it."""
        self._shown.forget(name_path(name))
        self._refused.forget(refusal_key(name))

    def expect(self, name: Name, picture: PictureId) -> None:
        """It shows this by now: what is known is forgotten, where it says anything else."""
        if self._shown.peek(name_path(name)) != picture:
            self.forget(name)

    async def _read_shown(self, key: str) -> PictureId | None:
        read = await self._read_name(key)
        return parse_picture_id(read[0].picture) if read else None

    async def _read_name(self, key: str) -> tuple[NameFile, str] | None:
        """With its tag. One that cannot be read counts as none, and is written anew."""
        try:
            stored = await self._client.get(key)
        except FileNotFoundError:
            return None
        try:
            read = NameFile.model_validate_json(stored.body)
            parse_picture_id(read.picture)
        except ValueError:
            return None
        return read, stored.e_tag

    async def _read_refusal(self, key: str) -> Failure | None:
        try:
            return Failure.model_validate_json((await self._client.get(key)).body)
        except (FileNotFoundError, ValidationError):
            return None


async def _change(
    what: str,
    make: Callable[[], Awaitable[tuple[bytes, str] | None]],
    write: Callable[[bytes, str], Awaitable[None]],
) -> None:
    """Write what `make` makes of what there is, on the condition that it is still there, and anew where it is not.

    `make` returns the bytes and the tag of what they replace, empty: of nothing; None: there is nothing to do. One write may
    fail: whether it was done all the same, `make` sees. Raise VolumeAway.
    """
    failed = False
    for attempt in range(CHANGES_AT_MOST):
        made = await make()
        if made is None:
            return
        try:
            await write(*made)
        except ConditionLost:
            await asyncio.sleep(attempt * 0.01)
        except VolumeAway:
            if failed:
                raise
            failed = True
        else:
            return
    raise VolumeAway(f"{what} changed by too many at once")


class ObjectNameStore(ObjectNames):
    """`NameStore` in a bucket. A name is switched on the condition that it is what was read: the one who comes last wins, and
    no answer that was late.
    """

    async def point(self, name: Name, picture: PictureId) -> None:
        key, token = name_path(name), uuid.uuid4().hex
        forgetting = asyncio.ensure_future(self._forget_refusal(name))
        try:
            await self._point(key, picture, token)
        finally:
            await forgetting
        self._shown.note(key, picture)

    async def _point(self, key: str, picture: PictureId, token: str) -> None:
        async def pointed() -> tuple[bytes, str] | None:
            known, e_tag = await self._read_name(key) or (NameFile(picture=""), "")
            if token in known.tokens or known.picture == picture:
                return None
            file = NameFile(picture=picture, tokens=(token, *known.tokens)[:TOKENS_KEPT])
            return file.model_dump_json().encode(), e_tag

        async def written(body: bytes, e_tag: str) -> None:
            if e_tag:
                await self._client.replace(key, body, media_type=_JSON, e_tag=e_tag)
            else:
                await self._create(key, body)

        await _change("a name is", pointed, written)

    async def _create(self, key: str, body: bytes) -> None:
        """What lies there and cannot be read is nobody's to keep."""
        try:
            await self._client.create(key, body, media_type=_JSON)
        except ConditionLost:
            if await self._read_name(key) is None:
                await self._client.delete([key])
            raise

    async def refuse(self, name: Name, failure: Failure) -> None:
        key = refusal_key(name)
        await self._client.put(key, failure.model_dump_json().encode(), media_type=_JSON)
        self._refused.note(key, failure)

    async def remove(self, name: Name) -> None:
        key = name_path(name)
        await self._client.delete([key])
        self._shown.note(key, None)
        await self._forget_refusal(name)

    async def _forget_refusal(self, name: Name) -> None:
        key = refusal_key(name)
        await self._client.delete([key])
        self._refused.note(key, None)


def refusal_key(name: Name) -> str:
    return f"refused/{hashlib.sha256(str(name).encode()).hexdigest()[:32]}.json"


class ObjectInbox:
    """`Inbox` in a bucket."""

    def __init__(self, client: ObjectClient) -> None:
        self._client = client

    async def put(self, body: bytes) -> str:
        inbox_id = uuid.uuid4().hex
        await self._client.put(self._key(inbox_id), body, media_type="application/octet-stream")
        return inbox_id

    async def put_all(self, bodies: Iterable[bytes]) -> Sequence[str]:
        inbox_ids, left = [], iter(bodies)
        while (body := await asyncio.to_thread(next, left, None)) is not None:
            inbox_ids.append(await self.put(body))
        return inbox_ids

    async def copy(self, inbox_id: str, into: Path) -> bool:
        try:
            stored = await self._client.get(self._key(inbox_id))
        except FileNotFoundError:
            return False
        await asyncio.to_thread(into.write_bytes, stored.body)
        return True

    async def copy_all(self, wanted: Mapping[str, Path]) -> Collection[str]:
        there = await asyncio.gather(*(self.copy(inbox_id, into) for inbox_id, into in wanted.items()))
        return [inbox_id for inbox_id, was_there in zip(wanted, there, strict=True) if was_there]

    async def remove(self, inbox_id: str) -> None:
        await self._client.delete([self._key(inbox_id)])

    def _key(self, inbox_id: str) -> str:
        return f"inbox/{uuid.UUID(inbox_id).hex}"


class PausesFile(BaseModel):
    hosts: dict[str, PauseFile] = {}


PAUSES = "hosts.json"


class ObjectHostPauses:
    """`HostPauses` in one object, for they are few, and each of those who ask of one wants to know of others as well."""

    def __init__(self, client: ObjectClient) -> None:
        self._client = client
        self._known: Remembering[PausesFile] = Remembering(self._read_all, client.settings.pointer_s)

    async def pause_of(self, authority: str) -> HostPause | None:
        known = await self._known.get(PAUSES)
        found = known.hosts.get(authority) if known else None
        return found.pause if found else None

    async def pause(self, authority: str, pause: HostPause) -> None:
        stored = PauseFile(host=authority, until=pause.until, in_a_row=pause.in_a_row, failing=pause.failing)
        await self._change(lambda hosts: {**hosts, authority: stored})

    async def forget(self, authority: str) -> None:
        """Also one of which this process has heard by other ways, and not from the store."""
        if authority in await self.all():
            await self._change(
                lambda hosts: {host: pause for host, pause in hosts.items() if host != authority}
            )

    async def all(self) -> Mapping[str, HostPause]:
        self._known.forget(PAUSES)
        known = await self._known.get(PAUSES)
        return {host: stored.pause for host, stored in known.hosts.items()} if known else {}

    async def forget_over(self, limit_s: float) -> int:
        """Those that were over by then; how many."""
        over = {host for host, pause in (await self.all()).items() if pause.until.timestamp() < limit_s}
        if over:
            await self._change(
                lambda hosts: {host: pause for host, pause in hosts.items() if host not in over}
            )
        return len(over)

    def ask_ahead(self) -> None:
        """It is about to be asked for, where it is not known."""
        self._known.ask_ahead(PAUSES)

    def heard(self) -> None:
        """Something happened to one of them."""
        self._known.forget(PAUSES)

    async def _change(self, change: Callable[[dict[str, PauseFile]], dict[str, PauseFile]]) -> None:
        """Done twice it comes to the same, so that an answer that was lost needs no looking after."""
        changed = PausesFile()

        async def made() -> tuple[bytes, str]:
            nonlocal changed
            known, e_tag = await self._read()
            changed = PausesFile(hosts=change(known.hosts))
            return changed.model_dump_json().encode(), e_tag

        async def written(body: bytes, e_tag: str) -> None:
            if e_tag:
                await self._client.replace(PAUSES, body, media_type=_JSON, e_tag=e_tag)
            else:
                await self._client.create(PAUSES, body, media_type=_JSON)

        await _change("the pauses of hosts are", made, written)
        self._known.note(PAUSES, changed)

    async def _read_all(self, _key: str) -> PausesFile:
        return (await self._read())[0]

    async def _read(self) -> tuple[PausesFile, str]:
        """With its tag. What cannot be read counts as none."""
        try:
            stored = await self._client.get(PAUSES)
        except FileNotFoundError:
            return PausesFile(), ""
        try:
            return PausesFile.model_validate_json(stored.body), stored.e_tag
        except ValidationError:
            return PausesFile(), stored.e_tag
