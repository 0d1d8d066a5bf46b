"""The store's client: a few kinds of requests to one bucket or two, each within a time, and what they cost.

It is narrow on purpose, and the only module that knows the library behind it. No request is repeated here that could do its work
twice: whoever writes on a condition asks afterwards what is there.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import obstore
from obstore import exceptions as refused
from obstore.store import S3Store

from shared.pictures.paths import is_original
from shared.volume.port import VolumeAway
from shared.volume.settings import ObjectStoreSettings, VolumeRefused

if TYPE_CHECKING:
    from obstore.store import S3Config

T = TypeVar("T")

TRIES = 2
"""Of what may be done twice: reading, removing, and writing whatever was there."""

TRY_AGAIN_AFTER_S = 0.2
THREADS = 32
"""That read objects, each whole."""

DELETED_AT_ONCE = 500
LISTED_AT_ONCE = 1000
LONGEST_METADATA = 1500
"""Characters of one value: all of an object's may have two kilobytes."""


MODIFIED = "modified"
"""Metadata: when a file was made, by the clock of who made it, so that its tag is the same whoever serves it."""


class Request(StrEnum):
    """The kinds that are counted, and paid for."""

    GET = "get"
    HEAD = "head"
    PUT = "put"
    DELETE = "delete"
    LIST = "list"


class StoreCosts:
    """What the store was asked by this process."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, ...]] = Counter()
        """By kind and what came of it: `done`, `missing`, `refused`, `failed`."""
        self.bytes: Counter[tuple[str, ...]] = Counter()
        """That were `read` and `written`."""

    def asked(self, kind: Request, outcome: str) -> None:
        self.requests[kind.value, outcome] += 1

    def moved(self, direction: str, size: int) -> None:
        self.bytes[(direction,)] += size


class ConditionLost(Exception):
    """Somebody else was faster, or it was we ourselves, whose answer got lost: read what is there."""


@dataclass(frozen=True, slots=True)
class ObjectBytes:
    """An object as it was read."""

    body: bytes
    e_tag: str
    modified_s: int
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing tells of it, by its key below the volume's prefix."""

    key: str
    e_tag: str
    bytes: int
    modified_at: datetime


