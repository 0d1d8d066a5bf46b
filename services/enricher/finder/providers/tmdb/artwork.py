"""TMDB's pictures and ids."""

from collections.abc import Iterator, Sequence

from services.enricher.finder.artwork.casts import Cast, CastPart, NamedTitle, NamedTitles
from services.enricher.finder.artwork.choice import ORIGINAL, Candidate, Gallery, two_letters
from services.enricher.finder.artwork.source import Asking, Ids, Subject, Whose
from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome
from services.enricher.finder.metadata.tmdb_cache import TmdbMetadata
from services.enricher.finder.providers.models import TitleKind
from services.enricher.finder.providers.tmdb import resources
from services.enricher.finder.providers.tmdb.models import titles
from services.enricher.finder.providers.tmdb.models.people import (
    CastMember,
    SeriesCastMember,
    TitleCast,
    TmdbPictures,
)
from shared.pictures import Kind, Role

_NO_LANGUAGE = (None, *resources.WITHOUT_LANGUAGE)
_TITLES = {Kind.MOVIE: TitleKind.MOVIE, Kind.SERIES: TitleKind.TV}
_ROLES = {
    Kind.MOVIE: {Role.POSTER, Role.FANART, Role.LOGO},
    Kind.SERIES: {Role.POSTER, Role.FANART, Role.LOGO},
    Kind.SEASON: {Role.POSTER},
    Kind.EPISODE: {Role.STILL},
    Kind.PERSON: {Role.PROFILE},
    Kind.COLLECTION: {Role.POSTER, Role.FANART},
}


