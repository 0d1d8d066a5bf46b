"""A stand-in for the services that the studio pays: Replicate, Luma, Google's Imagen, OpenAI and SerpApi, at one address.

It counts what it charges for, also where its answer is lost. What it made lies wherever the test says.
"""

import base64
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.providers.metadata_host import MetadataHost, Said, Window

TOKEN = "r8_0123456789"
PREDICTION = re.compile(r"/v1/(?:models/[\w-]+/[\w-]+/)?predictions")
_REFUSED = Said({"title": "Unauthenticated", "detail": "You did not pass a token."}, 401)


@dataclass
class Charge:
    service: str
    about: str
    """The prompt, the title's picture or the search."""


@dataclass
class StudioState:
    charges: list[Charge] = field(default_factory=list)
    polls_needed: int = 0
    """How often a job is looked at before it is made."""
    result_url: str = "http://127.0.0.1:1/nothing.png"
    fails: str | None = None
    """Jobs end badly, and say this."""
    listed: bool = True
    """Whether lists have what was made."""
    read_title: Callable[[bytes], str] = lambda _: "The Matrix"
    edited: bytes = b""
    matches: list[Any] = field(default_factory=list)
    pictures: list[Any] = field(default_factory=list)
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Predictions, generations and searches by their ids."""
    looked_at: Counter[str] = field(default_factory=Counter)
    cancelled: list[str] = field(default_factory=list)

    def charge(self, service: str, about: str) -> str:
        """The id of what is made."""
        self.charges.append(Charge(service, about))
        return f"{service[:3]}{len(self.charges):06}"

    def is_made(self, id_: str) -> bool:
        self.looked_at[id_] += 1
        return self.looked_at[id_] > self.polls_needed

    @property
    def charged(self) -> Counter[str]:
        """How often each thing was charged for."""
        return Counter(charge.about for charge in self.charges)


class StudioHost(MetadataHost):
    def __init__(self) -> None:
        super().__init__(Window(10_000, 1.0))
        self.state = StudioState()
        self.refuses: Said | None = None
        """What paid requests are answered with, before anything is charged."""

    def refusal(self, request: web.Request) -> Said | None:
        keys = (
            request.headers.get("Authorization", "").removeprefix("Bearer "),
            request.headers.get("x-goog-api-key", ""),
            request.query.get("api_key", ""),
        )
        if TOKEN not in keys:
            return _REFUSED
        if request.method == "POST" or request.path == "/search.json":
            return self.refuses
        return None

    def too_many(self, reset_s: float) -> Said:
        return Said({"detail": "Request was throttled."}, 429, {"Retry-After": str(int(reset_s) + 1)})

    def posted(self, path: str, body: Any) -> Said:  # noqa: PLR0911 - one for each service
        state = self.state
        if PREDICTION.fullmatch(path):
            id_ = state.charge("replicate", body["input"]["prompt"])
            state.made[id_] = {"id": id_, "status": "starting", "input": body["input"], "output": None}
            return Said(state.made[id_], 201)
        if path == "/dream-machine/v1/generations/video":
            id_ = state.charge("lumaai", body["prompt"])
            state.made[id_] = {"id": id_, "state": "queued", "request": body, "assets": None}
            return Said(state.made[id_], 201)
        if path.endswith(":predict"):
            state.charge("google", body["instances"][0]["prompt"])
            if state.fails:
                return Said({"predictions": [{"raiFilteredReason": state.fails}]})
            encoded = base64.b64encode(state.edited).decode()
            return Said({"predictions": [{"bytesBase64Encoded": encoded, "mimeType": "image/png"}]})
        if path == "/v1/chat/completions":
            url = body["messages"][0]["content"][1]["image_url"]["url"]
            title = state.read_title(base64.b64decode(url.partition(",")[2]))
            state.charge("openai", title)
            message = {"role": "assistant", "content": title, "refusal": state.fails}
            return Said({"id": "chatcmpl-1", "choices": [{"index": 0, "message": message}]})
        if path.endswith("/cancel"):
            state.cancelled.append(path.split("/")[-2])
            return Said(state.made[path.split("/")[-2]] | {"status": "canceled"})
        return Said({"detail": "Not found."}, 404)

    def has(self, request: web.Request) -> Said:
        state, path = self.state, request.path
        if path == "/v1/predictions":
            results = list(state.made.values()) if state.listed else []
            return Said({"previous": None, "next": None, "results": results[::-1]})
        if path == "/dream-machine/v1/generations":
            found = list(state.made.values())[::-1] if state.listed else []
            return Said({"generations": found, "has_more": False})
        if path == "/search.json":
            query = request.query
            id_ = state.charge("serpapi", query.get("url") or query["q"])
            state.made[id_] = {"engine": query["engine"]}
            return Said({"search_metadata": {"id": id_, "status": "Processing"}})
        id_ = path.rpartition("/")[2].removesuffix(".json")
        if id_ not in state.made:
            return Said({"detail": "Not found."}, 404)
        if request.method == "DELETE":
            state.cancelled.append(id_)
            return Said({})
        return Said(self._so_far(path, id_))

    def _so_far(self, path: str, id_: str) -> dict[str, Any]:
        state, one = self.state, self.state.made[id_]
        made, fails = state.is_made(id_), state.fails
        if path.startswith("/v1/predictions/"):
            ended = {"status": "failed", "error": fails} if fails else {"status": "succeeded"}
            so_far = ended | {"output": None if fails else [state.result_url]}
            return one | (so_far if made else {"status": "processing"})
        if path.startswith("/dream-machine/"):
            done: dict[str, Any] = {"state": "completed", "assets": {"video": state.result_url}}
            so_far = {"state": "failed", "failure_reason": fails} if fails else done
            return one | (so_far if made else {"state": "dreaming"})
        status = ("Error" if fails else "Success") if made else "Processing"
        found = {"visual_matches": state.matches, "inline_images": state.pictures}
        return {"search_metadata": {"id": id_, "status": status}, **({"error": fails} if fails else found)}