class ObjectClient:
    """Keys are relative to the volume's prefix. Raises VolumeAway where the store does not answer, and FileNotFoundError for
    what is not there.
    """

    def __init__(self, settings: ObjectStoreSettings) -> None:
        self.settings = settings
        self.costs = StoreCosts()
        self.stores = {bucket: _opened(settings, bucket) for bucket in settings.buckets}
        self._timeout_s = settings.timeout_s
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._seats = BoundedSemaphore(THREADS)

    def close(self) -> None:
        """Nobody waits for what is being read."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def get(self, key: str) -> ObjectBytes:
        async def once() -> ObjectBytes:
            stored = await self._read(self._store(key), self._path(key))
            self.costs.moved("read", len(stored.body))
            return stored

        return await self._asked(Request.GET, once, tries=TRIES)

    async def get_if_changed(self, key: str, e_tag: str) -> ObjectBytes | None:
        """None: it is what it was."""

        async def once() -> ObjectBytes | None:
            try:
                answer = await obstore.get_async(
                    self._store(key), self._path(key), options={"if_none_match": e_tag}
                )
            except refused.NotModifiedError:
                return None
            body = bytes(await answer.bytes_async())
            self.costs.moved("read", len(body))
            return _stored(body, answer)

        return await self._asked(Request.GET, once, tries=1)

    async def part(self, key: str, first: int, length: int) -> AsyncIterator[bytes]:
        """In pieces, as they come."""

        async def once() -> "obstore.GetResult":
            options: obstore.GetOptions = {"range": (first, first + length)}
            return await obstore.get_async(self._store(key), self._path(key), options=options)

        answer = await self._asked(Request.GET, once, tries=TRIES)
        pieces = aiter(answer.stream(min_chunk_size=256 * 1024))
        while (piece := await self._within(lambda: anext(pieces, None))) is not None:
            self.costs.moved("read", len(piece))
            yield bytes(piece)

    async def get_range(self, key: str, first: int, length: int) -> bytes:
        async def once() -> bytes:
            return bytes(
                await obstore.get_range_async(self._store(key), self._path(key), start=first, length=length)
            )

        body = await self._asked(Request.GET, once, tries=TRIES)
        self.costs.moved("read", len(body))
        return body

    async def look(self, key: str) -> Listed:
        """What a listing would say of it."""

        async def once() -> Listed:
            meta = await obstore.head_async(self._store(key), self._path(key))
            return Listed(key, meta["e_tag"] or "", meta["size"], meta["last_modified"])

        return await self._asked(Request.HEAD, once, tries=TRIES)

    async def put_file(self, key: str, file: Path, size: int, *, media_type: str) -> None:
        """Whatever was there, in parts, each within the time of a request: it is there once all are."""
        attributes: obstore.Attributes = {
            "Content-Type": media_type,
            "Cache-Control": self.settings.cache_control,
        }
        try:
            await obstore.put_async(
                self._store(key),
                self._path(key),
                file,
                attributes=attributes,
                use_multipart=True,
                max_concurrency=4,
            )
        except (refused.BaseError, TimeoutError) as error:
            self.costs.asked(Request.PUT, "failed")
            raise _away(error) from error
        self.costs.asked(Request.PUT, "done")
        self.costs.moved("written", size)

    async def is_there(self, key: str) -> bool:
        async def once() -> bool:
            await obstore.head_async(self._store(key), self._path(key))
            return True

        try:
            return await self._asked(Request.HEAD, once, tries=TRIES)
        except FileNotFoundError:
            return False

    async def create(
        self, key: str, body: bytes, *, media_type: str, metadata: Mapping[str, str] | None = None
    ) -> str:
        """Return its entity tag. Raise ConditionLost where there is one; asked once, so that it never meets itself unseen."""
        return await self._put(key, body, media_type, metadata, mode="create", tries=1)

    async def replace(self, key: str, body: bytes, *, media_type: str, e_tag: str) -> str:
        """Return its entity tag. Raise ConditionLost where it is not the one with this tag any more."""
        return await self._put(key, body, media_type, None, mode={"e_tag": e_tag}, tries=1)

    async def put(self, key: str, body: bytes, *, media_type: str) -> str:
        """Whatever was there: for what nobody else changes, or where the last word counts."""
        return await self._put(key, body, media_type, None, mode="overwrite", tries=TRIES)

    async def delete(self, keys: Sequence[str]) -> None:
        """What is not there is no error."""
        for bucket, store in self.stores.items():
            here = [self._path(key) for key in keys if self._bucket(key) == bucket]
            for first in range(0, len(here), DELETED_AT_ONCE):
                some = here[first : first + DELETED_AT_ONCE]

                async def once(store: S3Store = store, some: Sequence[str] = some) -> None:
                    await obstore.delete_async(store, some if len(some) > 1 else some[0])

                try:
                    await self._asked(Request.DELETE, once, tries=TRIES)
                except FileNotFoundError:
                    continue

    def delete_now(self, keys: Sequence[str]) -> None:
        """Of the first bucket, without an event loop, as a process ends; whatever comes of it."""
        for key in keys:
            self.delete_from(self.stores[self.settings.bucket], self._path(key))

    def delete_from(self, store: S3Store, path: str) -> None:
        """The same of any of them."""
        with suppress(refused.BaseError, OSError):
            obstore.delete(store, path)

    def said(self, error: BaseException) -> str:
        return _first_line(error)

    async def list(self, prefix: str) -> AsyncIterator[Listed]:
        """All whose keys begin with these whole parts, in no order that could be relied on."""
        for store in self.stores.values() if prefix.startswith("p") else [self._store(prefix)]:
            pages = aiter(obstore.list(store, self._path(prefix), chunk_size=LISTED_AT_ONCE))
            while True:
                page = await self._asked(Request.LIST, lambda pages=pages: anext(pages, None), tries=1)  # type: ignore[misc]
                if page is None:
                    break
                for meta in page:
                    key = meta["path"].removeprefix(self.settings.key_prefix)
                    yield Listed(key, meta["e_tag"] or "", meta["size"], meta["last_modified"])

    async def _put(
        self,
        key: str,
        body: bytes,
        media_type: str,
        metadata: Mapping[str, str] | None,
        *,
        mode: "obstore.PutMode",
        tries: int,
    ) -> str:
        attributes: obstore.Attributes = {
            "Content-Type": media_type,
            "Cache-Control": self.settings.cache_control if key.startswith("p/") else "no-store",
            **{name: _header(value) for name, value in (metadata or {}).items()},
        }

        async def once() -> str:
            put = await obstore.put_async(
                self._store(key),
                self._path(key),
                body,
                attributes=attributes,
                mode=mode,
                use_multipart=False,
            )
            return put["e_tag"] or ""

        e_tag = await self._asked(Request.PUT, once, tries=tries)
        self.costs.moved("written", len(body))
        return e_tag

    async def _read(self, store: S3Store, path: str) -> ObjectBytes:
        """By a thread that waits for all of it: it costs a quarter less than to bring first the answer and then its bytes to the
        event loop. Where all threads wait, as for a store that is slow, nobody waits for one.
        """
        if not self._seats.acquire(blocking=False):
            answer = await obstore.get_async(store, path)
            return _stored(bytes(await answer.bytes_async()), answer)
        reading = self._threads.submit(_read_here, store, path)
        reading.add_done_callback(lambda _: self._seats.release())
        return await asyncio.wrap_future(reading)

    async def _asked(self, kind: Request, once: Callable[[], Awaitable[T]], *, tries: int) -> T:
        for left in reversed(range(tries)):
            try:
                answer = await self._within(once)
            except FileNotFoundError:
                self.costs.asked(kind, "missing")
                if kind is Request.PUT:  # on the condition that it is there (S3 says 404, or 412)
                    raise ConditionLost from None
                raise
            except (refused.AlreadyExistsError, refused.PreconditionError):
                self.costs.asked(kind, "refused")
                raise ConditionLost from None
            except (refused.BaseError, TimeoutError, OSError) as error:
                self.costs.asked(kind, "failed")
                if _is_final(error) or not left:
                    raise _away(error) from error
            else:
                self.costs.asked(kind, "done")
                return answer
            await asyncio.sleep(TRY_AGAIN_AFTER_S)
        raise AssertionError("it returned or raised")

    async def _within(self, once: Callable[[], Awaitable[T]]) -> T:
        async with asyncio.timeout(self._timeout_s):
            return await once()

    def _path(self, key: str) -> str:
        return f"{self.settings.key_prefix}{key}"

    def _bucket(self, key: str) -> str:
        """Originals may lie in one of their own, and so may what is made of them."""
        if not key.startswith("p/"):
            return self.settings.bucket
        file_name = key.rpartition("/")[2]
        return self.settings.originals if is_original(file_name) else self.settings.thumbnails

    def _store(self, key: str) -> S3Store:
        return self.stores[self._bucket(key)]


def _opened(settings: ObjectStoreSettings, bucket: str) -> S3Store:
    """It repeats nothing by itself: a create that is asked twice tells its owner that the object is another's."""
    keys: S3Config = {"endpoint": settings.endpoint} if settings.endpoint else {}
    if settings.access_key_id:
        keys["access_key_id"] = settings.access_key_id
        keys["secret_access_key"] = settings.secret_access_key
    timeout = timedelta(seconds=settings.timeout_s)
    shortest = timedelta(milliseconds=1)
    try:
        return S3Store(
            bucket,
            config=keys,
            region=settings.region,
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": settings.endpoint.startswith("http:"),
                "allow_invalid_certificates": not settings.verify_ssl,
                "connect_timeout": min(timeout, timedelta(seconds=5)),
                "timeout": timeout,
            },
            retry_config={
                "max_retries": 0,
                "retry_timeout": timeout,
                "backoff": {"init_backoff": shortest, "max_backoff": shortest, "base": 2},
            },
        )
    except (refused.BaseError, ValueError) as error:
        raise VolumeRefused(f"VOLUME_URL: the store cannot be used: {_first_line(error)}.") from error


