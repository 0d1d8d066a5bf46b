"""What TVDB sends as `data`. Each field is in its API's description, 4.7.10; languages are ISO 639-3."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, TypeVar
from urllib.parse import quote, urljoin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from services.enricher.finder.providers.asking import Address, Provider, Reply
from services.enricher.finder.providers.budget import Turn
from services.enricher.finder.providers.errors import NothingThere, Unreadable
from services.enricher.finder.providers.models import Lenient, picture_url
from services.enricher.finder.providers.registry import BaseUrl
from services.enricher.finder.providers.tokens import Login, Token
from shared.settings import Settings

PICTURES = "https://artworks.thetvdb.com"


def _absolute(image: str) -> str:
    """Some are paths at TVDB's picture host. Raise ValueError for what is no URL then, and for none."""
    if not image.strip(" /"):
        raise ValueError("no picture")
    return picture_url(urljoin(PICTURES, image))


Image = Annotated[str, AfterValidator(_absolute)]
"""The URL of a picture."""


class TvdbEntity(StrEnum):
    """What can be merged into another of its kind."""

    SERIES = "series"
    MOVIES = "movies"


class TvdbArtwork(Lenient):
    """`type` is one of `/artwork/types`; the language is null where there is none."""

    id: int
    image: Image
    type: int
    language: str | None = None
    score: float = 0
    width: int | None = None
    height: int | None = None
    includes_text: bool | None = Field(None, alias="includesText")
    season_id: int | None = Field(None, alias="seasonId")


class TvdbRemoteId(Lenient):
    """`sourceName`: `IMDB`, `TheMovieDB.com`."""

    id: str
    source: str = Field("", alias="sourceName")


class TvdbSeasonType(Lenient):
    type: str | None = None


class TvdbSeasonEntry(Lenient):
    id: int
    number: int
    type: TvdbSeasonType = Field(default_factory=TvdbSeasonType)


class TvdbCharacter(Lenient):
    """Who plays whom: `image` shows the character, the others its actor. Crew stands in the same list, by `peopleType`."""

    id: int
    name: str | None = None
    people_id: int | None = Field(None, alias="peopleId")
    series_id: int | None = Field(None, alias="seriesId")
    movie_id: int | None = Field(None, alias="movieId")
    image: Image | None = None
    image_url: Image | None = None
    person_img_url: Image | None = Field(None, alias="personImgURL")
    person_image: Image | None = Field(None, alias="personImage")
    person_name: str | None = Field(None, alias="personName")
    people_type: str | None = Field(None, alias="peopleType")
    sort: int = 0


class TvdbTitle(Lenient):
    """A series or a movie."""

    id: int
    name: str | None = None
    artworks: tuple[TvdbArtwork, ...] = ()
    remote_ids: tuple[TvdbRemoteId, ...] = Field((), alias="remoteIds")
    seasons: tuple[TvdbSeasonEntry, ...] = ()
    characters: tuple[TvdbCharacter, ...] = ()


class TvdbSeason(Lenient):
    id: int
    number: int
    series_id: int | None = Field(None, alias="seriesId")
    image: Image | None = None
    artwork: tuple[TvdbArtwork, ...] = ()


class TvdbEpisode(Lenient):
    id: int
    number: int | None = None
    series_id: int | None = Field(None, alias="seriesId")
    season_number: int | None = Field(None, alias="seasonNumber")
    image: Image | None = None


class TvdbEpisodes(Lenient):
    episodes: tuple[TvdbEpisode, ...] = ()


class TvdbPerson(Lenient):
    id: int
    name: str | None = None
    image: Image | None = None
    remote_ids: tuple[TvdbRemoteId, ...] = Field((), alias="remoteIds")


class TvdbRecord(Lenient):
    id: int


class TvdbFoundOne(Lenient):
    """What has a certain id elsewhere: one of these."""

    series: TvdbRecord | None = None
    movie: TvdbRecord | None = None
    people: TvdbRecord | None = None
    episode: TvdbRecord | None = None


class TvdbFound(Lenient):
    """TVDB sends a list: numbers mean different things to different sources, whose ids are all searched."""

    results: tuple[TvdbFoundOne, ...] = ()


class TvdbUpdate(Lenient):
    """A deletion. Of a duplicate, `mergeToId` is what it was a duplicate of."""

    record_id: int = Field(alias="recordId")
    merged_into: int = Field(0, alias="mergeToId")
    merged_into_entity: str = Field("", alias="mergeToEntityType")


class TvdbMerges(BaseModel):
    """Of one kind of record, lately: ids that are gone, and those to use instead."""

    model_config = ConfigDict(frozen=True)

    into: dict[int, int] = {}

    def follow(self, id_: int) -> int | None:
        """The last of a chain; None: it was not merged."""
        seen = {id_}
        while (after := self.into.get(id_)) is not None and after not in seen:
            seen.add(after)
            id_ = after
        return id_ if len(seen) > 1 else None


class TvdbHit(Lenient):
    """One result of a search by title."""

    name: str
    tvdb_id: str
    type: str | None = None
    year: str | None = None
    overview: str | None = None
    aliases: tuple[str, ...] = ()
    translations: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it


class TvdbHits(Lenient):
    hits: tuple[TvdbHit, ...] = ()


PROVIDER = "TVDB"

MERGES_SINCE = timedelta(days=60)
MAX_PAGES = 20
"""Of merges. Each costs a request."""

_Model = TypeVar("_Model", bound=Lenient)


