"""Endpoints of books and their characters, as Hardcover has them, through a cache."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, Field

from services.enricher.api.endpoint import Endpoint, Parameters
from services.enricher.finder.api.outcomes import askers_urgency, found_or_problem
from services.enricher.finder.metadata import MetadataSettings
from services.enricher.finder.metadata.cache import Cache, CacheRequest
from services.enricher.finder.providers import Turn
from services.enricher.finder.providers.hardcover import client
from services.enricher.finder.providers.hardcover.artwork import HardcoverSource
from services.enricher.finder.providers.opening import Providers
from services.enricher.pictures.shown import PictureUrls
from shared.http import Problem
from shared.pictures import Kind, Name, Role
from shared.telemetry import utc_now

_Value = TypeVar("_Value", bound=BaseModel)


class BookSearchParameters(Parameters):
    query: str = Field(min_length=1, max_length=200)
    limit: int = Field(10, ge=1, le=client.MOST)


class BookTitleParameters(Parameters):
    title: str = Field(min_length=1, max_length=200)
    author: str | None = Field(None, max_length=200)


class IsbnParameters(Parameters):
    isbn: str = Field(max_length=40, description="Of ten or thirteen digits, with or without hyphens")


class BookCharacterParameters(Parameters):
    id: int = Field(ge=1, le=10**12, description="Hardcover's own")


@dataclass(frozen=True, slots=True)
class Books:
    """What Hardcover says, in memory for as long as it counts."""

    hardcover: client.Hardcover | None
    _cache: Cache
    _kept: timedelta
    _patience: timedelta
    _now: Callable[[], datetime] = utc_now

    async def get(
        self, key: str, model: type[_Value], ask: Callable[[client.Hardcover, Turn], Awaitable[_Value]]
    ) -> _Value:
        """Raise Problem where there is nothing, or it cannot be had now."""
        hardcover = self.hardcover
        if hardcover is None:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Hardcover is off: set HARDCOVER_API_KEY.")
        wanted = CacheRequest(f"hardcover:{key}", model, self._kept, lambda turn: ask(hardcover, turn))
        until = self._now() + self._patience
        return found_or_problem(await self._cache.look(wanted, until=until, urgency=askers_urgency())).value


@asynccontextmanager
async def open_books(settings: MetadataSettings, providers: Providers) -> AsyncIterator[Books]:
    cache = Cache(max_entries=settings.max_entries, max_bytes=settings.memory_bytes)
    provider = providers.get(HardcoverSource.name)
    async with cache.open():
        yield Books(
            client.Hardcover(provider) if provider else None, cache, settings.ttl, settings.title_wait
        )


def book_endpoints(books: Books, urls: PictureUrls) -> list[Endpoint]:
    def shown_character(found: client.FoundCharacter) -> client.FoundCharacter:
        return found.model_copy(update={"image_url": _ours(Kind.CHARACTER, found.id, found.image_url, urls)})

    def shown_book(found: client.FoundBook) -> client.FoundBook:
        return found.model_copy(
            update={"cover_image_url": _ours(Kind.BOOK, found.id, found.cover_image_url, urls)}
        )

    async def search(asked: BookSearchParameters) -> client.FoundBooks:
        """Books that are called like this, the best first."""
        found = await books.get(
            f"books:{asked.limit}:{asked.query}",
            client.FoundBooks,
            lambda hardcover, turn: hardcover.search_books(asked.query, asked.limit, turn),
        )
        return client.FoundBooks(books=tuple(map(shown_book, found.books)))

    async def by_isbn(asked: IsbnParameters) -> client.FoundBook:
        """One book, with the cover of this very edition where it has one."""
        try:
            isbn = client.parse_isbn(asked.isbn)
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
        found = await books.get(
            f"isbn:{isbn}", client.FoundBook, lambda hardcover, turn: hardcover.book_by_isbn(isbn, turn)
        )
        name = Name(Kind.BOOK, f"isbn:{isbn}", Role.COVER)
        return found.model_copy(
            update={"cover_image_url": urls.by_name(name, "original") if found.cover_image_url else None}
        )

    async def search_characters(asked: BookSearchParameters) -> client.FoundCharacters:
        """Characters of books that are called like this, the best first."""
        found = await books.get(
            f"characters:{asked.limit}:{asked.query}",
            client.FoundCharacters,
            lambda hardcover, turn: hardcover.search_characters(asked.query, asked.limit, turn),
        )
        return client.FoundCharacters(characters=tuple(map(shown_character, found.characters)))

    async def of_book(asked: BookTitleParameters) -> client.FoundCharacters:
        """The characters of the book of this title, and of this author where one is named."""
        found = await books.get(
            f"characters of:{asked.title}\n{asked.author or ''}",
            client.FoundCharacters,
            lambda hardcover, turn: hardcover.characters_of_book(asked.title, asked.author, turn),
        )
        return client.FoundCharacters(characters=tuple(map(shown_character, found.characters)))

    async def character(asked: BookCharacterParameters) -> client.FoundCharacter:
        """A character by Hardcover's id."""
        return shown_character(
            await books.get(
                f"character:{asked.id}",
                client.FoundCharacter,
                lambda hardcover, turn: hardcover.character(asked.id, turn),
            )
        )

    path = "/api/v1/books"
    return [
        Endpoint("GET", f"{path}/search", search, client.FoundBooks, BookSearchParameters),
        Endpoint("GET", f"{path}/isbn/{{isbn}}", by_isbn, client.FoundBook, IsbnParameters),
        Endpoint("GET", f"{path}/characters", of_book, client.FoundCharacters, BookTitleParameters),
        Endpoint(
            "GET",
            f"{path}/characters/search",
            search_characters,
            client.FoundCharacters,
            BookSearchParameters,
        ),
        Endpoint(
            "GET", f"{path}/characters/{{id}}", character, client.FoundCharacter, BookCharacterParameters
        ),
    ]


def _ours(kind: Kind, id_: int, theirs: str | None, urls: PictureUrls) -> str | None:
    """Where the picture is here; None where they have none."""
    role = Role.COVER if kind is Kind.BOOK else Role.PORTRAIT
    return urls.by_name(Name(kind, f"hardcover:{id_}", role), "original") if theirs else None
