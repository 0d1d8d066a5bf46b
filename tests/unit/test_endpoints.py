import asyncio
import gzip
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import BaseModel, Field
from structlog.testing import capture_logs

from services.enricher.api.access import AccessSettings, Gate
from services.enricher.api.bearer_tokens import BearerTokens
from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.database.database import DatabaseUnavailable
from shared.http import Problem, RenderedBody, create_skeleton
from shared.telemetry import Metrics

Client = TestClient[web.Request, web.Application]


class Asked(Parameters):
    id: int
    limit: int = Field(50, ge=1, le=100)


class Sent(Body):
    path: str
    tags: tuple[str, ...] = Field(("a",), min_length=1, max_length=2)


class Answer(BaseModel):
    id: int
    text: str


async def thing(asked: Asked) -> Answer:
    return Answer(id=asked.id, text=str(asked.limit))


async def add(asked: Asked, sent: Sent) -> Answer:
    return Answer(id=asked.id, text=sent.path)


async def kept(_asked: Parameters) -> RenderedBody:
    return RenderedBody(b'{"kept": true}', '"abc"')


async def remove(_asked: Parameters) -> None:
    await asyncio.sleep(0)


async def missing(_asked: Parameters) -> None:
    raise Problem(HTTPStatus.NOT_FOUND, "There is no such thing.")


async def unavailable(_asked: Parameters) -> None:
    raise DatabaseUnavailable("The database cannot be reached: refused.")


ENDPOINTS = [
    Endpoint("GET", "/things/{id}", thing, Answer, Asked),
    Endpoint("POST", "/things/{id}", add, Answer, Asked, Sent, status=HTTPStatus.CREATED),
    Endpoint("GET", "/kept", kept, Answer),
    Endpoint("DELETE", "/things", remove, access=Access.ADMIN),
    Endpoint("GET", "/missing", missing),
    Endpoint("GET", "/unavailable", unavailable),
]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    skeleton = create_skeleton("test", Metrics())
    gate = Gate(BearerTokens("secret"), AccessSettings())
    skeleton.add_routes([endpoint.route(gate) for endpoint in ENDPOINTS])
    async with TestClient(TestServer(skeleton.app)) as client:
        yield client


async def test_path_and_query_are_parsed_into_one_model(client: Client) -> None:
    answer = await client.get("/things/7?limit=9&unknown=1")
    assert (answer.status, await answer.json()) == (200, {"id": 7, "text": "9"})


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/things/7?limit=0", "limit: Input should be greater than or equal to 1."),
        ("/things/7?limit=1&limit=2", "Give limit once."),
        ("/things/seven", "id: Input should be a valid integer"),
        ("/things/7?dry_run=true", "There is no dry_run of this: nothing was done."),
    ],
)
async def test_what_does_not_fit_is_refused_with_a_sentence(client: Client, path: str, sentence: str) -> None:
    answer = await client.get(path)
    assert (answer.status, answer.content_type) == (400, "application/problem+json")
    assert (await answer.json())["detail"].startswith(sentence)


async def test_what_a_form_sends_empty_is_absent(client: Client) -> None:
    answer = await client.get("/things/7?limit=")
    assert (answer.status, await answer.json()) == (200, {"id": 7, "text": "50"})


async def test_the_path_wins_over_a_query_parameter_of_the_same_name(client: Client) -> None:
    assert (await (await client.get("/things/7?id=8")).json())["id"] == 7


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ([], "tags: At least 1 are needed, and 0 are given."),
        (["a", "b", "c"], "tags: 2 at most can be given at a time."),
    ],
)
async def test_too_few_and_too_many_of_something_are_told_in_numbers(
    client: Client, tags: list[str], sentence: str
) -> None:
    answer = await client.post("/things/7", json={"path": "/films", "tags": tags})
    assert (answer.status, (await answer.json())["detail"]) == (400, sentence)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"path": 1}', b"{}", b'{"path": "/x", "other": 1}'])
async def test_a_body_that_does_not_fit_is_refused(client: Client, body: bytes) -> None:
    answer = await client.post("/things/7", data=body)
    assert (answer.status, answer.content_type) == (400, "application/problem+json")


async def test_a_body_is_parsed_into_its_model(client: Client) -> None:
    answer = await client.post("/things/7", json={"path": "/films"})
    assert (answer.status, await answer.json()) == (201, {"id": 7, "text": "/films"})


@pytest.mark.parametrize("tag", ['"abc"', 'W/"abc"', '"x", "abc"', "*"])
async def test_an_answer_that_the_client_has_is_not_sent_again(client: Client, tag: str) -> None:
    answer = await client.get("/kept", headers={"If-None-Match": tag})
    assert (answer.status, answer.headers["ETag"], await answer.read()) == (304, '"abc"', b"")


async def test_another_tag_gets_the_answer(client: Client) -> None:
    answer = await client.get("/kept", headers={"If-None-Match": '"abcd"'})
    assert (answer.status, await answer.json()) == (200, {"kept": True})


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("Basic secret", 401),
        ("Bearer", 401),
        ("Bearer wrong", 403),
        ("Bearer secret", 204),
        ("bearer secret", 204),
        ("Bearer sécret", 403),
    ],
)
async def test_what_changes_something_needs_the_admin_token(
    client: Client, authorization: str | None, status: int
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    assert (await client.delete("/things", headers=headers)).status == status


async def test_a_problem_raised_below_is_the_answer(client: Client) -> None:
    answer = await client.get("/missing")
    assert (answer.status, (await answer.json())["detail"]) == (404, "There is no such thing.")


async def test_a_packed_body_is_not_taken_and_how_it_is_taken_is_said(client: Client) -> None:
    answer = await client.post("/things/7", data=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    assert (answer.status, answer.headers["Accept-Encoding"]) == (415, "identity")
    plain = await client.post(
        "/things/7", data=b'{"path": "/films"}', headers={"Content-Encoding": "identity"}
    )
    assert plain.status == 201


async def test_a_database_that_is_away_is_a_503_and_one_line_without_a_traceback(client: Client) -> None:
    with capture_logs() as lines:
        answer = await client.get("/unavailable")
    assert (answer.status, "Retry-After" in answer.headers) == (503, True)
    (line,) = [line for line in lines if "database" in line["event"]]
    assert (line["log_level"], line["error"]) == ("warning", "The database cannot be reached: refused.")
    assert "exc_info" not in line