class TvdbSettings(Settings):
    api_key: SecretStr | None = Field(None, validation_alias="TVDB_API_KEY")
    pin: SecretStr | None = Field(None, validation_alias="TVDB_PIN")
    """Of a subscriber, which keys for users' own subscriptions need."""
    base_url: BaseUrl = Field("https://api4.thetvdb.com/v4", validation_alias="TVDB_BASE_URL")


class _Envelope(BaseModel):
    status: str = ""
    data: object = None


class _TokenData(BaseModel):
    token: str


class _Links(Lenient):
    next: str | None = None


class _Page(Lenient):
    """Of deletions."""

    data: tuple[TvdbUpdate, ...] = ()
    links: _Links = Field(default_factory=_Links)


def tvdb_address(settings: TvdbSettings) -> Address:
    secrets = {"apikey": settings.api_key, "pin": settings.pin}
    body = {name: secret.get_secret_value() for name, secret in secrets.items() if secret}
    return Address(settings.base_url, login=Login("login", lambda _: body, _token))


class Tvdb:
    """By TVDB's own ids, unless it says otherwise."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def title(self, entity: TvdbEntity, id_: int, turn: Turn) -> TvdbTitle:
        """With all its artwork."""
        return await self._get(f"{entity}/{id_}/extended", TvdbTitle, turn)

    async def season(self, id_: int, turn: Turn) -> TvdbSeason:
        return await self._get(f"seasons/{id_}/extended", TvdbSeason, turn)

    async def episode(self, id_: int, turn: Turn) -> TvdbEpisode:
        return await self._get(f"episodes/{id_}/extended", TvdbEpisode, turn)

    async def episode_of(self, series_id: int, season: int, episode: int, turn: Turn) -> TvdbEpisode:
        """In the order of its first broadcast, as the other providers count."""
        params = {"page": "0", "season": str(season), "episodeNumber": str(episode)}
        found = await self._get(f"series/{series_id}/episodes/official", TvdbEpisodes, turn, params)
        for one in found.episodes:
            if (one.season_number, one.number) == (season, episode):
                return one
        raise NothingThere(f"{PROVIDER} knows no such episode.")

    async def person(self, id_: int, turn: Turn) -> TvdbPerson:
        return await self._get(f"people/{id_}/extended", TvdbPerson, turn)

    async def character(self, id_: int, turn: Turn) -> TvdbCharacter:
        return await self._get(f"characters/{id_}", TvdbCharacter, turn)

    async def find(self, remote_id: str, turn: Turn) -> TvdbFound:
        """Whatever has this id at any other provider: an IMDb id tells what it is, a number does not."""
        path = f"search/remoteid/{quote(remote_id, safe='')}"

        def read(reply: Reply) -> TvdbFound:
            return _read(TvdbFound, {"results": _data(reply.body)})

        return await self._provider.get(path, {}, turn, read)

    async def search(self, text: str, *, is_series: bool, turn: Turn) -> tuple[TvdbHit, ...]:
        """By title, its translations and aliases."""
        kind = "series" if is_series else "movie"
        asked = {"query": text, "type": kind, "limit": "10"}

        def read(reply: Reply) -> tuple[TvdbHit, ...]:
            hits = _read(TvdbHits, {"hits": _data(reply.body)}).hits
            return tuple(hit for hit in hits if hit.type in (None, kind))

        return await self._provider.get("search", asked, turn, read)

    async def merges(self, entity: TvdbEntity, now: datetime, turn: Turn) -> TvdbMerges:
        """Those of the last `MERGES_SINCE`."""
        since = str(int((now - MERGES_SINCE).timestamp()))
        into: dict[int, int] = {}
        for page in range(MAX_PAGES):
            asked = {"since": since, "type": entity.value, "action": "delete", "page": str(page)}
            listed = await self._provider.get(
                "updates", asked, turn, lambda reply: _Page.read(reply.body, PROVIDER)
            )
            same = (
                one for one in listed.data if _singular(one.merged_into_entity) in ("", _singular(entity))
            )
            into |= {one.record_id: one.merged_into for one in same if one.merged_into}
            if not listed.links.next:
                break
        return TvdbMerges(into=into)

    async def _get(
        self, path: str, model: type[_Model], turn: Turn, params: Mapping[str, str] | None = None
    ) -> _Model:
        def read(reply: Reply) -> _Model:
            return _read(model, _data(reply.body))

        return await self._provider.get(path, params or {}, turn, read)


def _singular(entity: str) -> str:
    """TVDB's types of updates are in the plural, its types of records are not."""
    return entity.casefold().rstrip("s")


def _token(body: bytes, _now: datetime) -> Token:
    """It lasts about a month, which is not said: it is renewed where it is refused."""
    try:
        return Token(_TokenData.model_validate(_data(body)).token)
    except ValidationError:
        raise _unreadable() from None


def _data(body: bytes) -> object:
    """What stands in the envelope that every reply has. Raise NothingThere for an empty one."""
    try:
        data = _Envelope.model_validate_json(body).data
    except ValidationError:
        raise _unreadable() from None
    if data is None:
        raise NothingThere(f"{PROVIDER} has nothing there.")
    return data


def _read(model: type[_Model], data: object) -> _Model:
    try:
        return model.model_validate(data)
    except ValidationError:
        raise _unreadable() from None


def _unreadable() -> Unreadable:
    return Unreadable(f"{PROVIDER} sent something else than it documents.")
