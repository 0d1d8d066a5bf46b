"""OpenAI: the title that a picture shows, as a vision model reads it. It answers at once and keeps no list.

As documented in November 2026: `POST /v1/chat/completions`. What it says is a stranger's text: one line of bounded length.
"""

import base64

from pydantic import BaseModel, Field, SecretStr

from services.enricher.studio.asking import (
    AnswerLost,
    Begun,
    Made,
    PaidInVain,
    Saying,
    ServiceClient,
    nothing_to_look_at,
    one_line,
    picture_type,
)
from services.enricher.studio.jobs import StudioJob
from shared.http.outbound import Outbound
from shared.settings import Settings

ASKED = (
    "Which film or series is this picture, poster or still of? Answer with its title alone, as it is written on the picture "
    "where it is, without year, quotation marks or explanation. Answer UNKNOWN where you cannot tell."
)
LONGEST_TITLE = 200
_QUOTES = "\"'\u2018\u2019\u201c\u201d\u00ab\u00bb*_`. "


class OpenAiSettings(Settings):
    key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    base_url: str = Field("https://api.openai.com", validation_alias="OPENAI_BASE_URL")
    model: str = Field("gpt-4o-mini", validation_alias="OPENAI_VISION_MODEL", pattern=r"^[A-Za-z0-9._:/-]+$")


class ChatMessage(BaseModel):
    content: str | None = None
    refusal: str | None = None


class ChatChoice(BaseModel):
    message: ChatMessage


class ChatAnswer(BaseModel):
    choices: list[ChatChoice] = Field(min_length=1, max_length=8)


class OpenAiVision:
    name = "openai"
    keeps_a_list = False

    def __init__(self, settings: OpenAiSettings, outbound: Outbound, *, timeout_s: float) -> None:
        assert settings.key
        self._model = settings.model
        headers = {"Authorization": f"Bearer {settings.key.get_secret_value()}"}
        self._client = ServiceClient("OpenAI", settings.base_url, headers, outbound, timeout_s=timeout_s)

    @property
    def made_with(self) -> str:
        return self._model

    async def send(self, job: StudioJob, picture: bytes | None) -> Begun | Made:  # noqa: ARG002 - all are asked the same
        assert picture is not None
        url = f"data:{picture_type(picture) or 'image/jpeg'};base64,{base64.b64encode(picture).decode()}"
        content = [{"type": "text", "text": ASKED}, {"type": "image_url", "image_url": {"url": url}}]
        message = {"role": "user", "content": content}
        request = {"model": self._model, "messages": [message], "max_completion_tokens": 60, "temperature": 0}
        answer = self._client.read(
            ChatAnswer, await self._client.pay("POST", "v1/chat/completions", json=request)
        )
        said = answer.choices[0].message
        if said.refusal:
            raise PaidInVain(f"The model does not say: {one_line(said.refusal, 200)}")
        title = one_line(said.content or "", LONGEST_TITLE).strip(_QUOTES)
        if not title or title.upper() == "UNKNOWN":
            return Saying({"extracted_title": ""})
        return Saying({"extracted_title": title})

    async def look(self, job: StudioJob) -> Made | None:
        nothing_to_look_at(job)

    async def find(self, job: StudioJob, known: frozenset[str]) -> str | None:  # noqa: ARG002 - there is no list
        raise AnswerLost("OpenAI keeps no list.")

    async def cancel(self, job: StudioJob) -> None:
        nothing_to_look_at(job)
