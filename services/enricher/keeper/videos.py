"""Videos: fetched from where a service made them, checked, kept whole, and let go by age or for want of room."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver
from aiohttp.resolver import AsyncResolver
from cachetools import TTLCache
from pydantic import Field

from shared.background import Background
from shared.http.addresses import AddressPolicy, CheckedResolver
from shared.http.outbound import OutboundSettings, open_outbound
from shared.http.untrusted import Follower, FollowingRefused
from shared.locks import KeyedLock
from shared.pictures import RefusalReason
from shared.pictures.public_paths import video_name
from shared.settings import ONESHEET_VERSION, CommaList, Settings, UserAgent
from shared.telemetry import Metrics, start_at_zero
from shared.volume import Extent, FloorSettings, Inventory, StoredVideo, VideoFiles, lacking

MIB = 1024 * 1024
MAX_REDIRECTS = 5
AT_ONCE = 4
"""Downloads."""

CONNECT_WITHIN_S, SILENT_AT_MOST_S = 10.0, 30.0
_CHUNK_BYTES = 256 * 1024
_TRY_AGAIN = frozenset({408, 425, 429})
LET_GO_EVERY_S = 600.0
COUNTED_FOR_S = 300.0
"""What videos take is looked at so seldom, besides after each change by this process."""

OLD, ROOM = "age", "room"
"""Why a video is let go."""

_log = structlog.get_logger()


class VideoSettings(Settings):
    outbound: OutboundSettings = Field(default_factory=OutboundSettings)
    room: FloorSettings = Field(default_factory=FloorSettings)
    allow_private: CommaList = Field((), validation_alias="ALLOW_PRIVATE")
    user_agent: UserAgent = Field(f"Onesheet/{ONESHEET_VERSION}", validation_alias="USER_AGENT")
    max_mb: int = Field(500, validation_alias="VIDEO_MAX_MB", gt=0)
    timeout_s: float = Field(600, validation_alias="VIDEO_TIMEOUT", gt=0)
    """For all of one download."""
    keep_days: float = Field(365, validation_alias="VIDEO_KEEP_DAYS", ge=0, le=36_500)
    """0: until room is needed."""

    @property
    def max_bytes(self) -> int:
        return self.max_mb * MIB


class VideoProblem(Exception):
    """A video that could not be had. The text is a sentence for users.

    VideoProblem
    ├── VideoRefused      asking again brings the same: no MP4, too large, not there, an address that is not asked
    └── VideoUnreachable  another time it may be had: the network, the host, no room here
    """

    @property
    def reason(self) -> str:
        return str(self)


class VideoRefused(VideoProblem):
    pass


class VideoUnreachable(VideoProblem):
    pass


class VideoStore:
    def __init__(
        self,
        files: VideoFiles,
        inventory: Inventory,
        follower: Follower,
        settings: VideoSettings,
        *,
        metrics: Metrics,
    ) -> None:
        self._files = files
        self._inventory = inventory
        self._follower = follower
        self._settings = settings
        self._metrics = metrics
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._one_each = KeyedLock()
        self._all: TTLCache[None, Sequence[StoredVideo]] = TTLCache(1, ttl=COUNTED_FOR_S)
        start_at_zero(metrics.videos.fetched, ("stored", "refused", "unreachable"))
        start_at_zero(metrics.videos.let_go, (OLD, ROOM))

    async def fetch(self, url: str, *, name: str, private: bool = False) -> StoredVideo:
        """Have the video at `url` stored as `{name}.mp4`, where `name` is a UUID; what is stored already is not asked for again,
        so that doing it twice is harmless.

        `private`: served by an expiring signed URL only (`PictureUrls.of_video`). Raise VideoRefused or VideoUnreachable, and
        ValueError for another name.
        """
        async with self._one_each.hold(video_name(name)), self._turns:
            if known := await self._files.find(name):
                return known
            try:
                stored = await self._stored(url, name, private=private)
            except VideoProblem as problem:
                outcome = "refused" if isinstance(problem, VideoRefused) else "unreachable"
                self._metrics.videos.fetched.labels(outcome).inc()
                _log.warning("video not stored", video=name, outcome=outcome, reason=problem.reason)
                raise
            self._metrics.videos.fetched.labels("stored").inc()
            self._all.clear()
            return stored

    async def find(self, name: str) -> StoredVideo | None:
        """Raise ValueError for what is no video's name."""
        return await self._files.find(name)

    async def remove(self, name: str) -> bool:
        """False: there was none. Raise ValueError for what is no video's name."""
        removed = await self._files.remove(name)
        self._all.clear()
        return removed

    async def all(self, *, anew: bool = False) -> Sequence[StoredVideo]:
        """The oldest first, as they were a few minutes ago at most, or are now."""
        known = None if anew else self._all.get(None)
        if known is None:
            known = self._all[None] = await self._files.all()
        return known

    async def extent(self) -> Extent:
        """What they take of the disk."""
        videos = await self.all()
        extent = Extent(sum(video.size for video in videos), len(videos))
        self._metrics.videos.bytes.set(extent.bytes)
        return extent

    async def make_room(self, excess: Extent, *, came_before: datetime) -> bool:
        """Let the oldest go, as many as it takes and are older; whether one went."""
        gone = Extent()
        for video in await self.all():
            if (gone.bytes >= excess.bytes and gone.files >= excess.files) or (
                video.modified_s > came_before.timestamp()
            ):
                break
            await self._let_go(video, ROOM)
            gone += Extent(video.size, 1)
        return bool(gone.files)

    async def let_old_go(self, now: datetime) -> int:
        """How many were older than they may be."""
        if not self._settings.keep_days:
            return 0
        limit = (now - timedelta(days=self._settings.keep_days)).timestamp()
        old = [video for video in await self.all() if video.modified_s < limit]
        for video in old:
            await self._let_go(video, OLD)
        return len(old)

    async def _let_go(self, video: StoredVideo, why: str) -> None:
        await self.remove(video.name)
        self._metrics.videos.let_go.labels(why).inc()
        _log.info("video let go", video=video.name, why=why, bytes=video.size)

    async def _stored(self, url: str, name: str, *, private: bool) -> StoredVideo:
        draft = self._files.draft()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await self._download(url, draft)
            await asyncio.to_thread(check_mp4, draft)
            return await self._files.put(name, draft, is_private=private)
        except aiohttp.ClientError as error:
            raise VideoUnreachable(
                f"The connection to the video's host broke: {type(error).__name__}."
            ) from error
        except TimeoutError:
            raise VideoUnreachable("The video did not come in time (VIDEO_TIMEOUT).") from None
        except OSError as error:
            raise VideoUnreachable(f"The video could not be written: {error.strerror or error}.") from error
        finally:
            draft.unlink(missing_ok=True)

    async def _download(self, url: str, into: Path) -> None:
        try:
            async with self._follower.get(url) as answer:
                _check_status(answer.status)
                if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise VideoRefused("The video's host packed it, which no video needs.")
                await self._take(answer, into)
        except FollowingRefused as refused:
            raise VideoRefused(f"{_NOT_FOLLOWED[refused.why]}{refused}") from refused

    async def _take(self, answer: aiohttp.ClientResponse, into: Path) -> None:
        limit = self._settings.max_bytes
        await self._check_size(answer.content_length or 0)
        size = 0
        with into.open("wb") as out:
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                size += len(chunk)
                if size > limit:
                    await self._check_size(size)
                out.write(chunk)
        await self._check_size(size)

    async def _check_size(self, size: int) -> None:
        """Raise VideoProblem for too much: at all, or for the room that is left beyond the floor."""
        if size > self._settings.max_bytes:
            raise VideoRefused(f"The video is larger than {self._settings.max_mb} MiB (VIDEO_MAX_MB).")
        floor = self._settings.room.floor
        if lacking(await self._inventory.space(), Extent(floor.bytes + size, floor.files)).bytes:
            raise VideoUnreachable("There is no room for the video: the disk is full (DISK_FREE_FLOOR_GB).")


