"""Full imports and syncs, as tasks: Trakt is read, and then each title of which something waits is brought in.

One of them at a time. Each goes on after a kill where it was: reading at its place, titles with those that still wait.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

import structlog

from services.enricher.account.applying import FULL, SYNC, Applying, Mode
from services.enricher.account.entries import Entries
from services.enricher.account.mirror import MEDIA, AccountList, Mirror, ReadingPlace, TitleId
from services.enricher.account.reading import MARGIN, Reader
from services.enricher.account.rules import ImportOptions, MediaKind
from services.enricher.account.signing_in import USER_SEEN
from services.enricher.account.titles import DetailsMissing, Items, TitleFetcher, pictures_of
from services.enricher.account.vault import Remembered
from services.enricher.finder.providers import ProviderError
from services.enricher.finder.providers.trakt.account import HistoryKind
from services.enricher.tasks.task import Progress, TaskCancelled, TaskFailed
from shared.background import cancel_and_wait
from shared.pictures import SourceUrl
from shared.queue import QueueError
from shared.telemetry import utc_now

IMPORT, SYNCING = "trakt import", "trakt sync"
"""The kinds of tasks."""

LAST_SYNC, AUTO_SYNC = "trakt_last_sync_at", "trakt_auto_sync_enabled"
_RUN, _MARKS, _READ_FROM, _USER = "trakt_import", "trakt_activities", "trakt_read_from:", "trakt_user"
TITLES_AT_ONCE = 12
IMPORT_FIRST = "Nothing was imported yet: use the full import first."
Step = Callable[[str], None]
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FoundTitle:
    """A title of the account, as a preview shows it. Its text is Trakt's, and is not kept."""

    kind: MediaKind
    tmdb_id: int
    title: str
    year: int | None
    in_library: bool


@dataclass(frozen=True, slots=True)
class Preview:
    movies: Sequence[FoundTitle]
    series: Sequence[FoundTitle]

    @property
    def total(self) -> int:
        return len(self.movies) + len(self.series)

    @property
    def already_in_library(self) -> int:
        return sum(found.in_library for found in (*self.movies, *self.series))


@dataclass(frozen=True, slots=True)
class _Run:
    """A full import: what Trakt said had changed before it began, what was read since, and by which readings."""

    run: str
    marks: Mapping[str, str]
    began_at: str
    read: Sequence[str] = ()
    readings: Mapping[str, int] = field(default_factory=dict)
    applying: bool = False
    total: int = 0


def _no_step(_name: str) -> None:
    pass


