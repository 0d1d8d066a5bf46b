"""Items with what the providers say of them and the pictures to show beside them."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Self

import structlog
from cachetools import LRUCache
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.database.database import DatabaseUnavailable
from services.enricher.finder import metadata
from services.enricher.finder.metadata.titles import Titles
from services.enricher.finder.providers import Condition
from services.enricher.library.item import Item, MediaType, name_of
from services.enricher.library.library import Library
from services.enricher.library.matching.matching import Matching, MatchState
from services.enricher.library.pages.kept import KEPT_S, KeptPages
from services.enricher.pictures.prefetch import HandedOut, Prefetch
from services.enricher.pictures.shown import PictureUrls, ShownPicture, ShownPictures, known_id
from shared.pictures import FailureClass, PictureId, Role, picture_host


class ShownList(BaseModel):
    """A list that an item is on; synced_at: when it was found there the last time."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    list_type: str
    list_id: str
    display_name: str | None = None
    poster_url: str | None = None
    synced_at: AwareDatetime | None = None


class EnrichedItem(BaseModel):
    """One title of the library. What providers say of it is absent where they say nothing, or cannot be asked."""

    model_config = ConfigDict(frozen=True)

    id: int
    title: str
    media_type: MediaType
    year: int | None
    imdb_id: str | None
    tmdb_id: int | None
    tvdb_id: int | None
    overseerr_id: int | None
    overseerr_url: str | None = Field(None, description="At OVERSEERR_URL, where that is set")
    list_source: str | None
    list_sources: tuple[ShownList, ...] = Field(description="The newest first")
    status: str | None = Field(description="Of several lists' the most telling: requested before available")
    last_synced: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    full_path: str | None = Field(description="Where it was found first")
    paths: tuple[str, ...] = Field(description="Everywhere it was found")
    poster_url: str | None = Field(description="The original of its poster, from us")
    stored: bool = Field(
        description="The poster is here. The local_… URLs are promises: what is not here is found when it is asked for"
    )
    local_image_url: str | None = Field(None, description="The poster, by what it shows, from us")
    local_poster_url: str | None = None
    local_banner_url: str | None = None
    local_fanart_url: str | None = None
    local_thumbnail_url: str | None = Field(None, description="The poster, small")
    images: dict[Role, ShownPicture]
    overview: str | None = None
    rating: float | None = Field(None, description="Of 10")
    genres: tuple[str, ...] = ()
    genre_slugs: tuple[str, ...] = Field((), description="The same as Trakt writes them: science-fiction")
    pending: bool = Field(default=False, description="Not all is there yet: it will be the next time")
    unmatched: bool = Field(
        default=False,
        description="It has no ids, and no provider's answer was clearly right: see /api/v1/admin/unmatched",
    )
    stale: bool = Field(default=False, description="Of an earlier time, for its provider cannot be asked now")


class CountedItems(BaseModel):
    """Items, how many there are altogether, and how each provider is."""

    model_config = ConfigDict(frozen=True)

    items: tuple[EnrichedItem, ...]
    total: int
    providers: dict[str, Condition]


class EnrichedPage(CountedItems):
    page: int
    limit: int
    total_pages: int


class EnrichedList(CountedItems):
    limit: int
    offset: int


class TitleMetadata(BaseModel):
    """What a provider says of a title. `runtime` is in minutes."""

    model_config = ConfigDict(frozen=True)

    media_type: MediaType
    provider: str
    title: str
    year: int | None
    imdb_id: str | None
    tmdb_id: int | None
    tvdb_id: int | None
    trakt_id: int | None
    trakt_slug: str | None
    overview: str | None
    tagline: str | None
    rating: float | None = Field(description="Of 10")
    votes: int | None
    genres: tuple[str, ...]
    runtime: int | None
    released: date | None
    status: str | None
    certification: str | None
    language: str | None
    poster_url: str | None
    images: dict[Role, ShownPicture]
    stale: bool


_log = structlog.get_logger()


