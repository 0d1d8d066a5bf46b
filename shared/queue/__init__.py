"""The queue: the port, and its engines. Which one is chosen by `QUEUE_URL`, in one factory."""

from shared.queue.factory import open_queue
from shared.queue.port import (
    Delay,
    Handler,
    Lane,
    LaneMeasure,
    Queue,
    QueueError,
    QueueFull,
    QueueUnavailable,
    Reject,
    Retry,
    Unroutable,
)
from shared.queue.settings import QueueSettings
from shared.queue.telling import telling_work

__all__ = [
    "Delay",
    "Handler",
    "Lane",
    "LaneMeasure",
    "Queue",
    "QueueError",
    "QueueFull",
    "QueueSettings",
    "QueueUnavailable",
    "Reject",
    "Retry",
    "Unroutable",
    "open_queue",
    "telling_work",
]
