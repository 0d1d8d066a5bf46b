"""Whole files of a store over connections of our own: what its answers come to, and what of them is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from shared.volume import VolumeAway, VolumeSettings
from shared.volume.objects.client import ObjectClient
from tests.servers.certificates import made_certificate

KEY = f"p/{'ab' * 16}/{'0' * 16}/medium.webp"
HEADERS = {
    "ETag": '"abc"',
    "Last-Modified": "Mon, 02 Nov 2026 12:00:00 GMT",
    "x-amz-meta-modified": "1795000000",
}

Answer = Callable[[web.Request], web.StreamResponse]


class AnsweringStore:
    """It answers whatever is asked of it in one way, and knows how often it was."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked = list[str]()
        self.connections = set[object]()
        self.open = asyncio.Event()
        self.open.set()

    @asynccontextmanager
    async def client(
        self, tls: ssl.SSLContext | None = None, **settings: object
    ) -> AsyncIterator[ObjectClient]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.asked.append(request.raw_path)
            self.connections.add(request.transport)
            await self.open.wait()
            return self._answer(request)

        app = web.Application()
        app.router.add_get("/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        port = runner.addresses[0][1]
        place = {
            "volume_url": "s3://pictures/onesheet",
            "s3_endpoint_url": f"{'https' if tls else 'http'}://127.0.0.1:{port}",
            "s3_access_key_id": "id",
            "s3_secret_access_key": "hush",
            **settings,
        }
        objects = VolumeSettings.model_validate(place).objects
        assert objects
        client = ObjectClient(objects)
        try:
            yield client
        finally:
            await client.close()
            await runner.cleanup()


def whole(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"a picture", headers=HEADERS)


def status(code: int) -> Answer:
    return lambda _request: web.Response(status=code, text="<Error><Key>hush</Key></Error>")


def cut_off(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.close()
    return web.Response(body=b"a pic")


async def test_a_file_comes_whole_with_what_was_said_of_it_and_is_counted() -> None:
    store = AnsweringStore(whole)
    async with store.client() as client:
        read = [await client.fetch(KEY) for _ in range(3)]
    assert {(one.body, one.e_tag, one.modified_s) for one in read} == {(b"a picture", '"abc"', 1795000000)}
    assert all(path.startswith(f"/pictures/onesheet/{KEY}?X-Amz-Algorithm=") for path in store.asked)
    assert len(store.connections) == 1
    assert client.costs.requests["get", "done"] == len(read)
    assert client.costs.bytes["read",] == len(b"a picture") * len(read)


@pytest.mark.parametrize(
    ("answer", "raised", "tries"),
    [
        (status(404), FileNotFoundError, 1),
        (status(403), VolumeAway, 1),
        (status(503), VolumeAway, 2),
        (status(307), VolumeAway, 2),
        (cut_off, VolumeAway, 4),  # a connection that ends is tried once more by aiohttp itself
    ],
    ids=["missing", "refused", "busy", "elsewhere", "cut off"],
)
async def test_what_is_no_file_is_told_as_of_any_question_and_without_the_signature(
    answer: Answer, raised: type[Exception], tries: int
) -> None:
    store = AnsweringStore(answer)
    async with store.client() as client:
        with pytest.raises(raised) as told:
            await client.fetch(KEY)
    assert len(store.asked) == tries
    assert "X-Amz" not in str(told.value)
    assert "hush" not in str(told.value)


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    store = AnsweringStore(whole)
    store.open.clear()
    async with store.client(s3_timeout_s=0.2) as client:
        with pytest.raises(VolumeAway, match="does not answer"):
            await client.fetch(KEY)
        store.open.set()


@pytest.mark.parametrize("is_checked", [True, False])
async def test_a_certificate_is_checked_unless_it_is_said_not_to_be(tmp_path: Path, is_checked: bool) -> None:
    made = made_certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made["TLS_CERTIFICATE"], made["TLS_KEY"])
    store = AnsweringStore(whole)
    async with store.client(tls, s3_verify_ssl=is_checked) as client:
        if is_checked:
            with pytest.raises(VolumeAway):
                await client.fetch(KEY)
        else:
            assert (await client.fetch(KEY)).body == b"a picture"


async def test_connections_that_were_ended_begin_anew() -> None:
    store = AnsweringStore(whole)
    async with store.client() as client:
        for _ in range(2):
            assert (await client.fetch(KEY)).body == b"a picture"
            await client.close()
    assert len(store.connections) == 2
