"""The account's front door: signing in, importing, entries and writing back, composed."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import structlog
from pydantic import Field, field_validator

from services.enricher.account import api
from services.enricher.account.applying import Applying
from services.enricher.account.entries import Entries
from services.enricher.account.importing import AUTO_SYNC, IMPORT, SYNCING, Importing
from services.enricher.account.mirror import Mirror
from services.enricher.account.reading import Reader
from services.enricher.account.signing_in import SignIn
from services.enricher.account.titles import DetailsMissing, Items, TitleFetcher
from services.enricher.account.vault import Cipher, Remembered
from services.enricher.account.writing_back import WriteBack
from services.enricher.api.endpoint import Endpoint
from services.enricher.database.database import DatabaseUnavailable
from services.enricher.finder import Finder
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.finder.providers.trakt.account import TraktAccount
from services.enricher.finder.providers.trakt.client import Trakt, TraktSettings
from services.enricher.finder.providers.trakt.oauth import TraktOAuth
from services.enricher.ground import Ground
from services.enricher.pictures.shown import PictureUrls
from services.enricher.tasks.task import TaskRefused
from services.enricher.tasks.tasks import Tasks, Work
from shared.background import Background
from shared.settings import CommaList, Settings
from shared.telemetry import utc_now

JITTER = 0.1
"""Of the time between two syncs: so that not everybody asks Trakt at once."""

SEND_LOOK_S = 30.0
"""How often somebody looks for what is to be told to Trakt again."""

SECOND_S = 1.0
_log = structlog.get_logger()


class AccountSettings(Settings):
    secret_keys: CommaList = Field((), validation_alias="SECRET_KEY")
    """Under which secrets are kept in the database: the first encrypts, all decrypt."""
    time_zone: str = Field("UTC", validation_alias="TIME_ZONE")
    """Where days begin."""
    sync_every_min: float = Field(60, validation_alias="TRAKT_SYNC_EVERY", ge=5, le=7 * 24 * 60)
    write_back: bool = Field(default=False, validation_alias="TRAKT_WRITE_BACK")

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            raise ValueError(f"there is no time zone {name!r}; one is written as Europe/Berlin") from None
        return name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True, slots=True)
class AccountWing:
    works: Mapping[str, Work]
    """The kinds of tasks that it does."""

    key_name: str
    """Of the key that encrypts."""
    sign_in: SignIn
    entries: Entries
    writes: WriteBack
    _remembered: Remembered
    _importing: Importing | None
    _fetcher: TitleFetcher
    _applying: Applying
    _trakt: tuple[Trakt, TraktAccount] | None
    _settings: AccountSettings
    _background: Background
    _image_url: str

    def troubles(self) -> Mapping[str, str]:
        """Why nobody is signed in any more, for who looks after the server."""
        return {"trakt": self.sign_in.ended} if self.sign_in.ended else {}

    def endpoints(self, tasks: Tasks, urls: PictureUrls) -> list[Endpoint]:
        return [
            *api.sign_in_endpoints(self.sign_in, self._remembered, write_back=self.writes.on),
            *api.ImportApi(tasks, self.sign_in, self._importing, self._remembered, self._trakt).endpoints,
            *api.EntryApi(self.entries, self._fetcher, self._applying, urls, self._image_url).endpoints,
            *api.write_endpoints(self.writes),
        ]

    @asynccontextmanager
    async def syncing(self, tasks: Tasks) -> AsyncIterator[None]:
        """Every so often, while somebody is signed in and has not switched it off."""

        async def sync() -> None:
            kept = await self._remembered.get(AUTO_SYNC)
            if kept.get(AUTO_SYNC) != "false" and (await self.sign_in.state()).signed_in:
                await tasks.start(SYNCING, {})

        every_s = self._settings.sync_every_min * 60 * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
        async with self._background.repeating(
            "syncing with Trakt",
            sync,
            every_s=every_s,
            at_once=False,
            expected=(DatabaseUnavailable, TaskRefused),
        ):
            yield


AGES_AFTER, FORGOTTEN_AFTER = timedelta(days=150), timedelta(days=175)
"""TMDB's data may be kept for six months: it is asked again before, and what cannot be had again goes."""

