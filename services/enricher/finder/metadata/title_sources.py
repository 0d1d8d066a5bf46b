"""Titles as Trakt and as TMDB tell them."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from services.enricher.finder.metadata.cache import Cache, CacheRequest
from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome
from services.enricher.finder.metadata.titles import Title, TitleKey
from services.enricher.finder.metadata.tmdb_cache import TmdbMetadata
from services.enricher.finder.providers import Turn, Urgency
from services.enricher.finder.providers.models import TitleKind
from services.enricher.finder.providers.tmdb import Resource, resources
from services.enricher.finder.providers.tmdb.models.titles import FoundByOtherId, Movie, Tv
from services.enricher.finder.providers.trakt.client import Elsewhere, Trakt, TraktImages, TraktTitle
from shared.pictures import Role


class TraktTitles:
    """A source of titles. What Trakt says is kept in memory, and nowhere else."""

    language = "en"

    def __init__(self, trakt: Trakt, cache: Cache, *, kept: timedelta) -> None:
        self._trakt = trakt
        self._cache = cache
        self._kept = kept

    def at_hand(self, key: TitleKey, until: datetime) -> Outcome[Title] | None:
        outcome: Outcome[Title] | None = NotFound()
        for wanted in self._wanted(key):
            outcome = self._cache.at_hand(wanted, until)
            if not isinstance(outcome, NotFound):
                return outcome
        return outcome

    async def look(self, key: TitleKey, until: datetime, urgency: Urgency) -> Outcome[Title]:
        outcome: Outcome[Title] = NotFound()
        for wanted in self._wanted(key):
            outcome = await self._cache.look(wanted, until=until, urgency=urgency)
            if not isinstance(outcome, NotFound):
                return outcome
        return outcome

    def _wanted(self, key: TitleKey) -> Iterator[CacheRequest[Title]]:
        """By each id that there is, until one is known: a title that items name differently is asked for once."""
        kind = key.kind
        if imdb_id := key.imdb_id:
            yield self._one(f"{kind}:{imdb_id}", kind, lambda turn: self._trakt.title(kind, imdb_id, turn))
        if tmdb_id := key.tmdb_id:
            yield self._searched("tmdb", kind, tmdb_id)
        if tvdb_id := key.tvdb_id:
            yield self._searched("tvdb", kind, tvdb_id)
        if trakt_id := key.trakt_id:
            yield self._one(
                f"{kind}:trakt:{trakt_id}", kind, lambda turn: self._trakt.title(kind, trakt_id, turn)
            )

    def _searched(self, source: Elsewhere, kind: TitleKind, id_: int) -> CacheRequest[Title]:
        return self._one(
            f"{kind}:{source}:{id_}", kind, lambda turn: self._trakt.title_by(source, kind, id_, turn)
        )

    def _one(
        self, name: str, kind: TitleKind, asking: Callable[[Turn], Awaitable[TraktTitle]]
    ) -> CacheRequest[Title]:
        async def ask(turn: Turn) -> Title:
            return title_of(await asking(turn), kind)

        return CacheRequest(name, Title, self._kept, ask)


def title_of(said: TraktTitle, kind: TitleKind) -> Title:
    return Title(
        kind=kind,
        provider="trakt",
        title=said.title,
        year=said.year,
        imdb_id=said.ids.imdb,
        tmdb_id=said.ids.tmdb,
        tvdb_id=said.ids.tvdb,
        trakt_id=said.ids.trakt,
        trakt_slug=said.ids.slug,
        overview=said.overview,
        tagline=said.tagline,
        rating=None if said.votes == 0 else said.rating or None,
        votes=said.votes,
        genres=tuple(genre.replace("-", " ").title() for genre in said.genres),
        runtime=said.runtime or None,
        released=said.released or (said.first_aired.date() if said.first_aired else None),
        status=said.status,
        certification=said.certification,
        language=said.language,
        pictures=_pictures(said.images),
    )


def _pictures(images: TraktImages) -> dict[Role, str]:
    found = {
        Role.POSTER: images.poster,
        Role.FANART: images.fanart,
        Role.LOGO: images.logo,
        Role.BANNER: images.banner,
        Role.THUMBNAIL: images.thumb,
    }
    return {role: urls[0] for role, urls in found.items() if urls}


class TmdbTitles:
    """A source of titles. Another id costs a request more, for which TMDB id it is.

    A number that TMDB does not know any more is looked up by the other ids. Where there is no text in the first of the
    `languages`, the next is asked for.
    """

    def __init__(self, tmdb: TmdbMetadata, *, image_url: str, languages: Sequence[str]) -> None:
        self._tmdb = tmdb
        self._image_url = image_url
        self._languages = tuple(languages)

    @property
    def language(self) -> str:
        return self._languages[0][:2].lower()

    def at_hand(self, key: TitleKey, until: datetime) -> Outcome[Title] | None:
        outcome: Outcome[Title] | None = NotFound()
        for one in _one_by_one(key):
            outcome = self._of_key_at_hand(one, until)
            if not isinstance(outcome, NotFound):
                return outcome
        return outcome

    async def look(self, key: TitleKey, until: datetime, urgency: Urgency) -> Outcome[Title]:
        outcome: Outcome[Title] = NotFound()
        for one in _one_by_one(key):
            outcome = await self._of_key(one, until, urgency)
            if not isinstance(outcome, NotFound):
                return outcome
        return outcome

    def _of_key_at_hand(self, key: TitleKey, until: datetime) -> Outcome[Title] | None:
        tmdb_id = key.tmdb_id
        if tmdb_id is None:
            found = self._tmdb.at_hand(_elsewhere(key), until)
            if not isinstance(found, Found):
                return found
            tmdb_id = _tmdb_id(key, found.value)
        return self._details_at_hand(key.kind, tmdb_id, until) if tmdb_id else NotFound()

    async def _of_key(self, key: TitleKey, until: datetime, urgency: Urgency) -> Outcome[Title]:
        tmdb_id = key.tmdb_id
        if tmdb_id is None:
            found = await self._tmdb.look(_elsewhere(key), until, urgency)
            if not isinstance(found, Found):
                return found
            tmdb_id = _tmdb_id(key, found.value)
        return await self._details(key.kind, tmdb_id, until, urgency) if tmdb_id else NotFound()

    def _details_at_hand(self, kind: TitleKind, tmdb_id: int, until: datetime) -> Outcome[Title] | None:
        best: Found[Title] | None = None
        for language in self._languages:
            details = self._tmdb.at_hand(_resource(kind, tmdb_id, language), until)
            if not isinstance(details, Found):
                return details if details is None else best or details
            best = self._with_texts(best, details)
            if best.value.overview:
                break
        return best

    async def _details(
        self, kind: TitleKind, tmdb_id: int, until: datetime, urgency: Urgency
    ) -> Outcome[Title]:
        best: Found[Title] | None = None
        for language in self._languages:
            details = await self._tmdb.look(_resource(kind, tmdb_id, language), until, urgency)
            if not isinstance(details, Found):
                return best or details
            best = self._with_texts(best, details)
            if best.value.overview:
                break
        return best or NotFound()

    def _with_texts(self, known: Found[Title] | None, said: Found[Movie | Tv]) -> Found[Title]:
        """What was known, with what it lacks: a title that is the original one counts as lacking."""
        found = self._title(said)
        if known is None:
            return found
        more = {name: getattr(found.value, name) for name in TEXTS if getattr(found.value, name)}
        if not found.value.overview:
            more = {name: value for name, value in more.items() if not getattr(known.value, name)}
        return Found(known.value.model_copy(update=more), known.stale or found.stale)

    def _title(self, said: Found[Movie | Tv]) -> Found[Title]:
        described = said.value
        title = self._of_movie(described) if isinstance(described, Movie) else self._of_tv(described)
        return Found(title, said.stale)

    def _of_movie(self, said: Movie) -> Title:
        return Title(
            kind=TitleKind.MOVIE,
            title=said.title,
            imdb_id=said.imdb_id,
            runtime=said.runtime or None,
            released=said.release_date,
            **self._of_any(said, said.release_date),
        )

    def _of_tv(self, said: Tv) -> Title:
        ids = said.external_ids
        return Title(
            kind=TitleKind.TV,
            title=said.name,
            imdb_id=ids.imdb_id if ids else None,
            tvdb_id=ids.tvdb_id if ids else None,
            runtime=next((minutes for minutes in said.episode_run_time if minutes), None),
            released=said.first_air_date,
            **self._of_any(said, said.first_air_date),
        )

    def _of_any(self, said: Movie | Tv, released: date | None) -> dict[str, Any]:
        paths = {Role.POSTER: said.poster_path, Role.FANART: said.backdrop_path}
        return {
            "provider": "tmdb",
            "tmdb_id": said.id,
            "year": released.year if released else None,
            "overview": said.overview,
            "tagline": said.tagline,
            "rating": None if said.vote_count == 0 else said.vote_average or None,
            "votes": said.vote_count,
            "genres": tuple(genre.name for genre in said.genres),
            "status": said.status,
            "language": said.original_language,
            "pictures": {role: f"{self._image_url}/original{path}" for role, path in paths.items() if path},
        }


TEXTS = ("title", "overview", "tagline", "genres")


def _one_by_one(key: TitleKey) -> Iterator[TitleKey]:
    """By each id that TMDB can be asked with, the surest first."""
    if key.tmdb_id:
        yield TitleKey(key.kind, tmdb_id=key.tmdb_id)
    if key.imdb_id:
        yield TitleKey(key.kind, imdb_id=key.imdb_id)
    if key.tvdb_id:
        yield TitleKey(key.kind, tvdb_id=key.tvdb_id)


def _resource(kind: TitleKind, tmdb_id: int, language: str) -> Resource[Movie | Tv]:
    if kind is TitleKind.MOVIE:
        return resources.movie(tmdb_id, language=language)
    return resources.tv(tmdb_id, language=language)


def _elsewhere(key: TitleKey) -> Resource[FoundByOtherId]:
    return resources.find_imdb(key.imdb_id) if key.imdb_id else resources.find_tvdb(key.tvdb_id or 0)


def _tmdb_id(key: TitleKey, found: FoundByOtherId) -> int | None:
    results = found.movie_results if key.kind is TitleKind.MOVIE else found.tv_results
    return next((result.id for result in results if 0 < result.id <= resources.MAX_ID), None)
