"""A provider more is one package and one line; and what one may need beyond a GET with a key: GraphQL, forms, an
account's token that outlives a restart, a limit for writes.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import web

from services.enricher.finder import FinderSettings
from services.enricher.finder.artwork.artwork import Finding, open_artwork
from services.enricher.finder.artwork.source import Subject
from services.enricher.finder.metadata import open_metadata
from services.enricher.finder.providers import (
    Broken,
    Busy,
    Condition,
    Limit,
    Misconfigured,
    NotAsked,
    NothingThere,
    ProviderError,
    ProviderSettings,
    RateBudget,
    Refused,
    Turn,
    Unreadable,
    Urgency,
)
from services.enricher.finder.providers.asking import Address, Provider, ProviderRequest, Reply, open_sessions
from services.enricher.finder.providers.opening import open_providers
from services.enricher.finder.providers.registry import PACKAGES, AskingSettings, specs_of
from services.enricher.finder.providers.tokens import MemoryTokenStore, Token
from shared.background import Background
from shared.pictures import Kind, Role, SourceUrl, hosts
from shared.pictures.hosts import PictureHost
from shared.settings import HostSettings
from shared.telemetry import Metrics
from tests.integration.enricher import running_enricher
from tests.providers.bookshelf.spec import Covers, FileTokenStore, renewal
from tests.servers.databases import opened_database

ONE_MORE = "tests.providers.bookshelf"
COVER = "https://covers.bookshelf.example/603.jpg"
PLENTY = Limit(1000, timedelta(seconds=1))


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class BookshelfHost:
    """Takes the client id and the token `access-<n>` of the last renewal; a refresh token works once."""

    root: str = ""
    requests: list[Request] = field(default_factory=list)
    said: list[Any] = field(default_factory=list)
    """To say instead, once each: a status, or a body with status 200."""
    renewals: int = 0

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        host = cls()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", host._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host.root = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield host
        finally:
            await runner.cleanup()

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    async def _serve(self, request: web.Request) -> web.Response:
        self.requests.append(
            Request(request.method, request.path, dict(request.headers), await request.read())
        )
        if request.path == "/oauth/token":
            return await self._renewed(request)
        if self.said:
            said = self.said.pop(0)
            return web.Response(status=said) if isinstance(said, int) else web.json_response(said)
        if request.headers.get("Authorization") != f"Bearer access-{self.renewals}":
            return web.json_response({"errors": [{"extensions": {"code": "invalid-jwt"}}]})
        return web.json_response({"data": {"covers": [{"id": 9, "url": COVER}]}})

    async def _renewed(self, request: web.Request) -> web.Response:
        if (await request.post()).get("refresh_token") != f"refresh-{self.renewals}":
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.renewals += 1
        pair = {"access_token": f"access-{self.renewals}", "refresh_token": f"refresh-{self.renewals}"}
        return web.json_response({**pair, "expires_in": 3600})


@pytest.fixture
async def shelf() -> AsyncIterator[BookshelfHost]:
    async with BookshelfHost.running() as host:
        yield host


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Somebody signed in a while ago."""
    path = tmp_path / "token"
    path.write_text(json.dumps({"access": "access-of-old", "refresh": "refresh-0"}))
    return path


@pytest.fixture
def registered(shelf: BookshelfHost, token_file: Path, monkeypatch: pytest.MonkeyPatch) -> ProviderSettings:
    """The one line: its package in the registry, and its settings in the environment."""
    monkeypatch.setenv("BOOKSHELF_CLIENT_ID", "the-client-id")
    monkeypatch.setenv("BOOKSHELF_BASE_URL", f"{shelf.root}/graphql/")
    monkeypatch.setenv("BOOKSHELF_TOKEN_FILE", str(token_file))
    return ProviderSettings.read(specs=specs_of((*PACKAGES, ONE_MORE)))


@pytest.fixture
def with_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row in the table that proxies and fetchers read, who have no provider's package."""
    row = PictureHost("bookshelf", "covers.bookshelf.example", immutable=True, may_redirect=False)
    monkeypatch.setattr(hosts, "PICTURE_HOSTS", (*hosts.PICTURE_HOSTS, row))
    monkeypatch.setitem(hosts._BY_HOST, row.host, row)


async def found(settings: FinderSettings, state_dir: Path) -> Finding:
    background = Background(Metrics())
    async with (
        opened_database(state_dir) as database,
        open_providers(
            settings.providers, database=database, metrics=Metrics(), background=background
        ) as providers,
        open_metadata(settings.metadata, providers, database=database, background=background) as metadata,
        open_artwork(settings.artwork, settings.metadata, providers, metadata) as artwork,
    ):
        subject = Subject.parse(Kind.MOVIE, "tmdb:603")
        return await artwork.find(subject, Role.POSTER, within=timedelta(seconds=60))


