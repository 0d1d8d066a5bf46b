"""The record of a picture: one small object that says all of it but the bytes. Replacing it, on the condition that it is what was
read, is the commit: of a revision, of a rendition more, of a state, of a pin.

The bytes are objects of their own, immutable, under the paths that clients know: `p/<picture>/<revision>/<file>`.
"""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from shared.pictures import Manifest, Name, PictureId, RevisionId, State, Tree
from shared.telemetry import utc_now
from shared.volume import port
from shared.volume.objects.client import ConditionLost, ObjectClient

TOKENS_KEPT = 8
"""Of those who wrote a record last: whoever's answer was lost finds itself among them, though others were quick to follow."""

CHANGES_AT_MOST = 40
"""Attempts of one change, against others who change the same record."""

GOING_S = 60.0
"""A record that is on its way out is nobody's to change for so long; no request of whoever removes it lasts longer."""

GOING_AGAIN_S, GOING_WAIT_S = 0.05, 2.0
ABSENT_S = 1.0
"""What is not there is looked for again so soon: who waits for it may not have heard."""

WHILE_AWAY_S = 3600.0
"""So long pictures go on being served as they were, where the store does not answer."""

PATIENCE_S = 1.0
"""So long a reader waits for a store that is slow, who could be told what was known before."""

REMEMBERED_AT_MOST = 50_000
AHEAD_AT_ONCE = 32
"""Reads of what will be asked for."""

_JSON = "application/json"
_log = structlog.get_logger()


class FileEntry(BaseModel):
    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str
    modified_s: int