class Importing:
    """`picture` has the picture of a source fetched, behind what somebody waits for; it raises QueueError."""

    def __init__(
        self,
        reader: Reader,
        fetcher: TitleFetcher,
        applying: Applying,
        entries: Entries,
        items: Items,
        *,
        picture: Callable[[SourceUrl], Awaitable[None]],
        image_url: str,
        now: Callable[[], datetime] = utc_now,
        at: Step = _no_step,
    ) -> None:
        self._reader = reader
        self._mirror: Mirror = reader.mirror
        self._remembered: Remembered = reader.remembered
        self._fetcher = fetcher
        self._applying = applying
        self._entries = entries
        self._items = items
        self._picture = picture
        self._image_url = image_url
        self._now = now
        self._at = at
        self._turn = asyncio.Lock()
        self.current: str | None = None
        """The title that is being brought in."""

    async def import_all(self, arguments: Mapping[str, object], progress: Progress) -> None:
        """`run` tells a task from the one before; begun again under the same, it goes on."""
        options = ImportOptions.of(arguments.get("options"))
        async with self._turn:
            await self._check_user()
            run = await self._run(str(arguments.get("run", "")))
            kinds, lists = _chosen(options)
            if not run.applying:
                run = await self._read_all(run, kinds, lists, progress)
            self._at("applying")
            mode = replace(FULL, ratings=options.ratings)
            left = await self._mirror.count_waiting(kinds, lists)
            progress.total = max(run.total, left)
            progress.step(done=progress.total - left)
            await self._bring(kinds, lists, mode, progress)
            marks = {name: run.marks[name] for name in run.read}
            await self._done(marks, run.read, datetime.fromisoformat(run.began_at))
            self._at("imported")

    async def sync(self, arguments: Mapping[str, object], progress: Progress) -> None:
        """What changed since the last time, or since a day that is given."""
        async with self._turn:
            await self._check_user()
            began_at = self._now()
            since = arguments.get("since")
            marks = await self._activities()
            kept = await self._remembered.get(_MARKS)
            before = json.loads(kept.get(_MARKS, "{}"))
            changed = [name for name in marks if since or before.get(name) != marks[name]]
            failed = await self._read_changed(changed, since, progress)
            kinds, lists = tuple(HistoryKind), tuple(AccountList)
            progress.total = await self._mirror.count_waiting(kinds, lists)
            await self._bring(kinds, lists, SYNC, progress)
            good = [name for name in marks if name not in failed]
            await self._done({name: marks[name] for name in good}, good, began_at)

    async def preview(self) -> Preview:
        """What a full import would bring. Raise a ProviderError where one of the lists cannot be read."""
        account, turn = self._reader.account, self._reader.turn
        titles: dict[TitleId, tuple[str, int | None]] = {}
        for kind, media in MEDIA.items():
            async for watched in account.watched(kind, turn):
                for one in watched:
                    if (found := one.movie or one.show) and found.ids.tmdb:
                        titles[TitleId(media, found.ids.tmdb)] = (found.title, found.year)
        async for listed in account.watchlist(turn):
            for wanted in listed:
                media = MediaKind.MOVIE if wanted.movie else MediaKind.SERIES
                found = wanted.movie or wanted.show
                if wanted.type in ("movie", "show") and found and found.ids.tmdb:
                    titles.setdefault(TitleId(media, found.ids.tmdb), (found.title, found.year))
        known = {kind: await self._known(kind, titles) for kind in MediaKind}
        found_ = [
            FoundTitle(title.kind, title.tmdb_id, *said, in_library=title.tmdb_id in known[title.kind])
            for title, said in titles.items()
        ]
        return Preview(
            [one for one in found_ if one.kind is MediaKind.MOVIE],
            [one for one in found_ if one.kind is MediaKind.SERIES],
        )

    async def _known(self, kind: MediaKind, titles: Collection[TitleId]) -> frozenset[int]:
        ids = [title.tmdb_id for title in titles if title.kind is kind]
        return await self._items.known(kind, ids) | await self._entries.known(kind, ids)

    async def _run(self, run: str) -> _Run:
        """How far this run is: as it was left, or at its beginning."""
        kept = await self._remembered.get(_RUN)
        state = json.loads(kept.get(_RUN, "{}"))
        if run and state.get("run") == run:
            return _Run(**state)
        return await self._left(_Run(run, await self._activities(), self._now().isoformat()))

    async def _left(self, run: _Run) -> _Run:
        """Where it goes on after a kill."""
        await self._remembered.put({_RUN: json.dumps(asdict(run))})
        return run

    async def _read_all(
        self, run: _Run, kinds: Sequence[HistoryKind], lists: Sequence[AccountList], progress: Progress
    ) -> _Run:
        """What cannot be read is told, and the rest goes on."""
        for name in (*kinds, *lists):
            if name in run.read:
                continue
            self._at(f"reading {name}")
            try:
                if isinstance(name, HistoryKind):
                    run, place = await self._place(run, name)
                    await self._reader.whole(name, progress.step, place)
                else:
                    await self._reader.lists(AccountList(name), progress.step)
            except ProviderError as error:
                progress.error(name, f"Failed to read {name} from Trakt: {error.reason}")
                continue
            run = await self._left(replace(run, read=[*run.read, name]))
        self._at("read")
        await self._mirror.consider_again(kinds, lists)
        total = await self._mirror.count_waiting(kinds, lists)
        return await self._left(replace(run, applying=True, total=total))

    async def _place(self, run: _Run, kind: HistoryKind) -> tuple[_Run, ReadingPlace]:
        """Where this run reads a history on, or begins to."""
        place = await self._mirror.place(kind)
        if place and place.since is None and run.readings.get(kind) == place.number:
            return run, place
        place = await self._mirror.begin(kind, since=None)
        return await self._left(replace(run, readings={**run.readings, kind: place.number})), place

    async def _read_changed(self, changed: Sequence[str], since: object, progress: Progress) -> Sequence[str]:
        """Those that could not be read."""
        failed = []
        for name in changed:
            try:
                if name in set(HistoryKind):
                    kind = HistoryKind(name)
                    await self._reader.since(kind, await self._begin(kind, since), progress.step)
                else:
                    await self._reader.lists(AccountList(name), progress.step)
            except ProviderError as error:
                progress.error(name, f"Failed to read {name} from Trakt: {error.reason}")
                failed.append(name)
        return failed

    async def _begin(self, kind: HistoryKind, since: object) -> datetime:
        """From when on a history is read. Raise TaskFailed where nothing was imported yet."""
        if since:
            return datetime.fromisoformat(str(since)).astimezone(UTC) - MARGIN
        kept = await self._remembered.get(_READ_FROM + kind)
        if text := kept.get(_READ_FROM + kind):
            return datetime.fromisoformat(text) - MARGIN
        latest = await self._mirror.latest()
        if latest is None:
            raise TaskFailed(IMPORT_FIRST)
        return latest - MARGIN

    async def _activities(self) -> Mapping[str, str]:
        try:
            return (await self._reader.activities()).marks
        except ProviderError as error:
            raise TaskFailed(f"Trakt cannot be read: {error.reason}") from None

    async def _check_user(self) -> None:
        """Where somebody else signed in, nothing of whoever was before is taken for theirs."""
        kept = await self._remembered.get(USER_SEEN, _USER)
        if USER_SEEN in kept:
            return
        try:
            user = await self._reader.account.user(self._reader.turn())
        except ProviderError as error:
            raise TaskFailed(f"Trakt cannot be read: {error.reason}") from None
        mark = hashlib.sha256(user.encode()).hexdigest()
        if kept.get(_USER, mark) != mark:
            _log.warning("another account of Trakt: what was read before is no longer taken for its")
            await self._mirror.forget_all()
            await self._remembered.put(
                {}, without=(_MARKS, _RUN, *(_READ_FROM + kind for kind in HistoryKind))
            )
        await self._remembered.put({_USER: mark, USER_SEEN: "yes"})

    async def _done(self, marks: Mapping[str, str], read: Collection[str], began_at: datetime) -> None:
        values = {LAST_SYNC: self._now().isoformat(), _MARKS: json.dumps(marks)}
        values |= {_READ_FROM + name: began_at.isoformat() for name in HistoryKind if name in read}
        await self._remembered.put(values, without=(_RUN,))
        self.current = None

    async def _bring(
        self,
        kinds: Sequence[HistoryKind],
        lists: Sequence[AccountList],
        mode: Mode,
        progress: Progress,
    ) -> None:
        """What was begun is done whole, also where the task is cancelled: that ends it before the next one."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            async for title in self._mirror.waiting(kinds, lists):
                if len(under_way) >= TITLES_AT_ONCE:
                    done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                    for ended in done:
                        ended.result()
                progress.step()
                under_way.add(asyncio.create_task(self._one(title, mode, progress), name=str(title)))
            await asyncio.gather(*under_way)
            progress.step()
        except TaskCancelled:
            await asyncio.gather(*under_way)
            raise
        finally:
            await cancel_and_wait(*under_way)

    async def _one(self, title: TitleId, mode: Mode, progress: Progress) -> None:
        self.current = str(title)
        made: dict[str, int] = {}
        try:
            pictures, counted = await self._brought(title, mode)
            made = counted | await self._fetch(pictures)
        except DetailsMissing as error:
            progress.error(str(title), str(error))
            await self._mirror.put_off(title)
        with suppress(TaskCancelled):  # before the next one
            progress.step(done=1, **made)

    async def _brought(self, title: TitleId, mode: Mode) -> tuple[Sequence[str], dict[str, int]]:
        known = await self._applying.known(title)
        has = await self._mirror.of_title(title)
        watched = {play.season for play in has.plays} if title.kind is MediaKind.SERIES else set()
        self._at(f"fetching {title}")
        if known is None:
            details = await self._fetcher.details(title, watched)
            self.current = details.name
            self._at(f"applying {title}")
            made = await self._applying.apply(title, mode, details=details)
            pictures = details.pictures
        else:
            seasons = await self._fetcher.seasons(title.tmdb_id, watched - known.seasons)
            self._at(f"applying {title}")
            made = await self._applying.apply(title, mode, seasons=seasons)
            pictures = pictures_of(seasons)
        self._at(f"applied {title}")
        counted = {
            "movie watches": made.movie_watches,
            "episode watches": made.episode_watches,
            "updated": made.updated,
        }
        return pictures, counted

    async def _fetch(self, pictures: Sequence[str]) -> dict[str, int]:
        """What cannot be queued now is fetched when somebody looks at it."""
        for number, path in enumerate(pictures):
            try:
                await self._picture(SourceUrl.parse(f"{self._image_url}/original{path}"))
            except QueueError:
                return {"pictures not queued": len(pictures) - number}
        return {}


def _chosen(options: ImportOptions) -> tuple[Sequence[HistoryKind], Sequence[AccountList]]:
    kinds = [
        kind
        for kind, chosen in ((HistoryKind.MOVIES, options.movies), (HistoryKind.SHOWS, options.series))
        if chosen
    ]
    lists = [
        name
        for name, chosen in (
            (AccountList.RATINGS, options.ratings),
            (AccountList.WATCHLIST, options.watchlist),
        )
        if chosen
    ]
    return kinds, lists
