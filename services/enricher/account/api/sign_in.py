"""Endpoints of signing in at Trakt, and of what waits to be written there."""

from collections.abc import Awaitable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.account.importing import AUTO_SYNC, LAST_SYNC
from services.enricher.account.rules import MediaKind
from services.enricher.account.signing_in import SignIn, SignInRefused
from services.enricher.account.vault import Remembered
from services.enricher.account.writing_back import WriteBack
from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.api.tasks import WindowParameters
from services.enricher.finder.providers import Busy, Misconfigured, NothingThere, ProviderError, Refused
from shared.http import Problem

_Answer = TypeVar("_Answer")


class TraktStatus(BaseModel):
    model_config = ConfigDict(frozen=True)

    signed_in: bool
    expires_at: AwareDatetime | None = Field(description="When the access token ends; it is renewed before")
    problem: str | None = Field(description="Why nobody is signed in any more, or can be")
    device_pending: bool = Field(description="A device code was given out, and waits for somebody")
    last_sync_at: AwareDatetime | None
    auto_sync_enabled: bool
    write_back: bool = Field(description="Whether changes made here are told to Trakt")


class AuthUrl(BaseModel):
    url: str = Field(description="To be opened in a browser")
    state: str = Field(description="Comes back with the code, once, within 15 minutes")


class CodeParameters(Parameters):
    code: str | None = Field(None, max_length=512)
    state: str = Field(max_length=256)
    error: str | None = Field(None, max_length=256)


class ExchangeOrder(Body):
    code: str = Field(min_length=1, max_length=512)
    state: str = Field(min_length=1, max_length=256)


class SignedIn(BaseModel):
    signed_in: bool
    detail: str


