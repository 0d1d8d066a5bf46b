"""What TVDB said, in memory: records by their ids, those that were merged under their old ids too."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from services.enricher.finder.artwork.casts import Cast, CastPart, NamedTitle, NamedTitles
from services.enricher.finder.artwork.choice import Candidate, Gallery, country_of_tvdb, two_letters
from services.enricher.finder.artwork.source import Asking, Ids, Records, Subject, Whose
from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome
from services.enricher.finder.providers import Turn
from services.enricher.finder.providers.tvdb.client import (
    Tvdb,
    TvdbArtwork,
    TvdbCharacter,
    TvdbEntity,
    TvdbEpisode,
    TvdbFound,
    TvdbHit,
    TvdbHits,
    TvdbMerges,
    TvdbPerson,
    TvdbRecord,
    TvdbRemoteId,
    TvdbSeason,
    TvdbTitle,
)
from shared.pictures import Kind, Role
from shared.telemetry import utc_now


class TvdbRecords:
    def __init__(self, tvdb: Tvdb, records: Records, now: Callable[[], datetime]) -> None:
        self._tvdb = tvdb
        self._records = records
        self._now = now

    async def title(self, entity: TvdbEntity, id_: int, asking: Asking) -> Outcome[TvdbTitle]:
        """What it was merged into, where it is gone."""
        outcome = await self._as_numbered(entity, id_, asking)
        if not isinstance(outcome, NotFound):
            return outcome
        merges = await self._records.get(
            f"tvdb:merges:{entity}",
            TvdbMerges,
            lambda turn: self._tvdb.merges(entity, self._now(), turn),
            asking,
        )
        if not isinstance(merges, Found):
            return merges
        after = merges.value.follow(id_)
        return await self._as_numbered(entity, after, asking) if after else outcome

    async def season(self, id_: int, asking: Asking) -> Outcome[TvdbSeason]:
        return await self._records.get(
            f"tvdb:season:{id_}", TvdbSeason, lambda turn: self._tvdb.season(id_, turn), asking
        )

    async def episode(self, subject: Subject, asking: Asking) -> Outcome[TvdbEpisode]:
        id_, season, episode = subject.ids.tvdb or 0, subject.season, subject.episode
        if season is None or episode is None:
            return await self._records.get(
                f"tvdb:episode:{id_}", TvdbEpisode, lambda turn: self._tvdb.episode(id_, turn), asking
            )
        return await self._records.get(
            f"tvdb:series:{id_}:{season}:{episode}",
            TvdbEpisode,
            lambda turn: self._tvdb.episode_of(id_, season, episode, turn),
            asking,
        )

    async def person(self, id_: int, asking: Asking) -> Outcome[TvdbPerson]:
        return await self._records.get(
            f"tvdb:person:{id_}", TvdbPerson, lambda turn: self._tvdb.person(id_, turn), asking
        )

    async def character(self, id_: int, asking: Asking) -> Outcome[TvdbCharacter]:
        return await self._records.get(
            f"tvdb:character:{id_}", TvdbCharacter, lambda turn: self._tvdb.character(id_, turn), asking
        )

    async def called(self, text: str, asking: Asking, *, is_series: bool) -> Outcome[TvdbHits]:
        async def ask(turn: Turn) -> TvdbHits:
            return TvdbHits(hits=await self._tvdb.search(text, is_series=is_series, turn=turn))

        key = f"tvdb:called:{is_series}:{text.casefold()}"
        return await self._records.get(key, TvdbHits, ask, asking)

    async def found(self, remote_id: str, asking: Asking) -> Outcome[TvdbFound]:
        return await self._records.get(
            f"tvdb:remote:{remote_id}", TvdbFound, lambda turn: self._tvdb.find(remote_id, turn), asking
        )

    async def _as_numbered(self, entity: TvdbEntity, id_: int, asking: Asking) -> Outcome[TvdbTitle]:
        return await self._records.get(
            f"tvdb:{entity}:{id_}", TvdbTitle, lambda turn: self._tvdb.title(entity, id_, turn), asking
        )


TYPES = {
    Kind.SERIES: {1: Role.BANNER, 2: Role.POSTER, 3: Role.FANART, 23: Role.LOGO},
    Kind.SEASON: {6: Role.BANNER, 7: Role.POSTER, 8: Role.FANART},
    Kind.MOVIE: {14: Role.POSTER, 15: Role.FANART, 16: Role.BANNER, 25: Role.LOGO},
}
"""Of artwork, as `/artwork/types` lists them."""

MAX_NAMESAKES = 4
"""Records of other providers' numbers that are looked at for whether they mean the same one."""

ACTORS = ("actor", "guest star", "")
"""Of the types of people that a title's list of characters has; the others are crew."""

_ENTITIES = {Kind.SERIES: TvdbEntity.SERIES, Kind.MOVIE: TvdbEntity.MOVIES}
_KINDS = {Kind.SERIES, Kind.MOVIE, Kind.SEASON, Kind.EPISODE, Kind.PERSON}
_DIGITS = 9
"""Of numbers that anybody has room for."""