RENEW_EVERY_S = 6 * 3600.0
RENEWED_AT_ONCE = 100


def sending(
    writes: WriteBack, due: asyncio.Event, background: Background
) -> AbstractAsyncContextManager[None]:
    """What waits to be written goes out, one a second."""
    return background.repeating(
        "writing to Trakt",
        writes.send_one,
        every_s=SEND_LOOK_S,
        soon_s=SECOND_S,
        wake=due,
        expected=(DatabaseUnavailable,),
    )


def renewing(
    fetcher: TitleFetcher, applying: Applying, background: Background, now: Callable[[], datetime]
) -> AbstractAsyncContextManager[None]:
    return background.repeating(
        "renewing titles' details",
        partial(renew_details, fetcher, applying, now),
        every_s=RENEW_EVERY_S,
        at_once=False,
        expected=(DatabaseUnavailable,),
    )


async def renew_details(fetcher: TitleFetcher, applying: Applying, now: Callable[[], datetime]) -> None:
    """What TMDB said long ago of some titles, as it says it now."""
    for title in await applying.aging(now() - AGES_AFTER, RENEWED_AT_ONCE):
        known = await applying.known(title)
        try:
            await applying.renew(await fetcher.again(title, known.seasons if known else ()))
        except DetailsMissing as error:
            _log.warning("details not renewed", title=str(title), reason=str(error))
    for title in await applying.aging(now() - FORGOTTEN_AFTER, RENEWED_AT_ONCE):
        await applying.forget_details(title)


@asynccontextmanager
async def open_account(
    settings: AccountSettings,
    ground: Ground,
    finder: Finder,
    items: Items,
    *,
    now: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    at: Callable[[str], None] = lambda _step: None,
) -> AsyncIterator[AccountWing]:
    """`items` is the library, as far as titles have a place in it. `at` hears of named steps."""
    providers = finder.providers
    provider, trakt_settings = providers.get("trakt"), providers.settings.of(TraktSettings)
    image_url = providers.settings.of(TmdbSettings).image_url
    remembered, mirror = Remembered(ground.database), Mirror(ground.database, now=now)
    led = ground.led
    oauth = TraktOAuth(provider, trakt_settings, now=now) if provider else None
    cipher = Cipher.of(settings.secret_keys, ground.state_dir)
    sign_in = SignIn(
        oauth,
        trakt_settings,
        remembered,
        cipher,
        ground.state_dir,
        exclusively=ground.database.exclusively,
        now=now,
        sleep=sleep,
        at=at,
    )
    account = TraktAccount(provider, sign_in.tokens) if provider else None
    due = asyncio.Event()
    writes = WriteBack(
        ground.database,
        account,
        remembered,
        settings.zone,
        on=settings.write_back,
        now=now,
        at=at,
        wake=due.set,
    )
    entries = Entries(ground.database, settings.zone, told=writes.told, now=now)
    fetcher = TitleFetcher(finder.metadata.tmdb, items, now=now, sleep=sleep)
    applying = Applying(ground.database, settings.zone, now=now)
    importing = None
    works: dict[str, Work] = {}
    if account:
        reader = Reader(account, mirror, remembered, settings.zone, now=now, sleep=sleep)
        importing = Importing(
            reader,
            fetcher,
            applying,
            entries,
            items,
            picture=finder.fetch,
            image_url=image_url,
            now=now,
            at=at,
        )
        works = {IMPORT: importing.import_all, SYNCING: importing.sync}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(sign_in.close)
        await sign_in.look()
        await stack.enter_async_context(renewing(fetcher, applying, led, now))
        if writes.on:
            await stack.enter_async_context(sending(writes, due, led))
        yield AccountWing(
            works,
            cipher.name,
            sign_in,
            entries,
            writes,
            remembered,
            importing,
            fetcher,
            applying,
            (Trakt(provider), account) if provider and account else None,
            settings,
            led,
            image_url,
        )
