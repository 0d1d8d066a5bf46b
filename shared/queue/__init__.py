"""The queue: the port, and its engines. Which one is chosen by `QUEUE_URL`, in one factory."""

from shared.queue.consuming import telling_work
from shared.queue.factory import QueueSettings, open_queue
from shared.queue.port import (
    RETRY_DELAYS,
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

__all__ = [
    "RETRY_DELAYS",
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
