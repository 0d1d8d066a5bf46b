"""Tokens: had once for all, renewed where they are refused, never hoped for again."""

from datetime import UTC, datetime, timedelta

import pytest

from services.enricher.finder.providers import Misconfigured, Turn, Urgency
from services.enricher.finder.providers.tokens import PAUSE, TRIES, MemoryTokenStore, Token, TokenSource

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TURN = Turn(Urgency.NOW, NOON + timedelta(hours=1))


class World:
    def __init__(self) -> None:
        self.now = NOON
        self.store = MemoryTokenStore()
        self.logins: list[Token | None] = []

    def source(self) -> TokenSource:
        return TokenSource(self.log_in, now=lambda: self.now, store=self.store)

    async def log_in(self, _turn: Turn, before: Token | None) -> Token:
        self.logins.append(before)
        return Token(f"token {len(self.logins)}")


async def test_one_login_serves_until_its_token_is_refused() -> None:
    world = World()
    source = world.source()
    first = await source.get(TURN)
    assert await source.get(TURN) == first
    assert source.refuse(first)
    second = await source.get(TURN, refused=first)
    assert await source.get(TURN, refused=first) == second  # of another request that used the first
    assert world.logins == [None, first]


async def test_a_token_that_another_process_kept_is_taken_without_a_login() -> None:
    world = World()
    ours, theirs = world.source(), world.source()
    first = await ours.get(TURN)
    assert await theirs.get(TURN) == first
    theirs.refuse(first)
    second = await theirs.get(TURN, refused=first)
    ours.refuse(first)
    assert await ours.get(TURN, refused=first) == second
    assert len(world.logins) == 2


async def test_tokens_that_are_never_accepted_end_in_a_pause_and_are_not_used_after_it() -> None:
    world = World()
    source = world.source()
    token = await source.get(TURN)
    for _ in range(TRIES - 1):
        assert source.refuse(token)
        token = await source.get(TURN, refused=token)
    assert not source.refuse(token)
    with pytest.raises(Misconfigured, match="does not accept"):
        await source.get(TURN)
    world.now += PAUSE
    assert await source.get(TURN) == Token(f"token {TRIES + 1}")
