"""A candidate: what a provider found for a title and a year; and which of them is clearly right."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from services.enricher.library.item import ItemIds
from services.enricher.library.same_title import plain

FAR_AHEAD = 5
"""Times as popular as the next one."""

YEARS_BESIDE = 1
"""A title's first showing and its release may lie in different years."""


class Candidate(BaseModel):
    """`popularity` compares only with others of its provider; `also` are other titles that it is known by."""

    model_config = ConfigDict(frozen=True)

    provider: str
    title: str
    also: tuple[str, ...] = ()
    year: int | None = None
    imdb_id: str | None = None
    tmdb_id: int | None = None
    tvdb_id: int | None = None
    popularity: float = 0
    overview: str | None = None

    @property
    def ids(self) -> ItemIds:
        return ItemIds(self.imdb_id, self.tmdb_id, self.tvdb_id)

    def is_called(self, title: str) -> bool:
        return plain(title) in {plain(one) for one in (self.title, *self.also)}

    def fits(self, year: int | None) -> bool:
        """Every year fits where none is known."""
        return year is None or (self.year is not None and abs(self.year - year) <= YEARS_BESIDE)


def clearly_right(candidates: Sequence[Candidate], title: str, year: int | None) -> Candidate | None:
    """None where nothing fits, or several may be meant."""
    fitting = [one for one in candidates if one.is_called(title) and one.fits(year)]
    if len(fitting) == 1:
        return fitting[0]
    fitting.sort(key=lambda one: one.popularity, reverse=True)
    if len(fitting) > 1 and fitting[0].popularity >= FAR_AHEAD * max(fitting[1].popularity, 0.1):
        return fitting[0]
    of_the_year = [one for one in fitting if year is not None and one.year == year]
    return of_the_year[0] if len(of_the_year) == 1 else None