_ORDER = "official"
"""The order of seasons that other providers count in."""


class TvdbSource:
    name = "tvdb"

    def __init__(self, tvdb: Tvdb, records: Records, *, now: Callable[[], datetime] = utc_now) -> None:
        self._records = TvdbRecords(tvdb, records, now)

    def takes(self, kind: Kind) -> tuple[Whose, ...]:
        return (Whose.TVDB,) if kind in _KINDS else ()

    def knows(self, subject: Subject) -> bool:
        return subject.kind in _KINDS and subject.ids.tvdb is not None

    async def look(self, subject: Subject, role: Role, asking: Asking) -> Outcome[Gallery]:
        id_ = subject.ids.tvdb or 0
        match subject.kind:
            case Kind.SEASON if subject.is_placed:
                return await self._season_of(subject, role, asking)
            case Kind.SEASON:
                return await self._season(id_, asking)
            case Kind.EPISODE:
                episode = await self._records.episode(subject, asking)
                image = episode.value.image if isinstance(episode, Found) else None
                return _single(episode, Role.STILL, image)
            case Kind.PERSON:
                person = await self._records.person(id_, asking)
                image = person.value.image if isinstance(person, Found) else None
                return _single(person, Role.PROFILE, image)
        title = await self._records.title(_ENTITIES[subject.kind], id_, asking)
        return _of_title(title, subject.kind)

    async def more(self, title: Subject, asking: Asking) -> Outcome[Ids]:
        if title.kind not in {Kind.SERIES, Kind.MOVIE, Kind.PERSON}:
            return NotFound()
        ids = title.ids
        if ids.tvdb is not None:
            return await self._remote_ids(title.kind, ids.tvdb, asking)
        remote_id = ids.imdb or (str(ids.tmdb) if ids.tmdb else None)
        if not remote_id:
            return NotFound()
        found = await self._records.found(remote_id, asking)
        if not isinstance(found, Found):
            return found
        records = _of_kind(found.value, title.kind)
        if ids.imdb:  # says what it is an id of, and nobody else gives such
            return Found(Ids(tvdb=records[0].id), found.stale) if records else NotFound()
        return await self._namesake(title, records[:MAX_NAMESAKES], asking)

    async def cast(self, title: Subject, asking: Asking) -> Outcome[Cast]:
        """Out of the record that its pictures come from, too."""
        outcome = await self._records.title(_ENTITIES[title.kind], title.ids.tvdb or 0, asking)
        if not isinstance(outcome, Found):
            return outcome
        said = outcome.value
        return Found(
            Cast(
                kind=title.kind,
                ids=_ids(said.remote_ids).model_copy(update={"tvdb": said.id}),
                title=said.name or "",
                parts=tuple(_parts(said.characters)),
            ),
            outcome.stale,
        )

    async def character(self, number: int, asking: Asking) -> Outcome[Cast]:
        outcome = await self._records.character(number, asking)
        if not isinstance(outcome, Found):
            return outcome
        one = outcome.value
        kind, id_ = (Kind.MOVIE, one.movie_id) if one.movie_id else (Kind.SERIES, one.series_id)
        if not id_ or not (parts := tuple(_parts([one]))):
            return NotFound()
        title = await self._records.title(_ENTITIES[kind], id_, asking)
        name = title.value.name if isinstance(title, Found) else None
        return Found(Cast(kind=kind, ids=Ids(tvdb=id_), title=name or "", parts=parts), outcome.stale)

    async def called(self, text: str, kind: Kind, asking: Asking) -> Outcome[NamedTitles]:
        outcome = await self._records.called(text, asking, is_series=kind is Kind.SERIES)
        if not isinstance(outcome, Found):
            return outcome
        return Found(NamedTitles(titles=tuple(_titles(outcome.value.hits, kind))), outcome.stale)

    async def place(self, part: Subject, asking: Asking) -> Outcome[Subject]:
        if part.ids.tvdb is None:
            return NotFound()
        if part.kind is Kind.SEASON:
            season = await self._records.season(part.ids.tvdb, asking)
            if not isinstance(season, Found):
                return season
            said = season.value
            placed = Subject(kind=part.kind, ids=Ids(tvdb=said.series_id), season=said.number)
            return Found(placed, season.stale) if said.series_id else NotFound()
        episode = await self._records.episode(part, asking)
        if not isinstance(episode, Found):
            return episode
        one = episode.value
        if one.series_id is None or one.season_number is None or one.number is None:
            return NotFound()
        placed = Subject(
            kind=part.kind, ids=Ids(tvdb=one.series_id), season=one.season_number, episode=one.number
        )
        return Found(placed, episode.stale)

    async def _season_of(self, subject: Subject, role: Role, asking: Asking) -> Outcome[Gallery]:
        """What the series' record has of it, or else its own record."""
        title = await self._records.title(TvdbEntity.SERIES, subject.ids.tvdb or 0, asking)
        if not isinstance(title, Found):
            return title
        for season in title.value.seasons:
            if season.number == subject.season and season.type.type == _ORDER:
                own = [one for one in title.value.artworks if one.season_id == season.id]
                gallery = Gallery(candidates=tuple(_candidates(own, Kind.SEASON)))
                if gallery.of(role).candidates:
                    return Found(gallery, title.stale)
                return await self._season(season.id, asking)
        return NotFound()

    async def _season(self, id_: int, asking: Asking) -> Outcome[Gallery]:
        season = await self._records.season(id_, asking)
        if not isinstance(season, Found):
            return season
        candidates = tuple(_candidates(season.value.artwork, Kind.SEASON))
        if not candidates:
            return _single(season, Role.POSTER, season.value.image)
        return Found(Gallery(candidates=candidates), season.stale)

    async def _remote_ids(self, kind: Kind, id_: int, asking: Asking) -> Outcome[Ids]:
        outcome: Outcome[TvdbPerson] | Outcome[TvdbTitle]
        if kind is Kind.PERSON:
            outcome = await self._records.person(id_, asking)
        else:
            outcome = await self._records.title(_ENTITIES[kind], id_, asking)
        if not isinstance(outcome, Found):
            return outcome
        return Found(_ids(outcome.value.remote_ids), outcome.stale)

    async def _namesake(self, title: Subject, records: Iterable[TvdbRecord], asking: Asking) -> Outcome[Ids]:
        """The one whose record says that TMDB's number is its own: the search finds it for anybody's number."""
        for record in records:
            said = await self._remote_ids(title.kind, record.id, asking)
            if not isinstance(said, Found | NotFound):
                return said
            if isinstance(said, Found) and said.value.tmdb == title.ids.tmdb:
                return Found(said.value.model_copy(update={"tvdb": record.id}), said.stale)
        return NotFound()


