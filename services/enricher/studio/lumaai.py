"""Luma: a video from a picture and words. The picture is one of ours, which Luma asks for at a signed URL.

As documented in November 2026: `POST /generations/video`, `GET /generations?limit&offset`, `GET` and `DELETE /generations/{id}`,
below `https://api.lumalabs.ai/dream-machine/v1`.
"""

import re
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr

from services.enricher.studio.asking import AtUrl, Begun, Made, PaidInVain, ServiceClient, one_line
from services.enricher.studio.jobs import StudioJob
from shared.http.outbound import Outbound
from shared.settings import Settings

LISTED_AT_ONCE = 50
PAGES_LOOKED_AT = 3
_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


class LumaSettings(Settings):
    key: SecretStr | None = Field(None, validation_alias="LUMAAI_API_KEY")
    base_url: str = Field("https://api.lumalabs.ai/dream-machine/v1", validation_alias="LUMAAI_BASE_URL")
    model: Literal["ray-2", "ray-flash-2"] = Field("ray-2", validation_alias="LUMAAI_MODEL")
    resolution: Literal["540p", "720p", "1080p", "4k"] = Field("720p", validation_alias="LUMAAI_RESOLUTION")
    duration: Literal["5s", "9s"] = Field("5s", validation_alias="LUMAAI_DURATION")


class LumaAssets(BaseModel):
    video: str | None = None


class LumaGeneration(BaseModel):
    id: str = Field(pattern=f"^{_ID.pattern}$")
    state: Literal["queued", "dreaming", "completed", "failed"]
    failure_reason: str | None = None
    assets: LumaAssets | None = None


class LumaPage(BaseModel):
    generations: list[dict[str, Any]]
    has_more: bool | None = None


class Luma:
    name = "lumaai"
    keeps_a_list = True

    def __init__(self, settings: LumaSettings, outbound: Outbound, *, timeout_s: float) -> None:
        assert settings.key
        self._settings = settings
        headers = {"Authorization": f"Bearer {settings.key.get_secret_value()}"}
        self._client = ServiceClient("Luma", settings.base_url, headers, outbound, timeout_s=timeout_s)

    @property
    def made_with(self) -> str:
        return f"{self._settings.model} {self._settings.resolution} {self._settings.duration}"

    async def send(self, job: StudioJob, picture: bytes | None) -> Begun | Made:  # noqa: ARG002 - Luma asks us for it
        answer = await self._client.pay("POST", "generations/video", json=self._request(job))
        return Begun(self._client.read(LumaGeneration, answer).id)

    async def look(self, job: StudioJob) -> Made | None:
        body = await self._client.free("GET", f"generations/{job.provider_id}")
        generation = self._client.read(LumaGeneration, body)
        if generation.state in ("queued", "dreaming"):
            return None
        if generation.state == "failed":
            raise PaidInVain(
                f"Luma did not make it: {one_line(generation.failure_reason or 'no reason told')}."
            )
        if not generation.assets or not generation.assets.video:
            raise PaidInVain("Luma made nothing that can be fetched.")
        return AtUrl(generation.assets.video)

    async def find(self, job: StudioJob, known: frozenset[str]) -> str | None:
        """By the prompt and the picture's URL, which was signed for this job."""
        for page_number in range(PAGES_LOOKED_AT):
            params = {"limit": str(LISTED_AT_ONCE), "offset": str(page_number * LISTED_AT_ONCE)}
            page = self._client.read(LumaPage, await self._client.free("GET", "generations", params=params))
            for one in page.generations:
                id_ = one.get("id")
                is_new = isinstance(id_, str) and _ID.fullmatch(id_) and id_ not in known
                if is_new and _is_of(one.get("request"), job):
                    return str(id_)
            if not page.has_more:
                return None
        return None

    async def cancel(self, job: StudioJob) -> None:
        await self._client.free("DELETE", f"generations/{job.provider_id}")

    def _request(self, job: StudioJob) -> dict[str, object]:
        concepts = job.arguments.get("camera_concepts")
        request: dict[str, object] = {
            "model": self._settings.model,
            "resolution": self._settings.resolution,
            "duration": self._settings.duration,
            "prompt": job.said("prompt"),
            "keyframes": {"frame0": {"type": "image", "url": job.said("sent_url")}},
        }
        if isinstance(concepts, list) and concepts:
            request["concepts"] = [{"key": concept} for concept in concepts]
        return request


def _is_of(request: object, job: StudioJob) -> bool:
    if not isinstance(request, dict):
        return False
    frames = request.get("keyframes")
    frame = frames.get("frame0") if isinstance(frames, dict) else None
    url = frame.get("url") if isinstance(frame, dict) else None
    return request.get("prompt") == job.said("prompt") and url == job.said("sent_url")