class TmdbSource:
    """Pictures in our languages, or in all of them where there is none in ours."""

    name = "tmdb"

    def __init__(self, tmdb: TmdbMetadata, *, image_url: str, languages: Sequence[str]) -> None:
        self._tmdb = tmdb
        self._image_url = image_url
        # Which one the original's is differs from title to title: then all of them are asked for.
        self._languages = () if ORIGINAL in languages else tuple(map(two_letters, languages))

    def takes(self, kind: Kind) -> tuple[Whose, ...]:
        return (Whose.TMDB,) if kind in _ROLES else ()

    def knows(self, subject: Subject) -> bool:
        return subject.kind in _ROLES and subject.ids.tmdb is not None

    async def look(self, subject: Subject, role: Role, asking: Asking) -> Outcome[Gallery]:
        if role not in _ROLES[subject.kind]:
            return NotFound()
        try:
            path = _path(subject)
        except ValueError:  # TMDB has no such numbers
            return NotFound()
        outcome = await self._gallery(path, self._languages, asking)
        if isinstance(outcome, Found) and not outcome.value.of(role).candidates:
            return await self._gallery(path, (), asking)
        return outcome

    async def more(self, title: Subject, asking: Asking) -> Outcome[Ids]:
        ids = title.ids
        try:
            if ids.tmdb is not None and title.kind in _TITLES:
                return await self._elsewhere(_TITLES[title.kind], ids.tmdb, asking)
            found = await self._find(ids, asking)
        except ValueError:
            return NotFound()
        if not isinstance(found, Found):
            return found
        said = found.value
        results: dict[Kind, Sequence[titles.MovieEntry | titles.TvEntry | titles.PersonEntry]] = {
            Kind.MOVIE: said.movie_results,
            Kind.SERIES: said.tv_results,
            Kind.PERSON: said.person_results,
        }
        for first in results.get(title.kind, ()):
            return Found(Ids(tmdb=first.id), found.stale)
        return NotFound()

    async def cast(self, title: Subject, asking: Asking) -> Outcome[Cast]:
        try:
            wanted = resources.cast_of(_TITLES[title.kind], title.ids.tmdb or 0)
        except ValueError:
            return NotFound()
        outcome = await self._tmdb.look(wanted, asking.until, asking.urgency)
        return (
            Found(self._cast(title.kind, outcome.value), outcome.stale)
            if isinstance(outcome, Found)
            else outcome
        )

    async def character(self, number: int, asking: Asking) -> Outcome[Cast]:  # noqa: ARG002 - it has no numbers for them
        return NotFound()

    async def called(self, text: str, kind: Kind, asking: Asking) -> Outcome[NamedTitles]:
        outcome: Outcome[titles.MoviePage] | Outcome[titles.TvPage]
        try:
            if kind is Kind.MOVIE:
                outcome = await self._tmdb.look(resources.search_movie(text), asking.until, asking.urgency)
            else:
                outcome = await self._tmdb.look(resources.search_tv(text), asking.until, asking.urgency)
        except ValueError:
            return NotFound()
        if not isinstance(outcome, Found):
            return outcome
        return Found(NamedTitles(titles=tuple(map(_named, outcome.value.results))), outcome.stale)

    def _cast(self, kind: Kind, said: TitleCast) -> Cast:
        other = said.external_ids
        ids = Ids(tmdb=said.id, imdb=other.imdb_id if other else None, tvdb=other.tvdb_id if other else None)
        members = said.credits.cast if said.credits else ()
        played = [(place, member.character, member) for place, member in enumerate(members)]
        members_of_series = said.aggregate_credits.cast if said.aggregate_credits else ()
        in_series = [
            (place, role.character, member)
            for place, member in enumerate(members_of_series)
            for role in member.roles
        ]
        every: list[tuple[int, str | None, CastMember | SeriesCastMember]] = [*played, *in_series]
        parts = (
            CastPart(
                character=character,
                actor=member.name,
                actor_id=member.id,
                picture=f"{self._image_url}/original{member.profile_path}" if member.profile_path else None,
                place=place,
            )
            for place, character, member in every
            if character
        )
        return Cast(kind=kind, ids=ids, title=said.title or said.name or "", parts=tuple(parts))

    async def place(self, part: Subject, asking: Asking) -> Outcome[Subject]:
        found = await self._find(part.ids, asking)
        if not isinstance(found, Found):
            return found
        of_season = part.kind is Kind.SEASON
        places = found.value.tv_season_results if of_season else found.value.tv_episode_results
        for place in places:
            ids = Ids(tmdb=place.show_id)
            placed = Subject(
                kind=part.kind, ids=ids, season=place.season_number, episode=place.episode_number
            )
            return Found(placed, found.stale)
        return NotFound()

    async def _gallery(self, path: str, languages: Sequence[str], asking: Asking) -> Outcome[Gallery]:
        resource = resources.pictures(path, languages)
        outcome = await self._tmdb.look(resource, asking.until, asking.urgency)
        if not isinstance(outcome, Found):
            return outcome
        return Found(Gallery(candidates=tuple(self._candidates(outcome.value))), outcome.stale)

    def _candidates(self, pictures: TmdbPictures) -> Iterator[Candidate]:
        of_roles = {
            Role.POSTER: pictures.posters,
            Role.FANART: pictures.backdrops,
            Role.LOGO: pictures.logos,
            Role.PROFILE: pictures.profiles,
            Role.STILL: pictures.stills,
        }
        for role, ones in of_roles.items():
            for one in ones:
                yield Candidate(
                    source_url=f"{self._image_url}/original{one.file_path}",
                    provider=self.name,
                    role=role,
                    id=one.file_path.strip("/").partition(".")[0],
                    language=None if one.iso_639_1 in _NO_LANGUAGE else one.iso_639_1,
                    country=one.iso_3166_1,
                    textless=one.iso_639_1 in _NO_LANGUAGE,
                    score=one.vote_average,
                    width=int(one.width or 0),
                    height=int(one.height or 0),
                )

    async def _elsewhere(self, kind: TitleKind, tmdb_id: int, asking: Asking) -> Outcome[Ids]:
        resource = resources.external_ids(kind, tmdb_id)
        outcome = await self._tmdb.look(resource, asking.until, asking.urgency)
        if not isinstance(outcome, Found):
            return outcome
        return Found(Ids(imdb=outcome.value.imdb_id, tvdb=outcome.value.tvdb_id), outcome.stale)

    async def _find(self, ids: Ids, asking: Asking) -> Outcome[titles.FoundByOtherId]:
        if ids.imdb:
            return await self._tmdb.look(resources.find_imdb(ids.imdb), asking.until, asking.urgency)
        if ids.tvdb:
            return await self._tmdb.look(resources.find_tvdb(ids.tvdb), asking.until, asking.urgency)
        return NotFound()


def _path(subject: Subject) -> str:
    """Raise ValueError for numbers that TMDB does not have."""
    id_, season, episode = subject.ids.tmdb or 0, subject.season or 0, subject.episode or 0
    match subject.kind:
        case Kind.SEASON:
            return resources.season_path(id_, season)
        case Kind.EPISODE:
            return resources.episode_path(id_, season, episode)
        case Kind.PERSON:
            return resources.person_path(id_)
        case Kind.COLLECTION:
            return resources.collection_path(id_)
    return resources.title_path(_TITLES[subject.kind], id_)


def _named(entry: titles.MovieEntry | titles.TvEntry) -> NamedTitle:
    if isinstance(entry, titles.MovieEntry):
        kind, name, original, day = Kind.MOVIE, entry.title, entry.original_title, entry.release_date
    else:
        kind, name, original, day = Kind.SERIES, entry.name, entry.original_name, entry.first_air_date
    names = (original,) if original else ()
    return NamedTitle(
        kind=kind, ids=Ids(tmdb=entry.id), name=name, names=names, year=day.year if day else None
    )
