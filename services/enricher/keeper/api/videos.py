"""Endpoints of videos, for operators: which there are, and letting one go."""

import time
from datetime import UTC, datetime
from http import HTTPStatus

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.keeper.videos import VideoStore
from services.enricher.pictures.shown import PictureUrls
from shared.http import Problem
from shared.pictures.public_paths import VIDEO_NAME
from shared.volume import StoredVideo

LINK_LASTS_S = 24 * 3600
"""Of a private video, by its signature."""

LISTED_AT_MOST = 1000
AGAIN_S = 5


class VideoListParameters(Parameters):
    limit: int = Field(LISTED_AT_MOST, ge=1, le=LISTED_AT_MOST)
    offset: int = Field(0, ge=0, le=10**9)


class VideoFileParameters(Parameters):
    file: str = Field(pattern=rf"^{VIDEO_NAME}\.mp4$", description="{uuid}.mp4")


class ShownVideo(BaseModel):
    model_config = ConfigDict(frozen=True)

    filename: str
    video_url: str | None = Field(
        description="Of a private one signed for a day; null: there are no keys to sign with"
    )
    bytes: int
    stored_at: AwareDatetime
    private: bool


class ShownVideos(BaseModel):
    model_config = ConfigDict(frozen=True)

    videos: list[ShownVideo]
    total: int
    total_bytes: int


def video_endpoints(videos: VideoStore, urls: PictureUrls) -> list[Endpoint]:
    async def listed(asked: VideoListParameters) -> ShownVideos:
        """All videos, the newest first."""
        try:
            found = (await videos.all(anew=True))[::-1]
        except OSError:
            raise _away() from None
        chosen = found[asked.offset : asked.offset + asked.limit]
        return ShownVideos(
            videos=[_shown(video, urls) for video in chosen],
            total=len(found),
            total_bytes=sum(video.size for video in found),
        )

    async def delete(asked: VideoFileParameters) -> None:
        """Let a video go. It is gone from everywhere but the caches of browsers and CDNs."""
        try:
            removed = await videos.remove(asked.file.removesuffix(".mp4"))
        except OSError:
            raise _away() from None
        if not removed:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such video.")

    return [
        Endpoint("GET", "/api/videos", listed, ShownVideos, VideoListParameters, access=Access.ADMIN),
        Endpoint("DELETE", "/api/videos/{file}", delete, parameters=VideoFileParameters, access=Access.ADMIN),
    ]


def _shown(video: StoredVideo, urls: PictureUrls) -> ShownVideo:
    until = int(time.time()) + LINK_LASTS_S if video.is_private else None
    return ShownVideo(
        filename=f"{video.name}.mp4",
        video_url=urls.of_video(video.name, until) if urls.signs_uploads or until is None else None,
        bytes=video.size,
        stored_at=datetime.fromtimestamp(video.modified_s, UTC),
        private=video.is_private,
    )


def _away() -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "The volume cannot be reached.", headers={"Retry-After": str(AGAIN_S)}
    )
