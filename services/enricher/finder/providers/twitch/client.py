"""What Helix sends, and how it is asked: a hundred things at once, each request for one point."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, SecretStr, ValidationError

from services.enricher.finder.providers.asking import Address, Provider, ProviderRequest
from services.enricher.finder.providers.budget import Turn
from services.enricher.finder.providers.errors import Unreadable
from services.enricher.finder.providers.models import Lenient, picture_url
from services.enricher.finder.providers.registry import BaseUrl
from services.enricher.finder.providers.tokens import Login, Token
from shared.settings import Settings

PROVIDER = "Twitch"
AT_ONCE = 100
"""Ids, logins or names in one request."""

FOUND_AT_MOST = 20
"""Of a search."""

PLACE = "{width}x{height}"
"""In the URL of box art and of thumbnails: put in its place what is wanted."""

_FIXED = re.compile(r"-[0-9]{1,5}x[0-9]{1,5}(\.[a-z]{3,4})$", re.ASCII)
_Entry = TypeVar("_Entry", bound=Lenient)
_Asked = TypeVar("_Asked")


def in_requests(some: Sequence[_Asked]) -> Iterator[Sequence[_Asked]]:
    """As many in each as one request takes."""
    return (some[first : first + AT_ONCE] for first in range(0, len(some), AT_ONCE))


def _template(url: str) -> str:
    """With a place for the size, which a search fills in already, `-52x72.jpg`. Raise ValueError for what is no URL then."""
    template = url if PLACE in url else _FIXED.sub(rf"-{PLACE}\1", url)
    sized(template, 1, 1)
    return template


def sized(template: str, width: int, height: int) -> str:
    """The URL of the picture in this size. Raise ValueError where there is none."""
    return picture_url(template.replace("{width}", str(width)).replace("{height}", str(height)))


Template = Annotated[str, AfterValidator(_template)]
PictureUrl = Annotated[str, AfterValidator(picture_url)]


class TwitchUser(Lenient):
    """`login` is what stands in the URL of the channel, `display_name` the same or what it is in another script."""

    id: str
    login: str
    display_name: str = ""
    description: str = ""
    profile_image_url: PictureUrl | None = None
    offline_image_url: PictureUrl | None = None


class TwitchGame(Lenient):
    """A category. Of some there is no box art."""

    id: str
    name: str
    box_art_url: Template | None = None

    def cover(self, width: int, height: int) -> str | None:
        return sized(self.box_art_url, width, height) if self.box_art_url else None


class TwitchStream(Lenient):
    """What is live."""

    id: str
    user_id: str
    game_id: str = ""
    game_name: str = ""
    title: str = ""
    started_at: AwareDatetime | None = None
    thumbnail_url: Template | None = None


class TwitchSettings(Settings):
    client_id: SecretStr | None = Field(None, validation_alias="TWITCH_CLIENT_ID")
    client_secret: SecretStr | None = Field(None, validation_alias="TWITCH_CLIENT_SECRET")
    base_url: BaseUrl = Field("https://api.twitch.tv/helix", validation_alias="TWITCH_BASE_URL")
    auth_url: BaseUrl = Field("https://id.twitch.tv/oauth2", validation_alias="TWITCH_AUTH_URL")


def twitch_address(settings: TwitchSettings) -> Address:
    """An application's token (client credentials), which is had again once it is refused."""
    body = {
        "client_id": _said(settings.client_id),
        "client_secret": _said(settings.client_secret),
        "grant_type": "client_credentials",
    }
    login = Login(f"{settings.auth_url}/token", lambda _: body, _token, as_form=True)
    return Address(settings.base_url, {"Client-Id": _said(settings.client_id)}, login=login)


class TwitchClient:
    """Raises a ProviderError. What Twitch does not know is left out of an answer."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def users(
        self, turn: Turn, *, ids: Sequence[str] = (), logins: Sequence[str] = ()
    ) -> Sequence[TwitchUser]:
        """AT_ONCE of both together at most."""
        return await self._list("users", {"id": ids, "login": logins}, TwitchUser, turn)

    async def games(
        self, turn: Turn, *, ids: Sequence[str] = (), names: Sequence[str] = ()
    ) -> Sequence[TwitchGame]:
        """AT_ONCE of both together at most. A name is compared as a whole."""
        return await self._list("games", {"id": ids, "name": names}, TwitchGame, turn)

    async def search(self, text: str, turn: Turn) -> Sequence[TwitchGame]:
        """Categories whose names have these words, the likeliest first."""
        asked = {"query": [text], "first": [str(FOUND_AT_MOST)]}
        return await self._list("search/categories", asked, TwitchGame, turn)

    async def streams(self, turn: Turn, *, user_ids: Sequence[str]) -> Sequence[TwitchStream]:
        """Those of AT_ONCE users at most that are live."""
        asked = {"user_id": user_ids, "first": [str(AT_ONCE)], "type": ["live"]}
        return await self._list("streams", asked, TwitchStream, turn)

    async def subscribe(self, kind: str, user_id: str, callback: str, secret: str, turn: Turn) -> None:
        """Have Twitch tell the callback. Raise Refused, 409, where it does already."""
        order = {
            "type": kind,
            "version": "2" if kind == "channel.update" else "1",
            "condition": {"broadcaster_user_id": user_id},
            "transport": {"method": "webhook", "callback": callback, "secret": secret},
        }
        request = ProviderRequest("eventsub/subscriptions", "POST", json=order)
        await self._provider.ask(request, turn, lambda _reply: None)

    async def _list(
        self, path: str, asked: Mapping[str, Sequence[str]], entry: type[_Entry], turn: Turn
    ) -> Sequence[_Entry]:
        query = urlencode(asked, doseq=True)
        return await self._provider.get(
            f"{path}?{query}", {}, turn, lambda reply: read_list(reply.body, entry)
        )


class _Data(BaseModel):
    data: list[object]


class _AppToken(BaseModel):
    access_token: str
    expires_in: int = 0


def read_list(body: bytes, entry: type[_Entry]) -> Sequence[_Entry]:
    """What an answer lists, as far as it can be read. Raise Unreadable for what is none."""
    try:
        return tuple(_readable(_Data.model_validate_json(body).data, entry))
    except ValidationError:
        raise Unreadable(f"{PROVIDER} sent something else than it documents.") from None


def _readable(listed: Iterable[object], entry: type[_Entry]) -> Iterable[_Entry]:
    for one in listed:
        try:
            yield entry.model_validate(one)
        except ValidationError:
            continue


def _token(body: bytes, now: datetime) -> Token:
    try:
        said = _AppToken.model_validate_json(body)
    except ValidationError:
        raise Unreadable(f"{PROVIDER} sent something else than it documents.") from None
    return Token(
        said.access_token, expires_at=now + timedelta(seconds=said.expires_in) if said.expires_in else None
    )


def _said(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
