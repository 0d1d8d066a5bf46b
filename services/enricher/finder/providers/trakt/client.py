"""What Trakt sends. Its text is kept in memory only: that is its policy."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Generic, Literal, TypeVar
from urllib.parse import quote

import pydantic

from services.enricher.finder.providers.asking import Address, Answer, Provider, Reply
from services.enricher.finder.providers.budget import Turn
from services.enricher.finder.providers.errors import NothingThere, Unreadable
from services.enricher.finder.providers.models import Lenient, TitleKind
from services.enricher.finder.providers.registry import BaseUrl
from services.enricher.finder.providers.tokens import TokenSource
from shared.pictures import SourceUrl
from shared.settings import Settings


def _with_scheme(address: str) -> str:
    """Trakt leaves `https://` out. Raise ValueError for what is no URL then."""
    return str(SourceUrl.parse(address if "://" in address else f"https://{address.removeprefix('//')}"))


def _listed(value: object) -> object:
    """Older replies have one where there is a list now."""
    return (value,) if isinstance(value, str) and value else value


Image = Annotated[str, pydantic.AfterValidator(_with_scheme)]
"""The URL of a picture."""

Images = Annotated[tuple[Image, ...], pydantic.BeforeValidator(_listed)]


class TraktIds(Lenient):
    trakt: int | None = None
    slug: str | None = None
    imdb: str | None = None
    tmdb: int | None = None
    tvdb: int | None = None


class TraktImages(Lenient):
    """Of each kind the best first. A second one may lie at another host."""

    poster: Images = ()
    fanart: Images = ()
    logo: Images = ()
    clearart: Images = ()
    banner: Images = ()
    thumb: Images = ()
    screenshot: Images = ()
    """Of an episode."""
    headshot: Images = ()
    """Of a person."""


class TraktTitle(Lenient):
    """A movie or a show, `extended=full,images`. `runtime` is in minutes, `rating` of 10."""

    title: str
    year: int | None = None
    ids: TraktIds
    tagline: str | None = None
    overview: str | None = None
    released: date | None = None
    first_aired: pydantic.AwareDatetime | None = None
    runtime: int | None = None
    country: str | None = None
    status: str | None = None
    rating: float | None = None
    votes: int | None = None
    language: str | None = None
    genres: tuple[str, ...] = ()
    certification: str | None = None
    network: str | None = None
    images: TraktImages = pydantic.Field(default_factory=TraktImages)


_TYPES = {TitleKind.MOVIE: "movie", TitleKind.TV: "show"}


class TraktFound(Lenient):
    """One result of a search."""

    type: str | None = None
    movie: TraktTitle | None = None
    show: TraktTitle | None = None
    person: "TraktPerson | None" = None

    def of(self, kind: TitleKind) -> TraktTitle | None:
        """The title; None where the result is something else: an episode comes with its show."""
        if self.type not in (None, _TYPES[kind]):
            return None
        return self.movie if kind is TitleKind.MOVIE else self.show


class TraktSeason(Lenient):
    number: int
    images: TraktImages = pydantic.Field(default_factory=TraktImages)


class TraktSeasons(Lenient):
    """Trakt sends them as a list."""

    seasons: tuple[TraktSeason, ...] = ()


class TraktEpisode(Lenient):
    season: int
    number: int
    images: TraktImages = pydantic.Field(default_factory=TraktImages)


class TraktPerson(Lenient):
    name: str
    ids: TraktIds
    images: TraktImages = pydantic.Field(default_factory=TraktImages)


PROVIDER = "Trakt"


PAGE_SIZE = 250
"""More is clamped without a word."""

MAX_PAGES = 400

Elsewhere = Literal["tmdb", "tvdb"]
"""Whose ids Trakt finds titles by."""

_FULL = {"extended": "full,images"}
_Element = TypeVar("_Element", bound=Lenient)


class TraktSettings(Settings):
    client_id: pydantic.SecretStr | None = pydantic.Field(None, validation_alias="TRAKT_CLIENT_ID")
    client_secret: pydantic.SecretStr | None = pydantic.Field(None, validation_alias="TRAKT_CLIENT_SECRET")
    redirect_uri: str | None = pydantic.Field(None, validation_alias="TRAKT_REDIRECT_URI")
    """Where Trakt sends a browser back to after signing in; None: a code is shown there, to be pasted here."""
    auth_url: BaseUrl = pydantic.Field("https://auth.trakt.tv", validation_alias="TRAKT_AUTH_URL")
    base_url: BaseUrl = pydantic.Field("https://api.trakt.tv", validation_alias="TRAKT_BASE_URL")


def trakt_address(settings: TraktSettings) -> Address:
    client_id = settings.client_id.get_secret_value() if settings.client_id else ""
    headers = {"Content-Type": "application/json", "trakt-api-version": "2", "trakt-api-key": client_id}
    return Address(settings.base_url, headers)


class Trakt:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def title(self, kind: TitleKind, trakt_id: str, turn: Turn) -> TraktTitle:
        """By IMDb id, slug or Trakt id: to Trakt a bare number is its own id."""
        path = f"{_TYPES[kind]}s/{quote(trakt_id, safe='')}"
        return await self._provider.get(
            path, _FULL, turn, lambda reply: TraktTitle.read(reply.body, PROVIDER)
        )

    async def title_by(self, source: Elsewhere, kind: TitleKind, id_: int, turn: Turn) -> TraktTitle:
        """By another provider's id. Raise NothingThere where the search finds no such title."""

        def first(reply: Reply) -> TraktTitle:
            for found in _elements(TraktFound, reply):
                title = found.of(kind)
                if title and getattr(title.ids, source) in (None, id_):
                    return title
            raise NothingThere(f"{PROVIDER} knows no {kind} with the {source.upper()} id {id_}.")

        return await self._search(source, id_, _TYPES[kind], turn, first)

    async def search(self, kind: TitleKind, text: str, turn: Turn) -> tuple[TraktTitle, ...]:
        """By title; the best first."""

        def read(reply: Reply) -> tuple[TraktTitle, ...]:
            return tuple(title for one in _elements(TraktFound, reply) if (title := one.of(kind)))

        asked = {"query": text, "extended": "full", "fields": "title,aliases"}
        return await self._provider.get(f"search/{_TYPES[kind]}", asked, turn, read)

    async def seasons(self, show_id: str, turn: Turn) -> TraktSeasons:
        """All of a show's, by its IMDb id, slug or Trakt id."""
        return await self._provider.get(
            f"shows/{quote(show_id, safe='')}/seasons",
            _FULL,
            turn,
            lambda reply: TraktSeasons(seasons=_elements(TraktSeason, reply)),
        )

    async def episode(self, show_id: str, season: int, episode: int, turn: Turn) -> TraktEpisode:
        path = f"shows/{quote(show_id, safe='')}/seasons/{season}/episodes/{episode}"
        return await self._provider.get(
            path, _FULL, turn, lambda reply: TraktEpisode.read(reply.body, PROVIDER)
        )

    async def person(self, person_id: str, turn: Turn) -> TraktPerson:
        """By IMDb id, slug or Trakt id."""
        path = f"people/{quote(person_id, safe='')}"
        return await self._provider.get(
            path, _FULL, turn, lambda reply: TraktPerson.read(reply.body, PROVIDER)
        )

    async def person_by_tmdb(self, tmdb_id: int, turn: Turn) -> TraktPerson:
        def first(reply: Reply) -> TraktPerson:
            for found in _elements(TraktFound, reply):
                if found.person:
                    return found.person
            raise NothingThere(f"{PROVIDER} knows nobody with the TMDB id {tmdb_id}.")

        return await self._search("tmdb", tmdb_id, "person", turn, first)

    async def pages(
        self, path: str, params: Mapping[str, str], element: type[_Element], turn: Turn
    ) -> AsyncIterator[tuple[_Element, ...]]:
        """A paged list, for as many pages as the answers say that there are. Each costs a request."""
        page, limit, count = 1, PAGE_SIZE, 1
        while page <= min(count, MAX_PAGES):
            one = await page_of(self._provider, path, params, element, turn, page=page, limit=limit)
            yield one.elements
            count, limit, page = one.pages, one.limit, page + 1

    async def _search(
        self, source: Elsewhere, id_: int, kind: str, turn: Turn, read: Callable[[Reply], Answer]
    ) -> Answer:
        return await self._provider.get(f"search/{source}/{id_}", {**_FULL, "type": kind}, turn, read)