async def test_a_new_provider_is_asked_in_graphql_for_an_account_and_its_picture_is_chosen(
    registered: ProviderSettings, shelf: BookshelfHost, token_file: Path, tmp_path: Path
) -> None:
    finding = await found(FinderSettings(providers=registered), tmp_path)
    assert finding.chosen
    assert (finding.chosen.provider, finding.chosen.source_url) == ("bookshelf", COVER)
    assert shelf.paths == ["/graphql", "/oauth/token", "/graphql"]
    asked = shelf.requests[-1]
    assert (asked.method, json.loads(asked.body)["variables"]) == ("POST", {"tmdb": 603})
    assert (asked.headers["X-Client-Id"], asked.headers["Authorization"]) == (
        "the-client-id",
        "Bearer access-1",
    )
    assert await FileTokenStore(token_file).load() == Token("access-1", "refresh-1")


async def test_a_kept_token_serves_after_a_restart(
    registered: ProviderSettings, shelf: BookshelfHost, tmp_path: Path
) -> None:
    settings = FinderSettings(providers=registered)
    await found(settings, tmp_path)
    shelf.requests.clear()
    assert (await found(settings, tmp_path)).chosen
    assert shelf.paths == ["/graphql"]


async def test_a_new_provider_says_at_readyz_how_it_is(registered: ProviderSettings, tmp_path: Path) -> None:
    async with running_enricher(tmp_path, providers=registered) as enricher:
        ready = await enricher.get("/readyz")
    assert ready.json["providers"]["bookshelf"] == "ready: Bookshelf has a key, and was not asked yet."
    expected = {"tvdb", "tmdb", "trakt", "fanart", "hardcover", "twitch", "bookshelf"}
    assert set(ready.json["providers"]) == expected


def test_a_new_provider_without_what_it_requires_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    [spec] = specs_of((ONE_MORE,))
    assert spec.missing(spec.settings()) == "BOOKSHELF_CLIENT_ID"
    monkeypatch.setenv("BOOKSHELF_CLIENT_ID", "the-client-id")
    assert spec.missing(spec.settings()) == "BOOKSHELF_TOKEN_FILE"


