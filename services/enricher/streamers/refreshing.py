"""What Twitch says of streamers and categories: asked once they are added, when they were seen again, and daily; and then their
pictures are fetched. A row is due until its pictures are ordered: whatever ends us in between, the next round does it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from services.enricher.database.database import DatabaseUnavailable
from services.enricher.finder.providers import Turn, Urgency
from services.enricher.finder.providers.errors import Busy, ProviderError
from services.enricher.finder.providers.twitch.client import (
    AT_ONCE,
    TwitchClient,
    TwitchGame,
    TwitchUser,
    in_requests,
)
from services.enricher.streamers import naming
from services.enricher.streamers.pictures import ShelfPictures
from services.enricher.streamers.rows import Category, NewCategory, Streamer
from services.enricher.streamers.shelf import StreamShelf
from services.enricher.streamers.tables import categories, streamers
from shared.background import Background
from shared.pictures import Name
from shared.queue import QueueError
from shared.telemetry import utc_now

ROUND = 10 * AT_ONCE
"""So many are asked about beside one another."""

DAILY = timedelta(days=1)
SEEN_AFTER = timedelta(hours=1)
"""What somebody sees is asked for again where it was not for so long."""

UNKNOWN_AGAIN = timedelta(days=1)
"""What Twitch does not know, or not any more."""

TROUBLE_AGAIN = timedelta(minutes=1)
BUSY_AGAIN = timedelta(seconds=1)
"""After a refusal that does not say how long: our own budget knows by then, and says so before anybody is asked."""

LOOK_EVERY_S = 30.0
PATIENCE = timedelta(seconds=10)
ROUNDS_PATIENCE = timedelta(minutes=1)
"""Of what nobody waits for at this very moment: our own budget may let it ask a little later."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StreamerRefresh:
    """`client` None: there is no key, and what is known stays as it is. `changed` hears that what is exported may be old."""

    shelf: StreamShelf
    pictures: ShelfPictures
    client: TwitchClient | None
    wake: asyncio.Event
    changed: Callable[[], None] = lambda: None
    now: Callable[[], datetime] = utc_now
    taking_in: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One answer after the other: which rows are the same depends on what the one before has changed."""

    def keeping(self, background: Background) -> AbstractAsyncContextManager[None]:
        return background.repeating(
            "asking about streamers",
            self.round,
            every_s=LOOK_EVERY_S,
            wake=self.wake,
            expected=(DatabaseUnavailable, QueueError),
        )

    async def round(self) -> bool:
        """Ask about some hundreds of those that are due. Whether there is more.

        Of one hundred the pictures are ordered while the next ones are asked about.
        """
        if self.client is None:
            return False
        due = await self.shelf.due(self.shelf.streamers, limit=ROUND)
        others = (
            await self.shelf.due(self.shelf.categories, limit=ROUND - len(due)) if len(due) < ROUND else ()
        )
        asking: list[Callable[..., Awaitable[None]]] = [
            *(partial(self.streamers, some) for some in in_requests(due)),
            *(partial(self.categories, some) for some in in_requests(others)),
        ]
        failures: list[BaseException] = []
        for some in (asking[:1], asking[1:]):  # what the first one is told of what is left paces the others
            if not failures:
                answers = await asyncio.gather(
                    *(ask(within=ROUNDS_PATIENCE) for ask in some), return_exceptions=True
                )
                failures += [one for one in answers if one]
        refusals = [one for one in failures if isinstance(one, ProviderError)]
        for failure in failures:
            if failure not in refusals:
                raise failure
        if refusals:
            _log.warning("Twitch not asked", reason=refusals[0].reason)
            await asyncio.sleep(pause_s(refusals[0]))
            return True
        return len(due) + len(others) == ROUND

    async def streamers(
        self, some: Sequence[Streamer], *, order: bool = True, within: timedelta = PATIENCE
    ) -> None:
        """Ask about AT_ONCE at most, and have their pictures where they are new, unless somebody else will. Raise ProviderError."""
        if not some or self.client is None:
            return
        said = await self.client.users(
            self._turn(some, within),
            ids=[one.twitch_id for one in some if one.twitch_id],
            logins=[one.login for one in some if not one.twitch_id and one.login],
        )
        by_id, by_login = {one.id: one for one in said}, {one.login.lower(): one for one in said}
        users = {
            one.id: user  # a login may be a number, too
            for one in some
            if (user := by_id.get(one.twitch_id) if one.twitch_id else by_login.get(one.login or ""))
        }
        async with self.taking_in:
            some = await self._without_doubles(some, {one.id: one for one in users.values()}.values())
            found = {one.id: _of_user(users[one.id]) for one in some if one.id in users}
            await self.shelf.name_streamers(found)
            if order:
                await self._order_streamers(await self.shelf.streamers.some(streamers.c.id.in_(list(found))))
            await self.shelf.streamers.change_each(self._checked(some, found, "streamer"))
        self.changed()

    async def _order_streamers(self, some: Sequence[Streamer]) -> None:
        """Have their pictures where they are not here, or where Twitch has others by now."""
        pairs = [(one, name, source) for one in some for name, source in self.pictures.of_streamer(one)]
        missing = await self.pictures.order_all((name, source) for _, name, source in pairs)
        await self.pictures.finder.renew_known(
            Name(name.kind, by_twitch, name.role)
            for one, name, _ in pairs
            if name in missing and one.twitch_id
            for by_twitch in (naming.twitchs(one.twitch_id), one.twitch_id)
        )

    async def categories(self, some: Sequence[Category], *, within: timedelta = PATIENCE) -> None:
        """The same of categories."""
        if not some or self.client is None:
            return
        said = await self.client.games(
            self._turn(some, within),
            ids=[one.twitch_id for one in some if one.twitch_id],
            names=[one.name for one in some if not one.twitch_id],
        )
        by_id = {one.id: one for one in said}
        by_name = {one.name.casefold(): one for one in said} | {one.name: one for one in said}
        known = {
            one.id: game
            for one in some
            if (
                game := by_id.get(one.twitch_id)
                if one.twitch_id
                else by_name.get(one.name) or by_name.get(one.name.casefold())
            )
        }
        async with self.taking_in:
            await self._take_in(some, known)
            await self._order_categories(await self.shelf.categories.some(categories.c.id.in_(list(known))))
            await self.shelf.categories.change_each(self._checked(some, known, "category"))
        self.changed()

    async def _order_categories(self, some: Sequence[Category]) -> None:
        pairs = [(one, name, source) for one in some for name, source in self.pictures.of_category(one)]
        missing = await self.pictures.order_all((name, source) for _, name, source in pairs)
        await self.pictures.finder.renew_known(
            naming.cover_of(alias)
            for one, name, _ in pairs
            if name in missing
            for alias in {one.slug, one.twitch_id and naming.twitchs(one.twitch_id)}
            - {None, "", one.cover_id}
            if alias
        )

    async def _take_in(self, some: Sequence[Category], known: Mapping[int, TwitchGame]) -> None:
        taken = {
            one.twitch_id: one
            for one in await self.shelf.categories.some(
                categories.c.twitch_id.in_([game.id for game in known.values()])
            )
        }
        values: dict[int, Mapping[str, object]] = {}
        for one in some:
            if (game := known.get(one.id)) is None:
                continue
            said = {"box_art": game.box_art_url}
            if one.twitch_id is None:
                first = taken.setdefault(game.id, one)
                if first.id != one.id:  # written otherwise; the same one may be asked about twice at a time
                    await self.shelf.merge_categories(first, one)
                    continue
                said["twitch_id"] = game.id
            if one.twitch_id and one.name == naming.twitchs(one.twitch_id):
                await self.shelf.name_category(one.id, NewCategory(game.name, game.id), **said)
            else:
                values[one.id] = said | {"name": game.name}
        await self.shelf.categories.change_each(values)

    async def _without_doubles(
        self, some: Sequence[Streamer], users: Collection[TwitchUser]
    ) -> Sequence[Streamer]:
        """Of two that are the same, for Twitch calls them by one id, the one that came later leaves, and its streams are the other's.

        A login is given out again: another one who was called so until now is somebody else, and stays.
        """
        columns = streamers.c
        logins = columns.login.in_([one.login.lower() for one in users]) & columns.twitch_id.is_(None)
        rows = await self.shelf.streamers.some(columns.twitch_id.in_([one.id for one in users]) | logins)
        gone: set[int] = set()
        for user in users:
            same = [row for row in rows if _is_of(row, user)]
            for double in same[1:]:
                await self.shelf.merge_streamers(same[0], double)
                gone.add(double.id)
        return [one for one in some if one.id not in gone]

    def _checked(
        self, some: Iterable[Streamer | Category], found: Mapping[int, object], what: str
    ) -> Mapping[int, Mapping[str, object]]:
        now = self.now()
        known = {"checked_at": now, "check_at": now + DAILY, "trouble": None}
        unknown = {
            "checked_at": now,
            "check_at": now + UNKNOWN_AGAIN,
            "trouble": f"Twitch knows no such {what}.",
        }
        return {one.id: known if one.id in found else unknown for one in some}

    def _turn(self, some: Iterable[Streamer | Category], within: timedelta = PATIENCE) -> Turn:
        """What was just added comes before what is only looked at again."""
        is_new = any(one.checked_at is None for one in some)
        return Turn(Urgency.NOW if is_new else Urgency.LATER, self.now() + within)

    async def search(self, text: str) -> Sequence[TwitchGame]:
        """Raise ProviderError."""
        if self.client is None:
            return ()
        return await self.client.search(text, Turn(Urgency.NOW, self.now() + PATIENCE))

    async def add_streamers(
        self, *, logins: Sequence[str] = (), twitch_ids: Sequence[str] = ()
    ) -> Sequence[Streamer]:
        """Here at once; what Twitch says of them comes by itself, but of one alone, about whom it is asked now.

        As they are then; none where there is one whom Twitch does not know.
        """
        added = await self.shelf.add_streamers(logins=logins, twitch_ids=twitch_ids)
        alone = added[0] if logins and len(added) == 1 else None
        if alone and alone.trouble and (other := await self._called_now(alone)):
            added = await self.shelf.add_streamers(twitch_ids=[other])
        if len(added) > 1 or self.client is None or added[0].checked_at:
            self.wake.set()
            return added
        [one] = added
        try:
            await self.streamers(added)
        except ProviderError:
            self.wake.set()
            return added
        checked = await self.shelf.streamers.get(one.id)
        if checked is None:  # the same as one who is here under another name
            return await self.shelf.add_streamers(logins=logins, twitch_ids=twitch_ids)
        if checked.trouble:
            await self.shelf.streamers.remove(one.id)
            return ()
        return [checked]

    async def _called_now(self, streamer: Streamer) -> str | None:
        """Twitch's id of who has the login of one by now whom Twitch does not know any more."""
        if self.client is None or not streamer.login or not streamer.twitch_id:
            return None
        try:
            users = await self.client.users(self._turn([streamer]), logins=[streamer.login])
        except ProviderError:
            return None
        return users[0].id if users else None

    async def add_categories(self, wanted: Sequence[NewCategory]) -> Sequence[Category]:
        """The same of categories, of which also those stay that Twitch does not know. Raise ValueError for what is no name."""
        added = await self.shelf.add_categories(wanted)
        if len(added) == 1 and self.client and not added[0].checked_at:
            with suppress(ProviderError):
                await self.categories(added)
                here = await self.shelf.categories.get(added[0].id)
                return [here or await self.shelf.category_called(added[0].name) or added[0]]
        self.wake.set()
        return added


def pause_s(error: ProviderError) -> float:
    """How long nobody is asked about after it."""
    wait = (error.retry_after or BUSY_AGAIN) if isinstance(error, Busy) else TROUBLE_AGAIN
    return max(0.05, min(wait, TROUBLE_AGAIN).total_seconds())


def _is_of(row: Streamer, user: TwitchUser) -> bool:
    return row.twitch_id == user.id if row.twitch_id else row.login == user.login.lower()


def _of_user(user: TwitchUser) -> Mapping[str, object]:
    return {
        "twitch_id": user.id,
        "login": user.login.lower(),
        "display_name": user.display_name or user.login,
        "description": user.description or None,
        "profile_source": user.profile_image_url,
        "offline_source": user.offline_image_url,
    }
