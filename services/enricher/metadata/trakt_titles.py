"""Titles as Trakt describes them."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta

from services.enricher.metadata.cache import Cache, Wanted
from services.enricher.metadata.outcomes import NotFound, Outcome
from services.enricher.metadata.title import Title, TitleKey
from services.enricher.providers import Turn, Urgency
from services.enricher.providers.kinds import TitleKind
from services.enricher.providers.trakt import Elsewhere, Trakt, TraktImages, TraktTitle
from shared.pictures import Role


class TraktTitles:
    """A source of titles. What Trakt says is kept in memory, and nowhere else."""

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

    def _wanted(self, key: TitleKey) -> Iterator[Wanted[Title]]:
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

    def _searched(self, source: Elsewhere, kind: TitleKind, id_: int) -> Wanted[Title]:
        return self._one(
            f"{kind}:{source}:{id_}", kind, lambda turn: self._trakt.title_by(source, kind, id_, turn)
        )

    def _one(
        self, name: str, kind: TitleKind, asking: Callable[[Turn], Awaitable[TraktTitle]]
    ) -> Wanted[Title]:
        async def ask(turn: Turn) -> Title:
            return title_of(await asking(turn), kind)

        return Wanted(name, Title, self._kept, ask)


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
        rating=said.rating,
        votes=said.votes,
        genres=tuple(genre.replace("-", " ").title() for genre in said.genres),
        runtime=said.runtime,
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
