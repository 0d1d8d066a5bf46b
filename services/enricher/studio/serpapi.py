"""SerpApi: pictures like one (Google Lens), and pictures by words (DuckDuckGo, or Google).

As documented in November 2026: `GET /search.json` with `async=true`, which is paid and answers with an id; `GET /searches/{id}.json`,
which is free, until it has ended.
"""

from typing import Any

from pydantic import BaseModel, Field, SecretStr

from services.enricher.studio.asking import (
    AnswerLost,
    Begun,
    Made,
    PaidInVain,
    Saying,
    ServiceClient,
    one_line,
)
from services.enricher.studio.jobs import StudioJob, StudioKind
from shared.http.outbound import Outbound
from shared.pictures import SourceUrl
from shared.settings import Settings

RESULTS_AT_MOST = 60
LONGEST_URL = 2000


class SerpApiSettings(Settings):
    key: SecretStr | None = Field(None, validation_alias="SERPAPI_KEY")
    base_url: str = Field("https://serpapi.com", validation_alias="SERPAPI_BASE_URL")
    engine: str = Field("duckduckgo", validation_alias="SERPAPI_IMAGE_ENGINE", pattern=r"^[a-z_]{1,40}$")


class SearchMetadata(BaseModel):
    id: str = Field(pattern=r"^[A-Za-z0-9]{1,64}$")
    status: str = ""


class SerpApiAnswer(BaseModel):
    search_metadata: SearchMetadata
    error: str | None = None
    visual_matches: list[Any] = Field(default_factory=list)
    images_results: list[Any] = Field(default_factory=list)
    inline_images: list[Any] = Field(default_factory=list)


class SerpApi:
    name = "serpapi"
    keeps_a_list = False

    def __init__(self, settings: SerpApiSettings, outbound: Outbound, *, timeout_s: float) -> None:
        assert settings.key
        self._engine = settings.engine
        self._key = {"api_key": settings.key.get_secret_value()}
        self._client = ServiceClient("SerpApi", settings.base_url, {}, outbound, timeout_s=timeout_s)

    @property
    def made_with(self) -> str:
        return self._engine

    async def send(self, job: StudioJob, picture: bytes | None) -> Begun | Made:  # noqa: ARG002 - it asks for the picture
        if job.kind is StudioKind.LENS:
            asked = {"engine": "google_lens", "url": job.said("sent_url") or job.said("url")}
        else:
            asked = {"engine": self._engine, "q": job.said("query")}
        params = {**asked, "async": "true", **self._key}
        answer = self._client.read(SerpApiAnswer, await self._client.pay("GET", "search.json", params=params))
        return Begun(answer.search_metadata.id)

    async def look(self, job: StudioJob) -> Made | None:
        body = await self._client.free("GET", f"searches/{job.provider_id}.json", params=self._key)
        answer = self._client.read(SerpApiAnswer, body)
        status = answer.search_metadata.status
        if status in ("Queued", "Processing"):
            return None
        if status == "Error":
            raise PaidInVain(f"SerpApi found nothing: {one_line(answer.error or 'it does not say why')}")
        if job.kind is StudioKind.LENS:
            return Saying({"results": matches(answer.visual_matches)})
        pictures = answer.images_results or answer.inline_images
        return Saying({"image_url": first_picture(pictures)})

    async def find(self, job: StudioJob, known: frozenset[str]) -> str | None:  # noqa: ARG002 - there is no list
        raise AnswerLost("SerpApi keeps no list.")

    async def cancel(self, job: StudioJob) -> None:
        """A search has ended before it could be cancelled."""


def matches(listed: list[Any]) -> list[dict[str, str]]:
    """Titles, pages and pictures, each bounded, and URLs that are some."""
    found = []
    for one in listed[:RESULTS_AT_MOST]:
        if not isinstance(one, dict):
            continue
        told = {
            name: one_line(value) for name in ("title", "source") if isinstance(value := one.get(name), str)
        }
        told |= {name: url for name in ("link", "thumbnail", "image") if (url := web_url(one.get(name)))}
        if told.get("link"):
            found.append(told)
    return found


def first_picture(listed: list[Any]) -> str:
    """Empty where there is none."""
    for one in listed[:RESULTS_AT_MOST]:
        if isinstance(one, dict):
            for name in ("original", "image", "thumbnail"):
                if url := web_url(one.get(name)):
                    return url
    return ""


def web_url(value: object) -> str:
    """As it is where it is an http or https URL; else empty."""
    if (
        not isinstance(value, str)
        or len(value) > LONGEST_URL
        or not value.startswith(("http://", "https://"))
    ):
        return ""
    try:
        SourceUrl.parse(value)
    except ValueError:
        return ""
    return value
