"""Titles as TMDB describes them."""

from datetime import date, datetime
from typing import Any

from services.enricher.metadata.outcomes import Found, NotFound, Outcome
from services.enricher.metadata.title import Title, TitleKey
from services.enricher.metadata.tmdb_metadata import TmdbMetadata
from services.enricher.providers import Urgency
from services.enricher.providers.kinds import TitleKind
from services.enricher.providers.tmdb import Resource, resources
from services.enricher.providers.tmdb.models.lists import Found as FoundElsewhere
from services.enricher.providers.tmdb.models.titles import Movie, Tv
from shared.pictures import Role


class TmdbTitles:
    """A source of titles. Another id costs a request more, for which TMDB id it is."""

    def __init__(self, tmdb: TmdbMetadata, *, image_url: str, language: str) -> None:
        self._tmdb = tmdb
        self._image_url = image_url
        self._language = language

    def at_hand(self, key: TitleKey, until: datetime) -> Outcome[Title] | None:
        if key.tmdb_id:
            details = self._tmdb.at_hand(self._details(key.kind, key.tmdb_id), until)
            return self._title(details) if isinstance(details, Found) else details
        if not (elsewhere := _elsewhere(key)):
            return NotFound()
        found = self._tmdb.at_hand(elsewhere, until)
        if not isinstance(found, Found):
            return found
        same = _with_tmdb_id(key, found.value)
        return self.at_hand(same, until) if same else NotFound()

    async def look(self, key: TitleKey, until: datetime, urgency: Urgency) -> Outcome[Title]:
        if key.tmdb_id:
            details = await self._tmdb.look(self._details(key.kind, key.tmdb_id), until, urgency)
            return self._title(details) if isinstance(details, Found) else details
        if not (elsewhere := _elsewhere(key)):
            return NotFound()
        found = await self._tmdb.look(elsewhere, until, urgency)
        if not isinstance(found, Found):
            return found
        same = _with_tmdb_id(key, found.value)
        return await self.look(same, until, urgency) if same else NotFound()

    def _details(self, kind: TitleKind, tmdb_id: int) -> Resource[Movie | Tv]:
        if kind is TitleKind.MOVIE:
            return resources.movie(tmdb_id, language=self._language)
        return resources.tv(tmdb_id, language=self._language)

    def _title(self, said: Found[Movie | Tv]) -> Found[Title]:
        described = said.value
        title = self._of_movie(described) if isinstance(described, Movie) else self._of_tv(described)
        return Found(title, said.stale)

    def _of_movie(self, said: Movie) -> Title:
        return Title(
            kind=TitleKind.MOVIE,
            title=said.title,
            imdb_id=said.imdb_id,
            runtime=said.runtime,
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
            runtime=said.episode_run_time[0] if said.episode_run_time else None,
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
            "rating": said.vote_average,
            "votes": said.vote_count,
            "genres": tuple(genre.name for genre in said.genres),
            "status": said.status,
            "language": said.original_language,
            "pictures": {role: f"{self._image_url}/original{path}" for role, path in paths.items() if path},
        }


def _elsewhere(key: TitleKey) -> Resource[FoundElsewhere] | None:
    if key.imdb_id:
        return resources.find_imdb(key.imdb_id)
    return resources.find_tvdb(key.tvdb_id) if key.tvdb_id else None


def _with_tmdb_id(key: TitleKey, found: FoundElsewhere) -> TitleKey | None:
    results = found.movie_results if key.kind is TitleKind.MOVIE else found.tv_results
    tmdb_id = next((result.id for result in results if 0 < result.id <= resources.MAX_ID), None)
    return TitleKey(key.kind, tmdb_id=tmdb_id) if tmdb_id else None
