"""What Trakt says of an account, and takes for it: history, ratings, watchlist. Titles' texts are read and not kept."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import Field

from services.enricher.finder.providers.asking import Provider, ProviderRequest
from services.enricher.finder.providers.budget import Turn
from services.enricher.finder.providers.models import Lenient
from services.enricher.finder.providers.tokens import TokenSource
from services.enricher.finder.providers.trakt.client import (
    MAX_PAGES,
    PAGE_SIZE,
    PROVIDER,
    ListPage,
    TraktIds,
    page_of,
)


class HistoryKind(StrEnum):
    """What plays are of: Trakt has a history of each."""

    MOVIES = "movies"
    SHOWS = "shows"


class AccountTitle(Lenient):
    """A movie or a show of an account's list."""

    title: str = ""
    year: int | None = None
    ids: TraktIds = Field(default_factory=TraktIds)


class PlayedEpisode(Lenient):
    season: int = 0
    number: int | None = None


class HistoryEntry(Lenient):
    """A play. Its `id` is its own for ever. `watched_at` is as it was sent."""

    id: int
    watched_at: str = ""
    movie: AccountTitle | None = None
    show: AccountTitle | None = None
    episode: PlayedEpisode | None = None


class RatedTitle(Lenient):
    """`rating` is 1 to 10. Seasons and episodes are rated, too."""

    type: str = ""
    rating: int
    movie: AccountTitle | None = None
    show: AccountTitle | None = None


class ListedTitle(Lenient):
    type: str = ""
    movie: AccountTitle | None = None
    show: AccountTitle | None = None


class WatchedTitle(Lenient):
    plays: int = 0
    movie: AccountTitle | None = None
    show: AccountTitle | None = None


class _Activity(Lenient):
    watched_at: str = ""
    rated_at: str = ""
    watchlisted_at: str = ""
    updated_at: str = ""


class Activities(Lenient):
    """When something last changed, in Trakt's own words: to be compared, not computed with."""

    movies: _Activity = Field(default_factory=_Activity)
    shows: _Activity = Field(default_factory=_Activity)
    episodes: _Activity = Field(default_factory=_Activity)
    watchlist: _Activity = Field(default_factory=_Activity)

    @property
    def marks(self) -> Mapping[str, str]:
        """One for each list that is read."""
        return {
            "movies": self.movies.watched_at,
            "shows": self.episodes.watched_at,
            "ratings": f"{self.movies.rated_at} {self.shows.rated_at}",
            "watchlist": f"{self.watchlist.updated_at} {self.movies.watchlisted_at} {self.shows.watchlisted_at}",
        }


class _UserIds(Lenient):
    slug: str


class _User(Lenient):
    ids: _UserIds


class _UserSettings(Lenient):
    user: _User


class _NotFound(Lenient):
    movies: tuple[object, ...] = ()
    shows: tuple[object, ...] = ()
    seasons: tuple[object, ...] = ()
    episodes: tuple[object, ...] = ()
    ids: tuple[object, ...] = ()


class WriteAnswer(Lenient):
    not_found: _NotFound = Field(default_factory=_NotFound)

    @property
    def knows_all(self) -> bool:
        missing = self.not_found
        return not (missing.movies or missing.shows or missing.seasons or missing.episodes or missing.ids)


_Element = TypeVar("_Element", bound=Lenient)


class TraktAccount:
    """Raises a ProviderError. `tokens` are of whoever is signed in now."""

    def __init__(self, provider: Provider, tokens: Callable[[], TokenSource]) -> None:
        self._provider = provider
        self._tokens = tokens

    async def activities(self, turn: Turn) -> Activities:
        return await self._provider.get(
            "sync/last_activities",
            {},
            turn,
            lambda reply: Activities.read(reply.body, PROVIDER),
            user=self._tokens(),
        )

    async def user(self, turn: Turn) -> str:
        """Whose account it is, in a word that stays."""
        return await self._provider.get(
            "users/settings",
            {},
            turn,
            lambda reply: _UserSettings.read(reply.body, PROVIDER).user.ids.slug,
            user=self._tokens(),
        )

    async def history(
        self,
        kind: HistoryKind,
        turn: Turn,
        *,
        start_at: datetime | None = None,
        end_at: datetime | None = None,
        page: int = 1,
        limit: int = PAGE_SIZE,
        of_title: int | None = None,
    ) -> ListPage[HistoryEntry]:
        """Plays within a time, the newest first; `of_title` is a Trakt id."""
        times = {"start_at": start_at, "end_at": end_at}
        params = {name: milliseconds(moment) for name, moment in times.items() if moment}
        path = f"sync/history/{kind}" + (f"/{of_title}" if of_title else "")
        return await page_of(
            self._provider,
            path,
            params,
            HistoryEntry,
            turn,
            page=page,
            limit=limit,
            user=self._tokens(),
        )

    def ratings(self, turn: Callable[[], Turn]) -> AsyncIterator[tuple[RatedTitle, ...]]:
        return self._pages("sync/ratings", {}, RatedTitle, turn)

    def watchlist(self, turn: Callable[[], Turn]) -> AsyncIterator[tuple[ListedTitle, ...]]:
        return self._pages("sync/watchlist", {}, ListedTitle, turn)

    def watched(self, kind: HistoryKind, turn: Callable[[], Turn]) -> AsyncIterator[tuple[WatchedTitle, ...]]:
        params = {"extended": "noseasons"} if kind is HistoryKind.SHOWS else {}
        return self._pages(f"sync/watched/{kind}", params, WatchedTitle, turn)

    async def send(self, path: str, body: Mapping[str, Any], turn: Turn) -> WriteAnswer:
        """Change something. Where the answer is lost, nobody knows whether it was done."""
        request = ProviderRequest(path, "POST", json=dict(body), user=self._tokens())
        return await self._provider.ask(
            request, turn, lambda reply: WriteAnswer.read(reply.body or b"{}", PROVIDER)
        )

    async def _pages(
        self, path: str, params: Mapping[str, str], element: type[_Element], turn: Callable[[], Turn]
    ) -> AsyncIterator[tuple[_Element, ...]]:
        page, pages = 1, 1
        while page <= min(pages, MAX_PAGES):
            one = await page_of(self._provider, path, params, element, turn(), page=page, user=self._tokens())
            yield one.elements
            pages, page = one.pages, page + 1


def milliseconds(moment: datetime) -> str:
    """As Trakt writes it: 2014-03-31T09:28:53.000Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
