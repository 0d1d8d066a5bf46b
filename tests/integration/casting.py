"""Titles with casts at the stand-ins for TVDB and TMDB, and an enricher that finds their characters' pictures."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image
from pydantic import SecretStr

from services.enricher.characters import CharacterSettings
from services.enricher.finder.metadata import ProviderSettings
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.finder.providers.trakt.client import TraktSettings
from services.enricher.finder.providers.tvdb.client import TvdbSettings
from services.fetcher.settings import DownloadSettings, FetcherSettings
from services.proxy.settings import ProxySettings
from shared.settings import HostSettings
from tests.integration.enricher import Reply, RunningEnricher, running_enricher
from tests.providers import tmdb as tmdb_stand_in
from tests.providers import tvdb as tvdb_stand_in
from tests.providers.drawing import encode
from tests.providers.metadata_host import Said
from tests.providers.picture_host import PictureHost
from tests.providers.tmdb import TmdbHost
from tests.providers.tvdb import TvdbHost

TMDB_ROLES = ("Neo", "Morpheus", "Trinity", "Agent Smith")
TVDB_ROLES = ("Thomas Anderson / Neo", "Morpheus")
FACE, ROLE = "/face{place}.jpg", "/poster/{place}-200x300.jpg"
SMALL = encode(Image.effect_noise((200, 300), 60).convert("RGB"), "jpeg")


def tmdb_cast(roles: Sequence[str], picture: str = FACE) -> list[dict[str, Any]]:
    return [
        {
            "id": 9000 + place,
            "name": f"Actor {place}",
            "character": role,
            "order": place,
            "profile_path": picture.format(place=place) if picture else None,
        }
        for place, role in enumerate(roles)
    ]


def tvdb_cast(number: int, roles: Sequence[str], picture: str) -> list[dict[str, Any]]:
    return [
        {
            "id": 1000 * number + place,
            "name": role,
            "peopleId": 8000 + place,
            "seriesId": None,
            "movieId": number,
            "image": picture.format(place=place) or None,
            "sort": place,
            "peopleType": "Actor",
            "personName": f"Actor {place}",
            "personImgURL": None,
        }
        for place, role in enumerate(roles)
    ]


def put_cast(
    tmdb: TmdbHost,
    tvdb: TvdbHost,
    name: str,
    number: int,
    *,
    at_tmdb: Sequence[str] | None,
    at_tvdb: Sequence[str] | None,
    role: str,
    face: str = FACE,
) -> None:
    """A movie with its cast at both; None: one that it does not know."""
    entry = {"id": number, "title": name, "release_date": "1999-03-31"}
    results = [] if at_tmdb is None else [entry]
    for kind, listed in (("movie", results), ("tv", [])):
        page = {"page": 1, "total_pages": 1, "total_results": 1, "results": listed}
        key = f"api_key={tmdb_stand_in.API_KEY}&query={quote(name.casefold())}".replace("%20", "+")
        tmdb.put(f"/3/search/{kind}?{key}", Said(page))
    other = {"imdb_id": f"tt{number:07}", "tvdb_id": None}
    cast = {"cast": tmdb_cast(at_tmdb or (), face), "crew": []}
    tmdb.put(f"/3/movie/{number}", Said({**entry, "credits": cast, "external_ids": other}))

    hit = {"tvdb_id": str(number), "type": "movie", "name": name, "year": "1999"}
    for kind, found in (("movie", [] if at_tvdb is None else [hit]), ("series", [])):
        query = f"query={quote(name)}&type={kind}&limit=10".replace("%20", "+")
        tvdb.put(f"/v4/search?{query}", Said({"status": "success", "data": found}))
    characters = tvdb_cast(number, at_tvdb or (), role)
    title = {"id": number, "name": name, "artworks": [], "remoteIds": [], "characters": characters}
    tvdb.put(f"/v4/movies/{number}/extended", Said({"status": "success", "data": title}))
    for one in characters:
        tvdb.put(f"/v4/characters/{one['id']}", Said({"status": "success", "data": one}))


@dataclass
class Casting:
    """`pictures` is TMDB's picture host here, and TVDB's."""

    enricher: RunningEnricher
    tmdb: TmdbHost
    tvdb: TvdbHost
    pictures: PictureHost
    folder: Path

    def title(
        self,
        number: int,
        *,
        tmdb: Sequence[str] | None = TMDB_ROLES,
        tvdb: Sequence[str] | None = TVDB_ROLES,
        face: str = FACE,
        role: str = ROLE,
    ) -> str:
        """A movie that both know by this number, or that one of them does not know; how it is called."""
        name = f"Movie {number}"
        for place in range(len(tmdb or ())):
            self.pictures.put(f"/t/p/original{face.format(place=place)}", SMALL)
        put_cast(
            self.tmdb,
            self.tvdb,
            name,
            number,
            at_tmdb=tmdb,
            at_tvdb=tvdb,
            role=self.pictures.url(role),
            face=face,
        )
        return name

    async def ask(self, name: str, title: str, **given: object) -> dict[str, Any]:
        reply = await self.reply(name, title, **given)
        assert reply.status == 200, reply.json
        answer: dict[str, Any] = reply.json
        return answer

    async def reply(self, name: str, title: str, **given: object) -> Reply:
        said: Mapping[str, object] = {"name": name, "movie_title": title, **given}
        query = "&".join(f"{key}={quote(str(value))}" for key, value in said.items())
        return await self.enricher.get(f"/api/v1/characters/image?{query}")

    async def post(self, path: str, json: object) -> Any:
        reply = await self.enricher.manage("POST", f"/api/v1/characters/{path}".rstrip("/"), json)
        assert reply.status == 200, reply.json
        return reply.json

    async def explained(self, name: str, title: str) -> dict[str, dict[str, Any]]:
        query = f"name={quote(name)}&movie_title={quote(title)}"
        reply = await self.enricher.manage("GET", f"/api/v1/admin/characters/explain?{query}")
        assert reply.status == 200, reply.json
        return {answer["step"]: answer for answer in reply.json["answers"]}


@asynccontextmanager
async def casting(directory: Path, *, fetching: bool = False, **settings: Any) -> AsyncIterator[Casting]:
    """`settings` are those of the characters."""
    async with AsyncExitStack() as stack:
        tmdb = await stack.enter_async_context(TmdbHost.running(requests=1000))
        tvdb = await stack.enter_async_context(TvdbHost.running(requests=1000))
        pictures = await stack.enter_async_context(PictureHost.running())
        host = pictures.url("").removeprefix("http://").rstrip("/")
        hosts = HostSettings(allowed_hosts=(host,))
        providers = ProviderSettings.read(
            TraktSettings(client_id=None, base_url="http://x"),
            TmdbSettings(
                api_key=SecretStr(tmdb_stand_in.API_KEY),
                base_url=tmdb.base_url,
                image_url=pictures.url("/t/p"),
            ),
            TvdbSettings(api_key=SecretStr(tvdb_stand_in.API_KEY), base_url=tvdb.base_url),
        )
        fetcher = FetcherSettings(download=DownloadSettings(hosts=hosts, allow_private=(host,)))
        folders = {"folder": directory / "own" / "characters", "own_folder": directory / "own"}
        enricher = await stack.enter_async_context(
            running_enricher(
                directory,
                providers=providers,
                hosts=hosts,
                fetcher=fetcher if fetching else None,
                proxy=ProxySettings(hosts=hosts, tmdb_image_url=pictures.url("/t/p")) if fetching else None,
                characters=CharacterSettings(**{**folders, **settings}),
            )
        )
        yield Casting(enricher, tmdb, tvdb, pictures, directory / "own")
