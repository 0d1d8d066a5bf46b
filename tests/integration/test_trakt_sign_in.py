"""Signing in at Trakt and staying signed in: proven, encrypted, renewed once, never lost where that can be helped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from yarl import URL

from services.enricher.account.account import AccountSettings
from services.enricher.account.signing_in import STATE_LASTS, SignInRefused
from services.enricher.finder.providers import Broken, Misconfigured, ProviderError
from services.enricher.finder.providers.trakt.account import TraktAccount
from services.enricher.finder.providers.trakt.oauth import OUT_OF_BAND, GrantRefused
from services.enricher.tasks.task import TaskFailed
from shared.telemetry import utc_now
from tests.integration.account import Killed, RunningAccount, Steps, running_account
from tests.providers.behaviour import Behaviour
from tests.providers.tmdb import TmdbHost
from tests.providers.trakt_account import TraktAccountHost


@pytest.fixture
async def account(tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost) -> AsyncIterator[RunningAccount]:
    async with running_account(tmp_path, trakt, tmdb) as running:
        yield running


def account_of(running: RunningAccount) -> TraktAccount:
    assert running.wing._trakt
    return running.wing._trakt[1]


async def asked(running: RunningAccount) -> None:
    """Trakt is asked something that needs a token."""
    assert running.wing._importing
    await account_of(running).activities(running.wing._importing._reader.turn())


def everything_in(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.rglob("*") if file.is_file())


async def test_who_comes_back_with_the_state_is_signed_in_and_nothing_secret_is_in_the_clear(
    account: RunningAccount, trakt: TraktAccountHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, state = await account.wing.sign_in.begin()
    query = URL(url).query
    assert (query["state"], query["redirect_uri"]) == (state, "http://localhost/trakt/callback")
    assert state not in everything_in(tmp_path).decode(errors="replace")
    await account.wing.sign_in.finish(*trakt.approve(url))
    now = await account.wing.sign_in.state()
    assert (now.signed_in, now.problem) == (True, None)
    assert now.expires_at
    early = utc_now() + timedelta(seconds=trakt.expires_in - 60)
    assert abs(now.expires_at - early) < timedelta(minutes=5)
    await asked(account)
    told = everything_in(tmp_path) + capsys.readouterr().out.encode() + repr(now).encode()
    for secret in (*trakt.access, *trakt.refresh):
        assert secret.encode() not in told


async def test_a_state_counts_once_and_only_the_right_one(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    url, state = await account.wing.sign_in.begin()
    code, _ = trakt.approve(url)
    with pytest.raises(SignInRefused, match="does not belong"):
        await account.wing.sign_in.finish(code, "another" + state)
    assert not (await account.wing.sign_in.state()).signed_in
    await account.wing.sign_in.finish(code, state)
    with pytest.raises(SignInRefused, match="does not belong"):
        await account.wing.sign_in.finish(code, state)


async def test_a_state_ends_after_a_while(tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost) -> None:
    late = timedelta(0)
    async with running_account(tmp_path, trakt, tmdb, now=lambda: utc_now() + late) as account:
        url, state = await account.wing.sign_in.begin()
        late = STATE_LASTS + timedelta(seconds=1)
        with pytest.raises(SignInRefused, match="15 minutes"):
            await account.wing.sign_in.finish(trakt.approve(url)[0], state)


async def test_who_says_no_is_not_signed_in(account: RunningAccount) -> None:
    _, state = await account.wing.sign_in.begin()
    with pytest.raises(SignInRefused, match="said no"):
        await account.wing.sign_in.deny(state)
    assert not (await account.wing.sign_in.state()).signed_in


async def test_a_code_that_has_expired_says_so_and_stores_nothing(account: RunningAccount) -> None:
    _, state = await account.wing.sign_in.begin()
    with pytest.raises(GrantRefused, match="expired"):
        await account.wing.sign_in.finish("code-of-old", state)
    assert not (await account.wing.sign_in.state()).signed_in


async def test_without_the_right_secret_a_sentence_names_the_setting(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    cases: list[tuple[str | None, type[Exception], str]] = [
        (None, SignInRefused, "TRAKT_CLIENT_SECRET is not set"),
        ("wrong", Misconfigured, "TRAKT_CLIENT_ID with TRAKT_CLIENT_SECRET"),
    ]
    for secret, error, said in cases:
        async with running_account(tmp_path, trakt, tmdb, secret=secret) as account:
            with pytest.raises(error, match=said):
                await account.signed_in()
            assert not (await account.wing.sign_in.state()).signed_in


async def test_without_an_address_to_come_back_to_the_code_is_pasted(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    async with running_account(tmp_path, trakt, tmdb, redirect_uri=None) as account:
        url, state = await account.wing.sign_in.begin()
        assert URL(url).query["redirect_uri"] == OUT_OF_BAND
        code, _ = trakt.approve(url)
        await account.wing.sign_in.finish(code, state)
        assert (await account.wing.sign_in.state()).signed_in


@pytest.mark.parametrize(
    ("statuses", "signed_in", "said"),
    [
        ([400, 429, 400], True, None),
        ([400, 418], False, "said no"),
        ([410], False, "expired"),
        ([409], False, "used already"),
        ([404], False, "does not know"),
    ],
)
async def test_a_device_code_is_asked_about_until_somebody_has_decided(
    account: RunningAccount,
    trakt: TraktAccountHost,
    statuses: list[int],
    signed_in: bool,
    said: str | None,
) -> None:
    trakt.devices = list(statuses)
    device = await account.wing.sign_in.begin_device()
    assert (device.user_code, device.interval) == ("5055CC52", 5)
    polling = account.wing.sign_in._polling
    assert polling
    await polling
    now = await account.wing.sign_in.state()
    assert (now.signed_in, now.device) == (signed_in, None)
    assert said is None or said in str(now.problem)
    assert trakt.counts["/oauth/device/token"] == len(statuses) + signed_in


async def test_a_token_is_renewed_before_it_ends_by_one_however_many_ask(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    trakt.expires_in = 90
    await account.signed_in()
    trakt.expires_in = 604_800
    await asyncio.gather(*(asked(account) for _ in range(5)))
    assert trakt.renewals == 1


async def test_a_token_that_is_refused_in_the_middle_is_renewed_once(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    await account.signed_in()
    trakt.access.clear()
    await asyncio.gather(*(asked(account) for _ in range(5)))
    assert trakt.renewals == 1


async def test_a_sign_in_that_trakt_has_ended_is_ended_here_and_says_so(
    account: RunningAccount, trakt: TraktAccountHost, capsys: pytest.CaptureFixture[str]
) -> None:
    await account.signed_in()
    trakt.access.clear()
    trakt.refresh.clear()
    with pytest.raises(Misconfigured, match="sign in again"):
        await asked(account)
    now = await account.wing.sign_in.state()
    assert not now.signed_in
    assert "sign in again" in str(now.problem)
    assert "signed out by Trakt" in capsys.readouterr().out
    assert "sign in again" in account.wing.troubles()["trakt"]
    with pytest.raises(TaskFailed, match="sign in"):
        await account.synced()
    await account.signed_in()
    await asked(account)
    assert (await account.wing.sign_in.state()).problem is None
    assert account.wing.troubles() == {}


async def test_a_page_of_something_before_trakt_ends_no_sign_in(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    await account.signed_in()
    trakt.access.clear()
    trakt.behave(Behaviour(status=403, body=b"<html>", content_type="text/html"), path="/oauth/token")
    with pytest.raises(Broken):
        await asked(account)
    assert (await account.wing.sign_in.state()).signed_in


async def test_two_processes_that_renew_at_once_share_one_new_pair(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    """As two can only with two wings over one database: SQLite's has one process."""
    async with running_account(tmp_path, trakt, tmdb) as account:
        await account.signed_in()
        trakt.access.clear()
        sign_in = account.wing.sign_in
        other = type(sign_in)(
            sign_in._oauth,
            sign_in._settings,
            sign_in._remembered,
            sign_in._cipher,
            sign_in._lock_file.parent,
        )
        assert account.wing._importing
        turn = account.wing._importing._reader.turn()
        before = await sign_in._store.load()
        first, second = await asyncio.gather(
            sign_in.tokens().get(turn, refused=before), other.tokens().get(turn, refused=before)
        )
        assert first == second
        assert trakt.renewals == 1


