"""Trakt's pictures and ids. Of each role it names one picture, and says nothing more of it."""

from services.enricher.finder.artwork.choice import Candidate, Gallery
from services.enricher.finder.artwork.source import Asking, Ids, Records, Subject, Whose
from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome
from services.enricher.finder.metadata.title_sources import TraktTitles
from services.enricher.finder.metadata.titles import Title, TitleKey
from services.enricher.finder.providers.models import TitleKind
from services.enricher.finder.providers.trakt.client import (
    Trakt,
    TraktEpisode,
    TraktImages,
    TraktPerson,
    TraktSeasons,
)
from shared.pictures import Kind, Role

_TITLES = {Kind.MOVIE: TitleKind.MOVIE, Kind.SERIES: TitleKind.TV}
_TAKES = {
    Kind.MOVIE: (Whose.TRAKT, Whose.IMDB, Whose.TMDB),
    Kind.SERIES: (Whose.TRAKT, Whose.IMDB, Whose.TMDB, Whose.TVDB),
    Kind.SEASON: (Whose.TRAKT, Whose.IMDB),
    Kind.EPISODE: (Whose.TRAKT, Whose.IMDB),
    Kind.PERSON: (Whose.TRAKT, Whose.IMDB, Whose.TMDB),
}


class TraktSource:
    """Of titles it says what the metadata's cache has; all in memory only."""

    name = "trakt"

    def __init__(self, trakt: Trakt, titles: TraktTitles, records: Records) -> None:
        self._trakt = trakt
        self._titles = titles
        self._records = records

    def takes(self, kind: Kind) -> tuple[Whose, ...]:
        return _TAKES.get(kind, ())

    def knows(self, subject: Subject) -> bool:
        return subject.is_placed and subject.ids.has(*self.takes(subject.kind))

    async def look(self, subject: Subject, role: Role, asking: Asking) -> Outcome[Gallery]:  # noqa: ARG002 - all roles come at once
        match subject.kind:
            case Kind.SEASON:
                return await self._season(subject, asking)
            case Kind.EPISODE:
                return await self._episode(subject, asking)
            case Kind.PERSON:
                person = await self._person(subject.ids, asking)
                return _gallery(person, person.value.images) if isinstance(person, Found) else person
        title = await self._title(subject, asking)
        if not isinstance(title, Found):
            return title
        urls = title.value.pictures.items()
        return Found(Gallery(candidates=tuple(_candidate(role, url) for role, url in urls)), title.stale)

    async def more(self, title: Subject, asking: Asking) -> Outcome[Ids]:
        if not self.knows(title):
            return NotFound()
        if title.kind is Kind.PERSON:
            person = await self._person(title.ids, asking)
            if not isinstance(person, Found):
                return person
            whose = person.value.ids
            return Found(Ids(imdb=whose.imdb, tmdb=whose.tmdb, trakt=whose.slug), person.stale)
        found = await self._title(title, asking)
        if not isinstance(found, Found):
            return found
        said = found.value
        # To Trakt a bare number is its own id: of a show that is called by a number the slug leads to another.
        slug = said.trakt_slug if said.trakt_slug and not said.trakt_slug.isdecimal() else None
        trakt = slug or (str(said.trakt_id) if said.trakt_id else None)
        ids = Ids(imdb=said.imdb_id, tmdb=said.tmdb_id, tvdb=said.tvdb_id, trakt=trakt)
        return Found(ids, found.stale)

    async def place(self, part: Subject, asking: Asking) -> Outcome[Subject]:  # noqa: ARG002 - Trakt has no such question
        return NotFound()

    async def _title(self, title: Subject, asking: Asking) -> Outcome[Title]:
        ids = title.ids
        key = TitleKey(
            _TITLES[title.kind],
            imdb_id=ids.imdb,
            tmdb_id=ids.tmdb,
            trakt_id=ids.trakt,
            tvdb_id=ids.tvdb if title.kind is Kind.SERIES else None,
        )
        return await self._titles.look(key, asking.until, asking.urgency)

    async def _season(self, subject: Subject, asking: Asking) -> Outcome[Gallery]:
        show = subject.ids.trakt or subject.ids.imdb or ""
        outcome = await self._records.get(
            f"trakt:{show}:seasons", TraktSeasons, lambda turn: self._trakt.seasons(show, turn), asking
        )
        if not isinstance(outcome, Found):
            return outcome
        for season in outcome.value.seasons:
            if season.number == subject.season:
                return _gallery(outcome, season.images)
        return NotFound()

    async def _episode(self, subject: Subject, asking: Asking) -> Outcome[Gallery]:
        show = subject.ids.trakt or subject.ids.imdb or ""
        season, episode = subject.season or 0, subject.episode or 0
        outcome = await self._records.get(
            f"trakt:{show}:{season}:{episode}",
            TraktEpisode,
            lambda turn: self._trakt.episode(show, season, episode, turn),
            asking,
        )
        return _gallery(outcome, outcome.value.images) if isinstance(outcome, Found) else outcome

    async def _person(self, ids: Ids, asking: Asking) -> Outcome[TraktPerson]:
        id_, tmdb_id = ids.trakt or ids.imdb, ids.tmdb
        if id_:
            return await self._records.get(
                f"trakt:person:{id_}", TraktPerson, lambda turn: self._trakt.person(id_, turn), asking
            )
        if not tmdb_id:
            return NotFound()
        return await self._records.get(
            f"trakt:person:tmdb:{tmdb_id}",
            TraktPerson,
            lambda turn: self._trakt.person_by_tmdb(tmdb_id, turn),
            asking,
        )


def _gallery(
    said: Found[TraktSeasons] | Found[TraktEpisode] | Found[TraktPerson], images: TraktImages
) -> Found[Gallery]:
    of_roles = {
        Role.POSTER: images.poster,
        Role.FANART: images.fanart,
        Role.THUMBNAIL: images.thumb,
        Role.STILL: images.screenshot,
        Role.PROFILE: images.headshot,
    }
    candidates = tuple(_candidate(role, urls[0]) for role, urls in of_roles.items() if urls)
    return Found(Gallery(candidates=candidates), said.stale)


def _candidate(role: Role, url: str) -> Candidate:
    return Candidate(source_url=url, provider=TraktSource.name, role=role, id=url.rpartition("/")[2])