class Posters:
    """Writes are gathered: whatever comes while the last ones are written is the next transaction."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._coming: dict[int, str] = {}
        self._writing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Self]:
        """Leaving it waits for what is being written."""
        try:
            yield self
        finally:
            if self._writing:
                await self._writing

    def store(self, poster_urls: Mapping[int, str]) -> None:
        """Soon: the bare poster URL of each item. What cannot be written is found again by the next page."""
        self._coming |= poster_urls
        if self._coming and self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="storing posters")

    async def _write(self) -> None:
        try:
            while self._coming:
                found, self._coming = self._coming, {}
                await self._library.store_posters(found)
        except DatabaseUnavailable as error:
            _log.warning("posters not stored", error=str(error))
        finally:
            self._writing = None


_PASSING = frozenset({FailureClass.BUSY, FailureClass.UPSTREAM, FailureClass.OURS})
"""What keeps us from asking now, and will not for long. Whoever has no key has nothing to wait for."""


class _Described:
    """An item with what became of asking for its title."""

    def __init__(
        self, item: Item, outcome: metadata.Outcome[metadata.Title], state: MatchState = MatchState.NONE
    ) -> None:
        self.item = item
        self.outcome = outcome
        self.title = outcome.value if isinstance(outcome, metadata.Found) else None
        self.stale = isinstance(outcome, metadata.Found) and outcome.stale
        self.unmatched = state is MatchState.UNMATCHED
        self.pending = (
            state is MatchState.LOOKING
            or isinstance(outcome, metadata.Pending)
            or (isinstance(outcome, metadata.Unavailable) and outcome.failure_class in _PASSING)
        )
        said = self.title.pictures if self.title else {}
        self.poster = _poster(item.poster_url, said.get(Role.POSTER))
        self.pictures = {**said, Role.POSTER: self.poster} if self.poster else said

    @property
    def is_settled(self) -> bool:
        return not self.pending and not self.stale

    def says_the_same(self, other: "_Described") -> bool:
        return self._said == other._said  # noqa: SLF001 - of its own kind

    @property
    def _said(self) -> tuple[object, ...]:
        return self.item, self.title, self.pending, self.unmatched, self.stale


@dataclass(frozen=True, slots=True)
class MadeItem:
    """An item as it is handed out, in JSON, and what it was made of."""

    described: _Described
    images: Mapping[Role, ShownPicture]
    pictures: frozenset[PictureId]
    body: bytes
    until_s: float
    """By this process' own clock: then it is to be made again."""


@dataclass(frozen=True, slots=True)
class Enriched:
    """Items as they are handed out, and the pictures that they show."""

    items: Sequence[MadeItem]
    pictures: frozenset[PictureId]
    complete: bool
    """Nothing is missing or stale that could be had a moment later."""
    until_s: float


ITEMS_BYTES = 8 * 1024 * 1024
ITEMS_AT_MOST = 2000


