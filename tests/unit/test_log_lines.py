"""What strangers said, in lines that somebody reads at a terminal."""

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from shared.http.app import observed
from shared.telemetry import Metrics, logs
from shared.telemetry.logs import MAX_FIELD, bound_fields


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("two\r\nlines", "two\\r\\nlines"),
        ("\x9b31m", "\\x9b31m"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("Amélie – 映画", "Amélie – 映画"),
        ("x" * (MAX_FIELD + 1), "x" * MAX_FIELD + "…"),
    ],
)
def test_what_would_act_on_a_terminal_is_escaped_and_what_is_too_long_cut(said: str, shown: str) -> None:
    line = {"location": said, "status": 200}
    bound_fields(line)
    assert line == {"location": shown, "status": 200}


@pytest.mark.parametrize(
    ("query", "logged"),
    [
        (f"?url=a&sig={'5' * 64}", "?url=a&sig=55555555…"),
        (f"?sig={'5' * 64}&exp=1", "?sig=55555555…&exp=1"),
        (f"?url=a&s%69g={'5' * 64}", "?url=a&s%69g=55555555…"),
        (f"?%73ig={'5' * 64}", "?%73ig=55555555…"),
        ("?url=a%3Fsig%3D1&size=b", "?url=a%3Fsig%3D1&size=b"),
    ],
)
async def test_a_signature_is_never_whole_in_a_line(
    query: str, logged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response()

    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(logs, "write_line", lines.append)
    await observed(answer, "/x", "a service", Metrics())(make_mocked_request("GET", f"/x{query}"))
    assert [line["path"] for line in lines] == [f"/x{logged}"]


def test_a_line_that_is_known_beforehand_says_the_same_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    out = logs.LinesOut()
    out.as_json = True
    monkeypatch.setattr(out, "_schedule", lambda: None)
    fields = {"event": "request", "level": "info", "path": '/a"\\é?sig=5…'}
    rest = {"trace_id": "5" * 32, "status": 304, "duration_ms": 0.0}
    out.write({**fields, **rest})
    out.write_known(logs.KnownLine(**fields), "5" * 32, 304, 0.0)
    plain, known = (json.loads(line) for line in out._pending)
    assert {**known, "timestamp": None} == {**plain, "timestamp": None}
    out.levels = frozenset()
    out.write_known(logs.KnownLine(**fields), "5" * 32, 304, 0.0)
    assert len(out._pending) == 2