class ShownDevice(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    user_code: str
    verification_url: str
    expires_in: int = Field(description="Seconds")
    interval: int = Field(description="Seconds between two looks whether somebody has typed it")


class AutoSync(Body):
    enabled: bool


def sign_in_endpoints(sign_in: SignIn, remembered: Remembered, *, write_back: bool) -> list[Endpoint]:
    async def status(_asked: Parameters) -> TraktStatus:
        """Whether somebody is signed in at Trakt, and when it was last synced."""
        state = await sign_in.state()
        kept = await remembered.get(LAST_SYNC, AUTO_SYNC)
        return TraktStatus(
            signed_in=state.signed_in,
            expires_at=state.expires_at,
            problem=state.problem,
            device_pending=state.device is not None,
            last_sync_at=datetime.fromisoformat(kept[LAST_SYNC]) if LAST_SYNC in kept else None,
            auto_sync_enabled=kept.get(AUTO_SYNC) != "false",
            write_back=write_back,
        )

    async def begin(_asked: Parameters) -> AuthUrl:
        """Begin to sign in: where somebody says yes. The code comes to the callback, or is pasted to exchange."""
        url, state = await asked_of_trakt(sign_in.begin())
        return AuthUrl(url=url, state=state)

    async def callback(asked: CodeParameters) -> SignedIn:
        """Where Trakt sends a browser back to. The state proves that it was sent there by us."""
        if asked.error or not asked.code:
            await asked_of_trakt(sign_in.deny(asked.state))
        return await _finish(asked.code or "", asked.state)

    async def exchange(_asked: Parameters, order: ExchangeOrder) -> SignedIn:
        """Finish signing in with a code that somebody pastes."""
        return await _finish(order.code, order.state)

    async def _finish(code: str, state: str) -> SignedIn:
        await asked_of_trakt(sign_in.finish(code, state))
        return SignedIn(signed_in=True, detail="Signed in at Trakt. This window can be closed.")

    async def end(_asked: Parameters) -> None:
        """Sign out: the tokens are forgotten here, and revoked at Trakt."""
        await sign_in.end()

    async def auto_sync(_asked: Parameters, order: AutoSync) -> TraktStatus:
        """Whether it is synced every so often by itself."""
        await remembered.put({AUTO_SYNC: "true" if order.enabled else "false"})
        return await status(_asked)

    path, admin = "/api/trakt", Access.ADMIN
    return [
        Endpoint("GET", f"{path}/status", status, TraktStatus, access=Access.LISTS),
        Endpoint("POST", f"{path}/auth-url", begin, AuthUrl, access=admin),
        Endpoint("GET", f"{path}/callback", callback, SignedIn, CodeParameters, access=Access.RETURNING),
        Endpoint("POST", f"{path}/exchange", exchange, SignedIn, body=ExchangeOrder, access=admin),
        *_device_endpoints(sign_in),
        Endpoint("POST", f"{path}/sign-out", end, access=admin),
        Endpoint("PUT", f"{path}/auto-sync", auto_sync, TraktStatus, body=AutoSync, access=admin),
    ]


def _device_endpoints(sign_in: SignIn) -> list[Endpoint]:
    async def device(_asked: Parameters) -> ShownDevice:
        """Sign in without a callback: a code that somebody types at Trakt. The status says when that was done."""
        return ShownDevice.model_validate(await asked_of_trakt(sign_in.begin_device()))

    async def pending(_asked: Parameters) -> ShownDevice:
        """The code that was given out and waits for somebody to type it."""
        state = await sign_in.state()
        if state.device is None:
            raise Problem(HTTPStatus.NOT_FOUND, "No code waits for somebody.")
        return ShownDevice.model_validate(state.device)

    path, admin = "/api/trakt/device", Access.ADMIN
    return [
        Endpoint("POST", path, device, ShownDevice, access=admin),
        Endpoint("GET", path, pending, ShownDevice, access=admin),
    ]


class ShownWrite(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    kind: str = Field(description="played, unplayed, rating or watchlist")
    media_type: MediaKind
    tmdb_id: int
    what: Mapping[str, Any]
    state: str = Field(description="waiting; sending: nobody knows whether Trakt has it; failed: given up")
    attempts: int
    due_at: AwareDatetime
    reason: str | None
    created_at: AwareDatetime


class ShownWrites(BaseModel):
    total: int
    writes: list[ShownWrite]


class WriteParameters(Parameters):
    id: int = Field(ge=1, le=2**63 - 1)


def write_endpoints(writes: WriteBack) -> list[Endpoint]:
    async def waiting(asked: WindowParameters) -> ShownWrites:
        """Changes that Trakt was not told of yet, the oldest first, and why."""
        total, found = await writes.waiting(limit=asked.limit, offset=asked.offset)
        return ShownWrites(total=total, writes=[ShownWrite.model_validate(one) for one in found])

    async def drop(asked: WriteParameters) -> None:
        """Do not tell Trakt of it."""
        if not await writes.drop(asked.id):
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such change.")

    path, admin = "/api/trakt/writes", Access.ADMIN
    return [
        Endpoint("GET", path, waiting, ShownWrites, WindowParameters, access=admin),
        Endpoint("DELETE", f"{path}/{{id}}", drop, parameters=WriteParameters, access=admin),
    ]


async def asked_of_trakt(asking: Awaitable[_Answer]) -> _Answer:
    """What it gives. Raise Problem with the sentence that Trakt's refusal is."""
    try:
        return await asking
    except SignInRefused as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
    except ProviderError as error:
        headers = {}
        if isinstance(error, Busy) and error.retry_after:
            headers["Retry-After"] = str(max(1, round(error.retry_after.total_seconds())))
        raise Problem(_status_of(error), error.reason, headers=headers) from None


def _status_of(error: ProviderError) -> HTTPStatus:
    match error:
        case NothingThere():
            return HTTPStatus.NOT_FOUND
        case Busy():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case Misconfigured() | Refused():
            return HTTPStatus.CONFLICT
        case _:
            return HTTPStatus.BAD_GATEWAY
