"""Answers as they came over the wire, and what of them has to be the same whichever server gave it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy

OF_THE_SERVER = frozenset({"date", "server", "connection", "keep-alive", "x-trace-id"})
"""Headers that speak of the server, the connection or the moment, and not of the picture."""

Comparable = tuple[int, tuple[tuple[str, str], ...], bytes]


@dataclass(frozen=True)
class Answer:
    status: int
    reason: str
    raw_headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        pairs = ((name.decode(), value.decode("latin-1")) for name, value in self.raw_headers)
        return CIMultiDictProxy(CIMultiDict(pairs))

    @property
    def media_type(self) -> str:
        return self.headers["Content-Type"].partition(";")[0]

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document, which every refusal has to be: complete, and with a sentence."""
        assert self.media_type == "application/problem+json", self
        document: dict[str, Any] = json.loads(self.body)
        assert set(document) == {"type", "title", "status", "detail", "trace_id"}, document
        assert document["status"] == self.status
        assert document["trace_id"] == self.headers["X-Trace-Id"]
        assert document["detail"][0].isupper(), document
        assert document["detail"].endswith("."), document
        return document

    def without(self, varying: Iterable[str] = ()) -> Comparable:
        """Status, headers and body; of the `varying` headers only that they are there."""
        left_out = {name.lower() for name in varying}
        headers = sorted(
            (name.lower(), "…" if name.lower() in left_out else value)
            for name, value in self.headers.items()
            if name.lower() not in OF_THE_SERVER
        )
        return self.status, tuple(headers), self._lasting_body()

    def _lasting_body(self) -> bytes:
        if self.headers.get("Content-Type", "").startswith("application/problem+json") and self.body:
            document = json.loads(self.body)
            document["trace_id"] = "…"
            return json.dumps(document).encode()
        return self.body
