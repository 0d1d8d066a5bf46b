"""Endpoints of somebody's titles: what was watched, how it was rated, what is wanted; read and changed."""

from collections.abc import Awaitable
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.enricher.account.applying import Applying
from services.enricher.account.entries import Entries, Entry, Filter, Unknown
from services.enricher.account.mirror import TitleId
from services.enricher.account.rules import MediaKind, PersonalRating, WatchStatus
from services.enricher.account.titles import DetailsMissing, TitleFetcher
from services.enricher.api.endpoint import Access, Body, Endpoint, Instant, Parameters
from services.enricher.pictures.shown import PictureUrls
from shared.http import Problem
from shared.telemetry import utc_now

SIZE = "w342"
FUTURE = timedelta(days=1)
"""So far off may a client's clock be."""

_Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Answer = TypeVar("_Answer")


class EntryParameters(Parameters):
    id: _Id


class EntriesParameters(Parameters):
    media_type: MediaKind | None = None
    watched: bool | None = None
    watchlist: bool | None = None
    rating: int | None = Field(None, ge=1, le=5)
    tmdb_id: int | None = Field(None, ge=1, le=2**31 - 1)
    q: str = Field("", max_length=200, description="Words that its title has")
    limit: int = Field(50, ge=1, le=200)
    offset: int = Field(0, ge=0, le=10_000_000)


class EpisodeParameters(EntryParameters):
    season: int = Field(ge=0, le=100_000)
    episode: int = Field(ge=0, le=100_000)


class ShownRating(BaseModel):
    rating: int = Field(description="1 to 5")
    name: str = Field(description="Waste, Meh, Decent, Entertaining, Outstanding")
    trakt_rating: int | None = Field(description="1 to 10")


class ShownEntry(BaseModel):
    id: int
    media_type: MediaKind
    tmdb_id: int
    imdb_id: str | None
    item_id: int | None = Field(description="Of the library")
    title: str
    released_on: date | None
    poster_url: str | None
    reason: str = Field(description="Why it is here")
    added_at: AwareDatetime
    watch_status: WatchStatus
    rating: ShownRating | None
    watchlisted_at: AwareDatetime | None
    last_watched_on: date | None
    times_watched: int = Field(description="Of a movie")


class ShownEntries(BaseModel):
    total: int
    entries: list[ShownEntry]


