"""What a renderer says is read as a stranger's words."""

import json
import os
import pickle
import resource
import struct
from pathlib import Path
from typing import Any

import pytest
from pebble.common.types import Result, ResultStatus
from pebble.pool.process import Acknowledgement, TaskResult

from services.fetcher.rendering.answers import MOST_BYTES, AnswerRefused, AnswersOnly, answer, understood
from services.fetcher.rendering.order import Order, RenderResult, TooLarge, Unsound

RENDERED = RenderResult("image/jpeg", 3, 2, 1, "#ffffff", "abcd")


def order(directory: Path) -> Order:
    return Order(directory / "original", directory, (), 85, 100)


def said_by(directory: Path, outcome: RenderResult | Exception) -> str:
    def work(_order: Order) -> RenderResult:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return answer(work, order(directory), 100)


def test_what_was_rendered_arrives_as_it_was_said(tmp_path: Path) -> None:
    assert understood(said_by(tmp_path, RENDERED), order(tmp_path)) == RENDERED


def test_an_order_that_is_done_leaves_no_limit_behind(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_CPU)
    said_by(tmp_path, RENDERED)
    said_by(tmp_path, Unsound("no picture"))
    assert resource.getrlimit(resource.RLIMIT_CPU) == before


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (Unsound("no picture \udcff"), Unsound),
        (TooLarge("large"), TooLarge),
        (FileNotFoundError(2, "gone"), FileNotFoundError),
        (PermissionError(13, "no"), PermissionError),
        (OSError("without a number"), OSError),
        (KeyError("a mistake of ours"), OSError),
    ],
)
def test_failures_arrive_as_what_they_are(tmp_path: Path, raised: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        understood(said_by(tmp_path, raised), order(tmp_path))
    assert type(caught.value) is kind


@pytest.mark.parametrize("said", [None, 7, "", "{", '{"rendered": 1}', '{"other": null}', "[" * 5000])
def test_what_no_renderer_says_is_refused(tmp_path: Path, said: object) -> None:
    with pytest.raises(AnswerRefused):
        understood(said, order(tmp_path))


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "..", "below/it", "link", "directory"])
def test_no_file_but_an_orders_own_is_taken(tmp_path: Path, name: str) -> None:
    into = tmp_path / "draft"
    (into / "directory").mkdir(parents=True)
    (tmp_path / "secret").touch()
    (into / "link").symlink_to(tmp_path / "secret")
    told = json.loads(said_by(into, RENDERED))
    told["rendered"]["sanitised"] = f"{into}/{name}" if name[0] != "/" else name
    with pytest.raises(AnswerRefused):
        understood(json.dumps(told), order(into))


def test_messages_of_a_worker_arrive() -> None:
    reader, writer = AnswersOnly().Pipe(duplex=False)
    writer.send(Acknowledgement(12, 3))
    writer.send(TaskResult(3, Result(ResultStatus.SUCCESS, "said")))
    assert reader.recv() == Acknowledgement(12, 3)
    assert reader.recv() == TaskResult(3, Result(ResultStatus.SUCCESS, "said"))


def test_nothing_that_a_worker_sends_is_unpickled(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    reader, writer = AnswersOnly().Pipe(duplex=False)
    writer.send_bytes(pickle.dumps(_Touching(witness)))
    with pytest.raises(AnswerRefused):
        reader.recv()
    assert not witness.exists()


def test_a_message_that_is_longer_than_any_is_refused_by_its_length() -> None:
    reader, writer = AnswersOnly().Pipe(duplex=False)
    os.write(writer.fileno(), struct.pack("!i", MOST_BYTES + 1))
    with pytest.raises(OSError, match="length"):
        reader.recv()


class _Touching:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)
