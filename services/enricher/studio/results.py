"""What becomes of what was made: fetched from where it is said to be, and kept as an upload, or on the shelf of videos."""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Protocol
from uuid import UUID

import aiohttp

from services.enricher.keeper.videos import VideoRefused, VideoUnreachable
from services.enricher.pictures.shown import PictureUrls
from services.enricher.studio import asking
from services.enricher.studio.jobs import StudioJob, StudioKind
from services.enricher.studio.serpapi import web_url
from services.enricher.uploads.tables import LimitReached, UploadedFile
from services.enricher.uploads.uploads import Uploads
from shared.http.untrusted import BodyTooLong, Follower, FollowingRefused, read_bounded
from shared.pictures import Failure, HostRules, RefusalReason
from shared.volume import StoredVideo

NO_ORIGIN = "A service could not ask us for the picture: set PUBLIC_URL (or CDN_BASE_URL) to where we are seen from outside."
_LARGEST_PICTURE = 16 * 1024 * 1024


class VideoShelf(Protocol):
    """Where videos are kept."""

    async def fetch(self, url: str, *, name: str) -> StoredVideo:
        """Have what is there kept as `{name}.mp4`. Twice is harmless. Raise VideoRefused or VideoUnreachable."""


class StudioResults:
    """Pictures become uploads, and videos go to their shelf."""

    def __init__(
        self,
        uploads: Uploads,
        fetcher: "ResultFetcher",
        videos: VideoShelf,
        urls: PictureUrls,
        *,
        link_lasts_s: float,
        now: Callable[[], datetime],
    ) -> None:
        self._uploads = uploads
        self._fetcher = fetcher
        self._videos = videos
        self._urls = urls
        self._link_lasts_s = link_lasts_s
        self._now = now

    async def store(self, job: StudioJob, made: bytes | str) -> Mapping[str, object]:
        if job.kind is StudioKind.VIDEO:
            return await self._store_video(job, str(made))
        body = made if isinstance(made, bytes) else await self._fetcher.fetch(made)
        try:
            stored = await self._uploads.store_made(body, UUID(job.id), user=job.asked_by)
        except LimitReached:
            raise asking.ResultRefused("There is no room for it: uploads have reached their limit.") from None
        if isinstance(stored, Failure):
            raise asking.ResultRefused(f"It is no picture that is kept here: {stored.reason}")
        if not stored.is_stored:
            raise asking.ResultUnreachable("It is not stored yet.")
        return {"filename": stored.file_name}

    async def sent_url(self, job: StudioJob) -> str | None:
        upload = job.said("upload")
        if not upload:
            return None
        file = await self._uploads.table.get(upload)
        if file is None:
            raise asking.NotSent("The picture is not there any more.")
        url = self.public_url(file)
        if not url:
            raise asking.NotSent(NO_ORIGIN)
        return url

    def public_url(self, file: UploadedFile) -> str:
        """Signed for a while, where URLs can be; empty where nobody outside could ask for it."""
        until = int(self._now().timestamp() + self._link_lasts_s) if self._urls.signs_uploads else None
        return web_url(self._urls.of_upload(file.id, until))

    async def _store_video(self, job: StudioJob, url: str) -> Mapping[str, object]:
        try:
            video = await self._videos.fetch(url, name=job.id)
        except VideoRefused as error:
            raise asking.ResultRefused(asking.one_line(str(error))) from None
        except VideoUnreachable as error:
            raise asking.ResultUnreachable(asking.one_line(str(error))) from None
        return {"filename": f"{job.id}.mp4", "path": video.path, "bytes": video.size}


_NOT_FETCHED = {
    RefusalReason.ADDRESS: "It lies at a private address.",
    RefusalReason.URL: "What it is said to be at is no URL.",
    RefusalReason.DOWNGRADE: "It leads from https to http.",
    RefusalReason.REDIRECTS: "It leads from one address to the next.",
}


class ResultFetcher:
    """Has pictures from wherever a service, or a user, says they are: public addresses, bounded, redirects checked."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    async def fetch(self, url: str, *, rules: HostRules | None = None) -> bytes:
        """`rules`: which hosts may be asked; None: any. Raise ResultRefused or ResultUnreachable."""
        try:
            async with self._follower.get(url, rules=rules) as response:
                if response.status != HTTPStatus.OK:
                    raise asking.ResultUnreachable(f"Where it is said to be answers {response.status}.")
                return await read_bounded(response.content.readany, _LARGEST_PICTURE)
        except FollowingRefused as refused:
            raise asking.ResultRefused(
                _NOT_FETCHED.get(refused.why, "Its host is none of ALLOWED_HOSTS.")
            ) from None
        except asking.NeverSent:
            raise asking.ResultUnreachable("Where it is said to be could not be reached.") from None
        except BodyTooLong:
            raise asking.ResultRefused(f"It has more than {_LARGEST_PICTURE // 2**20} MB.") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise asking.ResultUnreachable("Where it is said to be broke off its answer.") from None
