"""Replicate: pictures from words. A prediction is made, looked at until it has ended, and its output lies at a URL for an hour.

As documented in November 2026: `POST /v1/models/{owner}/{name}/predictions`, or `/v1/predictions` with a version;
`GET /v1/predictions[/{id}]`, `POST /v1/predictions/{id}/cancel`.
"""

import re
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field, SecretStr, field_validator

from services.enricher.studio.asking import (
    AtUrl,
    Begun,
    Made,
    PaidInVain,
    ServiceClient,
    one_line,
)
from services.enricher.studio.jobs import StudioJob
from shared.http.outbound import Outbound
from shared.settings import Settings

PROMPT = "A portrait photograph of {name}, a character of {title}. Head and shoulders, looking into the camera, film still."
PAGES_LOOKED_AT = 3
_ID = re.compile(r"[A-Za-z0-9]{1,64}")
_PLACES = re.compile(r"(\{name\}|\{title\})")


class ReplicateSettings(Settings):
    token: SecretStr | None = Field(None, validation_alias="REPLICATE_API_TOKEN")
    base_url: str = Field("https://api.replicate.com", validation_alias="REPLICATE_BASE_URL")
    model: str = Field(
        "black-forest-labs/flux-schnell",
        validation_alias="REPLICATE_MODEL",
        pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+(?::[0-9a-f]{64})?$",
    )
    prompt: str = Field(PROMPT, validation_alias="REPLICATE_PROMPT", max_length=2000)
    aspect_ratio: str = Field(
        "2:3", validation_alias="REPLICATE_ASPECT_RATIO", pattern=r"^[0-9]{1,2}:[0-9]{1,2}$"
    )

    @field_validator("prompt")
    @classmethod
    def _can_be_filled(cls, text: str) -> str:
        left = text.replace("{name}", "").replace("{title}", "")
        if "{" in left or "}" in left:
            raise ValueError("a prompt names {name} and {title} and nothing else in braces")
        return text

    def prompt_for(self, name: str, title: str) -> str:
        """Filled in from left to right: what a name says in braces stays as it is."""
        return "".join(
            {"{name}": name, "{title}": title}.get(part, part) for part in _PLACES.split(self.prompt)
        )


class ReplicatePrediction(BaseModel):
    id: str = Field(pattern=f"^{_ID.pattern}$")
    status: Literal["starting", "processing", "succeeded", "failed", "canceled", "aborted"]
    input: dict[str, Any] | None = None
    output: Any = None
    error: str | None = None


class ReplicatePage(BaseModel):
    results: list[dict[str, Any]]
    next: str | None = None


class Replicate:
    name = "replicate"
    keeps_a_list = True

    def __init__(self, settings: ReplicateSettings, outbound: Outbound, *, timeout_s: float) -> None:
        assert settings.token
        self._settings = settings
        headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
        self._client = ServiceClient("Replicate", settings.base_url, headers, outbound, timeout_s=timeout_s)

    @property
    def made_with(self) -> str:
        """What a result depends on beside the prompt."""
        return f"{self._settings.model} {self._settings.aspect_ratio}"

    async def send(self, job: StudioJob, picture: bytes | None) -> Begun | Made:  # noqa: ARG002 - it takes words alone
        model, _, version = self._settings.model.partition(":")
        body: dict[str, object] = {"input": self._input(job)}
        if version:
            body["version"] = version
        path = "v1/predictions" if version else f"v1/models/{quote(model)}/predictions"
        answer = await self._client.pay("POST", path, json=body)
        return Begun(self._client.read(ReplicatePrediction, answer).id)

    async def look(self, job: StudioJob) -> Made | None:
        body = await self._client.free("GET", f"v1/predictions/{job.provider_id}")
        prediction = self._client.read(ReplicatePrediction, body)
        if prediction.status in ("starting", "processing"):
            return None
        if prediction.status != "succeeded":
            reason = one_line(prediction.error or prediction.status)
            raise PaidInVain(f"Replicate did not make it: {reason}.")
        output = prediction.output[0] if isinstance(prediction.output, list) and prediction.output else None
        url = output or prediction.output
        if not isinstance(url, str):
            raise PaidInVain("Replicate made nothing that can be fetched.")
        return AtUrl(url)

    async def find(self, job: StudioJob, known: frozenset[str]) -> str | None:
        """By the prompt and the seed, which is the job's own."""
        wanted, path, params = self._input(job), "v1/predictions", None
        for _ in range(PAGES_LOOKED_AT):
            page = self._client.read(ReplicatePage, await self._client.free("GET", path, params=params))
            for one in page.results:
                given, id_ = one.get("input"), one.get("id")
                if isinstance(given, dict) and isinstance(id_, str) and id_ not in known:
                    same = all(given.get(name) == wanted[name] for name in ("prompt", "seed"))
                    if same and _ID.fullmatch(id_):
                        return id_
            _, found, cursor = (page.next or "").partition("cursor=")
            if not found:
                return None
            params = {"cursor": cursor.partition("&")[0]}
        return None

    async def cancel(self, job: StudioJob) -> None:
        await self._client.free("POST", f"v1/predictions/{job.provider_id}/cancel")

    def _input(self, job: StudioJob) -> dict[str, object]:
        return {
            "prompt": job.said("prompt"),
            "aspect_ratio": self._settings.aspect_ratio,
            "seed": int(job.id.replace("-", "")[:7], 16),
        }
