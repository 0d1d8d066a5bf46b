"""A person."""

from datetime import date

from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.tmdb.models.pictures import ProfilePath


class Person(Lenient):
    id: int
    name: str
    also_known_as: tuple[str, ...] = ()
    biography: str | None = None
    birthday: date | None = None
    deathday: date | None = None
    place_of_birth: str | None = None
    known_for_department: str | None = None
    gender: int | None = None
    imdb_id: str | None = None
    homepage: str | None = None
    popularity: float | None = None
    adult: bool = False
    profile_path: ProfilePath | None = None
