"""Asking TVDB."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, Field, SecretStr, ValidationError

from services.enricher.finder.providers.asking import Address, Provider, Reply
from services.enricher.finder.providers.budget import Limit, Turn
from services.enricher.finder.providers.errors import NothingThere, Unreadable
from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.settings import BaseUrl
from services.enricher.finder.providers.tokens import Login, Token
from services.enricher.finder.providers.tvdb.models import (
    TvdbEntity,
    TvdbEpisode,
    TvdbEpisodes,
    TvdbFound,
    TvdbHit,
    TvdbHits,
    TvdbMerges,
    TvdbPerson,
    TvdbSeason,
    TvdbTitle,
    TvdbUpdate,
)
from shared.settings import Settings

PROVIDER = "TVDB"
TVDB_LIMIT = Limit(40, timedelta(seconds=1))
"""None is documented: what TMDB allows."""

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
    links: _Links = _Links()


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

    async def find(self, remote_id: str, turn: Turn) -> TvdbFound:
        """Whatever has this id at any other provider: an IMDb id tells what it is, a number does not."""
        path = f"search/remoteid/{quote(remote_id, safe='')}"

        def read(reply: Reply) -> TvdbFound:
            return TvdbFound.model_validate({"results": _data(reply.body)})

        return await self._provider.get(path, {}, turn, read)

    async def search(self, text: str, *, is_series: bool, turn: Turn) -> tuple[TvdbHit, ...]:
        """By title, its translations and aliases."""
        asked = {"query": text, "type": "series" if is_series else "movie", "limit": "10"}

        def read(reply: Reply) -> tuple[TvdbHit, ...]:
            return TvdbHits.model_validate({"hits": _data(reply.body)}).hits

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
