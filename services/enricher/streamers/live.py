"""Streams while they are live: their thumbnails become their artwork, one after the other, and a history of it.

Who is live is asked every so often. Where Twitch can reach us it tells when somebody begins (EventSub), and only those are asked
about who are live by that.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus

import structlog
from aiohttp import web
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import delete, insert, select

from services.enricher.api.access import Access
from services.enricher.api.endpoint import Endpoint, Parameters
from services.enricher.database.connection import AsyncConnection
from services.enricher.database.database import Database, DatabaseUnavailable
from services.enricher.finder.providers import Turn, Urgency
from services.enricher.finder.providers.errors import ProviderError, Refused
from services.enricher.finder.providers.twitch.client import TwitchClient, TwitchStream, in_requests, sized
from services.enricher.streamers import naming
from services.enricher.streamers.pictures import ShelfPictures
from services.enricher.streamers.rows import LiveStream, NewCategory, Streamer, Thumbnail
from services.enricher.streamers.shelf import StreamShelf
from services.enricher.streamers.tables import eventsub_messages, streamers, streams
from shared.background import Background
from shared.http import Problem
from shared.http.untrusted import read_sent
from shared.pictures import ORIGINAL, SourceUrl
from shared.queue import QueueError
from shared.telemetry import utc_now

THUMBNAIL_SIZE = (1920, 1080)
PATIENCE = timedelta(seconds=30)
CALLBACK = "/api/twitch/eventsub"
TOLD = ("stream.online", "channel.update")
OLD_AFTER = timedelta(minutes=10)
"""A message from before then is not believed, however it is signed: Twitch says so itself."""

LARGEST_MESSAGE = 64 * 1024
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EventSub:
    """`callback` is where Twitch reaches us, `secret` what its messages are signed with."""

    callback: str
    secret: str


@dataclass(slots=True)
class LiveThumbnails:
    """`kept`: how many thumbnails of one stream."""

    shelf: StreamShelf
    pictures: ShelfPictures
    client: TwitchClient
    every: timedelta
    kept: int
    eventsub: EventSub | None
    changed: Callable[[], None] = lambda: None
    now: Callable[[], datetime] = utc_now
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _told: set[str] = field(default_factory=set)
    _subscribed: set[str] = field(default_factory=set)
    _next_at: datetime | None = None

    def keeping(self, background: Background) -> AbstractAsyncContextManager[None]:
        return background.repeating(
            "looking who is live",
            self.round,
            every_s=self.every.total_seconds(),
            wake=self.wake,
            expected=(DatabaseUnavailable, QueueError),
        )

    def tell(self, twitch_id: str) -> None:
        """Somebody began to stream, or streams something else."""
        self._told.add(twitch_id)
        self.wake.set()

    async def round(self) -> None:
        """Take a thumbnail of every stream that is live; of those alone that Twitch has just told of, where it told."""
        told, self._told = self._told, set()
        shelved = await self.shelf.streamers.some(streamers.c.twitch_id.is_not(None))
        try:
            asked = [one for one in shelved if one.twitch_id in told]
            if self._next_at is None or self.now() >= self._next_at:
                asked = self._to_ask(shelved, told)
                self._next_at = self.now() + self.every
            for some in in_requests(asked):
                await self._look(some)
            if self.eventsub:
                await self._subscribe(shelved, self.eventsub)
        except ProviderError as error:
            _log.warning("not known who is live", reason=error.reason)

    def _to_ask(self, shelved: Sequence[Streamer], told: set[str]) -> list[Streamer]:
        """All at the start, and then those of whom nobody would tell us, and who are live."""
        if self._next_at is None:
            return list(shelved)
        return [
            one
            for one in shelved
            if one.live_at or one.twitch_id in told or one.twitch_id not in self._subscribed
        ]

    async def _look(self, some: Sequence[Streamer]) -> None:
        by_id = {one.twitch_id: one for one in some if one.twitch_id}
        live = await self.client.streams(self._turn(), user_ids=list(by_id))
        for said in live:
            if streamer := by_id.get(said.user_id):
                await self._take(streamer, said)
        is_live = {said.user_id for said in live}
        await self._end([one for one in some if one.live_at and one.twitch_id not in is_live])
        if live:
            self.changed()

    async def _take(self, streamer: Streamer, said: TwitchStream) -> None:
        now = self.now()
        category = None
        if said.game_id:
            [category] = await self.shelf.add_categories([NewCategory(said.game_name or None, said.game_id)])
        stream = await self.shelf.put_stream(
            streamer.id,
            said.id,
            started_at=said.started_at or now,
            title=said.title or None,
            category_id=category.id if category else None,
            thumbnail=said.thumbnail_url,
        )
        await self.shelf.streamers.change(streamer.id, live_at=now, seen_at=now)
        if said.thumbnail_url:
            await self._keep(stream, said.thumbnail_url, now)

    async def _keep(self, stream: LiveStream, template: str, now: datetime) -> None:
        """Its URL is always the same at Twitch: with the moment in it, it is a picture of its own."""
        url = sized(template, *THUMBNAIL_SIZE)
        taken_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
        source = f"{url}{'&' if '?' in url else '?'}taken={naming.moment_of(taken_at)}"
        thumbnail = Thumbnail(stream.id, taken_at, source)
        if any(one.taken_at == taken_at for one in await self.shelf.thumbnails(stream.id)):
            return
        leaving = await self.shelf.keep_thumbnail(thumbnail, at_most=self.kept)
        await self.pictures.finder.make(SourceUrl.parse(source), ORIGINAL, thumbnail.name)
        await self.pictures.order(naming.artwork_of(stream.id), SourceUrl.parse(source))
        for one in leaving:
            await self.pictures.finder.forget(one.name)

    async def _end(self, some: Iterable[Streamer]) -> None:
        columns, now = streams.c, self.now()
        for streamer in some:
            await self.shelf.streamers.change(streamer.id, live_at=None)
            for stream in await self.shelf.streams.some(
                columns.streamer_id == streamer.id, columns.thumbnail.is_not(None), columns.ended_at.is_(None)
            ):
                await self.shelf.streams.change(stream.id, ended_at=now, thumbnail=None)

    async def _subscribe(self, shelved: Sequence[Streamer], eventsub: EventSub) -> None:
        """To what Twitch tells of each. Who cannot be subscribed to is asked about as before."""
        for one in shelved:
            if one.twitch_id and one.twitch_id not in self._subscribed:
                for kind in TOLD:
                    try:
                        await self.client.subscribe(
                            kind, one.twitch_id, eventsub.callback, eventsub.secret, self._turn()
                        )
                    except Refused as error:
                        if error.status != HTTPStatus.CONFLICT:
                            raise
                self._subscribed.add(one.twitch_id)

    def _turn(self) -> Turn:
        return Turn(Urgency.LATER, self.now() + PATIENCE)


class ToldMessages:
    """Messages that were heard lately. Raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_new(self, message: str, sent_at: datetime, now: datetime) -> bool:
        """Once."""
        columns = eventsub_messages.c

        async def writing(connection: AsyncConnection) -> bool:
            await connection.execute(delete(eventsub_messages).where(columns.sent_at < now - 2 * OLD_AFTER))
            same = select(columns.id).where(columns.id == message)
            if (await connection.execute(same)).first():
                return False
            await connection.execute(insert(eventsub_messages).values(id=message, sent_at=sent_at))
            return True

        return await self._database.write(writing)


