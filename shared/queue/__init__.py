"""The queue: the port, and its engines. Which one is chosen by `QUEUE_URL`, in one factory."""

from shared.queue.consuming import UnwaitedJobs, announcing, step_back, telling_work
from shared.queue.factory import QueueSettings, open_queue
from shared.queue.peers import Peers, alike
from shared.queue.port import (
    Delay,
    Handler,
    Lane,
    LaneMeasure,
    NotBegun,
    Queue,
    QueueError,
    QueueFull,
    QueueUnavailable,
    Reject,
    Retry,
    Unroutable,
)
from shared.queue.settlement import MAX_ATTEMPTS, RETRY_DELAYS

__all__ = [
    "MAX_ATTEMPTS",
    "RETRY_DELAYS",
    "Delay",
    "Handler",
    "Lane",
    "LaneMeasure",
    "NotBegun",
    "Peers",
    "Queue",
    "QueueError",
    "QueueFull",
    "QueueSettings",
    "QueueUnavailable",
    "Reject",
    "Retry",
    "Unroutable",
    "UnwaitedJobs",
    "alike",
    "announcing",
    "open_queue",
    "step_back",
    "telling_work",
]
