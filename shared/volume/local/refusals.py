"""Refusals of names: what nobody has, in a few small files, however many names strangers make up.

A shelf is a file: one line of JSON with the reasons, each once, then a record of fixed length for each name, the oldest
first. Looking is one read and a search for the name's digest. A full shelf forgets its oldest.
"""

import fcntl
import json
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Self

from shared.pictures import Failure, FailureClass, Name
from shared.volume.local.durable import read_whole, replace_bytes
from shared.volume.local.layout import Layout

SHELVES = 64
REMEMBERED_AT_MOST = 100_000
"""Refusals, about 40 bytes each."""

_RECORD = struct.Struct("<16sddBBHH")
_CLASSES = tuple(FailureClass)

Record = tuple[float, float, int, int, int, str]
"""When it failed and until when, in seconds since 1970; class, crashes and status; the reason."""

Records = dict[bytes, Record]
"""By digest, the oldest first."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """Below one directory. Raises OSError where it cannot write."""

    layout: Layout
    at_most: int = REMEMBERED_AT_MOST

    def find(self, name: Name) -> Failure | None:
        digest = _digest(name)
        try:
            return _Shelf.read(f"{self.layout.refused}/{_place(digest)}").find(digest)
        except (OSError, ValueError):  # none was refused on this shelf, or what is there is none of ours
            return None

    def put(self, name: Name, failure: Failure) -> None:
        def change(records: Records, digest: bytes) -> None:
            records.pop(digest, None)
            records[digest] = _record(failure)
            while len(records) > max(1, self.at_most // SHELVES):
                del records[next(iter(records))]

        self._change(name, change)

    def forget(self, name: Name) -> None:
        if self.find(name):
            self._change(name, lambda records, digest: records.pop(digest, None))

    def _change(self, name: Name, change: Callable[[Records, bytes], object]) -> None:
        digest = _digest(name)
        file = self._file(digest)
        with _alone(file):
            try:
                records = _Shelf.read(file).records()
            except (OSError, ValueError):
                records = {}
            change(records, digest)
            replace_bytes(file, _packed(records), aside=self.layout.scratch)

    def _file(self, digest: bytes) -> Path:
        return self.layout.refused / _place(digest)


@dataclass(frozen=True, slots=True)
class _Shelf:
    reasons: list[str]
    packed: bytes = field(repr=False)

    @classmethod
    def read(cls, file: Path | str) -> Self:
        """Raise OSError where there is none, ValueError for what is no shelf."""
        head, _, packed = read_whole(str(file)).partition(b"\n")
        reasons = json.loads(head)["reasons"]
        if len(packed) % _RECORD.size:
            raise ValueError("a shelf that was cut off")
        return cls(reasons, packed)

    def find(self, digest: bytes) -> Failure | None:
        at = self.packed.find(digest)
        while at % _RECORD.size and at >= 0:  # by chance, in the middle of a record
            at = self.packed.find(digest, at + 1)
        if at < 0:
            return None
        _, at_s, retry_at_s, class_, crashes, status, reason = _RECORD.unpack_from(self.packed, at)
        return Failure(
            failure_class=_CLASSES[class_],
            status=status or None,
            reason=self.reasons[reason],
            crashes=crashes,
            at=datetime.fromtimestamp(at_s, UTC),
            retry_at=datetime.fromtimestamp(retry_at_s, UTC),
        )

    def records(self) -> Records:
        return {
            digest: (*numbers, self.reasons[reason])
            for digest, *numbers, reason in _RECORD.iter_unpack(self.packed)
        }


def _record(failure: Failure) -> Record:
    return (
        failure.at.timestamp(),
        failure.retry_at.timestamp(),
        _CLASSES.index(failure.failure_class),
        min(failure.crashes, 255),
        failure.status or 0,
        failure.reason,
    )


def _packed(records: Records) -> bytes:
    reasons = {
        reason: number for number, reason in enumerate(dict.fromkeys(one[-1] for one in records.values()))
    }
    head = json.dumps({"reasons": list(reasons)}).encode()
    lines = (
        _RECORD.pack(digest, *numbers, reasons[reason]) for digest, (*numbers, reason) in records.items()
    )
    return b"".join((head, b"\n", *lines))


def _place(digest: bytes) -> str:
    return f"{digest[0] % SHELVES:02x}"


def _digest(name: Name) -> bytes:
    return sha256(str(name).encode()).digest()[:16]


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """With no other fetcher at the same shelf; the lock dies with its holder. Where the file system has no locks, one of two refusals
    may be forgotten, and that name is asked about again.
    """
    descriptor = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