class _Event(BaseModel):
    broadcaster_user_id: str = ""


class _Notification(BaseModel):
    challenge: str = ""
    event: _Event = Field(default_factory=_Event)


_ID, _SENT_AT, _SIGNATURE, _TYPE = (
    f"Twitch-Eventsub-Message-{one}" for one in ("Id", "Timestamp", "Signature", "Type")
)


class EventSubApi:
    """Where Twitch tells us. Only what it has signed, lately and for the first time, does anything."""

    def __init__(
        self,
        eventsub: EventSub,
        messages: ToldMessages,
        told: Callable[[str], None],
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._secret = eventsub.secret.encode()
        self._messages = messages
        self._told = told
        self._now = now

    @property
    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("POST", CALLBACK, self.describe, access=Access.TELLING, stream=self.hear),
        ]

    async def describe(self, _asked: Parameters) -> None:
        """What Twitch tells by webhooks (EventSub), signed as it says."""

    async def hear(self, request: web.Request) -> web.StreamResponse:
        body = await read_sent(request.content.readany, LARGEST_MESSAGE)
        try:
            challenge = await self.take(request.headers, body)
        except DatabaseUnavailable:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "The database cannot be asked now.") from None
        if challenge:
            return web.Response(text=challenge, content_type="text/plain")
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def take(self, headers: Mapping[str, str], body: bytes) -> str:
        """What is to be answered, mostly nothing. Raise Problem for what Twitch has not signed, or not lately."""
        message, stamp = headers.get(_ID, ""), headers.get(_SENT_AT, "")
        digest = hmac.new(self._secret, message.encode() + stamp.encode() + body, hashlib.sha256).hexdigest()
        given = headers.get(_SIGNATURE, "")
        if not message or not hmac.compare_digest(f"sha256={digest}".encode(), given.encode()):
            raise Problem(HTTPStatus.FORBIDDEN, "The message is not signed as Twitch signs them.")
        sent_at, now = _moment(stamp), self._now()
        if abs(now - sent_at) > OLD_AFTER:
            raise Problem(HTTPStatus.FORBIDDEN, "The message is too old.")
        if not await self._messages.is_new(message, sent_at, now):
            return ""
        try:
            said = _Notification.model_validate_json(body)
        except ValidationError:
            raise Problem(HTTPStatus.BAD_REQUEST, "The message is none of EventSub's.") from None
        match headers.get(_TYPE):
            case "webhook_callback_verification":
                return said.challenge
            case "notification" if said.event.broadcaster_user_id:
                self._told(said.event.broadcaster_user_id)
            case "revocation":
                _log.warning("Twitch tells no longer of somebody: it is asked instead")
        return ""


def _moment(stamp: str) -> datetime:
    """Raise Problem for what is none with a zone."""
    try:
        sent_at = datetime.fromisoformat(stamp)
    except ValueError:
        sent_at = None
    if sent_at is None or sent_at.tzinfo is None:
        raise Problem(HTTPStatus.BAD_REQUEST, "The message does not say when it was sent.")
    return sent_at