class RevisionEntry(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: RevisionId
    manifest: Manifest
    files: dict[str, FileEntry]


class PictureRecord(BaseModel):
    """An empty one is as good as none."""

    model_config = ConfigDict(frozen=True)

    current: RevisionEntry | None = None
    before: RevisionEntry | None = None
    """The revision that came before: somebody may still read it."""
    tree: Tree = Tree.CACHE
    state: State = State()
    pins: frozenset[Name] = frozenset()
    going_since: AwareDatetime | None = None
    """It is being removed, and nobody's to change but by whoever removes it."""
    going: tuple[RevisionEntry, ...] = ()
    """What goes with it."""
    tokens: tuple[str, ...] = ()

    def entry(self, revision: RevisionId) -> RevisionEntry | None:
        return next((one for one in (self.current, self.before) if one and one.id == revision), None)


ABSENT = PictureRecord()


def record_key(picture: PictureId) -> str:
    return f"index/{picture[:2]}/{picture[2:4]}/{picture}.json"


def file_key(picture: PictureId, revision: RevisionId, file_name: str) -> str:
    return f"p/{picture}/{revision}/{file_name}"


def keys_of(picture: PictureId, *entries: RevisionEntry | None) -> list[str]:
    return [file_key(picture, entry.id, name) for entry in entries if entry for name in entry.files]


@dataclass(slots=True)
class KnownRecord:
    """A record as it was read. No tag: there was none."""

    record: PictureRecord
    e_tag: str
    read_at_s: float
    """When the store said so last, by the clock of this process."""


class PictureRecords:
    """Reads and changes records; remembers them for a few seconds, and until an event speaks of them."""

    def __init__(self, client: ObjectClient) -> None:
        self._client = client
        self._fresh_s = client.settings.pointer_s
        self._known: OrderedDict[PictureId, KnownRecord] = OrderedDict()
        self._flights: dict[PictureId, asyncio.Task[KnownRecord]] = {}
        self._forgotten = 0
        self.ask_also: Callable[[], None] = lambda: None
        """Called as a picture of which nothing is known is asked for: what is asked next can be asked at the same time."""

    async def get(self, picture: PictureId) -> PictureRecord:
        """Raise VolumeAway where nothing is known of it and the store does not answer."""
        known = self._known.get(picture)
        if known and self._is_fresh(known):
            if time.monotonic() - known.read_at_s > self._fresh_s / 2 and known.e_tag:
                self._flight(picture)
            return known.record
        flight = self._flight(picture)
        if known is None:
            self.ask_also()
        usable = known and time.monotonic() - known.read_at_s < WHILE_AWAY_S
        await asyncio.wait({flight}, timeout=PATIENCE_S if usable else None)
        if flight.done() and not flight.cancelled() and not flight.exception():
            return flight.result().record
        if known and usable and self._known.get(picture) is known:
            return known.record
        return (await asyncio.shield(flight)).record

    async def ahead(self, pictures: Iterable[PictureId]) -> None:
        """Read what is not known, many at once. What goes wrong is told to whoever asks for it then."""
        limit = asyncio.Semaphore(AHEAD_AT_ONCE)

        async def one(picture: PictureId) -> None:
            async with limit:
                with suppress(port.VolumeAway):
                    await self.get(picture)

        unknown = {one for one in pictures if not ((known := self._known.get(one)) and self._is_fresh(known))}
        await asyncio.gather(*map(one, unknown))

    def peek(self, picture: PictureId) -> PictureRecord | None:
        """What is known of it for sure, without waiting; None else. What is about to be too old is asked for meanwhile."""
        known = self._known.get(picture)
        if known is None or not known.e_tag:
            return None
        age_s = time.monotonic() - known.read_at_s
        if age_s > self._fresh_s / 2:
            self._flight(picture)
        if age_s > self._fresh_s:
            return None
        return known.record

    def forget(self, picture: PictureId) -> None:
        """Something happened to it."""
        self._forgotten += 1
        self._known.pop(picture, None)
        self._flights.pop(picture, None)  # it may have begun before

    def expect(self, picture: PictureId, revision: RevisionId, files: frozenset[str]) -> None:
        """These are there by now: what is known is forgotten, where it says anything else."""
        known = self._known.get(picture)
        current = known.record.current if known else None
        if not (current and current.id == revision and files <= current.files.keys()):
            self.forget(picture)

    def forget_older(self, picture: PictureId, than_s: float) -> None:
        """What is known of it, where that was read before so many seconds."""
        known = self._known.get(picture)
        if known and time.monotonic() - known.read_at_s > than_s:
            self.forget(picture)

    async def change(
        self,
        picture: PictureId,
        make: Callable[[PictureRecord], PictureRecord | None],
        *,
        removing: bool = False,
    ) -> PictureRecord:
        """Have `make` change the record, and write what it returns (None: leave it), however many do so at once.

        `make` may be called several times, and raise VolumeError. Raise Locked where the record is on its way out.
        """
        token = uuid4().hex
        failures = 0
        for attempt in range(CHANGES_AT_MOST):
            known, is_old = await self._to_change(picture, token, read=attempt > 0, removing=removing)
            if token in known.record.tokens:
                return known.record
            try:
                made = make(known.record)
            except port.VolumeError:
                if not is_old:
                    raise
                made = None
            if made is None and not is_old:
                return known.record
            try:
                if made and (written := await self._written(picture, made, known, token)):
                    return written
            except port.VolumeAway:  # it may have been written all the same
                failures += 1
                if failures > 1:
                    raise
            self.forget(picture)
            await asyncio.sleep(min(attempt, 10) * 0.01)
        raise port.VolumeAway("a record is changed by too many at once")

    async def _written(
        self, picture: PictureId, made: PictureRecord, known: KnownRecord, token: str
    ) -> PictureRecord | None:
        """With our token; None: somebody was faster, or we were and were not told."""
        made = made.model_copy(update={"tokens": (token, *known.record.tokens)[:TOKENS_KEPT]})
        body, key = made.model_dump_json(exclude_defaults=True).encode(), record_key(picture)
        try:
            if known.e_tag:
                e_tag = await self._client.replace(key, body, media_type=_JSON, e_tag=known.e_tag)
            else:
                e_tag = await self._client.create(key, body, media_type=_JSON)
        except ConditionLost:
            return None
        self._remember(picture, KnownRecord(made, e_tag, time.monotonic()))
        return made

    async def remove(
        self, picture: PictureId, may: Callable[[PictureRecord], bool] = lambda _record: True
    ) -> PictureRecord | None:
        """Take it out of sight, with its files; return what it was. None: there was none, or it may not go.

        First it is nobody's to change any more, then its files go, and then itself: who is killed in between does it again.
        """
        gone: list[PictureRecord] = []

        def going(record: PictureRecord) -> PictureRecord | None:
            gone.clear()
            if not _is_something(record) or not (record.going_since or may(record)):
                return None
            gone.append(record)
            doomed = record.going or tuple(filter(None, (record.current, record.before)))
            return PictureRecord(going_since=utc_now(), going=doomed)

        made = await self.change(picture, going, removing=True)
        if not gone:
            return None
        await self._client.delete(keys_of(picture, *made.going))
        await self._client.delete([record_key(picture)])
        self._remember(picture, KnownRecord(ABSENT, "", time.monotonic()))
        return gone[0]

    async def read(self, picture: PictureId) -> KnownRecord:
        """As it is in the store at this moment."""
        known = self._known.get(picture)
        try:
            if known and known.e_tag:
                stored = await self._client.get_if_changed(record_key(picture), known.e_tag)
                if stored is None:
                    return KnownRecord(known.record, known.e_tag, time.monotonic())
            else:
                stored = await self._client.get(record_key(picture))
        except FileNotFoundError:
            return KnownRecord(ABSENT, "", time.monotonic())
        return KnownRecord(parsed(stored.body), stored.e_tag, time.monotonic())

    async def close(self) -> None:
        for flight in self._flights.values():
            flight.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)

    async def _to_change(
        self, picture: PictureId, token: str, *, read: bool, removing: bool
    ) -> tuple[KnownRecord, bool]:
        """And whether it is only remembered. That will do the first time: who writes on it is told where it is too old."""
        known = self._known.get(picture)
        is_old = not read and known is not None and not known.record.going_since
        if known is None or not is_old:
            known = await self.read(picture)
        waited_s = 0.0
        while since := known.record.going_since:
            if token in known.record.tokens:
                break  # it is we who remove it, and were not told
            if removing and (utc_now() - since).total_seconds() > GOING_S:
                break  # whoever removed it did not get to the end
            if waited_s > GOING_WAIT_S:
                raise port.Locked("the picture is being removed")
            await asyncio.sleep(GOING_AGAIN_S)
            waited_s += GOING_AGAIN_S
            known, is_old = await self.read(picture), False
        return known, is_old

    def _is_fresh(self, known: KnownRecord) -> bool:
        lasts_s = self._fresh_s if known.e_tag else min(ABSENT_S, self._fresh_s)
        return time.monotonic() - known.read_at_s < lasts_s

    def _flight(self, picture: PictureId) -> asyncio.Task[KnownRecord]:
        """One question at a time for each picture, however many ask."""
        flight = self._flights.get(picture)
        if flight is None:
            flight = self._flights[picture] = asyncio.create_task(self._fly(picture), name="reading a record")
            flight.add_done_callback(lambda done: self._landed(picture, done))
        return flight

    async def _fly(self, picture: PictureId) -> KnownRecord:
        forgotten = self._forgotten
        read = await self.read(picture)
        if forgotten == self._forgotten:
            self._remember(picture, read)
        return read

    def _landed(self, picture: PictureId, flight: asyncio.Task[KnownRecord]) -> None:
        if self._flights.get(picture) is flight:
            del self._flights[picture]
        if not flight.cancelled():
            flight.exception()  # told to who waited; of a look ahead, to nobody

    def _remember(self, picture: PictureId, read: KnownRecord) -> None:
        self._known[picture] = read
        self._known.move_to_end(picture)
        if len(self._known) > REMEMBERED_AT_MOST:
            self._known.popitem(last=False)


def parsed(body: bytes) -> PictureRecord:
    """Without the parts of it that cannot be read, which count as none: whoever changes it writes them anew."""
    return read_record(body)[0]


def read_record(body: bytes) -> tuple[PictureRecord, frozenset[str]]:
    """With the names of the parts that cannot be read; all of it: of the revision alone it is said."""
    try:
        return PictureRecord.model_validate_json(body), frozenset()
    except ValidationError as error:
        unreadable = frozenset(str(problem["loc"][0]) for problem in error.errors() if problem["loc"])
    try:
        said = json.loads(body)
        whole = {name: value for name, value in said.items() if name not in unreadable}
        return PictureRecord.model_validate_json(json.dumps(whole)), unreadable
    except (ValueError, AttributeError):
        return ABSENT, frozenset({"current"})


def _is_something(record: PictureRecord) -> bool:
    return record.model_copy(update={"tokens": ()}) != ABSENT