def test_a_new_provider_may_stand_in_an_order(
    registered: ProviderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVIDER_ORDER_MOVIE", "bookshelf,tmdb")
    assert FinderSettings(providers=registered).artwork.order(Kind.MOVIE) == ("bookshelf", "tmdb")
    with pytest.raises(ValueError, match="no provider bookshelf"):
        FinderSettings()


@pytest.mark.usefixtures("with_its_host")
def test_a_row_of_the_hosts_lets_a_new_providers_pictures_in() -> None:
    [spec] = specs_of((ONE_MORE,))
    assert HostSettings().rules.allow(SourceUrl.parse(COVER))
    [host] = spec.picture_hosts
    assert host.immutable
    assert hosts.picture_host("covers.bookshelf.example") == host


def test_every_provider_has_its_picture_hosts_and_every_host_a_provider() -> None:
    names = {spec.name for spec in specs_of()}
    known = {host.provider for host in hosts.PICTURE_HOSTS}
    assert known == names
    assert all(spec.picture_hosts for spec in specs_of())
    assert [spec.name for spec in specs_of()] == [package.rpartition(".")[2] for package in PACKAGES]


def test_a_package_without_a_specification_is_told() -> None:
    with pytest.raises(TypeError, match=r"no ProviderSpec"):
        specs_of(("tests.providers.bookshelf.without",))


def soon() -> Turn:
    return Turn(Urgency.NOW, datetime.now(UTC) + timedelta(seconds=2))


@asynccontextmanager
async def asking(
    shelf: BookshelfHost, *limits: Limit, writes: Limit | None = None
) -> AsyncIterator[Provider]:
    async with open_sessions(AskingSettings()) as outbound:
        yield Provider(
            "Bookshelf",
            Address(
                f"{shelf.root}/api", {"X-Client-Id": "the-client-id", "Content-Type": "application/json"}
            ),
            outbound,
            budget=RateBudget("Bookshelf", *(limits or (PLENTY,))),
            writes=RateBudget("Bookshelf", writes) if writes else None,
            max_bytes=1000,
            metrics=Metrics(),
        )


def failing(code: str | None) -> dict[str, Any]:
    extensions = {"extensions": {"code": code}} if code else {}
    return {"data": None, "errors": [{"message": "no", **extensions}]}


@pytest.mark.parametrize(
    ("said", "error", "condition"),
    [
        (failing("UNAUTHENTICATED"), Misconfigured, Condition.MISCONFIGURED),
        (failing("access-denied"), Misconfigured, Condition.MISCONFIGURED),
        (failing("NOT_FOUND"), NothingThere, Condition.READY),
        (failing("validation-failed"), Refused, Condition.READY),
        (failing("RATE_LIMITED"), Busy, Condition.BUSY),
        (failing("INTERNAL_SERVER_ERROR"), Broken, Condition.FAILING),
        (failing(None), Broken, Condition.FAILING),
        ({"data": {"covers": []}, "errors": [{}, {"extensions": {"code": "NOT_FOUND"}}]}, NothingThere, Condition.READY),
        ({"data": None}, NothingThere, Condition.READY),
        ({"data": {"covers": None}}, NothingThere, Condition.READY),
        ([], Unreadable, Condition.FAILING),
        (429, Busy, Condition.BUSY),
        (403, Misconfigured, Condition.MISCONFIGURED),
    ],
)  # fmt: skip
async def test_errors_in_an_answer_of_graphql_are_those_that_http_would_say(
    shelf: BookshelfHost, said: Any, error: type[ProviderError], condition: Condition
) -> None:
    shelf.said = [said]
    async with asking(shelf) as provider:
        with pytest.raises(error) as raised:
            await provider.graphql("{covers{id url}}", {}, soon(), Covers)
        assert provider.status.condition is condition
    assert type(raised.value) is error


async def test_a_limit_in_graphql_makes_everybody_wait(shelf: BookshelfHost) -> None:
    shelf.said = [failing("RATE_LIMITED")]
    async with asking(shelf) as provider:
        with pytest.raises(Busy):
            await provider.graphql("{covers{id url}}", {}, soon(), Covers)
        with pytest.raises(NotAsked):
            await provider.graphql("{covers{id url}}", {}, soon(), Covers)
    assert len(shelf.requests) == 1


def nothing(reply: Reply) -> bytes:
    return reply.body


@pytest.mark.parametrize(("status", "method"), [(201, "POST"), (202, "PUT"), (204, "DELETE")])
async def test_what_is_made_or_done_is_an_answer(shelf: BookshelfHost, status: int, method: str) -> None:
    shelf.said = [status]
    async with asking(shelf) as provider:
        assert (
            await provider.ask(ProviderRequest("sync/history", method, json={"a": 1}), soon(), nothing) == b""
        )
    assert (shelf.requests[0].method, shelf.requests[0].path) == (method, "/api/sync/history")
    assert json.loads(shelf.requests[0].body) == {"a": 1}


async def test_a_form_is_sent_as_one(shelf: BookshelfHost) -> None:
    shelf.said = [{}]
    async with asking(shelf) as provider:
        await provider.ask(ProviderRequest("x", "POST", form={"a": "b c"}), soon(), nothing)
    assert shelf.requests[0].body == b"a=b+c"
    assert shelf.requests[0].headers["Content-Type"] == "application/x-www-form-urlencoded"


async def test_writes_have_a_limit_of_their_own_beside_the_readers(shelf: BookshelfHost) -> None:
    shelf.said = [{}] * 6
    minute = timedelta(minutes=1)
    async with asking(shelf, Limit(4, minute), writes=Limit(1, minute)) as provider:
        write = ProviderRequest("sync/history", "POST", json={})
        await provider.ask(write, soon(), nothing)
        with pytest.raises(NotAsked):
            await provider.ask(write, soon(), nothing)
        for _ in range(4):
            await provider.get("movies", {}, soon(), nothing)
        with pytest.raises(NotAsked):
            await provider.get("movies", {}, soon(), nothing)
    assert [request.method for request in shelf.requests] == ["POST", *["GET"] * 4]


async def test_an_account_that_nobody_is_signed_in_to_says_nothing_of_the_provider(
    shelf: BookshelfHost, tmp_path: Path
) -> None:
    empty = tmp_path / "token"
    empty.touch()
    async with asking(shelf) as provider:
        account = provider.token_source(renewal(shelf.root), FileTokenStore(empty))
        with pytest.raises(Misconfigured, match="Nobody is signed in"):
            await provider.get("me", {}, soon(), nothing, user=account)
        assert provider.status.condition is Condition.READY
        shelf.said = [{}]
        assert await provider.get("movies", {}, soon(), nothing) == b"{}"
    assert "Authorization" not in shelf.requests[0].headers


async def test_a_token_is_renewed_before_it_ends_and_kept_before_it_is_used(shelf: BookshelfHost) -> None:
    class Seen(MemoryTokenStore):
        async def keep(self, token: Token) -> None:
            assert shelf.paths == ["/oauth/token"]
            await super().keep(token)

    store = Seen()
    store._token = Token("access-of-old", "refresh-0", datetime.now(UTC) + timedelta(seconds=30))
    async with asking(shelf) as provider:
        account = provider.token_source(renewal(shelf.root), store)
        await provider.get("me", {}, soon(), nothing, user=account)
    assert shelf.paths == ["/oauth/token", "/api/me"]
    kept = await store.load()
    assert kept
    assert (kept.access, kept.refresh) == ("access-1", "refresh-1")
    assert "access-1" not in repr(kept)
    assert "refresh-1" not in repr(kept)
