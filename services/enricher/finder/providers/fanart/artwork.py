"""fanart.tv's pictures."""

from collections.abc import Iterator, Mapping

from services.enricher.finder.artwork.choice import Candidate, Gallery, two_letters
from services.enricher.finder.artwork.source import Asking, Records, Subject, Whose
from services.enricher.finder.metadata.outcomes import Found, Outcome
from services.enricher.finder.providers.fanart.client import (
    NO_LANGUAGE,
    Fanart,
    FanartMovie,
    FanartPicture,
    FanartSeries,
)
from shared.pictures import Kind, Role

_TAKES = {
    Kind.MOVIE: (Whose.TMDB, Whose.IMDB),
    Kind.SERIES: (Whose.TVDB,),
    Kind.SEASON: (Whose.TVDB,),
}
_Pictures = tuple[FanartPicture, ...]


class FanartSource:
    name = "fanart"

    def __init__(self, fanart: Fanart, records: Records) -> None:
        self._fanart = fanart
        self._records = records

    def takes(self, kind: Kind) -> tuple[Whose, ...]:
        return _TAKES.get(kind, ())

    def knows(self, subject: Subject) -> bool:
        return subject.is_placed and subject.ids.has(*self.takes(subject.kind))

    async def look(self, subject: Subject, role: Role, asking: Asking) -> Outcome[Gallery]:  # noqa: ARG002 - all roles come at once
        outcome = await (self._movie if subject.kind is Kind.MOVIE else self._series)(subject, asking)
        if not isinstance(outcome, Found):
            return outcome
        said = outcome.value
        if isinstance(said, FanartMovie):
            listed = _of_movie(said)
        else:
            listed = _of_series(said) if subject.season is None else _of_season(said, subject.season)
        return Found(Gallery(candidates=tuple(_candidates(listed))), outcome.stale)

    async def _movie(self, subject: Subject, asking: Asking) -> Outcome[FanartMovie]:
        id_ = str(subject.ids.tmdb or subject.ids.imdb)
        return await self._records.get(
            f"fanart:movie:{id_}", FanartMovie, lambda turn: self._fanart.movie(id_, turn), asking
        )

    async def _series(self, subject: Subject, asking: Asking) -> Outcome[FanartSeries]:
        id_ = subject.ids.tvdb or 0
        return await self._records.get(
            f"fanart:series:{id_}", FanartSeries, lambda turn: self._fanart.series(id_, turn), asking
        )


def _of_movie(said: FanartMovie) -> Mapping[Role, _Pictures]:
    return {
        Role.POSTER: said.movieposter,
        Role.FANART: said.moviebackground,
        Role.BANNER: said.moviebanner,
        Role.THUMBNAIL: said.moviethumb,
        Role.LOGO: said.hdmovielogo + said.movielogo,
    }


def _of_series(said: FanartSeries) -> Mapping[Role, _Pictures]:
    return {
        Role.POSTER: said.tvposter,
        Role.FANART: said.showbackground,
        Role.BANNER: said.tvbanner,
        Role.THUMBNAIL: said.tvthumb,
        Role.LOGO: said.hdtvlogo + said.clearlogo,
    }


def _of_season(said: FanartSeries, season: int) -> Mapping[Role, _Pictures]:
    def ours(listed: _Pictures) -> _Pictures:
        return tuple(one for one in listed if one.season == str(season))

    return {
        Role.POSTER: ours(said.seasonposter),
        Role.BANNER: ours(said.seasonbanner),
        Role.THUMBNAIL: ours(said.seasonthumb),
    }


def _candidates(listed: Mapping[Role, _Pictures]) -> Iterator[Candidate]:
    for role, pictures in listed.items():
        for one in pictures:
            textless = one.lang == NO_LANGUAGE
            yield Candidate(
                source_url=one.url,
                provider=FanartSource.name,
                role=role,
                id=one.id,
                language=None if textless else two_letters(one.lang),
                textless=textless,
                score=one.likes,
            )