def _is_final(error: BaseException) -> bool:
    return isinstance(
        error, refused.PermissionDeniedError | refused.UnauthenticatedError | refused.NotSupportedError
    )


def _away(error: BaseException) -> VolumeAway:
    return VolumeAway(f"the object store does not answer: {_first_line(error) or type(error).__name__}")


def store_code(error: BaseException) -> str:
    """What a store calls what is wrong, `SlowDown`; empty where it says nothing."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


_CODE = re.compile(r"<Code>(\w{1,60})</Code>")


def _first_line(error: BaseException) -> str:
    """What the library says, without its debug form, and without what a store may have said of our keys."""
    line = str(error).strip().partition("\n")[0].partition(": <?xml")[0].partition(": <Error")[0][:300]
    code = store_code(error)
    return f"{line} ({code})" if code else line


def _read_here(store: S3Store, path: str) -> ObjectBytes:
    answer = obstore.get(store, path)
    return _stored(bytes(answer.bytes()), answer)


def _stored(body: bytes, answer: "obstore.GetResult") -> ObjectBytes:
    metadata = {str(name): str(value) for name, value in answer.attributes.items()}
    said, meta = metadata.get(MODIFIED, ""), answer.meta
    modified_s = int(said) if said.isdecimal() else int(meta["last_modified"].timestamp())
    return ObjectBytes(body, meta["e_tag"] or "", modified_s, metadata)


def _header(value: str) -> str:
    """As a header may say it."""
    return quote(value, safe=" !#$&'()*+,-./:;<=>?@[]_|~%")[:LONGEST_METADATA]
