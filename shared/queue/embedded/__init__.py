"""The queue in this process, over one SQLite file: the default on one machine."""

from shared.queue.embedded.engine import EmbeddedQueue, open_embedded

__all__ = ["EmbeddedQueue", "open_embedded"]
