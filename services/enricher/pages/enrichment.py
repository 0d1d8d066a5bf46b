"""Enrichment: items of the library, what is said of them by now, and their pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.enricher.library import Item, name_of
from services.enricher.metadata import (
    Found,
    NotFound,
    Outcome,
    Pending,
    Title,
    TitleKey,
    TitleKind,
    Unavailable,
)
from services.enricher.metadata.titles import Titles
from services.enricher.pages.models import EnrichedItem, TitleMetadata
from services.enricher.pages.posters import Posters
from services.enricher.pictures import Ahead, PictureUrls, ShownPicture, ShownPictures
from services.enricher.pictures.ahead import HandedOut
from shared.pictures import FailureClass, PictureId, Role, picture_host, picture_id

_PASSING = frozenset({FailureClass.BUSY, FailureClass.UPSTREAM, FailureClass.OURS})
"""What keeps us from asking now, and will not for long. Whoever has no key has nothing to wait for."""


@dataclass(frozen=True, slots=True)
class Enriched:
    """Items as they are handed out, and the pictures that they show."""

    items: Sequence[EnrichedItem]
    pictures: frozenset[PictureId]
    complete: bool
    """Nothing is missing or stale that could be had a moment later."""


class _Described:
    """An item with what became of asking for its title."""

    def __init__(self, item: Item, outcome: Outcome[Title]) -> None:
        self.item = item
        self.outcome = outcome
        self.title = outcome.value if isinstance(outcome, Found) else None
        self.stale = isinstance(outcome, Found) and outcome.stale
        self.pending = isinstance(outcome, Pending) or (
            isinstance(outcome, Unavailable) and outcome.failure_class in _PASSING
        )
        said = self.title.pictures if self.title else {}
        self.poster = _poster(item.poster_url, said.get(Role.POSTER))
        self.pictures = {**said, Role.POSTER: self.poster} if self.poster else said

    @property
    def is_settled(self) -> bool:
        return not self.pending and not self.stale


class Enrichment:
    def __init__(
        self, titles: Titles, *, posters: Posters, shown: ShownPictures, urls: PictureUrls, ahead: Ahead
    ) -> None:
        self._titles = titles
        self._posters = posters
        self._shown = shown
        self._urls = urls
        self._ahead = ahead

    async def of(self, items: Sequence[Item]) -> Enriched:
        """By the page's deadline. Beside it posters that were not known are stored, and all are fetched ahead."""
        keys = [_key(item) for item in items]
        outcomes = await self._titles.lookup(set(keys))
        described = [_Described(item, outcomes[key]) for item, key in zip(items, keys, strict=True)]
        self._posters.store(
            {one.item.id: one.poster for one in described if one.poster and one.poster != one.item.poster_url}
        )
        self._ahead.soon(
            [HandedOut(one.poster, name_of(one.item, Role.POSTER)) for one in described if one.poster]
        )
        enriched = [await self._enriched(one) for one in described]
        pictures = frozenset(picture_id(url) for one in described for url in one.pictures.values())
        return Enriched(enriched, pictures, all(one.is_settled for one in described))

    async def as_it_is(self, item: Item) -> EnrichedItem:
        """Without asking anybody."""
        return await self._enriched(_Described(item, NotFound()))

    async def title(self, found: Found[Title]) -> TitleMetadata:
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

    async def _enriched(self, described: _Described) -> EnrichedItem:
        item, title = described.item, described.title
        return EnrichedItem(
            id=item.id,
            title=item.title,
            media_type=item.media_type,
            year=item.year,
            imdb_id=item.imdb_id,
            tmdb_id=item.tmdb_id,
            tvdb_id=item.tvdb_id,
            overseerr_id=item.overseerr_id,
            list_source=item.list_source,
            status=item.status,
            last_synced=item.last_synced,
            full_path=item.full_path,
            paths=item.paths,
            poster_url=self._urls.by_source(described.poster) if described.poster else None,
            **self._local(item),
            images=await self._images(described.pictures),
            overview=title.overview if title else None,
            rating=title.rating if title else None,
            genres=title.genres if title else (),
            pending=described.pending,
            stale=described.stale,
        )

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


def _key(item: Item) -> TitleKey:
    return TitleKey(TitleKind(item.media_type), imdb_id=item.imdb_id, tmdb_id=item.tmdb_id)


def _poster(stored: str | None, said: str | None) -> str | None:
    """What is stored stays, for providers come and go, until the same one shows another, from whichever host."""
    return said if said and (stored is None or _provider(stored) == _provider(said)) else stored


def _provider(url: str) -> str:
    host = url.partition("://")[2].partition("/")[0]
    known = picture_host(host)
    return known.provider if known else host
