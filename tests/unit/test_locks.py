"""Locks: by key within a process, and of a file's sole owner."""

import asyncio
from pathlib import Path

import pytest

from shared.locks import KeyedLock, sole_owner


async def test_work_for_one_key_is_done_one_after_the_other_and_for_another_beside_it() -> None:
    lock, order = KeyedLock(), []
    others_turn = asyncio.Event()

    async def work(key: str, name: str) -> None:
        async with lock.hold(key):
            order.append(f"{name} begins")
            if name == "first":
                await others_turn.wait()
            order.append(f"{name} ends")

    async def other() -> None:
        async with lock.hold("other"):
            order.append("other")
        others_turn.set()

    async with asyncio.timeout(60):
        await asyncio.gather(work("key", "first"), work("key", "second"), other())
    assert order == ["first begins", "other", "first ends", "second begins", "second ends"]


async def test_a_key_that_nobody_wants_takes_no_room() -> None:
    lock = KeyedLock()
    async with lock.hold("key"):
        assert "key" in lock._locks
    assert not lock._locks
    assert not lock._wanted


def test_a_file_has_one_owner_until_it_lets_go(tmp_path: Path) -> None:
    file, refusal = tmp_path / "queue.sqlite", ValueError("somebody has it")
    with sole_owner(file, refusal=refusal):
        with pytest.raises(ValueError, match="somebody has it"), sole_owner(file, refusal=refusal):
            pytest.fail("two have it")
        with sole_owner(tmp_path / "other.sqlite", refusal=refusal):
            pass
    with sole_owner(file, refusal=refusal):
        pass
    assert (tmp_path / "queue.sqlite.lock").exists()