def _parts(characters: Iterable[TvdbCharacter]) -> Iterator[CastPart]:
    actors = (one for one in characters if one.name and (one.people_type or "").casefold() in ACTORS)
    for place, one in enumerate(sorted(actors, key=lambda one: one.sort)):
        yield CastPart(
            character=one.name or "",
            actor=one.person_name or "",
            character_id=one.id,
            actor_id=one.people_id,
            picture=one.image or one.image_url or one.person_img_url or one.person_image,
            place=place,
        )


def _titles(hits: Iterable[TvdbHit], kind: Kind) -> Iterator[NamedTitle]:
    for hit in hits:
        if hit.tvdb_id.isdecimal() and len(hit.tvdb_id) <= _DIGITS:
            year = int(hit.year) if hit.year and hit.year.isdecimal() and len(hit.year) <= _DIGITS else None
            names = (*hit.aliases, *hit.translations.values())
            yield NamedTitle(kind=kind, ids=Ids(tvdb=int(hit.tvdb_id)), name=hit.name, names=names, year=year)


def _of_title(title: Outcome[TvdbTitle], kind: Kind) -> Outcome[Gallery]:
    if not isinstance(title, Found):
        return title
    return Found(Gallery(candidates=tuple(_candidates(title.value.artworks, kind))), title.stale)


def _candidates(artworks: Iterable[TvdbArtwork], kind: Kind) -> Iterator[Candidate]:
    for one in artworks:
        if role := TYPES[kind].get(one.type):
            textless = one.includes_text is False or (one.language is None and not one.includes_text)
            yield Candidate(
                source_url=one.image,
                provider=TvdbSource.name,
                role=role,
                id=str(one.id),
                language=None if textless or one.language is None else two_letters(one.language),
                country=None if textless or one.language is None else country_of_tvdb(one.language),
                textless=textless,
                score=one.score,
                width=one.width or 0,
                height=one.height or 0,
            )


def _single(
    said: Outcome[TvdbEpisode] | Outcome[TvdbPerson] | Outcome[TvdbSeason], role: Role, image: str | None
) -> Outcome[Gallery]:
    """Of what has one picture, and no more said of it."""
    if not isinstance(said, Found):
        return said
    id_ = str(said.value.id)
    one = Candidate(source_url=image, provider=TvdbSource.name, role=role, id=id_) if image else None
    return Found(Gallery(candidates=(one,) if one else ()), said.stale)


def _of_kind(found: TvdbFound, kind: Kind) -> list[TvdbRecord]:
    ones = {
        Kind.SERIES: [one.series for one in found.results],
        Kind.MOVIE: [one.movie for one in found.results],
        Kind.PERSON: [one.people for one in found.results],
    }[kind]
    return [one for one in ones if one]


def _ids(remote_ids: Iterable[TvdbRemoteId]) -> Ids:
    imdb, tmdb = None, None
    for one in remote_ids:
        source = one.source.casefold()
        if source == "imdb":
            imdb = imdb or one.id
        elif source.startswith("themoviedb") and one.id.isdecimal():
            tmdb = tmdb or int(one.id)
    return Ids(imdb=imdb, tmdb=tmdb)
