"""Dead letters, sent again."""

from pydantic import ValidationError

from shared.contracts import DeadLetter, Envelope
from shared.queue.port import Lane, Queue


async def redrive(queue: Queue, letter: DeadLetter) -> None:
    """Publish the message of a dead letter to its lane as if it had never been tried: same id, same trace.

    Raises ValueError when its body cannot be read or its lane is unknown, and a QueueError as `publish` does.
    """
    try:
        envelope = Envelope.model_validate_json(letter.body)
    except ValidationError as error:
        raise ValueError("the message of this dead letter cannot be read") from error
    untried = envelope.model_copy(update={"attempt": 1, "history": (), "deferred_since": None})
    await queue.publish(untried, Lane(letter.lane))
