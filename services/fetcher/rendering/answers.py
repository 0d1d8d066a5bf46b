"""Answers: what a renderer may say, read by the parent as a stranger's words.

A renderer that was taken over writes what it likes into its pipe, and to unpickle that would be to do what it says.
So nothing is unpickled: what comes is JSON of one form, and the file it speaks of is one of its own order's.
"""

import json
import os
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.reduction import DupFd
from pathlib import Path
from stat import S_ISREG
from typing import Any, Self

from pebble.common.types import Result, ResultStatus
from pebble.pool.process import Acknowledgement, TaskProblem, TaskResult
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from services.fetcher.rendering.confinement import run_confined
from services.fetcher.rendering.order import Order, RenderResult, TooLarge, Unsound

MOST_BYTES = 1024**2
"""Of one message."""

_LONGEST_TEXT = 4000


class AnswerRefused(OSError):
    """No renderer of ours says that."""


class _Failure(BaseModel, extra="forbid"):
    """Why nothing came of an order: the picture's fault where `unsound` says why, else the system's."""

    unsound: str | None = Field(None, max_length=_LONGEST_TEXT)
    too_large: bool = False
    error_number: int | None = None
    text: str = Field("", max_length=_LONGEST_TEXT)


class _Answer(BaseModel, extra="forbid"):
    rendered: RenderResult | None = None
    failure: _Failure | None = None


class _Message(BaseModel, extra="forbid"):
    """Of a worker to its pool: that it has taken a task, or what it says in the end."""

    task: int
    worker: int | None = None
    said: str = ""


_ANSWERS = TypeAdapter(list[str])


def answer(work: Callable[[Order], RenderResult], order: Order, limit_s: float) -> str:
    """In the renderer: do the order, and say what came of it."""
    try:
        return _Answer(rendered=run_confined(work, order, limit_s)).model_dump_json()
    except Unsound as error:
        failure = _Failure(unsound=_plain(error), too_large=isinstance(error, TooLarge))
    except OSError as error:
        failure = _Failure(error_number=error.errno, text=_plain(error))
    except Exception as error:  # noqa: BLE001 - the edge of the process; it says nothing of the picture
        failure = _Failure(text=f"{type(error).__name__}: {_plain(error)}"[:_LONGEST_TEXT])
    return _Answer(failure=failure).model_dump_json()


def answer_each(work: Callable[[Order], RenderResult], orders: Sequence[Order], limit_s: float) -> str:
    """The same of several, each within the limit, in one message."""
    return json.dumps([answer(work, order, limit_s) for order in orders])


def render(order: Order) -> RenderResult:
    """In the renderer, which has loaded the decoders by then: whoever orders has no need of them. It stands here because a
    renderer loads what it is told to do before it says that it has begun.
    """
    from services.fetcher.rendering.render import render as with_decoders  # noqa: PLC0415 - see above

    return with_decoders(order)


def understood(said: object, order: Order) -> RenderResult:
    """In the parent. Raise what `render` raised: Unsound, TooLarge, OSError; AnswerRefused for what none would say."""
    try:
        told = _Answer.model_validate_json(said if isinstance(said, str) else b"")
    except ValidationError as error:
        raise AnswerRefused("a renderer said what none says") from error
    if told.rendered:
        _check_own(told.rendered.sanitised, order)
        return told.rendered
    raise _as_it_was(told.failure or _Failure())


def each_understood(said: object, orders: Sequence[Order]) -> Sequence[RenderResult | Exception]:
    """What `understood` returns or raises of each. Raise AnswerRefused for what none would say."""
    try:
        told = _ANSWERS.validate_json(said if isinstance(said, str) else b"")
    except ValidationError as error:
        raise AnswerRefused("a renderer said what none says") from error
    if len(told) != len(orders):
        raise AnswerRefused("a renderer said more or less than it was asked")
    return [_one_understood(one, order) for one, order in zip(told, orders, strict=True)]


def _one_understood(said: str, order: Order) -> RenderResult | Exception:
    try:
        return understood(said, order)
    except AnswerRefused:
        raise
    except (Unsound, OSError) as error:
        return error


def _plain(error: Exception) -> str:
    """As JSON can say it."""
    return str(error)[:_LONGEST_TEXT].encode("utf-8", "replace").decode()


def _as_it_was(failure: _Failure) -> Exception:
    if failure.unsound is not None:
        return (TooLarge if failure.too_large else Unsound)(failure.unsound)
    if failure.error_number is None:
        return OSError(failure.text)
    error = OSError(failure.error_number, os.strerror(failure.error_number))
    error.add_note(failure.text)
    return error


def _check_own(file: Path | None, order: Order) -> None:
    """What it names will be kept and handed out: else it could be any file that we can read."""
    if file is None:
        return
    if file.parent != order.into or file.name in ("", ".."):
        raise AnswerRefused("a renderer named a file that is not its own")
    if not S_ISREG(file.lstat().st_mode):
        raise AnswerRefused("a renderer named what is no file")


class AnswersOnly(ForkServerContext):
    """Starts processes, and hands out pipes of which this one reads nothing but messages."""

    def Pipe(self, duplex: bool = True) -> tuple[Any, Any]:  # noqa: N802 - as the one it stands in for
        reader, writer = super().Pipe(duplex)
        return _Reader.instead_of(reader), _Writer.instead_of(writer)


class _Ending(Connection):
    """One end of a pipe, in the place of an ordinary one."""

    @classmethod
    def instead_of(cls, end: Any) -> Self:
        made = cls(os.dup(end.fileno()), end.readable, end.writable)
        end.close()
        return made


class _Reader(_Ending):
    """In the process that made it. Who is given it reads what we write, and trusts us."""

    def recv(self) -> Any:
        """Raise OSError for anything but a message: the pool then counts as broken."""
        try:
            message = _Message.model_validate_json(self.recv_bytes(MOST_BYTES))
        except ValidationError as error:
            raise AnswerRefused("a renderer sent what none sends") from error
        if message.worker is not None:
            return Acknowledgement(message.worker, message.task)
        return TaskResult(message.task, Result(ResultStatus.SUCCESS, message.said))

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (Connection, DupFd(self.fileno()), self.readable, self.writable)


class _Writer(_Ending):
    def send(self, obj: Any) -> None:
        match obj:
            case Acknowledgement():
                self._tell(_Message(task=obj.task, worker=obj.worker))
            case TaskResult():
                said = obj.result.value
                self._tell(_Message(task=obj.task, said=said if isinstance(said, str) else repr(said)))
            case TaskProblem():
                self._tell(_Message(task=obj.task, said=repr(obj.error)))
            case _:
                super().send(obj)

    def _tell(self, message: _Message) -> None:
        self.send_bytes(message.model_dump_json().encode())

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (_Writer, DupFd(self.fileno()), self.readable, self.writable)


def _received(end: type[Connection], descriptor: Any, readable: bool, writable: bool) -> Connection:
    return end(descriptor.detach(), readable, writable)