@pytest.mark.parametrize("step", ["locked", "asking for tokens", "keeping", "kept"])
async def test_a_process_that_dies_while_it_renews_leaves_tokens_or_says_that_somebody_has_to_sign_in(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost, step: str
) -> None:
    """Between Trakt's answer and the disk the pair is in one process alone: nobody can keep that from being lost."""
    steps = Steps()
    async with running_account(tmp_path, trakt, tmdb, steps=steps) as account:
        await account.signed_in()
        trakt.access.clear()
        steps.dies_at = step
        with pytest.raises(Killed):
            await asked(account)
    async with running_account(tmp_path, trakt, tmdb) as again:
        if step == "keeping":
            with pytest.raises(Misconfigured, match="sign in again"):
                await asked(again)
            assert "sign in again" in str((await again.wing.sign_in.state()).problem)
        else:
            await asked(again)
            assert (await again.wing.sign_in.state()).signed_in
            assert trakt.renewals == 1


async def test_whoever_gives_up_waiting_does_not_lose_the_new_pair(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    async with running_account(tmp_path, trakt, tmdb) as account:
        await account.signed_in()
        trakt.access.clear()
        gate = trakt.hold("/oauth/token")
        asking = asyncio.create_task(asked(account))
        await gate.arrived()
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        gate.open()
    async with running_account(tmp_path, trakt, tmdb) as again:
        await asked(again)
        assert trakt.renewals == 1


async def test_who_signs_out_is_forgotten_here_and_revoked_there_also_where_trakt_is_away(
    account: RunningAccount, trakt: TraktAccountHost
) -> None:
    await account.signed_in()
    [token] = trakt.access
    await account.wing.sign_in.end()
    assert trakt.revoked == [token]
    assert not (await account.wing.sign_in.state()).signed_in
    await account.signed_in()
    trakt.behave(Behaviour(status=500), path="/oauth/revoke")
    await account.wing.sign_in.end()
    assert not (await account.wing.sign_in.state()).signed_in


async def test_under_another_key_tokens_cannot_be_read_and_a_sentence_says_what_to_do(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    def keys(*keys: str) -> AccountSettings:
        return AccountSettings(secret_keys=keys)

    async with running_account(tmp_path, trakt, tmdb, settings=keys("old")) as account:
        await account.signed_in()
    async with running_account(tmp_path, trakt, tmdb, settings=keys("new")) as account:
        assert "SECRET_KEY" in str((await account.wing.sign_in.state()).problem)
        with pytest.raises(ProviderError, match="SECRET_KEY"):
            await asked(account)
    async with running_account(tmp_path, trakt, tmdb, settings=keys("new", "old")) as account:
        await asked(account)


async def test_a_clock_that_is_an_hour_off_signs_nobody_out(
    tmp_path: Path, trakt: TraktAccountHost, tmdb: TmdbHost
) -> None:
    off = timedelta(hours=1)
    trakt.expires_in = 7200
    async with running_account(tmp_path, trakt, tmdb, now=lambda: utc_now() - off) as account:
        await account.signed_in()
        await asked(account)
        off = timedelta(hours=-1)  # put right, and more
        await asked(account)
        assert (await account.wing.sign_in.state()).signed_in


async def test_made_keys_are_for_their_owner_alone(account: RunningAccount, tmp_path: Path) -> None:
    file = tmp_path / "state" / "secret-key"
    assert file.stat().st_mode & 0o777 == 0o600