class ShownWatched(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    watched_on: date | None
    watched_at: AwareDatetime | None
    origin: str = Field(description="trakt or here")


class ShownEpisode(BaseModel):
    season: int
    episode: int
    title: str | None
    aired_on: date | None
    still_url: str | None
    watched: list[ShownWatched]


class ShownCredit(BaseModel):
    tmdb_id: int
    name: str
    part: str
    character: str | None
    job: str | None
    profile_url: str | None


class WholeEntry(BaseModel):
    entry: ShownEntry
    sessions: list[ShownWatched] = Field(description="Of a movie")
    episodes: list[ShownEpisode] = Field(description="Of a series")
    credits: list[ShownCredit]


class NewEntry(Body):
    media_type: MediaKind
    tmdb_id: int = Field(ge=1, le=2**31 - 1)
    watchlist: bool = False


class _WhenWatched(Body):
    watched_at: Instant | None = Field(None, description="Now, where nothing is said")
    watched_on: date | None = Field(
        None, description="The day, where nobody knows when: its noon in TIME_ZONE"
    )

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        if self.watched_at is not None and self.watched_on is not None:
            raise ValueError("give one of watched_at and watched_on")
        return self


class NewSession(_WhenWatched):
    name: _Name = "Watched"


class EpisodeWatched(_WhenWatched):
    watched: bool


class NewRating(Body):
    """In one of the two scales; neither: no rating any more."""

    rating: int | None = Field(None, ge=1, le=5)
    trakt_rating: int | None = Field(None, ge=1, le=10)

    @model_validator(mode="after")
    def _one_scale(self) -> "NewRating":
        if self.rating is not None and self.trakt_rating is not None:
            raise ValueError("give one of rating and trakt_rating")
        return self


class Wanted(Body):
    wanted: bool


class EntryApi:
    """`image_url` stands before TMDB's paths of pictures."""

    def __init__(
        self, entries: Entries, fetcher: TitleFetcher, applying: Applying, urls: PictureUrls, image_url: str
    ) -> None:
        self._entries = entries
        self._fetcher = fetcher
        self._applying = applying
        self._urls = urls
        self._image_url = image_url

    def _picture(self, path: str | None, size: str = SIZE) -> str | None:
        return self._urls.by_source(f"{self._image_url}/original{path}", size) if path else None

    def _shown(self, entry: Entry) -> ShownEntry:
        rating = PersonalRating.of_number(entry.rating) if entry.rating is not None else None
        told = (
            ShownRating(rating=rating, name=rating.name.title(), trakt_rating=entry.trakt_rating)
            if rating
            else None
        )
        names = ShownEntry.model_fields.keys() - {"rating", "poster_url"}
        values = {name: getattr(entry, name) for name in names}
        return ShownEntry(**values, rating=told, poster_url=self._picture(entry.poster_path))

    async def some(self, asked: EntriesParameters) -> ShownEntries:
        """Titles with how far somebody is with them, the newest first."""
        chosen = Filter(
            asked.media_type, asked.watched, asked.watchlist, asked.rating, asked.tmdb_id, asked.q
        )
        total, found = await self._entries.page(chosen, limit=asked.limit, offset=asked.offset)
        return ShownEntries(total=total, entries=[self._shown(one) for one in found])

    async def one(self, asked: EntryParameters) -> WholeEntry:
        """A title with all that was watched of it, and who made it."""
        entry = await _known(self._entries.entry(asked.id))
        is_movie = entry.media_type is MediaKind.MOVIE
        sessions = await self._entries.sessions(entry.id) if is_movie else ()
        episodes = () if is_movie else await self._entries.episodes(entry.id)
        return WholeEntry(
            entry=self._shown(entry),
            sessions=[ShownWatched.model_validate(session) for session in sessions],
            episodes=[
                ShownEpisode(
                    season=episode.season,
                    episode=episode.episode,
                    title=episode.title,
                    aired_on=episode.aired_on,
                    still_url=self._picture(episode.still_path, "w300"),
                    watched=[ShownWatched.model_validate(once) for once in episode.watched],
                )
                for episode in episodes
            ],
            credits=[
                ShownCredit(
                    tmdb_id=credit.tmdb_id,
                    name=credit.name,
                    part=credit.part,
                    character=credit.character,
                    job=credit.job,
                    profile_url=self._picture(credit.profile_path, "w185"),
                )
                for credit in await self._entries.credits(entry.id)
            ],
        )

    async def add(self, _asked: Parameters, new: NewEntry) -> ShownEntry:
        """Add a title by its TMDB id; one that is here already stays as it is."""
        title = TitleId(new.media_type, new.tmdb_id)
        entry = await self._entries.of_title(new.media_type, new.tmdb_id)
        if entry is None:
            try:
                await self._applying.add(await self._fetcher.details(title, ()))
            except DetailsMissing as error:
                raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
            entry = await self._entries.of_title(new.media_type, new.tmdb_id)
        assert entry
        if new.watchlist:
            entry = await self._entries.want(entry.id, wanted=True)
        return self._shown(entry)

    async def add_session(self, asked: EntryParameters, new: NewSession) -> ShownEntry:
        """A movie was watched."""
        at = self._past(new)
        return self._shown(await _known(self._entries.add_session(asked.id, at, new.name)))

    async def remove_session(self, asked: EntryParameters) -> ShownEntry:
        """A movie was not watched that time. It does not come again with a sync."""
        return self._shown(await _known(self._entries.remove_session(asked.id)))

    async def watch_episode(self, asked: EpisodeParameters, order: EpisodeWatched) -> ShownEntry:
        """An episode was watched once more, or never."""
        place = (asked.id, asked.season, asked.episode)
        if order.watched:
            return self._shown(await _known(self._entries.watch_episode(*place, self._past(order))))
        return self._shown(await _known(self._entries.unwatch_episode(*place)))

    def _past(self, when: _WhenWatched) -> datetime:
        """Raise Problem for what has not been yet. Trakt counts in seconds, and so do we."""
        now = utc_now()
        moment = when.watched_at or (self._entries.noon(when.watched_on) if when.watched_on else now)
        if moment > now + FUTURE:
            raise Problem(HTTPStatus.BAD_REQUEST, "Nobody has watched that yet: it lies in the future.")
        return moment.replace(microsecond=0)

    async def rate(self, asked: EntryParameters, new: NewRating) -> ShownEntry:
        """Rate a title in one scale, and so in the other; or not any more."""
        rating = PersonalRating.of_number(new.rating) if new.rating else None
        if new.trakt_rating:
            rating = PersonalRating.of_trakt(new.trakt_rating)
        return self._shown(await _known(self._entries.rate(asked.id, rating, new.trakt_rating)))

    async def want(self, asked: EntryParameters, order: Wanted) -> ShownEntry:
        """Put a title on the watchlist, or take it off."""
        return self._shown(await _known(self._entries.want(asked.id, wanted=order.wanted)))

    @property
    def endpoints(self) -> list[Endpoint]:
        path, admin, lists = "/api/watch/entries", Access.ADMIN, Access.LISTS
        created = HTTPStatus.CREATED
        of_entry = f"{path}/{{id}}"
        return [
            Endpoint("GET", path, self.some, ShownEntries, EntriesParameters, access=lists),
            Endpoint("POST", path, self.add, ShownEntry, body=NewEntry, access=admin, status=created),
            Endpoint("GET", of_entry, self.one, WholeEntry, EntryParameters, access=lists),
            Endpoint(
                "POST",
                f"{of_entry}/sessions",
                self.add_session,
                ShownEntry,
                EntryParameters,
                NewSession,
                admin,
                created,
            ),
            Endpoint(
                "DELETE",
                "/api/watch/sessions/{id}",
                self.remove_session,
                ShownEntry,
                EntryParameters,
                access=admin,
            ),
            Endpoint(
                "PUT",
                f"{of_entry}/episodes/{{season}}/{{episode}}",
                self.watch_episode,
                ShownEntry,
                EpisodeParameters,
                EpisodeWatched,
                admin,
            ),
            Endpoint("PUT", f"{of_entry}/rating", self.rate, ShownEntry, EntryParameters, NewRating, admin),
            Endpoint("PUT", f"{of_entry}/watchlist", self.want, ShownEntry, EntryParameters, Wanted, admin),
        ]


async def _known(asking: Awaitable[_Answer]) -> _Answer:
    try:
        return await asking
    except Unknown as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