class Enrichment:
    def __init__(
        self,
        titles: Titles,
        *,
        posters: Posters,
        shown: ShownPictures,
        urls: PictureUrls,
        prefetch: Prefetch,
        matching: Matching | None = None,
        overseerr_url: str = "",
        kept: KeptPages[MadeItem] | None = None,
    ) -> None:
        """`overseerr_url`: origin and sub-path of Overseerr, Jellyseerr or Seerr; empty: items lead nowhere. `kept`: hears of
        every change, as pages do.
        """
        self._kept: KeptPages[MadeItem] = kept or KeptPages(max_bytes=ITEMS_BYTES)
        self._made: LRUCache[int, MadeItem] = LRUCache(ITEMS_AT_MOST)
        self._matching = matching
        self._overseerr_url = overseerr_url
        self._titles = titles
        self._posters = posters
        self._shown = shown
        self._urls = urls
        self._prefetch = prefetch

    async def of(self, items: Sequence[Item]) -> Enriched:
        """By the page's deadline. Beside it posters that were not known are stored, and all are fetched ahead."""
        at_hand = {item.id: self._at_hand(item) for item in items}
        missing = [item for item in items if at_hand[item.id] is None]
        if missing:
            at_hand |= {one.described.item.id: one for one in await self._make(missing)}
        made = [one for item in items if (one := at_hand[item.id])]
        pictures = frozenset[PictureId]().union(*(one.pictures for one in made))
        until_s = min((one.until_s for one in made), default=time.monotonic() + KEPT_S)
        return Enriched(made, pictures, all(one.described.is_settled for one in made), until_s)

    def _at_hand(self, item: Item) -> MadeItem | None:
        """As it was made lately, and nothing happened since to what is on it."""
        made = self._kept.get(item.id)
        return made if made and (made.described.item is item or made.described.item == item) else None

    async def _make(self, items: Sequence[Item]) -> Sequence[MadeItem]:
        begun_s = time.monotonic()
        keys = [_key(item) for item in items]
        outcomes = await self._titles.lookup(set(keys))
        if self._matching:
            self._matching.soon(items)
        described = [
            _Described(item, outcomes[key], self._state_of(item))
            for item, key in zip(items, keys, strict=True)
        ]
        self._posters.store(
            {one.item.id: one.poster for one in described if one.poster and one.poster != one.item.poster_url}
        )
        self._prefetch.soon(
            HandedOut(one.poster, name_of(one.item, Role.POSTER))
            for one in described
            if one.poster and self._prefetch.may_lack(one.poster)
        )
        await self._shown.ahead(pair for one in described for pair in one.pictures.items())
        return [await self._made_of(one, begun_s) for one in described]

    async def _made_of(self, described: _Described, begun_s: float) -> MadeItem:
        item, images = described.item, await self._images(described.pictures)
        before = self._made.get(item.id)
        until_s = time.monotonic() + KEPT_S
        if before and before.images == images and before.described.says_the_same(described):
            body, pictures = before.body, before.pictures
        else:
            body = self._enriched(described, images).model_dump_json().encode()
            pictures = frozenset(map(known_id, described.pictures.values()))
        made = MadeItem(described, images, pictures, body, until_s)
        self._made[item.id] = made
        if described.is_settled:
            self._kept.keep(item.id, made, pictures, begun_s=begun_s, until_s=until_s)
        return made

    async def as_they_are(self, items: Sequence[Item]) -> Sequence[EnrichedItem]:
        """Without asking anybody."""
        described = [_Described(item, metadata.NotFound()) for item in items]
        await self._shown.ahead(pair for one in described for pair in one.pictures.items())
        return [self._enriched(one, await self._images(one.pictures)) for one in described]

    async def as_it_is(self, item: Item) -> EnrichedItem:
        [one] = await self.as_they_are([item])
        return one

    async def title(self, found: metadata.Found[metadata.Title]) -> TitleMetadata:
        title = found.value
        poster = title.pictures.get(Role.POSTER)
        return TitleMetadata.model_validate(
            {
                **dict(title),
                "media_type": title.kind,
                "poster_url": poster and self._urls.by_source(poster),
                "images": await self._images(title.pictures),
                "stale": found.stale,
            }
        )

    def _enriched(self, described: _Described, images: Mapping[Role, ShownPicture]) -> EnrichedItem:
        item, title = described.item, described.title
        poster, genres = images.get(Role.POSTER), title.genres if title else ()
        return EnrichedItem(
            id=item.id,
            title=item.title,
            media_type=item.media_type,
            year=item.year,
            imdb_id=item.imdb_id,
            tmdb_id=item.tmdb_id,
            tvdb_id=item.tvdb_id,
            overseerr_id=item.overseerr_id,
            overseerr_url=self._at_overseerr(item),
            list_source=item.list_source,
            list_sources=tuple(map(ShownList.model_validate, item.list_sources)),
            status=item.status,
            last_synced=item.last_synced,
            created_at=item.created_at,
            updated_at=item.updated_at,
            stored=poster is not None and poster.width is not None,
            full_path=item.full_path,
            paths=item.paths,
            poster_url=self._urls.by_source(described.poster) if described.poster else None,
            **self._local(item),
            images=dict(images),
            overview=title.overview if title else None,
            rating=title.rating if title else None,
            genres=genres,
            genre_slugs=tuple(genre.lower().replace(" & ", "-").replace(" ", "-") for genre in genres),
            pending=described.pending,
            unmatched=described.unmatched,
            stale=described.stale,
        )

    def _at_overseerr(self, item: Item) -> str | None:
        if not (self._overseerr_url and item.overseerr_id):
            return None
        return f"{self._overseerr_url}/{item.media_type}/{item.overseerr_id}"

    def _state_of(self, item: Item) -> MatchState:
        return self._matching.state_of(item) if self._matching else MatchState.NONE

    def _local(self, item: Item) -> dict[str, str]:
        """Its pictures by their names: found when they are asked for. None where no provider knows the item."""
        names = {role: name_of(item, role) for role in (Role.POSTER, Role.BANNER, Role.FANART)}
        urls = {role: self._urls.by_name(name, "original") for role, name in names.items() if name}
        local = {f"local_{role}_url": url for role, url in urls.items()}
        if poster := names[Role.POSTER]:
            local["local_image_url"] = urls[Role.POSTER]
            local["local_thumbnail_url"] = self._urls.by_name(poster, "thumbnail")
        return local

    async def _images(self, pictures: Mapping[Role, str]) -> dict[Role, ShownPicture]:
        return {role: await self._shown.of(url, role) for role, url in pictures.items()}


def _key(item: Item) -> metadata.TitleKey:
    kind = metadata.TitleKind(item.media_type)
    tvdb_id = item.tvdb_id if kind is metadata.TitleKind.TV else None  # of films no other provider knows it
    return metadata.TitleKey(kind, imdb_id=item.imdb_id, tmdb_id=item.tmdb_id, tvdb_id=tvdb_id)


def _poster(stored: str | None, said: str | None) -> str | None:
    """What is stored stays, for providers come and go, until the same one shows another, from whichever host."""
    return said if said and (stored is None or _provider(stored) == _provider(said)) else stored


def _provider(url: str) -> str:
    host = url.partition("://")[2].partition("/")[0]
    known = picture_host(host)
    return known.provider if known else host