@dataclass(frozen=True, slots=True)
class ListPage(Generic[_Element]):
    """One page of a list: what of it can be read, in its order. `pages`, `limit` and `items` are what the answer says of
    the whole list; `items` None: nothing.
    """

    elements: tuple[_Element, ...]
    pages: int
    limit: int
    items: int | None


async def page_of(
    provider: Provider,
    path: str,
    params: Mapping[str, str],
    element: type[_Element],
    turn: Turn,
    *,
    page: int = 1,
    limit: int = PAGE_SIZE,
    user: TokenSource | None = None,
) -> ListPage[_Element]:
    def read(reply: Reply) -> ListPage[_Element]:
        told_items = reply.headers.get("X-Pagination-Item-Count")
        return ListPage(
            elements=_elements(element, reply),
            pages=_number(reply, "X-Pagination-Page-Count", 1),
            limit=_number(reply, "X-Pagination-Limit", limit),
            items=0 if told_items == "0" else _number(reply, "X-Pagination-Item-Count", 0) or None,
        )

    asked = {**params, "page": str(page), "limit": str(limit)}
    return await provider.get(path, asked, turn, read, user=user)


def _elements(element: type[_Element], reply: Reply) -> tuple[_Element, ...]:
    """Those that can be read."""
    try:
        found = pydantic.TypeAdapter(list[object]).validate_json(reply.body)
    except pydantic.ValidationError:
        raise Unreadable(f"{PROVIDER} sent something else than it documents.") from None
    readable = []
    for value in found:
        with suppress(pydantic.ValidationError):
            readable.append(element.model_validate(value))
    return tuple(readable)


def _number(reply: Reply, header: str, default: int) -> int:
    value = reply.headers.get(header, "")
    return int(value) if value.isdecimal() and len(value) < 10 and int(value) else default  # noqa: PLR2004 - no count of pages has ten digits
