"""All of it: its settings, how it is asked, its pictures and its specification."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import Field, SecretStr

from services.enricher.finder.artwork.choice import Candidate, Gallery
from services.enricher.finder.artwork.source import ArtworkParts, Asking, Records, Subject, Whose
from services.enricher.finder.metadata.outcomes import Found, Outcome
from services.enricher.finder.providers import Limit, Misconfigured, Turn
from services.enricher.finder.providers.asking import Address, Provider
from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.registry import BaseUrl, ProviderSpec
from services.enricher.finder.providers.tokens import Login, Token, TokenSource
from shared.pictures import Kind, Role
from shared.settings import Settings

QUERY = "query Covers($tmdb: Int!) { covers(tmdb: $tmdb) { id url } }"


class BookshelfSettings(Settings):
    client_id: SecretStr | None = Field(None, validation_alias="BOOKSHELF_CLIENT_ID")
    base_url: BaseUrl = Field("https://api.bookshelf.example/graphql", validation_alias="BOOKSHELF_BASE_URL")
    token_file: Path | None = Field(None, validation_alias="BOOKSHELF_TOKEN_FILE")


def bookshelf_address(settings: BookshelfSettings) -> Address:
    key = settings.client_id.get_secret_value() if settings.client_id else ""
    return Address(settings.base_url, {"X-Client-Id": key})


class FileTokenStore:
    """A port's implementation: where a restart finds the token."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> Token | None:
        text = await asyncio.to_thread(self._path.read_text)
        return Token(**json.loads(text)) if text else None

    async def keep(self, token: Token) -> None:
        text = json.dumps({"access": token.access, "refresh": token.refresh})
        await asyncio.to_thread(self._path.write_text, text)


def renewal(root: str) -> Login:
    """By the refresh token of the one from before, as OAuth has it."""

    def body(before: Token | None) -> dict[str, str]:
        if not before or not before.refresh:
            raise Misconfigured("Nobody is signed in to Bookshelf.")
        return {"grant_type": "refresh_token", "refresh_token": before.refresh}

    def read(answer: bytes, now: datetime) -> Token:
        said = json.loads(answer)
        ends = now + timedelta(seconds=said["expires_in"])
        return Token(said["access_token"], said["refresh_token"], ends)

    return Login(f"{root}/oauth/token", body, read, as_form=True)


class Cover(Lenient):
    id: int
    url: str


class Covers(Lenient):
    covers: tuple[Cover, ...] = ()


class BookshelfSource:
    name = "bookshelf"

    def __init__(self, provider: Provider, account: TokenSource, records: Records) -> None:
        self._provider = provider
        self._account = account
        self._records = records

    def takes(self, kind: Kind) -> tuple[Whose, ...]:
        return (Whose.TMDB,) if kind is Kind.MOVIE else ()

    def knows(self, subject: Subject) -> bool:
        return subject.kind is Kind.MOVIE and subject.ids.tmdb is not None

    async def look(self, subject: Subject, role: Role, asking: Asking) -> Outcome[Gallery]:
        tmdb_id = subject.ids.tmdb

        async def ask(turn: Turn) -> Covers:
            variables = {"tmdb": tmdb_id}
            return await self._provider.graphql(QUERY, variables, turn, Covers, user=self._account)

        outcome = await self._records.get(f"bookshelf:{tmdb_id}", Covers, ask, asking)
        if not isinstance(outcome, Found):
            return outcome
        covers = outcome.value.covers
        return Found(
            Gallery(
                candidates=tuple(
                    Candidate(source_url=one.url, provider=self.name, role=Role.POSTER, id=str(one.id))
                    for one in covers
                )
            )
        )


def _artwork(parts: ArtworkParts) -> BookshelfSource:
    settings = parts.settings.of(BookshelfSettings)
    assert settings.token_file
    login = renewal(settings.base_url.rpartition("/")[0])
    account = parts.provider.token_source(login, FileTokenStore(settings.token_file))
    return BookshelfSource(parts.provider, account, parts.records)


SPEC = ProviderSpec(
    name=BookshelfSource.name,
    title="Bookshelf",
    settings=BookshelfSettings,
    required=("client_id", "token_file"),
    address=bookshelf_address,
    limits=(Limit(60, timedelta(minutes=1)), Limit(5000, timedelta(days=1))),
    writes=Limit(1, timedelta(seconds=1)),
    artwork=_artwork,
)
