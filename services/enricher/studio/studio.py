"""The studio's front door: what may be asked for, by whom, and what became of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from math import ceil
from typing import Any

import structlog

from services.enricher.characters import GenerationFailed, GenerationPending
from services.enricher.pictures.shown import PictureUrls
from services.enricher.studio import asking, jobs
from services.enricher.studio.engine import Engine
from services.enricher.studio.jobs import StudioJob, StudioKind, StudioState, WantedJob
from services.enricher.studio.results import NO_ORIGIN, ResultFetcher, StudioResults
from services.enricher.studio.tables import StudioTable
from services.enricher.studio.titles import ExtractedTitle, TitleMatcher
from services.enricher.uploads.tables import UploadedFile
from services.enricher.uploads.uploads import Uploads, upload_name
from shared.contracts import Envelope, StudioProgressed
from shared.http import Problem
from shared.pictures import ORIGINAL, HostRules
from shared.volume import KeeperVolume

SETTINGS: Mapping[StudioKind, str] = {
    StudioKind.GENERATE: "REPLICATE_API_TOKEN",
    StudioKind.VIDEO: "LUMAAI_API_KEY",
    StudioKind.EDIT: "GOOGLE_API_KEY",
    StudioKind.TITLE: "OPENAI_API_KEY",
    StudioKind.LENS: "SERPAPI_KEY",
    StudioKind.IMAGES: "SERPAPI_KEY",
}
"""Without which the kind is off."""

LOOK_AGAIN_S = 2.0
"""What a lost event can make somebody wait."""

FULL_AGAIN_S = 60
SEARCH_KEY = "search:profile_image:query:"
_log = structlog.get_logger()


class Waiters:
    """Who waits for jobs, in this process; whoever ends them."""

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}

    async def hear(self, event: Envelope) -> None:
        told = event.payload
        if isinstance(told, StudioProgressed):
            for waiting in self._events.get(told.job, ()):
                waiting.set()

    async def until_ended(
        self, id_: str, look: Callable[[str], Awaitable[StudioJob | None]], within_s: float
    ) -> StudioJob | None:
        """The job as it is when it has ended, or after so many seconds."""
        waiting = asyncio.Event()
        events = self._events.setdefault(id_, set())
        events.add(waiting)
        clock = asyncio.get_running_loop().time
        ends_s = clock() + within_s
        try:
            while True:
                waiting.clear()
                job = await look(id_)
                left_s = ends_s - clock()
                if job is None or job.state.ended or left_s <= 0:
                    return job
                try:
                    async with asyncio.timeout(min(left_s, LOOK_AGAIN_S)):
                        await waiting.wait()
                except TimeoutError:
                    continue
        finally:
            events.discard(waiting)
            if not events:
                self._events.pop(id_, None)


@dataclass(frozen=True, slots=True)
class Studio:
    """Raises Problem, with a sentence for who asks, and DatabaseUnavailable. `services`: those that have a key."""

    table: StudioTable
    engine: Engine
    services: Mapping[StudioKind, asking.StudioService]
    results: StudioResults
    titles: TitleMatcher
    prices: Mapping[StudioKind, int]
    wait_s: float
    prompt_for: Callable[[str, str], str]
    _waiters: Waiters
    _uploads: Uploads
    _volume: KeeperVolume
    _fetcher: ResultFetcher
    _urls: PictureUrls
    _rules: HostRules
    _now: Callable[[], datetime]

    @property
    def off(self) -> Mapping[StudioKind, str]:
        """Why the others are."""
        return {
            kind: f"{setting} is not set." for kind, setting in SETTINGS.items() if kind not in self.services
        }

    def service_of(self, kind: StudioKind) -> asking.StudioService:
        """Raise Problem, which names the setting, where there is none."""
        service = self.services.get(kind)
        if service is None:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"This is off: {self.off[kind]}")
        return service

    async def ask(
        self,
        kind: StudioKind,
        arguments: Mapping[str, object],
        *,
        picture: bytes | None = None,
        user: str | None = None,
        looked_at: int = 1,
    ) -> StudioJob:
        """The job, or the same one that is there already: whoever asks for the same has the same result."""
        wanted = self._wanted(kind, arguments, picture, user, looked_at)
        try:
            job = await self.table.ask(wanted)
            if job.state is StudioState.DONE and not await self._is_still_there(job):
                changed = {"state": StudioState.FAILED, "reason": "Its result was deleted."}
                await self.table.decide(job.id, StudioState.DONE, changed)
                job = await self.table.ask(wanted)
        except jobs.BudgetReached as error:
            again_s = max(1, ceil((error.until - self._now()).total_seconds()))
            headers = {"Retry-After": str(again_s)}
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, str(error), headers=headers) from None
        except jobs.StudioFull:
            headers = {"Retry-After": str(FULL_AGAIN_S)}
            detail = "Too many jobs wait in the studio already."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers) from None
        self.engine.wake.set()
        return job

    def _wanted(
        self,
        kind: StudioKind,
        arguments: Mapping[str, object],
        picture: bytes | None = None,
        user: str | None = None,
        looked_at: int = 1,
    ) -> WantedJob:
        service = self.service_of(kind)
        return WantedJob(
            kind, service.name, arguments, self.prices[kind], picture, user, looked_at, service.made_with
        )

    async def waited(self, job: StudioJob, within_s: float | None = None) -> StudioJob:
        """As it is when it has ended, or after the time that is set."""
        within_s = self.wait_s if within_s is None else min(within_s, self.wait_s)
        return await self._waiters.until_ended(job.id, self.table.get, within_s) or job

    async def cancel(self, id_: str) -> StudioJob | None:
        job = await self.table.cancel(id_)
        if job and not job.state.ended:
            self.engine.hear_cancelled(id_)
        return job

    async def fetch_again(self, id_: str) -> StudioJob | None:
        """What was paid and could not be fetched: the service is looked at once more, and nothing is paid. None: it is none such."""
        job = await self.table.get(id_)
        if job is None or job.state is not StudioState.UNFETCHED:
            return None
        state = StudioState.RUNNING if job.provider_id else StudioState.STORING
        changed: dict[str, Any] = {"state": state, "reason": None, "finished_at": None}
        again = await self.table.decide(
            id_, StudioState.UNFETCHED, changed | {"not_before": self._now(), "cancelling": False}
        )
        self.engine.wake.set()
        return again

    async def decided(self, id_: str, decision: str) -> StudioJob | None:
        """A person's word about what is perhaps paid: `paid`, `again` or `give_up`. None: it is none such."""
        over = {"finished_at": self._now(), "picture": None}
        changes: Mapping[str, tuple[dict[str, Any], bool]] = {
            "paid": (
                {"state": StudioState.FAILED, "reason": "It was paid, and its result is lost."} | over,
                False,
            ),
            "again": (
                {"state": StudioState.WAITING, "reason": None, "finished_at": None, "not_before": None},
                False,
            ),
            "give_up": (
                {"state": StudioState.FAILED, "reason": "It was given up, and was not paid."} | over,
                True,
            ),
        }
        changed, take_back = changes[decision]
        job = await self.table.decide(id_, StudioState.PERHAPS_PAID, changed, take_back=take_back)
        self.engine.wake.set()
        return job

    async def own_upload(self, text: str, *, user: str | None, trusted: bool) -> UploadedFile | None:
        """Of a file's name, or of a URL of ours; None: it is none of ours. Raise Problem for another's private one."""
        file = await self._uploads.table.get(text.partition("?")[0].rpartition("/")[2].removesuffix(".jpg"))
        if file is None:
            return None
        ours = self._urls.of_upload(file.id, None)
        if text.partition("?")[0] not in (file.file_name, ours, self._urls.path_of_upload(file.id)):
            return None
        if upload_name(file.id).is_private and not trusted and file.user != user:
            raise Problem(HTTPStatus.NOT_FOUND, "You have no such picture.")
        return file

    async def picture_of(self, text: str, *, user: str | None, trusted: bool) -> bytes:
        """Of one of ours, or at an allowed host's URL. Raise Problem."""
        file = await self.own_upload(text, user=user, trusted=trusted)
        if file:
            stored = await self._volume.pictures.find(file.picture, (ORIGINAL,))
            if stored is None:
                raise Problem(HTTPStatus.NOT_FOUND, "The picture is not there any more.")
            return await stored.content.whole()
        try:
            return await self._fetcher.fetch(text, rules=self._rules)
        except asking.ResultRefused as error:
            raise Problem(HTTPStatus.FORBIDDEN, f"The picture is not fetched. {error.reason}") from None
        except asking.ResultUnreachable as error:
            raise Problem(HTTPStatus.BAD_GATEWAY, f"The picture cannot be had. {error.reason}") from None

    async def shown(self, job: StudioJob) -> dict[str, Any] | None:
        """What came of it, as it is told; None: nothing yet."""
        if job.state is not StudioState.DONE or job.result is None:
            return None
        result = dict(job.result)
        file = result.get("filename")
        if job.kind in asking.MAKES_PICTURES and isinstance(file, str):
            url = self._urls.of_upload(file.removesuffix(".jpg"), None)
            return result | {"url": url, "image_url": url}
        if job.kind is StudioKind.VIDEO:
            path = str(result.pop("path", ""))
            return result | {"generation_id": job.provider_id, "video_url": self._urls.whole(path, "")}
        if job.kind is StudioKind.TITLE:
            return (await self.title(job)).model_dump()
        return result

    async def title(self, job: StudioJob) -> ExtractedTitle:
        """What TMDB has of what the model read."""
        return await self.titles.match(str((job.result or {}).get("extracted_title", "")))

    async def _is_still_there(self, job: StudioJob) -> bool:
        file = (job.result or {}).get("filename")
        if job.kind not in asking.MAKES_PICTURES or not isinstance(file, str):
            return True
        return await self._uploads.table.get(file.removesuffix(".jpg")) is not None

    async def lens(self, file: UploadedFile) -> tuple[list[dict[str, str]] | None, str]:
        """What a search by an upload found; or None, and why there is nothing."""
        try:
            arguments = {"upload": file.id}
            self.service_of(StudioKind.LENS)
            if not self.results.public_url(file):
                return None, NO_ORIGIN
            job = await self.waited(await self.ask(StudioKind.LENS, arguments, user=file.user))
        except Problem as problem:
            return None, problem.detail
        if job.state is StudioState.DONE and job.result:
            found = job.result.get("results")
            return (found if isinstance(found, list) else []), ""
        return None, job.reason or f"It is being searched: GET /api/v1/studio/jobs/{job.id} tells."

    async def searched_picture(self, words: str, *, may_pay: bool) -> str:
        """The URL of a picture by words; empty where nobody has one. What was found once is known without end. `may_pay` false: what
        is known already.
        """
        if StudioKind.IMAGES not in self.services:
            return ""
        query = asking.one_line(words, 200).casefold()
        arguments = {"query": query, "key": f"{SEARCH_KEY}{query}"}
        try:
            job = await self.table.same(self._wanted(StudioKind.IMAGES, arguments))
            if may_pay and (job is None or not job.state.ended):
                job = await self.waited(await self.ask(StudioKind.IMAGES, arguments))
        except Problem as problem:
            _log.info("a picture is not searched for", reason=problem.detail)
            return ""
        if job is None or job.state is not StudioState.DONE:
            return ""
        return str((job.result or {}).get("image_url", ""))

    async def generate(self, name: str, title: str) -> str:
        """As the chain of characters has it. Raise GenerationFailed."""
        try:
            job = await self.waited(await self.ask_for_character(name, title))
        except Problem as problem:
            raise GenerationFailed(problem.detail) from None
        file = (job.result or {}).get("filename")
        if job.state is StudioState.DONE and isinstance(file, str):
            return file
        if job.state.ended:
            raise GenerationFailed(job.reason or "Nothing was made.")
        raise GenerationPending(f"It is being made: job {job.id} of the studio.")

    async def ask_for_character(
        self, name: str, title: str, *, user: str | None = None, looked_at: int = 1
    ) -> StudioJob:
        prompt = self.prompt_for(asking.one_line(name, 200), asking.one_line(title, 200))
        arguments = {"name": name, "movie_title": title, "prompt": prompt}
        return await self.ask(StudioKind.GENERATE, arguments, user=user, looked_at=looked_at)
