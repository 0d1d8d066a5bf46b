"""Google's Imagen: a picture edited by words. It answers at once, with the picture in base64, and keeps no list.

As documented in November 2026: `POST /v1/publishers/google/models/{model}:predict` at `aiplatform.googleapis.com`, with a key
(express mode). Google means to end this way of editing not before January 2027: `GOOGLE_EDIT_MODEL` and `GOOGLE_BASE_URL` may
then name what takes the same requests.
"""

import base64
import binascii

from pydantic import BaseModel, Field, SecretStr

from services.enricher.studio.asking import (
    AnswerLost,
    Begun,
    Inline,
    Made,
    PaidInVain,
    ServiceClient,
    nothing_to_look_at,
    one_line,
    picture_type,
)
from services.enricher.studio.jobs import StudioJob
from shared.http.outbound import Outbound
from shared.settings import Settings


class GoogleSettings(Settings):
    key: SecretStr | None = Field(None, validation_alias="GOOGLE_API_KEY")
    base_url: str = Field("https://aiplatform.googleapis.com", validation_alias="GOOGLE_BASE_URL")
    model: str = Field(
        "imagen-3.0-capability-001", validation_alias="GOOGLE_EDIT_MODEL", pattern=r"^[A-Za-z0-9._-]+$"
    )


class ImagenPrediction(BaseModel):
    bytesBase64Encoded: str | None = None  # noqa: N815 - as Google has it
    raiFilteredReason: str | None = None  # noqa: N815 - as Google has it


class ImagenAnswer(BaseModel):
    predictions: list[ImagenPrediction] = Field(default_factory=list, max_length=8)


class Imagen:
    name = "google"
    keeps_a_list = False

    def __init__(self, settings: GoogleSettings, outbound: Outbound, *, timeout_s: float) -> None:
        assert settings.key
        self._model = settings.model
        headers = {"x-goog-api-key": settings.key.get_secret_value()}
        self._client = ServiceClient("Imagen", settings.base_url, headers, outbound, timeout_s=timeout_s)

    @property
    def made_with(self) -> str:
        return self._model

    async def send(self, job: StudioJob, picture: bytes | None) -> Begun | Made:
        assert picture is not None
        path = f"v1/publishers/google/models/{self._model}:predict"
        body = await self._client.pay("POST", path, json=_request(job.said("prompt"), picture))
        answer = self._client.read(ImagenAnswer, body)
        encoded = next((one.bytesBase64Encoded for one in answer.predictions if one.bytesBase64Encoded), None)
        if not encoded:
            filtered = next(
                (one.raiFilteredReason for one in answer.predictions if one.raiFilteredReason), None
            )
            raise PaidInVain(f"Imagen made nothing: {one_line(filtered or 'it does not say why')}.")
        try:
            return Inline(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError):
            raise PaidInVain("Imagen made what is no picture.") from None

    async def look(self, job: StudioJob) -> Made | None:
        nothing_to_look_at(job)

    async def find(self, job: StudioJob, known: frozenset[str]) -> str | None:  # noqa: ARG002 - there is no list
        raise AnswerLost("Imagen keeps no list.")

    async def cancel(self, job: StudioJob) -> None:
        nothing_to_look_at(job)


def _request(prompt: str, picture: bytes) -> dict[str, object]:
    image = {
        "bytesBase64Encoded": base64.b64encode(picture).decode(),
        "mimeType": picture_type(picture) or "image/jpeg",
    }
    reference = {"referenceType": "REFERENCE_TYPE_RAW", "referenceId": 1, "referenceImage": image}
    parameters = {
        "sampleCount": 1,
        "editMode": "EDIT_MODE_DEFAULT",
        "includeRaiReason": True,
        "outputOptions": {"mimeType": "image/png"},
    }
    return {"instances": [{"prompt": prompt, "referenceImages": [reference]}], "parameters": parameters}
