"""The queue: the port, and its engines. Which one is chosen by `QUEUE_URL`, in one factory."""

from shared.queue.port import (
    Delay,
    Handler,
    Lane,
    Queue,
    QueueError,
    QueueFull,
    QueueUnavailable,
    Reject,
    Retry,
    Unroutable,
)

__all__ = [
    "Delay",
    "Handler",
    "Lane",
    "Queue",
    "QueueError",
    "QueueFull",
    "QueueUnavailable",
    "Reject",
    "Retry",
    "Unroutable",
]