_NOT_FOLLOWED = {
    RefusalReason.ADDRESS: "The video's host has no public address.",
    RefusalReason.URL: "The video's URL is no plain URL: ",
    RefusalReason.DOWNGRADE: "The video's host redirects from https to http.",
    RefusalReason.REDIRECTS: "The video's host redirects too often.",
}


def _check_status(status: int) -> None:
    """Raise VideoProblem for an answer without a video."""
    if status == HTTPStatus.OK:
        return
    said = f"The video's host answered {status}."
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TRY_AGAIN:
        raise VideoUnreachable(said)
    raise VideoRefused(said)


_BOXES_AT_MOST = 100_000
_BOX_HEAD, _LARGE_HEAD = 8, 16
_BRANDS = frozenset(
    {
        b"isom",
        b"mp41",
        b"mp42",
        b"avc1",
        b"dash",
        b"cmfc",
        b"cmf2",
        b"M4V ",
        b"M4VH",
        b"M4VP",
        b"mmp4",
        b"MSNV",
    }
) | {b"iso%d" % number for number in range(2, 10)}
"""Of what players take for MP4 (ISO/IEC 14496-12 and -14, mp4ra.org), the first or among the compatible ones."""

_OTHERS = (
    (b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
    (b"RIFF", "AVI, or a picture"),
    (b"OggS", "Ogg"),
    (b"GIF8", "a GIF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"<", "a web page"),
    (b"{", "JSON"),
)


def check_mp4(file: Path) -> None:
    """That it is a whole MP4, by its boxes: its type first, one `moov`, and each as long as it says. Raise VideoRefused with
    what it is instead. Nothing inside the boxes is read.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        head = opened.read(4096)
        if head[4:8] != b"ftyp":
            seen = next((what for magic, what in _OTHERS if head.lstrip().startswith(magic)), "no video")
            raise VideoRefused(f"What was sent is {seen}, not MP4.")
        length = int.from_bytes(head[:4], "big")
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, min(length, len(head)), 4))}
        if not brands & _BRANDS:
            raise VideoRefused(f"What was sent is of the kind {head[8:12]!a}, not MP4.")
        at, found = 0, set[bytes]()
        for _ in range(_BOXES_AT_MOST):
            opened.seek(at)
            box = opened.read(_LARGE_HEAD)
            if not box:
                break
            length, least = int.from_bytes(box[:4], "big"), _BOX_HEAD
            if length == 1:
                length, least = int.from_bytes(box[8:16], "big"), _LARGE_HEAD
            elif length == 0:  # to the end
                length = size - at
            at += length
            found.add(box[4:8])
            if length < least or at > size or len(box) < least:
                raise VideoRefused("The video is cut off, or its boxes make no sense.")
        if at != size or b"moov" not in found:
            raise VideoRefused("The video has no index (moov): nobody could play it.")


@asynccontextmanager
async def open_videos(
    settings: VideoSettings,
    *,
    files: VideoFiles,
    inventory: Inventory,
    metrics: Metrics,
    background: Background,
    now: Callable[[], datetime],
    resolver: AbstractResolver | None = None,
) -> AsyncIterator[VideoStore]:
    """`resolver`: who finds a host's addresses, before they are checked."""
    policy = AddressPolicy(settings.allow_private)
    async with open_outbound(
        settings.outbound,
        resolver=CheckedResolver(policy, resolver or AsyncResolver()),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN_S, sock_read=SILENT_AT_MOST_S),
        headers={"User-Agent": settings.user_agent, "Accept": "video/*", "Accept-Encoding": "identity"},
    ) as outbound:
        follower = Follower(outbound, policy, MAX_REDIRECTS)
        store = VideoStore(files, inventory, follower, settings, metrics=metrics)
        async with letting_go(store, background, now):
            yield store


def letting_go(
    store: VideoStore, background: Background, now: Callable[[], datetime]
) -> AbstractAsyncContextManager[None]:
    """What is older than it may be, now and then, while the context lasts."""
    return background.repeating(
        "letting videos go",
        lambda: store.let_old_go(now()),
        every_s=LET_GO_EVERY_S,
        expected=(OSError,),
    )
